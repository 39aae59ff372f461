"""State tables: filled, told apart where editions differ, and the traces of L 19."""

from __future__ import annotations

import struct

import craft
import pytest
from kernel import CLIENT, VIP, A, C, Kernel, service
from scapy.layers.inet import IP
from scapy.packet import Raw

from lbreplay.ipvs.states import SECURE, TCP_NAMES, tcp_table
from lbreplay.lvs.protocols import tcp

SEEN = [("client", "S"), ("server", "SA"), ("client", "A"), ("server", "FA"), ("client", "A"), ("client", "FA"),
        ("server", "A")]  # fmt: skip
TRACE = [("SYN_RECV", 60), ("SYN_RECV", 60), ("ESTABLISHED", 900), ("FIN_WAIT", 120), ("FIN_WAIT", 120),
         ("TIME_WAIT", 120), ("TIME_WAIT", 120)]  # fmt: skip


def play(k: Kernel, seen: list[tuple[str, str]], vip: str = VIP) -> list[tuple[str, int]]:
    """States and timeouts after each segment of a connection."""
    found = []
    real = ""
    for side, flags in seen:
        ends = (CLIENT, vip) if side == "client" else (real, CLIENT)
        story = k.send(craft.tcp(*ends, flags))
        real = real or story.real
        name, _ = k.state(story.conn)
        found.append((name, story.conn.timeout // 10**9))
    return found


def test_nat_trace() -> None:
    """L 19: the server closes first; 120 s after the last packet the connection is gone."""
    k = Kernel()
    assert play(k, SEEN) == TRACE
    assert k.counts(C) == (0, 1)
    k.wait(119.9)
    assert len(k.parts.conns) == 1
    k.wait(0.1)
    assert len(k.parts.conns) == 0


@pytest.mark.parametrize(
    ("seen", "last"),
    [
        ([("client", "FA"), ("server", "A"), ("server", "FA")], ["CLOSE_WAIT", "CLOSE_WAIT", "TIME_WAIT"]),
        ([("client", "R")], ["CLOSE"]),
        ([("client", "")], ["CLOSE"]),
    ],
)
def test_from_established(seen: list[tuple[str, str]], last: list[str]) -> None:
    """The client closes first; resets; a segment without any flag."""
    states = play(Kernel(), [*SEEN[:3], *seen])
    assert [state for state, _ in states[3:]] == last


def test_direct_routing_never_sees_time_wait() -> None:
    """Only the client's side is seen: SYN, ACK, FIN, ACK; a reset closes."""
    k = Kernel(service(mode="dr"))
    seen = [("client", flags) for flags in ("S", "A", "FA", "A", "R")]
    assert [state for state, _ in play(k, seen)] == ["SYN_RECV", "ESTABLISHED", "FIN_WAIT", "FIN_WAIT", "CLOSE"]


def test_secure_tcp_waits_for_the_real_server() -> None:
    """SYN|ACK leads to SYNACK, the client's ACK keeps it, only the server's establishes."""
    k = Kernel(ipvs="secure_tcp = 3")
    seen = [*SEEN[:3], ("server", "A")]
    assert [state for state, _ in play(k, seen)] == ["SYN_RECV", "SYNACK", "SYNACK", "ESTABLISHED"]


def test_timeouts_of_ipvsadm() -> None:
    """--set changes ESTABLISHED, FIN_WAIT and UDP, and nothing else."""
    k = Kernel(ipvs="timeout = { tcp = 8, tcpfin = 5 }")
    assert [seconds for _, seconds in play(k, SEEN)] == [60, 60, 8, 5, 5, 120, 120]
    assert k.director.gauges()["listing"]()["timeouts"] == (8, 5, 300)


@pytest.mark.parametrize("text", [tcp.TABLE, SECURE])
def test_tables_differ_in_two_cells_each(text: str) -> None:
    """NONE and ACK from the client, with and without answers."""
    old, new = tcp_table(text, "CL"), tcp_table(text, "ES")
    cells = [(row, state) for row in range(15) for state in range(11) if old[row][state] != new[row][state]]
    assert cells == [(2, 0), (12, 0)]


def test_every_state_is_named() -> None:
    """A table's columns and the names of listings are the same states."""
    assert len(TCP_NAMES) == len(tcp.STATES) == 11


def test_udp_is_always_inactive() -> None:
    """One state, 300 s, both directions restart it."""
    k = Kernel(service("10.1.0.11:53", vip="10.0.0.100:53", protocol="udp"))
    seen = k.send(craft.udp(CLIENT, "10.0.0.100:53"))
    assert (k.state(seen.conn), k.counts("10.1.0.11:53")) == (("UDP", 300), (0, 1))
    k.wait(299)
    assert k.answer(seen).verdict == "nat_replied"
    assert k.state(seen.conn) == ("UDP", 300)


def test_short_segment_changes_nothing() -> None:
    """A TCP header that is not whole cannot be translated, and its connection stays as it is."""
    k = Kernel(service(A))
    conn = k.handshake().conn
    short = IP(src="198.51.100.1", dst="10.0.0.100", proto=6) / Raw(struct.pack(">HHQ", 40000, 80, 0))
    seen = k.send(craft.frame(short))
    assert (seen.verdict, k.state(conn)[0]) == ("l4_handler_error", "ESTABLISHED")
