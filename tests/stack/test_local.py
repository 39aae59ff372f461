"""Local delivery: echo, neighbour discovery, and what belongs to the kernel."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from struct import pack

import pytest

from lbreplay.model import Network, Route
from lbreplay.stack import Outcome, Stack
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum, craft
from lbreplay.wire.packet import ICMP, ICMPV6, TCP, Packet

Received = Callable[..., Packet]
MakeStack = Callable[..., Stack]
GROUP_MAC, OURS = bytes.fromhex("3333ff000100"), bytes.fromhex("027063617000")
BROADCAST = b"\xff" * 6


def ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


CLIENT, VIP, LADDR, PORT = ip("172.16.0.3"), ip("10.0.0.100"), ip("192.168.100.200"), ip("192.168.100.10")
PEER6, CLIENT6, VIP6 = ip("2001:db8:2::9"), ip("2001:db8:c::5"), ip("2001:db8:1::100")
SOLICITED = ip("ff02::1:ff00:100")
SOURCE_OPTION = bytes.fromhex("0101025555555555")


def summed(l3: bytearray, proto: int) -> bytes:
    at = 20 if l3[0] >> 4 == 4 else 40
    checksum.l4(l3, at, proto)
    return bytes(l3)


def echo(dst: bytes, kind: int = 8, code: int = 0, data: bytes = b"12345", src: bytes = CLIENT, tos: int = 0) -> bytes:
    body = pack(">BBHHH", kind, code, 0, 5, 6) + data
    return summed(craft.ipv4(src, dst, ICMP, body, tos=tos, ttl=9), ICMP)


def message6(dst: bytes, body: bytes, src: bytes = CLIENT6, hops: int = 255) -> bytes:
    return summed(craft.ipv6(src, dst, ICMPV6, body, hops=hops), ICMPV6)


def accepted(stack: Stack, packet: Packet) -> Outcome:
    assert stack.receive(packet) is None
    assert stack.check(packet) is None
    return stack.accepted(packet)


def test_an_echo_request_is_answered_byte_for_byte_as_recorded(stack: Stack, received: Received) -> None:
    """TOS kept, TTL 64, DF clear, identification from 0, padding left out, sent to the gateway."""
    request = "45200021000f00000901fb36ac1000030a00006408005e8e000500063132333435"
    answer = "0200000000010270636170000800" + "45200021000000004001c4450a000064ac1000030000668e000500063132333435"
    outcome = accepted(stack, received(request, padding=bytes(13)))
    assert outcome == Outcome(Verdict.LOCAL_ECHO_REPLY, (bytes.fromhex(answer),))


def test_identifications_are_counted_for_each_pair_of_addresses(stack: Stack, received: Received) -> None:
    """One counter for (pinged address, client), from 0; every local address answers."""
    seen = [accepted(stack, received(echo(dst))).frames[0][18:20].hex() for dst in (VIP, LADDR, PORT, VIP, VIP)]
    assert seen == ["0000", "0000", "0000", "0001", "0002"]


def test_a_broadcast_ping_is_answered(stack: Stack, received: Received) -> None:
    """The class of the frame does not matter to a local address (recorded)."""
    assert accepted(stack, received(echo(VIP), dst=BROADCAST)).verdict == Verdict.LOCAL_ECHO_REPLY


@pytest.mark.parametrize(
    ("l3", "expected"),
    [
        (echo(VIP, code=1), Verdict.ICMP_LOCAL_INVALID),
        (echo(VIP)[:-1] + b"x", Verdict.ICMP_LOCAL_INVALID),
        (bytes(craft.ipv4(CLIENT, VIP, ICMP, b"\x08\0")), Verdict.ICMP_LOCAL_INVALID),
        (echo(VIP, kind=0), Verdict.LOCAL_TO_KERNEL),
        (echo(VIP, kind=3)[:-1] + b"x", Verdict.LOCAL_TO_KERNEL),
        (bytes(craft.ipv4(CLIENT, VIP, TCP, bytes(20))), Verdict.LOCAL_TO_KERNEL),
        (bytes(craft.ipv4(CLIENT, LADDR, 50, bytes(20))), Verdict.LOCAL_TO_KERNEL),
        (bytes(craft.ipv4(CLIENT, VIP, 4, bytes(20))), Verdict.TUNNEL_INPUT),
        (bytes(craft.ipv4(CLIENT, VIP, 47, bytes(4))), Verdict.TUNNEL_INPUT),
    ],
)
def test_what_is_not_answered(stack: Stack, received: Received, l3: bytes, expected: Verdict) -> None:
    """Other ICMP and protocols without a handler belong to the kernel, without their checksums being looked at."""
    assert accepted(stack, received(l3)) == Outcome(expected)


def gre(header: str, more: int = 28) -> bytes:
    """GRE to a local address; what its bytes are taken for: TTL etc. at 8, addresses at 12 and 16."""
    return bytes(craft.ipv4(CLIENT, VIP, 47, bytes.fromhex(header) + bytes(more)))


@pytest.mark.parametrize(
    ("l3", "source", "dst"),
    [
        (gre("00000800 4500 0000 0000 0000 ac100003 00000000"), PORT, CLIENT),
        (gre("20000800 4500 2000 0000 0000 ac100003 0a0b0c0d"), ip("10.11.12.13"), CLIENT),
        (gre("00000800 4500 0000 0000 0000 ac100003 00000000", 0), PORT, CLIENT),
        (gre("80000800 cbeb 0000 0000 0000 ac100003 00000000"), PORT, ip("172.16.0.3")),
        (gre("00000800 4500 0054 0000 0000 ac100003 00000000"), b"", b""),  # a length reads like an offset
        (gre("00010800 4500 0000 0000 0000 ac100003 00000000"), b"", b""),  # another version
        (gre("40000800 4500 0000 0000 0000 ac100003 00000000"), b"", b""),  # routing
        (gre("80000800 0001 0000 0000 0000 ac100003 00000000"), b"", b""),  # a wrong checksum
        (gre("00000800 4500 0000 0000 0000 ac100003 e0000001"), b"", b""),  # to a group
        (gre("00000800 4500 0000 0001 0000 ac100003 00000000"), b"", b""),  # ICMP of a type that is no request
        (gre("00000800 4500 0000 0000", 0), b"", b""),  # no more than that
        (gre("b0000800 4500 0000 0000 0000", 0), b"", b""),
    ],
)
def test_gre_without_a_tunnel(stack: Stack, received: Received, l3: bytes, source: bytes, dst: bytes) -> None:
    """ICMP 3/3 made of the GRE header as if it were an IPv4 header (S 4.6, recorded); where it does not look like one
    that may be answered, nothing."""
    outcome = accepted(stack, received(l3))
    assert outcome.verdict == Verdict.TUNNEL_INPUT
    if not dst:
        assert outcome.frames == ()
        return
    error = outcome.frames[0][14:]
    assert (error[12:16], error[16:20], error[20:22], error[28:]) == (source, dst, b"\3\3", l3[20:])
    assert checksum.verify_l4(error, 20, ICMP) and outcome.own


def test_a_ping_cut_by_the_capture_is_answered_with_both_lengths(stack: Stack, received: Received) -> None:
    """Its checksum cannot be computed and is moved: the whole answer would have the same one."""
    data = bytes(range(200))
    for dst, request in ((VIP, echo(VIP, data=data)), (VIP6, message6(VIP6, bytes([128, *bytes(7)]) + data))):
        whole = accepted(stack, received(request)).frames[0]
        cut = accepted(stack, received(request, cut=100))
        at = 14 + (20 if len(dst) == 4 else 40)
        assert (cut.missing, len(cut.frames[0])) == (100, len(whole) - 100)
        assert cut.frames[0][at:] == whole[at:-100]
        assert cut.frames[0][16:18] == whole[16:18]


def test_an_answer_without_a_route_is_lost(make_stack: MakeStack, received: Received) -> None:
    """No default route, and the client is not on link."""
    stack = make_stack(routes=(Route(Network(ip("10.99.0.0"), 16)),))
    assert accepted(stack, received(echo(VIP))) == Outcome(Verdict.NO_ROUTE)
    assert stack.counters["OutNoRoutes"] == 1


def test_without_neighbours_an_answer_goes_back_where_the_request_came_from(
    make_stack: MakeStack, received: Received
) -> None:
    """No route, no neighbour, no MAC of our own: both MACs are the request's, turned round."""
    stack = make_stack({"mac": None}, routes=(), neighbors=())
    request = received(echo(VIP), dst=bytes.fromhex("02aaaaaaaaaa"), src=bytes.fromhex("02bbbbbbbbbb"))
    assert accepted(stack, request).frames[0][:12].hex() == "02bbbbbbbbbb02aaaaaaaaaa"


def test_icmpv6_echo_is_answered_as_recorded(stack: Stack, received: Received) -> None:
    """Hop limit 64; a wrong checksum is dropped, a reply is the kernel's."""
    body = bytes.fromhex("800000000005000670696e6736")
    answer = accepted(stack, received(message6(VIP6, body, hops=1))).frames[0]
    head = "60000000000d3a40" + VIP6.hex() + CLIENT6.hex()
    assert answer[14:].hex() == head + "81000d580005000670696e6736"
    broken = message6(VIP6, body)[:-1] + b"x"
    assert accepted(stack, received(broken)).verdict == Verdict.ICMP_LOCAL_INVALID
    assert accepted(stack, received(message6(VIP6, b"\x81" + body[1:]))).verdict == Verdict.LOCAL_TO_KERNEL


@pytest.mark.parametrize(
    ("proto", "body", "expected"),
    [
        (59, b"", Verdict.V6_NO_NEXT_HEADER),
        (60, b"\x3b\0" + bytes(6), Verdict.V6_NO_NEXT_HEADER),
        (60, b"\x3b\5" + bytes(6), Verdict.L3_HEADER_ERROR),
        (60, b"\x3c\0" + bytes(2), Verdict.L3_HEADER_ERROR),
        (43, b"\x06\0" + bytes(26), Verdict.LOCAL_TO_KERNEL),
        (0, b"\x3b\0" + bytes(6), Verdict.LOCAL_TO_KERNEL),
        (44, b"\x06\0\0\x09" + bytes(20), Verdict.LOCAL_TO_KERNEL),
        (47, bytes(8), Verdict.LOCAL_TO_KERNEL),
    ],
)
def test_ipv6_next_headers(stack: Stack, received: Received, proto: int, body: bytes, expected: Verdict) -> None:
    """Routing headers and destination options are skipped; hop-by-hop and fragments have no handler."""
    assert accepted(stack, received(craft.ipv6(CLIENT6, VIP6, proto, body))).verdict == expected


def solicit(target: bytes = VIP6, option: bytes = SOURCE_OPTION, code: int = 0) -> bytes:
    return bytes([135, code]) + bytes(6) + target + option


def test_a_solicitation_for_a_local_address_is_answered_and_its_sender_learned(
    stack: Stack, received: Received
) -> None:
    """To the MAC it names, from ours, hop limit 255; the kernel sees it too (recorded)."""
    outcome = accepted(stack, received(message6(SOLICITED, solicit(), src=PEER6), dst=GROUP_MAC))
    frame = outcome.frames[0]
    assert (outcome.verdict, outcome.own) == (Verdict.ND_TO_KERNEL, True)
    assert (frame[58], frame[78:].hex()) == (0x60, "0201027063617000")
    assert frame[:14].hex() == "025555555555" + "027063617000" + "86dd"
    assert (frame[21], frame[22:38], frame[38:54], frame[62:78]) == (255, VIP6, PEER6, VIP6)
    assert checksum.verify_l4(frame[14:], 40, ICMPV6)
    assert stack.macs(PEER6)[0].hex() == "025555555555"


def test_who_asks_us_alone_is_not_told_our_mac(stack: Stack, received: Received) -> None:
    """The answer is solicited, overrides nothing, and has no option (recorded)."""
    outcome = accepted(stack, received(message6(VIP6, solicit(), src=PEER6)))
    frame = outcome.frames[0]
    assert outcome.verdict == Verdict.ND_TO_KERNEL
    assert (len(frame), frame[18:20].hex(), frame[58:62].hex()) == (78, "0018", "40000000")
    assert checksum.verify_l4(frame[14:], 40, ICMPV6)


@pytest.mark.parametrize(
    ("body", "dst", "expected"),
    [
        (solicit(option=b""), SOLICITED, Verdict.ND_TO_KERNEL),
        (solicit(), SOLICITED, Verdict.ND_INVALID),
        (solicit(option=b""), VIP6, Verdict.ND_INVALID),
    ],
)
def test_who_asks_whether_an_address_is_taken(
    stack: Stack, received: Received, body: bytes, dst: bytes, expected: Verdict
) -> None:
    """Without a source: to the group of the address only, and without a MAC (RFC 4861, 7.1.1); nobody answers."""
    mac = GROUP_MAC if dst == SOLICITED else OURS
    assert accepted(stack, received(message6(dst, body, src=bytes(16)), dst=mac)) == Outcome(expected)


@pytest.mark.parametrize(
    ("body", "hops", "expected"),
    [
        (solicit(), 254, Verdict.ND_INVALID),
        (solicit(code=1), 255, Verdict.ND_INVALID),
        (solicit(option=b"\1\0" + bytes(6)), 255, Verdict.ND_INVALID),
        (solicit(option=b"\1\2" + bytes(6)), 255, Verdict.ND_INVALID),
        (solicit(option=b"\1\2" + bytes(14)), 255, Verdict.ND_INVALID),
        (solicit(target=ip("ff02::5")), 255, Verdict.ND_INVALID),
        (solicit()[:20], 255, Verdict.ND_INVALID),
        (solicit(option=b""), 255, Verdict.ND_TO_KERNEL),
        (solicit(target=CLIENT6), 255, Verdict.ND_TO_KERNEL),
        (bytes([133]) + bytes(7), 255, Verdict.ND_TO_KERNEL),
        (bytes([134]) + bytes(15), 254, Verdict.ND_INVALID),
        (bytes([143]) + bytes(7), 1, Verdict.LOCAL_TO_KERNEL),
    ],
)
def test_neighbour_discovery_that_is_not_answered(
    stack: Stack, received: Received, body: bytes, hops: int, expected: Verdict
) -> None:
    """Malformed is dropped, the rest is the kernel's (S 4.7)."""
    assert accepted(stack, received(message6(VIP6, body, hops=hops))).verdict == expected


def test_an_advertisement_teaches(stack: Stack, received: Received) -> None:
    """The target's MAC, and the kernel sees it too."""
    body = bytes([136]) + bytes(7) + ip("2001:db8:2::1") + bytes.fromhex("0201025555555555")
    assert accepted(stack, received(message6(VIP6, body))).verdict == Verdict.ND_TO_KERNEL
    assert stack.macs(ip("2001:db8:2::1"))[0].hex() == "025555555555"


@pytest.mark.parametrize(
    ("flags", "target", "dst", "expected"),
    [
        (0x40, "2001:db8:2::1", "ff02::1", Verdict.ND_INVALID),
        (0x20, "2001:db8:2::1", "ff02::1", Verdict.ND_TO_KERNEL),
        (0x60, "2001:db8:2::1", "", Verdict.ND_TO_KERNEL),
    ],
)
def test_an_advertisement_to_a_group_was_not_solicited(
    stack: Stack, received: Received, flags: int, target: str, dst: str, expected: Verdict
) -> None:
    """One that says so is dropped and teaches nothing."""
    body = bytes([136, 0, 0, 0, flags, 0, 0, 0]) + ip(target) + bytes.fromhex("0201025555555555")
    packet = received(message6(ip(dst) if dst else VIP6, body), dst=GROUP_MAC if dst else OURS)
    assert accepted(stack, packet).verdict == expected
    assert (stack.macs(ip(target))[0].hex() == "025555555555") == (expected == Verdict.ND_TO_KERNEL)


def test_an_advertisement_of_our_own_address_teaches_nothing(stack: Stack, received: Received) -> None:
    """Somebody else has it; the kernel may mind."""
    before = stack.macs(VIP6)
    body = bytes([136]) + bytes(7) + VIP6 + bytes.fromhex("0201025555555555")
    assert accepted(stack, received(message6(VIP6, body))).verdict == Verdict.ND_TO_KERNEL
    assert stack.macs(VIP6) == before


def test_ipv6_groups_that_are_joined(stack: Stack, received: Received) -> None:
    """All nodes and the solicited-node groups of our addresses; a ping to all is answered from a selected address."""
    ping = bytes.fromhex("8000000000050006")
    outcome = accepted(stack, received(message6(ip("ff02::1"), ping), dst=GROUP_MAC))
    assert outcome.verdict == Verdict.LOCAL_ECHO_REPLY
    assert outcome.frames[0][22:38] == ip("2001:db8:2::10")
    for group in ("ff02::2", "ff02::1:ff99:9999", "ff02::fb"):
        assert accepted(stack, received(message6(ip(group), ping), dst=GROUP_MAC)).verdict == Verdict.MULTICAST
