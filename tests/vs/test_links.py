"""Which connections' packets may take the columns, and the MACs they leave with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import craft
import pytest
import rig
from rig import CLIENT, DELTA, LADDR, REAL, VIP, setup, syn, tcp
from twin import Driven, driven, twins

from lbreplay.model import Setup
from lbreplay.vs.links import PLAIN

THREE = [
    syn(CLIENT, VIP),
    tcp(REAL, LADDR, "SA", 5000, 1001 + DELTA, mac=rig.RS_MAC),
    tcp(CLIENT, VIP, "A", 1001, 5001),
]
OURS = bytes.fromhex(craft.OURS.replace(":", ""))
GATEWAY, SERVER = (bytes.fromhex(mac.replace(":", "")) for mac in (craft.GATEWAY, rig.RS_MAC))


def after(made: Setup, frames: list[Any]) -> tuple[Driven, list[Any]]:
    """A replay, and what both sides of its first connection leave with: (destination, source, fast) or PLAIN."""
    run, _ = driven(made, frames)
    links, table = run.balancer.links, run.balancer.machine.table
    entries = [table.mac[0], table.mac[1]]
    return run, [PLAIN if e < 0 else (*links.macs_of(e), bool(links.fast[e])) for e in entries]


def test_macs_are_learned_from_the_other_side() -> None:
    """Before the real server was heard of by route, then on the fast path (D 12.3)."""
    _, (there, back) = after(setup(), THREE[:1])
    assert there == (bytes.fromhex("0200c0a86402"), OURS, False) and back == (GATEWAY, OURS, True)
    _, (there, back) = after(setup(), THREE)
    assert there == (SERVER, OURS, True) and back == (GATEWAY, OURS, True)


def test_a_neighbour_that_is_configured() -> None:
    """Is where the first packet goes."""
    near = '[[neighbor]]\naddress = "192.168.100.2"\nmac = "02:00:00:00:0a:0b"\n'
    _, (there, _) = after(setup(events=near), THREE[:1])
    assert there == (bytes.fromhex("020000000a0b"), OURS, False)


def test_a_port_without_a_mac_mirrors() -> None:
    """The source of the first packet is the MAC that it came to (interface 2)."""
    made = setup()
    made = replace(made, device=replace(made.device, mac=None))
    run, (there, _) = after(made, THREE[:1])
    assert there[1] == bytes(6) and bool(run.balancer.links.mirrored[run.balancer.machine.table.mac[0]])
    twins(made, THREE)


@pytest.mark.parametrize(
    "service, how",
    [
        ("", {"conn": "xmit_ttl = true\nfast_xmit = false"}),
        ('blacklist = ["9.9.9.9"]', {}),
        ("limit_proportion = 50", {}),
        ('proxy_protocol = "v1"', {}),
        ("", {"mode": "dr", "reals": ["192.168.100.2:80"]}),
    ],
)
def test_who_needs_every_packet_itself(service: str, how: dict[str, Any]) -> None:
    """Stays on the plain path, both sides."""
    made = setup(service, **how)
    _, sides = after(made, THREE[:1])
    assert sides == [PLAIN, PLAIN]


def test_nat_takes_the_columns_too() -> None:
    """It only exchanges ends."""
    frames = [syn(CLIENT, VIP), tcp(REAL, CLIENT, "SA", 5000, 1001, mac=rig.RS_MAC), tcp(CLIENT, VIP, "A", 1001, 5001)]
    frames += [tcp(CLIENT, VIP, "PA", 1001, 5001, b"x"), tcp(REAL, CLIENT, "PA", 5001, 1002, b"y", mac=rig.RS_MAC)]
    _, rows = twins(setup(mode="nat"), frames)
    assert not rows & {4, 5}


def test_answers_that_do_not_come_home() -> None:
    """Take the plain path, where they are lost; the client's packets need not."""
    made = setup(workers=4, view="client", more="[flow_director]\ndst_port_mask = 1\n")
    clients = [f"172.16.0.{n}:3000" for n in range(1, 40)]
    run, _ = driven(made, [syn(client, VIP) for client in clients])
    table = run.balancer.machine.table
    there = [table.mac[2 * slot] for slot in range(39)]
    back = [table.mac[2 * slot + 1] for slot in range(39)]
    assert PLAIN not in there and 5 < back.count(PLAIN) < 35
    lost = [table.rank[slot] for slot in range(39) if back[slot] == PLAIN]
    assert set(lost) <= {2, 3}, "two bits are needed to reach them"


def test_an_event_is_heard_of() -> None:
    """A weight of 0 ends connections of a service that expires them: their packets are looked at again."""
    event = '[[event]]\nat = 0.0035\nset = "service.web.real.192.168.100.2:8080.weight=0"\n'
    made = setup("expire_quiescent = true", reals=[REAL, "192.168.100.3:8080"], events=event)
    frames = [*THREE, (10, tcp(CLIENT, VIP, "A", 1001, 5001))]
    _, sides = after(made, frames[:3])
    assert PLAIN not in sides
    _, rows = twins(made, frames)
    assert rows == {4}
