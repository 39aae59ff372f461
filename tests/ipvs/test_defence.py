"""drop_packet and drop_entry (L 14)."""

from __future__ import annotations

import craft
import pytest
from kernel import VIP, A, Kernel, service


def test_drop_packet() -> None:
    """The first new connection is dropped, then every am_droprate-th; existing ones are left alone."""
    k = Kernel(ipvs="drop_packet = 3\nam_droprate = 3")
    verdicts = [k.send(craft.syn(f"198.51.100.1:{port}", VIP)).verdict for port in range(1, 8)]
    assert [verdict == "defence_dropped" for verdict in verdicts] == [True, False, False] * 2 + [True]
    assert k.send(craft.tcp("198.51.100.1:2", VIP)).verdict == "nat_forwarded"


@pytest.mark.parametrize("edition", ["2.6", "6.1.192"])
def test_drop_entry(edition: str) -> None:
    """Half-open connections of the buckets that are looked at go, 1/32 of the table a second; established ones stay."""
    k = Kernel(service(A), edition=edition, ipvs="drop_entry = 3\nconn_tab_bits = 8")
    k.handshake()
    for port in range(1001, 1201):
        k.send(craft.syn(f"198.51.100.1:{port}", VIP), after=0)
    k.wait(30)
    gone = k.parts.defence.dropped_entries
    k.wait(0.001)
    assert 60 < gone < 190
    assert len(k.parts.conns) == 201 - gone
    assert sum(k.state(conn)[0] == "ESTABLISHED" for conn in k.parts.conns) == 1


def test_the_same_seed_drops_the_same() -> None:
    """Chance comes from the seed alone."""
    left = []
    for _ in range(2):
        k = Kernel(service(A), ipvs="drop_entry = 3\nconn_tab_bits = 8")
        for port in range(1001, 1101):
            k.send(craft.syn(f"198.51.100.1:{port}", VIP), after=0)
        k.wait(10)
        left.append(sorted(str(conn.client) for conn in k.parts.conns))
    assert left[0] == left[1] != []


def test_the_second_hand_rests() -> None:
    """Without connections nothing is looked at, however long that lasts."""
    k = Kernel(service(A), ipvs="drop_entry = 3\nconn_tab_bits = 8")
    k.send(craft.syn("198.51.100.1:1000", VIP))
    k.wait(1_000_000_000)
    assert (len(k.parts.conns), k.parts.defence.slot) == (0, -1)
    k.send(craft.syn("198.51.100.1:1000", VIP))
    assert (k.parts.defence.due - craft.START) % 10**9 == 0


def test_todrop() -> None:
    """Idle for a minute, with n packets up to 8: the first of them, then one of n."""
    k = Kernel(service(A), ipvs="timeout = { tcp = 9000 }")
    conns = []
    for port in range(1, 7):
        conns.append(k.handshake(f"198.51.100.1:{port}").conn)
    assert not any(map(k.parts.defence._takes, conns))
    k.wait(60)
    assert [k.parts.defence._takes(conn) for conn in conns] == [True, False] * 3
    conns[0].in_pkts = 9
    assert not k.parts.defence._takes(conns[0])
