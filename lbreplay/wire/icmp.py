"""ICMP and ICMPv6 errors: those the balancer makes (D 12.4, S 4.6, 4.7) and those about a connection (D 9.1)."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack, pack_into, unpack_from
from typing import NamedTuple

from lbreplay.wire import checksum
from lbreplay.wire.craft import ipv4, ipv6
from lbreplay.wire.length import Bytes
from lbreplay.wire.packet import FRAGMENT, ICMP, ICMPV6, SCTP, TCP, UDP, Packet, flow_key, skip_extensions

UNREACHABLE, SOURCE_QUENCH, TIME_EXCEEDED, FRAG_NEEDED = 3, 4, 11, 4
UNREACHABLE_V6, TOO_BIG_V6, TIME_EXCEEDED_V6 = 1, 2, 3
QUOTED_V4 = 548  # bytes of the original: 576 - 20 - 8
QUOTED_V6 = 1232  # 1280 - 40 - 8
INTERNET_CONTROL = 0xC0
MISREAD_AT = 1  # where what is behind an IPv6 header is looked for before an error is sent: one, not forty
TOS_KEPT = 0x1E

# Errors about a connection that are translated, and how long the quoted L4 header must be for its look-up (D 9.1, 4.1).
RELATED = {4: (UNREACHABLE, SOURCE_QUENCH, TIME_EXCEEDED), 6: (UNREACHABLE_V6, TOO_BIG_V6, TIME_EXCEEDED_V6)}
REQUEST_OF = {ICMP: {0: 8, 14: 13, 16: 15, 18: 17}, ICMPV6: {129: 128}}  # by the type of the reply
PORTS = 4  # bytes of a transport header that hold both
QUOTED_HEADER = {TCP: 20, UDP: 8, SCTP: 16, ICMP: 8, ICMPV6: 8}


def error_v4(original: bytes, type_: int, code: int, mtu: int, source: bytes, ident: int) -> bytes:
    """The ICMP error about *original* (L3 bytes), to its source: TTL 64; *mtu* in the second word (D 12.4)."""
    body = bytearray(pack(">BBHI", type_, code, 0, mtu) + original[:QUOTED_V4])
    tos = original[1] & TOS_KEPT | INTERNET_CONTROL
    l3 = ipv4(source, original[12:16], ICMP, body, tos=tos, ident=ident)
    checksum.l4(l3, 20, ICMP)
    return bytes(l3)


def error_v6(original: bytes, type_: int, code: int, mtu: int, source: bytes) -> bytes:
    """The ICMPv6 error about *original* (L3 bytes), to its source."""
    body = pack(">BBHI", type_, code, 0, mtu) + original[:QUOTED_V6]
    l3 = ipv6(source, original[8:24], ICMPV6, body)
    checksum.l4(l3, 40, ICMPV6)
    return bytes(l3)


def may_answer(packet: Packet, l2_host: bool) -> bool:
    """Whether an ICMP error about *packet* may be sent at all (S 4.6, 4.7)."""
    return may_answer_v4(packet, l2_host) if packet.family == 4 else may_answer_v6(packet, l2_host)


def may_answer_v4(packet: Packet, l2_host: bool) -> bool:
    """Not for frames that are not ours alone, multicast, later fragments, or ICMP other than an echo request."""
    later = int.from_bytes(packet.l3[6:8]) & 0x1FFF
    to_many = 224 <= packet.dst[0] < 240 or packet.dst == b"\xff" * 4
    if not l2_host or to_many or later:
        return False
    return packet.proto != ICMP or packet.l3[packet.l4_at : packet.l4_at + 1] == b"\x08"


def may_answer_v6(packet: Packet, l2_host: bool) -> bool:
    """Not for frames that are not ours alone, multicast or unspecified sources, or what DPVS takes for ICMPv6 errors:
    it looks for extension headers and the type of the message from byte 1 on, which is of the traffic class and the
    flow label (recorded). So an error may be answered with class 0x08 or 0xb8, and a ping only then.
    """
    if not l2_host or packet.src[0] == 0xFF or not any(packet.src):
        return False
    proto, at, sound = skip_extensions(packet.l3, MISREAD_AT)
    return not sound or proto != ICMPV6 or packet.l3[at : at + 1] >= b"\x80"


def flow_ports(proto: int, l4: Bytes) -> tuple[int, int] | None:
    """What stands for the ports of an ICMP or ICMPv6 message in a connection's tuple (D 9.2).

    A request has (identifier, type * 256 + code); a reply the same of its request, exchanged. None: not whole.
    """
    if len(l4) < 8:
        return None
    ident, asked = ports_as_sent(l4)
    request = REQUEST_OF[proto].get(asked >> 8)
    return (ident, asked) if request is None else (request << 8 | asked & 0xFF, ident)


def ports_as_sent(l4: Bytes) -> tuple[int, int]:
    """What a message that opens a connection is entered under: of a reply not what it is looked up by (recorded), so
    each one opens another.
    """
    return int.from_bytes(l4[4:6]), int.from_bytes(l4[:2])


class Quoted(NamedTuple):
    """The packet an ICMP error is about, as it is quoted. Offsets are in the L3 packet of the error."""

    proto: int
    src: bytes
    sport: int
    dst: bytes
    dport: int
    ip_at: int
    l4_at: int

    @property
    def reversed_key(self) -> bytes:
        """The key to look up: the quoted tuple with its ends exchanged (D 2.1)."""
        return flow_key(self.proto, self.dst, self.dport, self.src, self.sport)


UNRELATED, UNTRANSLATED, SHORT = "icmp_unrelated", "icmp_untranslated", "icmp_quote_short"
FRAGMENTED = "icmp_quote_fragment"
MALFORMED = "icmp_malformed"
FOREIGN = "icmp_quotes_other_protocol"
QUOTING = {4: (*RELATED[4], 5, 12), 6: (*RELATED[6], 4)}  # and redirect, parameter problem, which nothing translates


def related(l3: Bytes, l4_at: int) -> Quoted | str:
    """What an ICMP or ICMPv6 error quotes, or why it does not count: `icmp_malformed` (dropped), of ICMPv6
    `icmp_quotes_other_protocol` (the packet it quotes goes on in its place), else a reason, with which it goes on as
    any ICMP packet, in the order of D 9.1. The ICMP checksum is tested after the look-up: `verify_l4`.
    """
    family = l3[0] >> 4
    if family == 6:
        proto, _, sound = skip_extensions(bytes(l3))
        if not sound or proto != ICMPV6 or _has_fragment(l3):
            return MALFORMED
    if len(l3) < l4_at + 8:
        return MALFORMED
    if l3[l4_at] not in RELATED[family]:
        return UNTRANSLATED if l3[l4_at] in QUOTING[family] else UNRELATED
    return _quoted_v4(l3, l4_at + 8) if family == 4 else _quoted_v6(l3, l4_at + 8)


def _has_fragment(l3: Bytes) -> bool:
    """Whether a fragment header stands among the extension headers of a well-formed IPv6 packet."""
    proto, at = l3[6], 40
    while proto not in (ICMPV6, FRAGMENT):
        size = (l3[at + 1] + 2) * 4 if proto == 51 else (l3[at + 1] + 1) * 8
        proto, at = l3[at], at + size
    return proto == FRAGMENT


def _quoted_v4(l3: Bytes, at: int) -> Quoted | str:
    if len(l3) < at + 20:
        return SHORT
    proto, header = l3[at + 9], (l3[at] & 15) * 4
    if proto not in QUOTED_HEADER:
        return UNRELATED
    if int.from_bytes(l3[at + 6 : at + 8]) & 0x1FFF:
        return MALFORMED
    return _with_ports(l3, proto, bytes(l3[at + 12 : at + 16]), bytes(l3[at + 16 : at + 20]), at, at + header)


def _quoted_v6(l3: Bytes, at: int) -> Quoted | str:
    if len(l3) < at + 40:
        return SHORT
    inner = bytes(l3[at:])
    proto, l4_at, sound = skip_extensions(inner)
    if inner[6] == FRAGMENT:
        return FRAGMENTED
    if not sound:
        proto = inner[l4_at] if l4_at + 2 <= len(inner) else proto  # two bytes of an extension header are enough
    if proto not in QUOTED_HEADER:
        return FOREIGN
    return _with_ports(l3, proto, inner[8:24], inner[24:40], at, at + l4_at) if sound else SHORT


def _with_ports(l3: Bytes, proto: int, src: bytes, dst: bytes, at: int, l4_at: int) -> Quoted | str:
    if len(l3) < l4_at + QUOTED_HEADER[proto]:
        return SHORT
    ports = unpack_from(">HH", l3, l4_at) if proto in (TCP, UDP, SCTP) else flow_ports(proto, l3[l4_at:])
    return Quoted(proto, src, ports[0], dst, ports[1], at, l4_at) if ports else UNRELATED


def quoted_key(l3: Bytes, l4_at: int) -> bytes | None:
    """The key of the connection that an error of a type which is translated is about, as far as its quote has both
    ports: RFC 792 asks for no more, a look-up for the whole header. None: it has none.
    """
    quoted = related(l3, l4_at)
    if quoted == SHORT and len(l3) >= l4_at + 8 + 20:
        whole = related(bytes(l3) + bytes(20), l4_at)
        quoted = whole if isinstance(whole, Quoted) and len(l3) >= whole.l4_at + PORTS else quoted
    return quoted.reversed_key if isinstance(quoted, Quoted) else None


class Rewrite(NamedTuple):
    """What changes in an ICMP error about a connection; None leaves a field as it is (D 9.1, the rewrite table)."""

    outer_src: bytes | None = None
    outer_dst: bytes | None = None
    quoted_src: bytes | None = None
    quoted_sport: int | None = None
    quoted_dst: bytes | None = None
    quoted_dport: int | None = None
    seq_delta: int = 0  # added to the sequence number of a quoted TCP header, modulo 2^32


def translate_related(l3: Bytes, l4_at: int, quoted: Quoted, rewrite: Rewrite) -> bytes:
    """The error as it goes on. Outer and quoted IPv4 header checksums and the ICMP checksum are recomputed, the
    quoted L4 checksum stays. Ports and sequence number only change in quoted TCP and UDP.
    """
    packet = bytearray(l3)
    _put_addresses(packet, 0, rewrite.outer_src, rewrite.outer_dst)
    _put_addresses(packet, quoted.ip_at, rewrite.quoted_src, rewrite.quoted_dst)
    if quoted.proto in (TCP, UDP):
        _put_ports(packet, quoted, {0: rewrite.quoted_sport, 2: rewrite.quoted_dport})
    if quoted.proto == TCP and rewrite.seq_delta:
        seq = unpack_from(">I", packet, quoted.l4_at + 4)[0] + rewrite.seq_delta
        pack_into(">I", packet, quoted.l4_at + 4, seq & 0xFFFFFFFF)
    inner = packet[quoted.ip_at : quoted.l4_at]
    checksum.ip_header(inner)
    packet[quoted.ip_at : quoted.l4_at] = inner
    checksum.ip_header(packet)
    checksum.settle(packet, l4_at, ICMP if packet[0] >> 4 == 4 else ICMPV6, l3, l4_at)
    return bytes(packet)


def _put_addresses(packet: bytearray, at: int, src: bytes | None, dst: bytes | None) -> None:
    start, size = (12, 4) if packet[at] >> 4 == 4 else (8, 16)
    if src is not None:
        packet[at + start : at + start + size] = src
    if dst is not None:
        packet[at + start + size : at + start + 2 * size] = dst


def _put_ports(packet: bytearray, quoted: Quoted, ports: Mapping[int, int | None]) -> None:
    for at, port in ports.items():
        if port is not None:
            pack_into(">H", packet, quoted.l4_at + at, port)
