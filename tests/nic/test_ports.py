"""Several cards: the four ways that tell where a frame came in, steering by its card, rules where they belong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import arms
import craft
import pytest
from captures import T0, enhanced, interface, option, section, write
from craft import syn, tcp

from lbreplay.journey import replay
from lbreplay.model import Endpoint
from lbreplay.nic.cards import seen_by
from lbreplay.nic.ports import Ports
from lbreplay.nic.steer import Nic

STRANGER = "02:00:00:00:99:99"
UNSET: dict[str, Any] = {"inside": "", "outside": ""}


def lldp(dst: str = "01:80:c2:00:00:0e") -> bytes:
    """A frame that only an interface can tell of."""
    return bytes.fromhex(dst.replace(":", "")) + bytes(6) + b"\x88\xcc" + bytes(46)


def test_the_destination_mac_tells() -> None:
    """A SYN to the MAC of one port came in there, though the route to its source leads elsewhere."""
    run = arms.play(
        [arms.to(arms.INSIDE, syn(arms.CLIENT, arms.VIP)), arms.to(arms.OUTSIDE, syn("198.51.100.8:3", arms.VIP))]
    )
    assert [run.trace[n]["port"] for n in (1, 2)] == ["dpdk0", "dpdk1"]


def test_the_vlan_tells() -> None:
    """A tag that one port has a device for; one that two have tells nothing, and the side does."""
    second = 'vlan = [{ id = 7, address = ["192.0.7.1/24"] }]'
    frames = [arms.to(STRANGER, syn("192.168.100.99:1", arms.VIP, vlan=7))]
    assert arms.play(frames, second=second, **UNSET).trace[1]["port"] == "dpdk1"
    assert arms.play(frames, first=second.replace("192.0.7", "192.0.8"), second=second, **UNSET).trace[1]["port"] == (
        "dpdk0"
    )


def test_the_side_tells() -> None:
    """Clients come in by the default route's port, real servers by the network that they are on."""
    frames = [arms.to(STRANGER, syn(arms.CLIENT, arms.VIP)), arms.to(STRANGER, tcp(arms.REAL, arms.LADDR, "SA"))]
    assert [line["port"] for line in arms.play(frames, **UNSET).trace.values()] == ["dpdk1", "dpdk0"]


def test_the_interface_tells_first(tmp_path: Path) -> None:
    """An interface of a pcapng by the name of a port, be the MAC what it may; what nothing tells of is ignored."""
    frames = [("dpdk0", arms.to(arms.OUTSIDE, syn(arms.CLIENT, arms.VIP))), ("eth9", lldp()), ("dpdk1", lldp())]
    blocks = [interface(options=option(2, name.encode())) for name, _ in frames]
    blocks += [enhanced(frame, T0 * 10**6 + n, n) for n, (_, frame) in enumerate(frames)]
    result = replay(arms.setup(), write(tmp_path, section(), *blocks), None)
    received = {port["port"]: port["ipackets"] for port in result.document()["ports"]}
    assert received == {"dpdk0": 1, "dpdk1": 1} and result.totals["verdicts"]["port_untold"] == 1


def test_what_nothing_tells_of_is_counted() -> None:
    """The fates add up with it, and one sentence says how the others were told apart."""
    run = arms.play([lldp(), arms.to(arms.OUTSIDE, syn(arms.CLIENT, arms.VIP))])
    totals = run.document["totals"]
    assert run.verdicts == ["port_untold", "forwarded_slow"] and "port" not in run.trace[1]
    assert (totals["frames"], totals["received"], totals["ignored"]) == (2, 1, 1)


def test_a_port_without_mac_takes_every_unicast_frame() -> None:
    """Both leave with a MAC that tells the port again: frames to the client have dpdk1's."""
    frames = [arms.to(STRANGER, syn(arms.CLIENT, arms.VIP)), arms.to(STRANGER, tcp(arms.REAL, arms.LADDR, "SA", 1, 2))]
    run = arms.play(frames, **UNSET)
    assert [run.packet(n).src for n in (1, 2)] == ["02:70:63:61:70:00", "02:70:63:61:70:01"]
    assert run.verdicts == ["forwarded_slow", "forwarded_fast"]


def test_a_strict_port_drops_frames_for_others() -> None:
    """With a MAC configured, a frame to another host's is that host's, on the port that its side tells."""
    assert arms.play([arms.to(STRANGER, syn(arms.CLIENT, arms.VIP))]).verdicts == ["l3_otherhost"]


def test_rules_are_on_the_port_of_their_address() -> None:
    """dpdk0 has those of its local address, dpdk1 none; its queue is the worker's on that port."""
    workers = "[{ cpu_id = 1, queues = { dpdk0 = [1], dpdk1 = [0] } }, { cpu_id = 2, queues = { dpdk0 = [0] } }]"
    ports = Ports(arms.setup(workers=workers))
    inside, outside = (card.nic for card in ports.cards)
    assert [(rule.value, rule.queue, rule.rank) for rule in inside.rules] == [(0, 1, 0), (1, 0, 1)] * 2
    assert not outside.rules and len(ports.rules) == 4


def test_a_worker_that_polls_one_port_has_no_rule_on_the_other() -> None:
    """There is no queue that it could name (S 1.7)."""
    workers = "[{ cpu_id = 1, queues = { dpdk0 = [0], dpdk1 = [0] } }, { cpu_id = 2, queues = { dpdk0 = [1] } }]"
    ports = Ports(arms.setup(workers=workers, laddr="192.0.2.200@dpdk1"))
    assert [rule.rank for rule in ports.cards[1].nic.rules] == [0, 0]


def test_each_port_hashes_by_its_own_key() -> None:
    """Columns and single packets agree with a card that stands alone, on both ports."""
    setup = arms.setup(workers="4", first='driver = "mlx5"', second='driver = "i40e"')
    run = arms.play([arms.to(arms.OUTSIDE, syn(*flow)) for flow in arms.flows()], setup)
    alone, ports = Nic(seen_by(setup, 1, setup.devices[1])), Ports(setup)
    for n, (client, vip) in enumerate(arms.flows(), 1):
        ends = [Endpoint(*_end(text)) for text in (client, vip)]
        wanted = alone.steer_flow(3, 4, *ends[0], *ends[1])
        assert (run.trace[n]["queue"], run.trace[n]["worker"]) == (wanted.queue, wanted.rank)
        assert ports.steer_on(1, 3, 4, *ends[0], *ends[1]) == wanted._replace(queue=0x100 | wanted.queue)


def _end(text: str) -> tuple[bytes, int]:
    from ipaddress import ip_address

    address, port = craft.split(text)
    return ip_address(address).packed, port


@pytest.mark.parametrize("policy", ["layer2", "layer2+3", "layer3+4"])
def test_a_bond_is_one_port_with_a_card_a_slave(policy: str) -> None:
    """Every slave has the rules; each hashes by its own key, and the policy says which one received."""
    setup = arms.bonded(policy)
    ports = Ports(setup)
    assert [len(card.nic.rules) for card in ports.cards] == [8, 8]
    run = arms.play([arms.to(arms.OUTSIDE, syn(*flow)) for flow in arms.flows()], setup)
    for n, (client, vip) in enumerate(arms.flows(), 1):
        ends = [Endpoint(*_end(text)) for text in (client, vip)]
        number = int(run.trace[n]["slave"] == "dpdk1")
        assert run.trace[n]["queue"] == ports.cards[number].nic.steer_flow(3, 4, *ends[0], *ends[1]).queue
    slaves = {line["slave"] for line in run.trace.values()}
    assert len(slaves) == (1 if policy == "layer2" else 2)  # all frames have the same MACs


def test_of_active_backup_the_primary_receives() -> None:
    """Mode 1."""
    run = arms.play([arms.to(arms.OUTSIDE, syn(*flow)) for flow in arms.flows(8)], arms.bonded(mode=1))
    assert {line["slave"] for line in run.trace.values()} == {"dpdk0"}
