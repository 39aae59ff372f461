"""NAT64 header conversion, against recordings and for what cannot be converted."""

import recorded

from lbreplay.wire import checksum, nat64
from lbreplay.wire.craft import ipv4, ipv6
from lbreplay.wire.packet import ICMPV6, TCP, UDP

A4, B4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
A6, B6 = bytes(15) + b"\1", bytes(15) + b"\2"


def test_recorded_headers():
    """Headers of packets that keep their length are those DPVS wrote, in both directions."""
    seen = {4: 0, 6: 0}
    for came, left in recorded.frames("dpvs/nat64"):
        if came is None or len(left) != 1 or left[0].proto != came.proto or came.family == left[0].family:
            continue
        sent = left[0]
        convert = nat64.to_ipv4 if sent.family == 4 else nat64.to_ipv6
        made = convert(came.l3, sent.src, sent.dst)
        if len(made) == len(sent.l3):
            assert made[: sent.l4_at] == sent.l3[: sent.l4_at]
            seen[sent.family] += 1
    assert min(seen.values()) >= 10


def test_to_ipv4():
    """TOS 0, identification 0, DF, TTL from the hop limit, whatever class and flow were."""
    made = nat64.to_ipv4(ipv6(A6, B6, TCP, bytes(20), hops=9, flow=0x0AB12345), A4, B4)
    assert made[:10].hex() == "45000028000040000906" and made[12:20] == A4 + B4 and made[20:] == bytes(20)
    assert checksum.verify_ip_header(made)


def test_to_ipv6():
    """Class and flow 0, hop limit from the TTL."""
    made = nat64.to_ipv6(ipv4(A4, B4, UDP, bytes(8), tos=0xFF, ttl=5), A6, B6)
    assert made == bytes.fromhex("60000000 0008 11 05") + A6 + B6 + bytes(8)


def test_cut_packets_keep_their_length():
    """The new header says what the old one said, not what was captured."""
    assert nat64.to_ipv4(ipv6(A6, B6, TCP, bytes(40))[:60], A4, B4)[2:4] == (60).to_bytes(2)
    assert nat64.to_ipv6(ipv4(A4, B4, TCP, bytes(40))[:40], A6, B6)[4:6] == (40).to_bytes(2)


def test_unsupported():
    """Extension headers and IPv4 options are lost; the client-address header and ICMPv6 are carried."""
    assert nat64.to_ipv4(ipv6(A6, B6, 0, bytes(8)), A4, B4) is None
    assert nat64.to_ipv4(ipv6(A6, B6, 44, bytes(8)), A4, B4) is None
    assert all(nat64.to_ipv4(ipv6(A6, B6, proto, bytes(8)), A4, B4) for proto in (ICMPV6, 248))
    options = ipv4(A4, B4, UDP, bytes(12))
    options[0] = 0x46
    assert nat64.to_ipv6(options, A6, B6) is None
