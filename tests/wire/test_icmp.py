"""ICMP errors made and translated, and when none may be sent."""

import pytest
import recorded

from lbreplay.wire import checksum, icmp
from lbreplay.wire.craft import ethernet, ip, ipv4, ipv6
from lbreplay.wire.icmp import FOREIGN, FRAGMENTED, MALFORMED, SHORT, UNRELATED, UNTRANSLATED, Rewrite
from lbreplay.wire.packet import ETH_IPV4, ETH_IPV6, ICMP, ICMPV6, TCP, UDP, Packet

A4, B4, C4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]), bytes([10, 0, 0, 3])
A6, B6 = bytes.fromhex("20010db8" + "00" * 11 + "01"), bytes.fromhex("20010db8" + "00" * 11 + "02")
TCP_HEADER = bytes.fromhex("0bb80050 000003e8 00001389 50102000 00000000")
UDP_HEADER = bytes.fromhex("0bb90035 00080000")


def packet(l3):
    """*l3* as received."""
    frame = ethernet(bytes(6), bytes(6), ETH_IPV4 if l3[0] >> 4 == 4 else ETH_IPV6, l3)
    return Packet(frame, len(frame))


def error(quoted, src=B4, dst=C4, kind=3):
    """An ICMP error with a right checksum that quotes *quoted*."""
    proto = ICMP if len(src) == 4 else ICMPV6
    l3 = ip(src, dst, proto, bytes([kind, 1, 0, 0, 0, 0, 0, 0]) + quoted)
    checksum.l4(l3, len(l3) - len(quoted) - 8, proto)
    return l3


def made_for(name):
    """(frame in, ICMP error out) of a case where the error is about the frame."""
    for came, left in recorded.frames(name):
        for sent in left if came else ():
            if sent.proto in (ICMP, ICMPV6) and sent.dst == came.src and came.proto not in (ICMP, ICMPV6):
                yield came, sent


@pytest.mark.parametrize(
    "name, least",
    [("dpvs/mtu_df", 5), ("dpvs/first_packets", 2), ("dpvs/nat64", 1), ("dpvs/xmit_ttl", 1), ("dpvs-1.8/nat64", 1)],
)
def test_recorded_errors(name, least):
    """The error is what DPVS sent, given type, MTU, source and identification; and one may be sent."""
    seen = 0
    for came, sent in made_for(name):
        l4 = sent.l3[sent.l4_at :]
        kind, code, mtu = l4[0], l4[1], int.from_bytes(l4[4:8])
        if sent.family == 4:
            got = icmp.error_v4(came.l3, kind, code, mtu, sent.src, int.from_bytes(sent.l3[4:6]))
        else:
            got = icmp.error_v6(came.l3, kind, code, mtu, sent.src)
        assert got == sent.l3 and icmp.may_answer(came, True)
        seen += 1
    assert seen >= least


def test_error_keeps_part_of_the_tos():
    """Internet control, and of the original's TOS the bits of 0x1e; at most 548 bytes are quoted."""
    made = icmp.error_v4(bytes(ipv4(A4, B4, UDP, bytes(1000), tos=0xFF)), 11, 0, 0, C4, 9)
    assert made[1] == 0xDE and len(made) == 576 and made[8] == 64 and made[4:6] == b"\0\x09"
    assert made[12:20] == C4 + A4


def test_error_v6_quotes_1232():
    """The whole ICMPv6 error fits the smallest IPv6 MTU."""
    assert len(icmp.error_v6(bytes(ip(A6, B6, UDP, bytes(2000))), 2, 0, 1400, B6)) == 1280


@pytest.mark.parametrize(
    "l3, host, may",
    [
        (ipv4(A4, B4, UDP, UDP_HEADER), True, True),
        (ipv4(A4, B4, UDP, UDP_HEADER), False, False),
        (ipv4(A4, bytes([224, 0, 0, 5]), UDP, UDP_HEADER), True, False),
        (ipv4(A4, b"\xff" * 4, UDP, UDP_HEADER), True, False),
        (ipv4(A4, B4, UDP, UDP_HEADER, flags=0x2000), True, True),
        (ipv4(A4, B4, UDP, UDP_HEADER, flags=1), True, False),
        (ipv4(A4, B4, ICMP, b"\x08" + bytes(7)), True, True),
        (ipv4(A4, B4, ICMP, b"\x00" + bytes(7)), True, False),
        (ipv4(A4, B4, ICMP, b"\x03" + bytes(7)), True, False),
        (ipv4(A4, B4, ICMP, b"\x63" + bytes(7)), True, False),
        (ip(A6, B6, UDP, UDP_HEADER), True, True),
        (ip(A6, B6, UDP, UDP_HEADER), False, False),
        (ip(bytes(16), B6, UDP, UDP_HEADER), True, False),
        (ip(b"\xff\2" + bytes(14), B6, UDP, UDP_HEADER), True, False),
        (ip(A6, B6, ICMPV6, b"\x80" + bytes(7)), True, False),
        (ip(A6, B6, ICMPV6, b"\x01" + bytes(7)), True, False),
        (ipv6(A6, B6, ICMPV6, b"\x80" + bytes(7), flow=0x0800000), True, True),
        (ipv6(A6, B6, ICMPV6, b"\x01" + bytes(7), flow=0xB800000), True, True),
        (ipv6(A6, B6, ICMPV6, b"\x01" + bytes(7), flow=0xB07FFFF), True, False),
        (ipv6(A6, B6, 0, b"\x3a" + bytes(15), flow=0x03A0000), True, False),
        (ipv6(A6, B6, 0, b"\x3a" + bytes(15), flow=0x0110000), True, True),
    ],
)
def test_when_no_error_is_sent(l3, host, may):
    """Not to many, not about later fragments, not about ICMP other than an echo request; not about ICMPv6, unless bit
    0x80 of the second byte of its header is set, where DPVS looks for the type (recorded)."""
    assert icmp.may_answer(packet(l3), host) is may


QUOTED = ipv4(A4, B4, TCP, TCP_HEADER)
FRAGMENT6 = ip(A6, B6, 44, bytes([58, 0, 0, 0, 0, 0, 0, 1]) + bytes([1, 0, 0, 0, 0, 0, 0, 0]))


@pytest.mark.parametrize(
    "l3, at, why",
    [
        (error(QUOTED)[:27], 20, MALFORMED),  # no whole ICMP header
        (error(QUOTED, kind=5), 20, UNTRANSLATED),  # redirect
        (error(QUOTED, kind=8), 20, UNRELATED),
        (error(b""), 20, SHORT),
        (error(QUOTED[:19]), 20, SHORT),
        (error(ipv4(A4, B4, 47, TCP_HEADER)), 20, UNRELATED),
        (error(ipv4(A4, B4, 47, TCP_HEADER, flags=1)), 20, UNRELATED),  # the protocol is looked at first
        (error(ipv4(A4, B4, UDP, UDP_HEADER, flags=1)), 20, MALFORMED),
        (error(QUOTED[:39]), 20, SHORT),  # 19 bytes of TCP
        (error(ipv4(A4, B4, UDP, UDP_HEADER[:7])), 20, SHORT),
        (error(ip(A6, B6, TCP, TCP_HEADER)[:39], A6, B6, 1), 40, SHORT),
        (error(ip(A6, B6, 44, b"\6" + bytes(7) + TCP_HEADER), A6, B6, 1), 40, FRAGMENTED),
        (error(ip(A6, B6, 0, b"\6\x09"), A6, B6, 1), 40, SHORT),
        (error(ip(A6, B6, TCP, TCP_HEADER), A6, B6, 4), 40, UNTRANSLATED),
        (error(ip(A6, B6, 248, TCP_HEADER), A6, B6, 3), 40, FOREIGN),
        (error(ip(A6, B6, 50, b""), A6, B6, 2), 40, FOREIGN),
        (error(ip(A6, B6, 59, b""), A6, B6, 1), 40, FOREIGN),
        (error(ip(A6, B6, 60, b"\x2f\0" + bytes(6)), A6, B6, 1), 40, FOREIGN),
        (error(ip(A6, B6, 0, b"\x2f\x09"), A6, B6, 1), 40, FOREIGN),
        (error(ip(A6, B6, 0, b"\6"), A6, B6, 1), 40, FOREIGN),
        (error(ip(A6, B6, 248, TCP_HEADER)[:39], A6, B6, 1), 40, SHORT),
        (error(ip(A6, B6, 248, TCP_HEADER), A6, B6, 4), 40, UNTRANSLATED),
        (FRAGMENT6, 48, MALFORMED),  # a first fragment
        (ip(A6, B6, 0, b"\x3a\x05" + bytes(6)), 88, MALFORMED),  # a chain that ends behind the packet
        (ip(A6, B6, 0, b"\x3a\0"), 40, MALFORMED),  # one that is cut
    ],
)
def test_why_an_error_does_not_count(l3, at, why):
    """The order of checks of the dossier, as far as bytes decide."""
    assert icmp.related(l3, at) == why


def test_whom_a_short_quote_is_about():
    """Both ports tell the connection, though a look-up wants the whole header; less does not."""
    whole = icmp.related(error(QUOTED), 20).reversed_key
    assert icmp.quoted_key(error(QUOTED), 20) == icmp.quoted_key(error(QUOTED[:28]), 20) == whole
    assert icmp.quoted_key(error(QUOTED[:24]), 20) == whole
    for none in (error(QUOTED[:23]), error(QUOTED, kind=5), error(b""), error(ipv4(A4, B4, 47, TCP_HEADER)[:28])):
        assert icmp.quoted_key(none, 20) is None


def test_what_is_quoted():
    """The tuple as quoted, and its key with the ends exchanged; IP options and extension headers are passed."""
    options = ipv4(A4, B4, UDP, b"\1\1\1\0" + UDP_HEADER)
    options[0] = 0x46
    quoted = icmp.related(error(options), 20)
    assert quoted == (UDP, A4, 3001, B4, 53, 28, 52)
    assert quoted.reversed_key == b"\x11" + B4 + A4 + b"\0\x35\x0b\xb9"
    chain = b"\x3a\0" + bytes(6)
    l3 = ip(A6, B6, 60, chain + b"\1\0\0\0\0\0\0\0" + ip(A6, B6, 0, b"\x11\0" + bytes(6) + UDP_HEADER))
    assert icmp.related(l3, 48)[:5] == (UDP, A6, 3001, B6, 53)


def test_quoted_echo_has_the_ports_of_its_flow():
    """A quoted ICMP message is looked up by identifier, type and code."""
    request = ipv4(A4, B4, ICMP, b"\x08\0\0\0\0\x4d\0\1")
    assert icmp.related(error(request), 20)[1:5] == (A4, 0x4D, B4, 0x800)


@pytest.mark.parametrize(
    "proto, l4, ports",
    [
        (ICMP, b"\x08\0\0\0\0\x4d\0\1", (0x4D, 0x800)),
        (ICMP, b"\x00\0\0\0\0\x4d\0\1", (0x800, 0x4D)),
        (ICMP, b"\x0e\0\0\0\0\1\0\1", (0x0D00, 1)),
        (ICMPV6, b"\x80\0\0\0\0\7\0\1", (7, 0x8000)),
        (ICMPV6, b"\x81\0\0\0\0\7\0\1", (0x8000, 7)),
        (ICMP, b"\x08\0\0\0\0\x4d\0", None),
    ],
)
def test_ports_of_icmp(proto, l4, ports):
    """A reply has the ports of its request, exchanged."""
    assert icmp.flow_ports(proto, l4) == ports


@pytest.mark.parametrize("name, least", [("dpvs/icmp_errors", 20), ("dpvs/v6_errors", 15), ("dpvs/snat", 0)])
def test_recorded_translations(name, least):
    """An error about a connection leaves as DPVS sent it, given the new tuple and the delta."""
    seen = 0
    for came, left in recorded.frames(name):
        if came is None or came.proto not in (ICMP, ICMPV6) or len(left) != 1 or left[0].src == came.dst:
            continue
        old, new = icmp.related(came.l3, came.l4_at), icmp.related(left[0].l3, left[0].l4_at)
        if isinstance(old, str):
            continue
        numbers = [int.from_bytes(p.l3[q.l4_at + 4 : q.l4_at + 8]) for p, q in ((left[0], new), (came, old))]
        delta = numbers[0] - numbers[1] if old.proto == TCP else 0
        rewrite = Rewrite(left[0].src, left[0].dst, new.src, new.sport, new.dst, new.dport, delta)
        assert icmp.translate_related(came.l3, came.l4_at, old, rewrite) == left[0].l3
        seen += 1
    assert seen >= least


def test_only_what_is_given_changes():
    """Without anything given only checksums are recomputed; a quoted L4 checksum is never touched."""
    l3 = error(QUOTED)
    quoted = icmp.related(l3, 20)
    assert icmp.translate_related(l3, 20, quoted, Rewrite()) == l3
    moved = icmp.translate_related(l3, 20, quoted, Rewrite(quoted_src=C4, quoted_dport=8080, seq_delta=-1001))
    assert moved[12:20] == l3[12:20]
    assert moved[40:44] == C4 and moved[44:48] == B4
    assert moved[48:56].hex() == "0bb81f90ffffffff" and moved[64:66] == l3[64:66]
    assert checksum.verify_l4(moved, 20, ICMP) and checksum.verify_ip_header(moved[28:48])
