"""IP input checks in their order, and the forward path."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest

from lbreplay.stack import Stack
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum, craft
from lbreplay.wire.packet import TCP, UDP, Packet

Received = Callable[..., Packet]
MakeStack = Callable[..., Stack]
CLIENT, VIP, AWAY = (ipaddress.ip_address(a).packed for a in ("172.16.0.1", "10.0.0.100", "8.8.8.8"))
CLIENT6, VIP6, AWAY6 = (ipaddress.ip_address(a).packed for a in ("2001:db8:c::1", "2001:db8:1::100", "2001:db8:f::1"))
BODY = bytes(12) + b"\x50" + bytes(7)


def fixed(l3: bytes | bytearray) -> bytes:
    """With the right header checksum."""
    packet = bytearray(l3)
    checksum.ip_header(packet)
    return bytes(packet)


def patched(l3: bytes | bytearray, at: int, value: bytes) -> bytes:
    return bytes(l3[:at]) + value + bytes(l3[at + len(value) :])


SYN = bytes(craft.ipv4(CLIENT, VIP, TCP, BODY))
SYN6 = bytes(craft.ipv6(CLIENT6, VIP6, TCP, BODY))
OSPF = bytes(craft.ipv4(CLIENT, VIP, 89, bytes(24), flags=0x2000))
LOOP6 = bytes(15) + b"\1"


def judged(stack: Stack, packet: Packet) -> Verdict | None:
    assert stack.receive(packet) is None
    outcome = stack.check(packet)
    return outcome and outcome.verdict


@pytest.mark.parametrize(
    ("l3", "expected"),
    [
        (SYN, None),
        (b"", Verdict.L3_HEADER_ERROR),
        (SYN[:19], Verdict.L3_HEADER_ERROR),
        (bytes(46), Verdict.L3_HEADER_ERROR),
        (fixed(patched(SYN, 0, b"\x55")), Verdict.L3_HEADER_ERROR),
        (fixed(patched(SYN, 0, b"\x44")), Verdict.L3_HEADER_ERROR),
        (patched(SYN[:20], 0, b"\x46"), Verdict.L3_HEADER_ERROR),
        (patched(SYN, 10, b"\x12\x34"), Verdict.L3_CHECKSUM),
        (patched(OSPF, 10, b"\x12\x34"), Verdict.L3_CHECKSUM),
        (fixed(patched(SYN, 2, b"\0\xc8")), Verdict.L3_TRUNCATED),
        (fixed(patched(SYN, 2, b"\0\x13")), Verdict.L3_HEADER_ERROR),
        (fixed(patched(SYN, 2, b"\0\x1e")), None),  # TCP without a whole header: the guard's
        (OSPF, Verdict.OSPF),
    ],
)
def test_ipv4_checks(stack: Stack, received: Received, l3: bytes, expected: Verdict | None) -> None:
    """The first check that fails names the verdict (D 1.3)."""
    assert judged(stack, received(l3, ethertype=0x0800)) == expected


def test_checksum_offload_lets_bad_header_checksums_pass(make_stack: MakeStack, received: Received) -> None:
    """As DPVS asks of its NICs."""
    stack = make_stack({"rx_ip_checksum_offload": True})
    assert judged(stack, received(patched(SYN, 10, b"\x12\x34"))) is None


def test_a_frame_to_another_host_is_dropped_before_anything_is_looked_at(stack: Stack, received: Received) -> None:
    """OTHERHOST comes first, broken or not."""
    for l3 in (SYN, SYN[:5], SYN6):
        assert judged(stack, received(l3, dst=bytes.fromhex("029999999999"))) == Verdict.L3_OTHERHOST


@pytest.mark.parametrize(
    ("l3", "cut", "expected"),
    [
        (SYN, 20, Verdict.TRUNCATED),  # no TCP header
        (SYN, 1, Verdict.TRUNCATED),
        (SYN, 25, Verdict.TRUNCATED),  # half an IP header
        (bytes(craft.ipv4(CLIENT, VIP, TCP, BODY + bytes(99))), 99, None),  # the headers are there
        (bytes(craft.ipv4(CLIENT, VIP, UDP, bytes(8))), 1, Verdict.TRUNCATED),
        (bytes(craft.ipv4(CLIENT, VIP, TCP, BODY, flags=0x2000)), 20, None),  # a fragment needs no TCP header
        (bytes(craft.ipv4(CLIENT, VIP, 250, BODY)), 20, None),
        (SYN6, 1, Verdict.TRUNCATED),
        (SYN6, 21, Verdict.TRUNCATED),
        (bytes(craft.ipv6(CLIENT6, VIP6, 0, b"\x06\x02" + bytes(22) + BODY)), 30, Verdict.TRUNCATED),
    ],
)
def test_a_header_that_the_capture_cut_is_truncated(
    stack: Stack, received: Received, l3: bytes, cut: int, expected: Verdict | None
) -> None:
    """Lengths are compared with the wire: what was never there is another verdict (interface 4)."""
    assert judged(stack, received(l3, cut=cut)) == expected


@pytest.mark.parametrize(
    ("l3", "dst_mac", "expected"),
    [
        (SYN6, None, None),
        (SYN6[:39], None, Verdict.L3_HEADER_ERROR),
        (patched(SYN6, 0, b"\x50"), None, Verdict.L3_HEADER_ERROR),
        (patched(SYN6, 8, LOOP6), None, Verdict.L3_HEADER_ERROR),
        (patched(SYN6, 24, LOOP6), None, Verdict.L3_HEADER_ERROR),
        (patched(SYN6, 8, b"\xff\x02"), None, Verdict.L3_HEADER_ERROR),
        (patched(SYN6, 24, b"\xff\x01"), None, Verdict.L3_HEADER_ERROR),
        (patched(SYN6, 24, b"\xff\x00"), None, Verdict.L3_HEADER_ERROR),
        (patched(SYN6, 24, b"\xff\x02"), None, None),
        (SYN6, "333300000001", Verdict.L3_HEADER_ERROR),
        (patched(SYN6, 4, b"\0\xc8"), None, Verdict.L3_TRUNCATED),
        (patched(SYN6, 4, b"\0\0\0"), None, None),  # no payload length and a hop-by-hop header: not checked
    ],
)
def test_ipv6_checks(
    stack: Stack, received: Received, l3: bytes, dst_mac: str | None, expected: Verdict | None
) -> None:
    """Odd addresses and lengths (D 1.4)."""
    mac = bytes.fromhex(dst_mac or "027063617000")
    assert judged(stack, received(l3, dst=mac, ethertype=0x86DD)) == expected


def transit(stack: Stack, packet: Packet) -> tuple[Verdict, tuple[bytes, ...]]:
    assert stack.receive(packet) is None
    assert stack.check(packet) is None
    outcome = stack.accepted(packet)
    return outcome.verdict, outcome.frames


def test_transit_is_dropped_while_forwarding_is_off(stack: Stack, received: Received) -> None:
    """Silently, in both families."""
    for src, dst in ((CLIENT, AWAY), (CLIENT6, AWAY6)):
        l3 = craft.ip(src, dst, TCP, BODY)
        assert transit(stack, received(l3)) == (Verdict.FORWARD_DISABLED, ())


def test_ttl_and_length_are_answered_with_forwarding_off(stack: Stack, received: Received) -> None:
    """The recorded errors: from the port's first address, identification counted per destination, DF clear."""
    short = "45000028002c00000106fd83ac10000108080808afce005000000000000000005002200023a30000"
    verdict, frames = transit(stack, received(short))
    head = "020000000001027063617000080045c00044000000004001a935c0a8640aac1000010b00b13b00000000"
    assert verdict == Verdict.FORWARD_TTL
    assert frames[0].hex() == head + short
    verdict, frames = transit(stack, received(craft.ipv4(CLIENT, AWAY, TCP, BODY + bytes(1461), flags=0x4000)))
    assert verdict == Verdict.FORWARD_TOO_BIG
    assert frames[0][14:22].hex() == "45c0024000010000"
    assert frames[0][34:36].hex() + frames[0][38:42].hex() == "0304000005dc"


def test_a_forwarded_packet_loses_one_hop(make_stack: MakeStack, received: Received) -> None:
    """And nothing else, its header checksum moved by the difference; it goes to the gateway's MAC."""
    stack = make_stack(ipv4_forwarding=True, ipv6_forwarding=True)
    for src, dst, at in ((CLIENT, AWAY, 8), (CLIENT6, AWAY6, 7)):
        l3 = bytes(craft.ip(src, dst, TCP, BODY))
        verdict, (frame,) = transit(stack, received(l3, padding=bytes(9), src=bytes(6)))
        assert verdict == Verdict.FORWARDED_PLAIN
        assert frame[:12].hex() == "020000000001027063617000"
        assert frame[14:] == fixed(patched(l3, at, b"\x3f"))


def test_a_long_packet_without_df_is_forwarded_in_fragments(make_stack: MakeStack, received: Received) -> None:
    """IPv4 only; IPv6 is told the MTU."""
    stack = make_stack(ipv4_forwarding=True, ipv6_forwarding=True)
    verdict, frames = transit(stack, received(craft.ipv4(CLIENT, AWAY, TCP, BODY + bytes(1461))))
    assert verdict == Verdict.FORWARDED_PLAIN
    assert [len(frame) for frame in frames] == [1514, 35]
    verdict, frames = transit(stack, received(craft.ipv6(CLIENT6, AWAY6, TCP, BODY + bytes(1441))))
    assert verdict == Verdict.FORWARD_TOO_BIG
    assert frames[0][22:38] == ipaddress.ip_address("2001:db8:2::10").packed
    assert (frames[0][54:56].hex(), frames[0][58:62].hex()) == ("0200", "000005dc")


@pytest.mark.parametrize(
    ("src", "hops", "expected", "told"),
    [
        (CLIENT6, 1, Verdict.FORWARD_TTL, "0300"),
        (bytes(16), 64, Verdict.FORWARD_DISABLED, None),
        (ipaddress.ip_address("fe80::1").packed, 64, Verdict.FORWARD_DISABLED, "0102"),
    ],
)
def test_ipv6_that_is_not_forwarded(
    make_stack: MakeStack, received: Received, src: bytes, hops: int, expected: Verdict, told: str | None
) -> None:
    """Hop limit, no source, a source that cannot leave its link (S 4.7)."""
    stack = make_stack(ipv6_forwarding=True)
    verdict, frames = transit(stack, received(craft.ipv6(src, AWAY6, TCP, BODY, hops=hops)))
    assert verdict == expected
    assert [frame[54:56].hex() for frame in frames] == ([told] if told else [])


def test_a_cut_packet_is_forwarded_as_far_as_it_goes(make_stack: MakeStack, received: Received) -> None:
    """Both lengths are kept: what is missing is said."""
    stack = make_stack(ipv4_forwarding=True)
    packet = received(craft.ipv4(CLIENT, AWAY, TCP, BODY + bytes(100)), cut=60)
    assert stack.receive(packet) is None
    assert stack.check(packet) is None
    outcome = stack.accepted(packet)
    assert (len(outcome.frames[0]), outcome.missing) == (14 + 80, 60)


def test_what_was_not_sent_to_us_is_not_forwarded(stack: Stack, received: Received) -> None:
    """A broadcast with a route away goes to the kernel (recorded)."""
    packet = received(craft.ipv4(CLIENT, AWAY, TCP, BODY, ttl=1), dst=b"\xff" * 6)
    assert transit(stack, packet) == (Verdict.MULTICAST, ())


def test_counters_have_the_labels_dpvs_prints(stack: Stack, received: Received) -> None:
    """One for each check that failed (S 4.8)."""
    for l3 in (patched(SYN, 10, b"\x12\x34"), SYN[:19], fixed(patched(SYN, 2, b"\0\xc8"))):
        judged(stack, received(l3))
    assert stack.counters == {"InCsumErrors": 1, "InHdrErrors": 2, "InTruncatedPkts": 1}
