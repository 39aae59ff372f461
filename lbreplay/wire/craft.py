"""Packets the balancer makes itself: RSTs, echo replies, fragments, ARP and neighbour discovery (D 5.1, 5.7, 12.4).

Everything here is L3 bytes from the IP header on, checksums set, unless a name says frame. `ident` is the IPv4
identification, which the caller counts.
"""

from __future__ import annotations

from struct import pack

from lbreplay.model import Endpoint
from lbreplay.wire import checksum
from lbreplay.wire.length import Bytes, is_cut, set_length, total_length
from lbreplay.wire.packet import ACK, FIN, ICMP, ICMPV6, PSH, RST, SYN, TCP, Packet

DEFAULT_TTL = 64  # of packets made from nothing; the default_ttl keyword has no effect (S 4.5)
TURNED_TTL = 63  # of a packet turned round into a RST (D 5.1)
DONT_FRAGMENT, MORE_FRAGMENTS = 0x4000, 0x2000
ETH_MIN = 60  # requests are padded to the shortest frame (S 4.9)
NEIGHBOR_SOLICIT, NEIGHBOR_ADVERT = 135, 136
ECHO_REPLY, ECHO_REPLY_V6 = 0, 129
SOLICITED, OVERRIDE = 0x40000000, 0x20000000  # flags of an advertisement
BROADCAST = b"\xff" * 6


def ethernet(dst: bytes, src: bytes, ethertype: int, l3: Bytes, tag: int | None = None) -> bytes:
    """A frame; *tag* is the tag control field of an 802.1Q tag or None."""
    link = dst + src + (b"" if tag is None else pack(">HH", 0x8100, tag))
    return b"".join((link, ethertype.to_bytes(2), l3))


def ipv4(src: bytes, dst: bytes, proto: int, body: Bytes, *, tos: int = 0, ident: int = 0, flags: int = 0,
         ttl: int = DEFAULT_TTL, missing: int = 0) -> bytearray:  # fmt: skip
    """An IPv4 packet without options; *flags* is the fragment word, *missing* bytes of *body* were not captured."""
    length = 20 + len(body) + missing
    head = pack(">BBHHHBBH4s4s", 0x45, tos, length & 0xFFFF, ident & 0xFFFF, flags, ttl, proto, 0, src, dst)
    l3 = bytearray(head + body)
    checksum.ip_header(l3)
    return l3


def ipv6(src: bytes, dst: bytes, proto: int, body: Bytes, *, hops: int = DEFAULT_TTL, flow: int = 0,
         missing: int = 0) -> bytearray:  # fmt: skip
    """An IPv6 packet without extension headers; *flow* is traffic class and flow label, 28 bits."""
    length = len(body) + missing & 0xFFFF
    return bytearray(pack(">IHBB16s16s", 0x60000000 | flow, length, proto, hops, src, dst) + body)


def ip(src: bytes, dst: bytes, proto: int, body: Bytes, *, ident: int = 0, flags: int = 0) -> bytearray:
    """An IP packet of the addresses' family, TTL 64."""
    if len(src) == 16:
        return ipv6(src, dst, proto, body)
    return ipv4(src, dst, proto, body, ident=ident, flags=flags)


def swap_ends(l3: bytearray, l4_at: int) -> None:
    """Exchange source and destination, addresses and ports, in place."""
    at, size = (12, 4) if l3[0] >> 4 == 4 else (8, 16)
    l3[at : at + 2 * size] = l3[at + size : at + 2 * size] + l3[at : at + size]
    l3[l4_at : l4_at + 4] = l3[l4_at + 2 : l4_at + 4] + l3[l4_at : l4_at + 2]


def rst_reply(packet: Packet) -> bytes:
    """The received ACK turned round into RST|ACK (D 5.1).

    Ports and addresses swapped, seq := its ack, ack := its seq + payload length, window 0, payload cut off; options,
    URG, ECE, CWR, identification and DF as received; TOS 0 and TTL 63.
    """
    header = packet.tcp_header_length
    payload = max(packet.l3_length - packet.l4_at - header, 0)
    l3, at = bytearray(packet.l3[: packet.l4_at + header]), packet.l4_at
    turn_round(l3, at, TURNED_TTL)
    l3[at + 4 : at + 12] = pack(">II", packet.ack, (packet.seq + payload) & 0xFFFFFFFF)
    l3[at + 13] = l3[at + 13] & ~(FIN | SYN | PSH) | RST | ACK
    l3[at + 14 : at + 16] = b"\0\0"
    set_length(l3, at + header)
    checksum.ip_header(l3)
    if is_cut(l3):
        checksum.settle(l3, at, TCP, packet.l3, at)
    else:
        checksum.l4(l3, at, TCP)
    return bytes(l3)


def turn_round(l3: bytearray, l4_at: int, ttl: int) -> None:
    """Swap both ends and set TTL or hop limit; an IPv4 TOS becomes 0 (D 5.1, 6.1)."""
    swap_ends(l3, l4_at)
    if l3[0] >> 4 == 4:
        l3[1], l3[8] = 0, ttl
    else:
        l3[7] = ttl


def expiry_rst(src: Endpoint, dst: Endpoint, seq: int, ack: int) -> bytes:
    """A RST for a connection that expired in ESTABLISHED: no options, window 0, identification 0, DF (D 5.7)."""
    tcp = pack(">HHIIBBHHH", src.port, dst.port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, RST, 0, 0, 0)
    l3 = ip(src.address, dst.address, TCP, tcp, flags=DONT_FRAGMENT)
    checksum.l4(l3, len(l3) - 20, TCP)
    return bytes(l3)


def echo_reply(packet: Packet, ident: int) -> bytes:
    """The answer to an echo request for an address of the balancer: TTL 64, IPv4 TOS kept (D 9.2, S 4.4, 4.7)."""
    body = bytearray(packet.l3[packet.l4_at :])
    body[0] = ECHO_REPLY if packet.family == 4 else ECHO_REPLY_V6
    missing = packet.l3_length - len(packet.l3)
    if packet.family == 4:
        l3 = ipv4(packet.dst, packet.src, ICMP, body, tos=packet.l3[1], ident=ident, missing=missing)
    else:
        l3 = ipv6(packet.dst, packet.src, ICMPV6, body, missing=missing)
    at = len(l3) - len(body)
    checksum.settle(l3, at, packet.proto, packet.l3, packet.l4_at)
    return bytes(l3)


def fragments(l3: Bytes, mtu: int) -> list[bytes]:
    """An IPv4 packet in pieces of at most *mtu* bytes (D 12.4, S 4.5).

    The header with its options goes into each, same identification, DF clear, offsets from 0. Of a cut packet each
    piece has what the capture has of it.
    """
    head, total = (l3[0] & 15) * 4, total_length(l3)
    step = (mtu - head) // 8 * 8
    assert step > 0, "an MTU has room for a header and eight bytes"
    return [_fragment(l3, head, at, min(at + step, total), total) for at in range(head, total, step)]


def _fragment(l3: Bytes, head: int, at: int, end: int, total: int) -> bytes:
    piece = bytearray(l3[:head]) + l3[at:end]
    piece[6:8] = ((at - head) // 8 | (MORE_FRAGMENTS if end < total else 0)).to_bytes(2)
    set_length(piece, head + end - at)
    checksum.ip_header(piece)
    return bytes(piece)


def arp_reply(frame: bytes, mac: bytes, arp_at: int = 14) -> bytes:
    """A request frame turned into its answer, whatever padding it has: *mac* has the address asked for (S 3.5)."""
    answer = bytearray(frame)
    request = frame[arp_at : arp_at + 28]
    answer[0:12] = frame[6:12] + mac
    answer[arp_at + 6 : arp_at + 28] = b"\0\2" + mac + request[24:28] + request[8:18]
    return bytes(answer)


def arp_request(target: bytes, source: bytes, mac: bytes, tag: int | None = None) -> bytes:
    """A broadcast frame asking for the MAC of *target*, padded to 60 bytes (S 4.9)."""
    body = b"\0\1\x08\0\6\4\0\1" + mac + source + bytes(6) + target
    return ethernet(BROADCAST, mac, 0x0806, body, tag).ljust(ETH_MIN, b"\0")


def neighbor_advertisement(src: bytes, dst: bytes, target: bytes, mac: bytes | None) -> bytes:
    """The answer to a neighbour solicitation for *target*, with *mac* as target link-layer address (S 4.7); None: it
    names no address, and overrides none."""
    flags, option = (SOLICITED, b"") if mac is None else (SOLICITED | OVERRIDE, b"\2\1" + mac)
    body = pack(">BBHI", NEIGHBOR_ADVERT, 0, 0, flags) + target + option
    return _discovery(src, dst, body)


def neighbor_solicitation(target: bytes, source: bytes, mac: bytes, tag: int | None = None) -> bytes:
    """A frame asking the solicited-node group of *target* for its MAC (RFC 4861, S 4.9)."""
    group = bytes.fromhex("ff0200000000000000000001ff") + target[13:]
    body = pack(">BBHI", NEIGHBOR_SOLICIT, 0, 0, 0) + target + b"\1\1" + mac
    return ethernet(b"\x33\x33" + group[12:], mac, 0x86DD, _discovery(source, group, body), tag)


def _discovery(src: bytes, dst: bytes, body: bytes) -> bytes:
    l3 = ipv6(src, dst, ICMPV6, body, hops=255)
    checksum.l4(l3, 40, ICMPV6)
    return bytes(l3)
