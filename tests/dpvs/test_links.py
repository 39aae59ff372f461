"""With which MACs a connection's packets may leave by columns, and when they may not."""

from __future__ import annotations

from typing import Any

import craft
import numpy as np
import pytest
import rig

from lbreplay.dpvs.balancer import Balancer
from lbreplay.dpvs.conn import Conn
from lbreplay.journey import Replay
from lbreplay.loop.names import FULL_TCP, FULL_UDP
from lbreplay.loop.ways import Way
from lbreplay.wire.packet import flow_key


def played(frames: list[bytes], **settings: Any) -> tuple[Balancer, Conn]:
    """A balancer that has seen *frames*, and its first connection."""
    from floods import Closed

    closed = Closed(rig.setup(**settings))
    for number, frame in enumerate(frames):
        closed.send(craft.START + number * craft.MILLISECOND, frame)
    balancer: Balancer = closed.run.balancer
    conn = balancer.machine.table.conns[0]
    assert conn is not None
    return balancer, conn


def sides(balancer: Balancer, conn: Conn) -> tuple[int, int]:
    mac = balancer.machine.table.mac
    return mac[2 * conn.slot], mac[2 * conn.slot + 1]


def test_both_sides_leave_with_what_they_learned() -> None:
    """The real server's MAC towards it, the gateway's back, each from the port that heard it (D 12.3)."""
    balancer, conn = played(rig.handshake())
    inward, outward = sides(balancer, conn)
    ours, gateway, real = (bytes.fromhex(mac.replace(":", "")) for mac in (craft.OURS, craft.GATEWAY, rig.RS_MAC))
    assert balancer.links.macs_of(inward) == (real, ours) and balancer.links.macs_of(outward) == (gateway, ours)
    assert balancer.links.fast[inward] and balancer.links.fast[outward] and balancer.machine.table.met[conn.slot] == 1


def test_before_the_real_server_is_heard_the_route_decides() -> None:
    """The slow path, without a learned MAC."""
    balancer, conn = played(rig.handshake()[:1])
    inward, outward = sides(balancer, conn)
    assert not balancer.links.fast[inward] and balancer.links.fast[outward]
    assert balancer.links.macs_of(inward)[0] == bytes.fromhex("0200c0a86402")
    assert balancer.machine.table.met[conn.slot] == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"conn": "xmit_ttl = true\nfast_xmit = false"},
        {"service": "limit_proportion = 50"},
        {"mode": "dr"},
        {"conn": 'table = "shared"', "more": '[flow_director]\nstrategy = "off"\n'},
    ],
    ids=str,
)
def test_what_every_packet_needs_the_plain_path_for(settings: dict[str, Any]) -> None:
    """Neither side has an entry."""
    balancer, conn = played(rig.handshake()[:1], **settings)
    assert sides(balancer, conn)[0] < 0 or conn.mode.name == "dr"
    if not conn.mode.full or balancer.links.overlapping:
        assert balancer.machine.table.full[conn.slot] == conn.mode.kind


def test_a_lost_first_packet_leaves_numbers_open() -> None:
    """The next SYN still decides by how much sequence numbers move (D 5.5)."""
    balancer, conn = played(rig.handshake())
    assert min(sides(balancer, conn)) >= 0
    conn.has_isn = False
    balancer.links.refresh(conn)
    assert sides(balancer, conn) == (-Way.UNNUMBERED, -Way.UNNUMBERED)


def test_answers_that_come_elsewhere_take_the_plain_path() -> None:
    """Client view, a wrong mask: their side has no entry, the client's has."""
    frames = [rig.syn(f"172.16.0.{n}:3000", rig.VIP) for n in range(1, 20)]
    right, _ = played(frames, workers=2, view="client")
    wrong, _ = played(frames, workers=2, view="client", more="[flow_director]\ndst_port_mask = 0\n")
    for balancer, homeless in ((right, False), (wrong, True)):
        mac = np.asarray(balancer.machine.table.columns["mac"])[: 2 * 19]
        assert (mac[::2] >= 0).all() and (mac[1::2] == -Way.ELSEWHERE).any() == homeless


def test_kinds_and_timeouts_by_service() -> None:
    """What the columns have to know of a connection's service."""
    for protocol, kind in (("tcp", FULL_TCP), ("udp", FULL_UDP)):
        first = rig.syn(rig.CLIENT, rig.VIP) if protocol == "tcp" else rig.udp(rig.CLIENT, rig.VIP)
        balancer, conn = played([first], protocol=protocol)
        assert balancer.machine.table.full[conn.slot] == kind


def test_the_tables_of_links_and_homes_grow() -> None:
    """Entries keep their numbers, and are asked for once."""
    links = Replay(rig.setup(), None, None, None).balancer.links  # type: ignore[arg-type]
    heads = [n.to_bytes(2) + b"a" * 10 for n in range(200)]
    entries = [links.answering(head) for head in heads]
    assert entries == list(range(entries[0], entries[0] + 200)) == [links.answering(head) for head in heads]
    assert (
        links.macs_of(entries[7]) == (heads[7][6:], heads[7][:6]) and 16 * len(links.fast) == len(links.heads) >= 3200
    )


def test_one_rule_is_asked_once_for_a_pool() -> None:
    """By low bits all ports of a worker's pool share it; by other strategies each port is asked for."""
    peer = rig.setup().services[0].reals[0].endpoint
    laddr = bytes((192, 168, 100, 200))
    for strategy, known in (("port-low", True), ("rss-port", False)):
        made = rig.setup(workers=2, view="client", more=f'[flow_director]\nstrategy = "{strategy}"\n')
        links = Replay(made, None, None, None).balancer.links  # type: ignore[arg-type]
        found = links.pool_home(0, 6, laddr, 1026, peer)
        assert (found is not None) == known and (found is None or found[1])
        assert links.comes_home(0, 0, flow_key(6, peer.address, peer.port, laddr, 1026), laddr) or not known
