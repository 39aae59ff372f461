"""The end of connections: when, who is told of it, and what is given back."""

from __future__ import annotations

import pytest
from rig import (
    CLIENT,
    CLIENT6,
    DELTA,
    LADDR,
    LADDR6,
    REAL,
    REAL6,
    SYN_SEQ,
    VIP,
    VIP6,
    handshake,
    play,
    setup,
    syn,
    tcp,
    tick,
    udp,
)
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

ESTABLISHED = 90_000  # milliseconds
FLOW = [*handshake(), tcp(CLIENT, VIP, "PA", 1001, 5001, b"GET"), tcp(REAL, LADDR, "PA", 5001, 1004 + DELTA, b"hello")]


def test_an_established_connection_tells_both_ends() -> None:
    """RST to the real server with what it acknowledged, RST to the client where its stream stood (D 5.7)."""
    run = play(setup(), [*FLOW, (4 + ESTABLISHED, tick())])
    to_real, to_client = run.packet(6), run.packet(7)
    assert [line["n"] for line in run.own] == [None, None]
    assert (to_real[IP].src, to_real[IP].dst, to_real[TCP].sport) == ("192.168.100.200", "192.168.100.2", 1025)
    assert (to_real[TCP].seq, to_real[TCP].ack, to_real[TCP].flags, to_real[TCP].window) == (1004 + DELTA, 0, "R", 0)
    assert (to_client[IP].src, to_client[IP].dst) == ("10.0.0.100", "172.16.0.1")
    assert (to_client[TCP].seq, to_client[TCP].ack) == (5006, -DELTA % 2**32)
    assert [(p[IP].id, p[IP].flags, p[IP].ttl, p[IP].tos, p[IP].len) for p in (to_real, to_client)] == [
        (0, "DF", 64, 0, 40)
    ] * 2
    assert run.after(6) == run.after(7) == 4 + ESTABLISHED


def test_not_a_millisecond_earlier() -> None:
    """The connection lives until exactly its timeout after its last packet (interface 4)."""
    last = tcp(CLIENT, VIP, "A", 1004, 5006)
    assert play(setup(), [*FLOW, (3 + ESTABLISHED, last)]).verdicts[-1] == "forwarded_fast"
    assert play(setup(), [*FLOW, (4 + ESTABLISHED, last)]).verdicts[-1] == "tcp_bad_ack_rst"


def test_only_established_connections_tell() -> None:
    """SYN_RECV and UDP end in silence, and give back what they took."""
    run = play(setup(), [syn(CLIENT, VIP), (40_000, tick())])
    assert len(run.sent) == 1 and run.real["inactconns"] == 0
    assert run.document["workers"][0]["conns"] == {"created": 1, "expired": 1, "active": 0, "peak": 1}
    assert run.document["workers"][0]["sa_pool"]["used"] == 0
    assert len(play(setup(protocol="udp"), [udp(CLIENT, VIP), (400_000, tick())]).sent) == 1


def test_ipv6_counts_forty_bytes_too_many() -> None:
    """The header length is read from the version byte: a quirk (D 5.5 a). A SYN|ACK's number is right."""
    made = setup(vip=VIP6, laddr=LADDR6, reals=(REAL6,))
    flow = [syn(CLIENT6, VIP6), tcp(REAL6, LADDR6, "SA", 5000, 1001 + DELTA), tcp(CLIENT6, VIP6, "A", 1001, 5001)]
    assert play(made, [*flow, (2 + ESTABLISHED, tick())]).packet(5)[TCP].seq == 5001
    data = [*flow, tcp(REAL6, LADDR6, "A", 5001, 1001 + DELTA)]
    run = play(made, [*data, (3 + ESTABLISHED, tick())])
    assert run.packet(6)[TCP].seq == 5041
    assert (run.packet(6)[IPv6].hlim, run.packet(6)[IPv6].tc) == (64, 0)


def test_nat_tells_with_zeros() -> None:
    """Its handlers save no sequence numbers (D 5.7)."""
    flow = [syn(CLIENT, VIP), tcp(REAL, CLIENT, "SA", 5000, 1001), tcp(CLIENT, VIP, "A", 1001, 5001)]
    run = play(setup(mode="nat"), [*flow, (2 + ESTABLISHED, tick())])
    assert [(run.packet(n)[IP].dst, run.packet(n)[TCP].seq, run.packet(n)[TCP].ack) for n in (4, 5)] == [
        ("192.168.100.2", 0, 0),
        ("172.16.0.1", 0, 0),
    ]


@pytest.mark.parametrize("edition, told", [("1.10", 2), ("1.8", 0)])
def test_snat_tells_since_1_9_2(edition: str, told: int) -> None:
    """The inside host first (D 5.7, D 15)."""
    snat = (
        '[[service]]\nmode = "snat"\nmatch = "proto=tcp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0"\n'
        '[[service.real]]\naddress = "192.168.100.10:0"\n'
    )
    made = setup(events=snat, device='sapool_address = ["192.168.100.10"]', edition=edition)
    inside, remote = "192.168.100.50:5000", "203.0.113.5:80"
    flow = [syn(inside, remote), tcp(remote, "192.168.100.10:1025", "SA", 1, 1001), tcp(inside, remote, "A", 1001, 2)]
    run = play(made, [*flow, (2 + ESTABLISHED, tick())])
    assert len(run.own) == told
    if told:
        assert (run.packet(4)[IP].dst, run.packet(5)[IP].dst) == ("192.168.100.50", "203.0.113.5")


def test_direct_routing_tells_nobody() -> None:
    """Its client and real server speak for themselves (D 5.7)."""
    run = play(setup(mode="dr", reals=("192.168.100.2:80",)), [*handshake()[::2], (2 + ESTABLISHED, tick())])
    assert run.own == []


def test_a_template_with_connections_is_put_off() -> None:
    """It gets the timeout of state NONE from then on: 2 s of TCP, the service's of UDP (D 2.7)."""
    made = setup("persistent = { timeout = 3 }", more="[tcp.timeout]\nsyn_recv = 10\nnone = 4\n")
    frames = [syn(CLIENT, VIP), (9_999, tick()), (10_500, tick()), (11_500, tick())]
    held = [play(made, frames[:n]).real["persistconns"] for n in (2, 3, 4)]
    assert held == [1, 1, 0]  # 3 s, then 4 s each until the connection is gone: 11 s


@pytest.mark.parametrize("edition, fourth", [("1.10", 1), ("1.8", 0)])
def test_a_udp_template_waits_as_long_as_its_service(edition: str, fourth: int) -> None:
    """conn_timeout holds in state NONE too; in v1.8 only in NORMAL, so the template gets 2 s (D 2.5, 15)."""
    made = setup("persistent = { timeout = 3 }\nconn_timeout = 5", protocol="udp", edition=edition)
    assert play(made, [udp(CLIENT, VIP), (7_999, tick())]).real["persistconns"] == fourth


def test_a_place_that_is_free_again_may_be_taken() -> None:
    """OVERLOAD goes when a connection ends (D 2.8)."""
    frames = [syn(f"172.16.0.{n}:1", VIP) for n in (1, 2, 3)] + [(40_000, syn("172.16.0.4:1", VIP))]
    run = play(setup(real="max_conn = 1"), frames)
    assert run.verdicts == ["forwarded_slow", "dest_max_conn", "no_dest", "forwarded_slow"]


def test_an_icmp_flow_lasts_five_minutes() -> None:
    """300 s after each packet, whatever the tables say (D 9.2)."""
    import craft
    from scapy.layers.inet import ICMP

    snat = (
        '[[service]]\nmode = "snat"\nprotocol = "icmp"\n'
        'match = "proto=icmp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0"\n'
        '[[service.real]]\naddress = "192.168.100.10:0"\n'
    )
    echo = craft.frame(IP(src="192.168.100.50", dst="203.0.113.5") / ICMP(type=8, id=SYN_SEQ))
    looked = [play(setup(events=snat), [echo, (at, echo)]).trace[2]["lookup"] for at in (299_999, 300_000)]
    assert looked == ["out", "miss"]
