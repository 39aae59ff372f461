"""What becomes of a packet's bytes: numbers, options, client addresses, checksums."""

from __future__ import annotations

import craft
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
    udp,
)
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Raw

from lbreplay.wire import checksum
from lbreplay.wire.packet import Packet

TOA = (254, b"\x0b\xb8\xac\x10\0\1")  # client port 3000, 172.16.0.1


def sound(data: bytes) -> bool:
    """Whether all checksums of a frame are right."""
    packet = Packet(data, len(data))
    return checksum.verify_ip_header(packet.l3) and checksum.verify_l4(packet.l3, packet.l4_at, packet.proto)


def test_the_handshake_of_full_nat() -> None:
    """Timestamp out of the SYN, sequence numbers moved, MSS 8 lower, client address with the first ACK (D 5.4-5.6)."""
    run = play(setup(), handshake())
    opening, answer, ack = (run.packet(n)[TCP] for n in (1, 2, 3))
    assert (opening.seq, opening.sport, opening.dport) == (SYN_SEQ + DELTA, 1025, 8080)
    assert [o[0] for o in opening.options].count("NOP") == 11 and "Timestamp" not in dict(opening.options)
    assert (answer.seq, answer.ack, dict(answer.options)["MSS"]) == (5000, SYN_SEQ + 1, 1452)
    assert (ack.seq, ack.ack, ack.options[0]) == (SYN_SEQ + 1 + DELTA, 5001, TOA)
    assert all(sound(data) for _, _, data in run.sent)


def test_the_client_address_stops_with_the_first_acknowledged_answer() -> None:
    """It goes with every segment that acknowledges no answer byte: the ACK, the request, its repetition (D 5.4)."""
    get = tcp(CLIENT, VIP, "PA", 1001, 5001, b"GET")
    more = [
        get,
        get,
        tcp(CLIENT, VIP, "FA", 1004, 5001),
        tcp(CLIENT, VIP, "R", 1004, 5001),
        tcp(CLIENT, VIP, "A", 1004, 5002),
    ]
    run = play(setup(), [*handshake(), *more])
    assert [TOA in run.packet(n)[TCP].options for n in range(4, 9)] == [True, True, True, False, False]


def test_a_syn_with_other_flags_is_a_syn_unless_it_acknowledges() -> None:
    """SYN|FIN on a connection loses its timestamp, SYN|ACK does not (D 5.4)."""
    again = [tcp(CLIENT, VIP, f, 7, 1, options=[("Timestamp", (1, 0))]) for f in ("SF", "SR", "SA")]
    run = play(setup(), [syn(CLIENT, VIP), *again])
    assert ["Timestamp" in dict(run.packet(n)[TCP].options) for n in (2, 3, 4)] == [False, False, True]
    assert {run.packet(n)[TCP].seq for n in (2, 3, 4)} == {7 + DELTA}  # the first SYN's delta stays


def test_sack_edges_of_answers_are_moved() -> None:
    """Acknowledgement and SACK - delta, also of a RST without ACK; not behind an aligned timestamp (D 5.5 f)."""
    edges = [("NOP", None), ("NOP", None), ("SAck", (2000 + DELTA, 3000 + DELTA))]
    stamp = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]
    frames = [tcp(REAL, LADDR, "A", 5001, 1001 + DELTA, options=o) for o in (edges, stamp)]
    run = play(setup(), [*handshake(), *frames, tcp(REAL, LADDR, "R", 5001, 0)])
    assert dict(run.packet(4)[TCP].options)["SAck"] == (2000, 3000)
    assert [run.packet(n)[TCP].ack for n in (4, 5, 6)] == [1001, 1001, -DELTA % 2**32]


def test_ipv6_clients() -> None:
    """MSS 20 lower, an option of 20 bytes (D 5.5, 5.6)."""
    made = setup(vip=VIP6, laddr=LADDR6, reals=(REAL6,))
    frames = [
        syn(CLIENT6, VIP6),
        tcp(REAL6, LADDR6, "SA", 5000, 1001 + DELTA, options=[("MSS", 1440)]),
        tcp(CLIENT6, VIP6, "A", 1001, 5001),
    ]
    run = play(made, frames)
    assert dict(run.packet(2)[TCP].options)["MSS"] == 1420
    assert run.packet(3)[TCP].options[0] == (254, b"\x0b\xb8" + bytes.fromhex("20010db8000c00000000000000000001"))
    assert run.packet(3)[IPv6].plen == 40


@pytest.mark.parametrize(
    "more, seq, toa",
    [
        ("seq_adjust = false", SYN_SEQ, True),
        ("toa = false", SYN_SEQ + DELTA, False),
        ("isn_offset = 5", SYN_SEQ + 5, True),
    ],
)
def test_switches_of_tcp(more: str, seq: int, toa: bool) -> None:
    """Sequence numbers alone, the option out, another offset (interface 2)."""
    delta = seq - SYN_SEQ
    flow = [syn(CLIENT, VIP), tcp(REAL, LADDR, "SA", 5000, seq + 1), tcp(CLIENT, VIP, "A", 1001, 5001)]
    run = play(setup(more=f"[tcp]\n{more}\n"), flow)
    assert run.packet(1)[TCP].seq == seq and run.packet(2)[TCP].ack == 1001
    assert run.packet(3)[TCP].seq == 1001 + delta
    assert (TOA in run.packet(3)[TCP].options) is toa


def test_nat_leaves_the_numbers_alone() -> None:
    """Only destination and port in, only source and port out (D 5.5)."""
    run = play(setup(mode="nat"), [syn(CLIENT, VIP), tcp(REAL, CLIENT, "SA", 5000, 1001, options=[("MSS", 1460)])])
    first, answer = run.packet(1), run.packet(2)
    assert (first[IP].src, first[IP].dst, first[TCP].seq, first[TCP].dport) == (
        "172.16.0.1",
        "192.168.100.2",
        SYN_SEQ,
        8080,
    )
    assert "Timestamp" in dict(first[TCP].options)
    assert (answer[IP].src, answer[TCP].sport, answer[TCP].ack, dict(answer[TCP].options)["MSS"]) == (
        "10.0.0.100",
        80,
        1001,
        1460,
    )


@pytest.mark.parametrize("mode", ["fnat", "nat"])
def test_a_tcp_header_that_ends_behind_the_packet_is_lost(mode: str) -> None:
    """The L4 handler of every mode that rewrites wants all of it; the statistics have it (D 17 V66)."""
    data = bytearray(syn(CLIENT, VIP, options=[]))
    data[46] = 0xF0
    run = play(setup(mode=mode), [bytes(data)])
    assert run.verdicts == ["l4_handler_error"] and run.real["inpkts"] == 1
    assert play(setup(mode="dr", reals=("192.168.100.2:80",)), [bytes(data)]).verdicts == ["forwarded_slow"]


def test_a_wrong_checksum_leaves_right() -> None:
    """DPVS computes, it does not update (D 5.5); of a cut packet what was wrong stays wrong (interface 4)."""
    wrong = syn(CLIENT, VIP, tcp_sum=0x1234)
    assert sound(play(setup(), [wrong]).sent[0][2])
    right = tcp(CLIENT, VIP, "PA", 1, 0, b"x" * 100)
    flow = [syn(CLIENT, VIP), (5, right[:80], len(right))]
    whole = play(setup(), [syn(CLIENT, VIP), right]).sent[1][2]
    assert play(setup(), flow).sent[1][2] == whole[: 80 + 8]
    assert play(setup(), flow).sent[1][1] == len(whole)


def test_udp_checksums() -> None:
    """None behind the private header, computed where the sender had none (D 7.3)."""
    none = udp(CLIENT, VIP, b"data", udp_sum=0)
    run = play(setup(protocol="udp"), [none])
    assert run.sent[0][2][14 + 20 + 12 + 6 :][:2] == b"\0\0"
    plain = play(setup(protocol="udp", more="[udp]\nuoa_max_trail = 0\n"), [none])
    assert plain.packet(1)[UDP].chksum and sound(plain.sent[0][2])


def sctp(data: object = SCTPChunkInit()) -> bytes:
    return craft.frame(IP(src="172.16.0.1", dst="10.0.0.100") / SCTP(sport=3000, dport=80, tag=7) / data)


def test_sctp_checksums() -> None:
    """CRC32c is verified first and made anew; nobody can judge it of a cut packet (D 8)."""
    made = setup(protocol="sctp")
    assert sound(play(made, [sctp()]).sent[0][2])
    wrong = bytearray(sctp())
    wrong[-1] ^= 1
    run = play(made, [bytes(wrong)])
    assert run.verdicts == ["l4_handler_error"] and run.real["inpkts"] == 1
    whole = sctp(SCTPChunkInit(init_tag=1) / Raw(bytes(60)))
    assert play(made, [(0, whole[:60], len(whole))]).verdicts == ["forwarded_slow"]
    assert play(setup(mode="dr", protocol="sctp", reals=("192.168.100.2:80",)), [bytes(wrong)]).verdicts == [
        "forwarded_slow"
    ]


def test_snat_of_icmpv6_sums_anew() -> None:
    """Its pseudo header has the addresses (D 9.2); of a cut packet the checksum is updated."""
    snat = (
        '[[service]]\nmode = "snat"\nprotocol = "icmpv6"\n'
        'match = "proto=icmpv6,af=ipv6,src-range=2001:db8:2::-2001:db8:2::ffff,oif=dpdk0"\n'
        '[[service.real]]\naddress = "[2001:db8:2::10]:0"\n'
    )
    echo = craft.frame(IPv6(src="2001:db8:2::50", dst="2001:db8:f::1") / ICMPv6EchoRequest(id=9, data=b"x" * 60))
    run = play(setup(events=snat), [echo, (1, echo[:80], len(echo))])
    assert sound(run.sent[0][2]) and run.packet(1)[IPv6].src == "2001:db8:2::10"
    assert run.sent[1][2] == run.sent[0][2][:80]


PROXIED = [*handshake(), tcp(CLIENT, VIP, "PA", 1001, 5001, b"GET")]
V1 = b"PROXY TCP4 172.16.0.1 10.0.0.100 3000 80\r\n"


def test_the_proxy_header_stands_before_the_first_byte() -> None:
    """In place of the client address option; later traffic is moved by its length (D 5.8)."""
    answer = tcp(REAL, LADDR, "A", 5001, 1004 + DELTA + len(V1))
    run = play(setup('proxy_protocol = "v1"'), [*PROXIED, answer, tcp(CLIENT, VIP, "A", 1004, 5001)])
    assert run.packet(3)[TCP].options == [] and not run.packet(3)[TCP].payload
    first = run.packet(4)[TCP]
    assert (first.seq, bytes(first.payload)) == (1001 + DELTA, V1 + b"GET")
    assert run.packet(5)[TCP].ack == 1004
    assert run.packet(6)[TCP].seq == 1004 + DELTA + len(V1)
    assert all(sound(data) for _, _, data in run.sent)


def test_a_repeated_first_segment_has_no_proxy_header() -> None:
    """The delta is no longer the first one: as written (D 5.8)."""
    run = play(setup('proxy_protocol = "v2"'), [*PROXIED, PROXIED[-1]])
    assert bytes(run.packet(4)[TCP].payload)[:12] == b"\r\n\r\n\0\r\nQUIT\n"
    assert bytes(run.packet(5)[TCP].payload) == b"GET"


def test_a_proxy_header_without_room_goes_first() -> None:
    """Alone in a segment of its own, then the client's (D 5.8)."""
    long = tcp(CLIENT, VIP, "PA", 1001, 5001, b"G" * 1440)
    run = play(setup('proxy_protocol = "v1"'), [*handshake(), long])
    assert run.trace[4]["out"] == [4, 5]
    assert bytes(run.packet(4)[TCP].payload) == V1 and run.packet(4)[TCP].seq == 1001 + DELTA
    assert len(run.packet(5)[TCP].payload) == 1440 and run.packet(5)[TCP].seq == 1001 + DELTA + len(V1)


def test_the_proxy_header_of_udp() -> None:
    """Version 2 only, the first datagram only, no client address besides, and the slow path for good (D 5.8, 7.1)."""
    run = play(
        setup('proxy_protocol = "v2"', protocol="udp"),
        [udp(CLIENT, VIP, b"ask")] * 3 + [udp(REAL, LADDR, b"answer")] + [udp(CLIENT, VIP)],
    )
    assert bytes(run.packet(1)[UDP].payload)[:13] == b"\r\n\r\n\0\r\nQUIT\n\x21"
    assert bytes(run.packet(2)[UDP].payload) == b"ask"
    assert set(run.verdicts) == {"forwarded_slow"}


def test_icmp_is_not_taken_for_a_port() -> None:
    """SNAT of an echo changes addresses alone; the IPv4 checksum needs no change (D 9.2)."""
    snat = (
        '[[service]]\nmode = "snat"\nprotocol = "icmp"\n'
        'match = "proto=icmp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0"\n'
        '[[service.real]]\naddress = "192.168.100.10:0"\n'
    )
    echo = craft.frame(IP(src="192.168.100.50", dst="203.0.113.5") / ICMP(type=8, id=77) / Raw(b"data"))
    run = play(setup(events=snat), [echo])
    assert run.packet(1)[IP].src == "192.168.100.10"
    assert run.sent[0][2][34:] == echo[34:]
