"""Bytes of what clients and servers send: L3 packets with right checksums, and frames around them."""

from __future__ import annotations

from struct import pack

from lbreplay.model import Endpoint
from lbreplay.wire import checksum, craft
from lbreplay.wire.packet import ACK, FIN, ICMP, ICMPV6, PSH, RST, SCTP, SYN, TCP, UDP

URG, ECE, CWR = 32, 64, 128
FLAGS = {"S": SYN, "A": ACK, "F": FIN, "R": RST, "P": PSH, "U": URG, "E": ECE, "C": CWR, "-": 0}
IPV4, IPV6 = 0x0800, 0x86DD
CHUNKS = {"data": 0, "init": 1, "init_ack": 2, "sack": 3, "heartbeat": 4, "abort": 6, "shutdown": 7, "shutdown_ack": 8,
          "error": 9, "cookie_echo": 10, "cookie_ack": 11, "shutdown_complete": 14}  # RFC 9260, 3.2  # fmt: skip
MSS = b"\2\4\5\xb4"  # 1460
SYN_OPTIONS = MSS + b"\4\2\1\3\3\7"  # SACK permitted, window scale 7
STAMP = b"\1\1\x08\x0a" + bytes(8)  # timestamps
ECHO = {4: (8, 0), 6: (128, 0)}
TEXT = b"GET /generated HTTP/1.1\r\nHost: example.org\r\n\r\n"


def payload(size: int) -> bytes:
    """Readable bytes, the same each time."""
    return (TEXT * (size // len(TEXT) + 1))[:size]


def flags_of(text: str) -> int:
    """The flags byte of letters like `SA`."""
    return sum(FLAGS[letter] for letter in text)


def ip(src: bytes, dst: bytes, proto: int, body: bytes, *, ttl: int = 64, df: bool = True, ident: int = 1,
       tos: int = 0, fragment: int = 0) -> bytes:  # fmt: skip
    """An IP packet around *body*; *fragment* is the fragment word of IPv4 beside DF."""
    if len(src) == 16:
        return bytes(craft.ipv6(src, dst, proto, body, hops=ttl, flow=tos << 20))
    flags = fragment or (craft.DONT_FRAGMENT if df else 0)
    return bytes(craft.ipv4(src, dst, proto, body, ttl=ttl, tos=tos, ident=ident, flags=flags))


def summed(l3: bytes, proto: int) -> bytes:
    """The packet with the checksum of its L4 header."""
    whole = bytearray(l3)
    checksum.l4(whole, 40 if l3[0] >> 4 == 6 else 20, proto)
    return bytes(whole)


def tcp(src: Endpoint, dst: Endpoint, flags: str, seq: int, ack: int, body: bytes = b"", *, options: bytes = b"",
        window: int = 64240, **of_ip: int) -> bytes:  # fmt: skip
    """A TCP segment; *options* are padded to words."""
    options += bytes(-len(options) % 4)
    offset = (20 + len(options)) << 2
    head = pack(">HHIIBBHHH", src.port, dst.port, seq % 2**32, ack % 2**32, offset, flags_of(flags), window, 0, 0)
    return summed(ip(src.address, dst.address, TCP, head + options + body, **of_ip), TCP)  # type: ignore[arg-type]


def udp(src: Endpoint, dst: Endpoint, body: bytes, **of_ip: int) -> bytes:
    """A datagram."""
    head = pack(">HHHH", src.port, dst.port, 8 + len(body), 0)
    return summed(ip(src.address, dst.address, UDP, head + body, **of_ip), UDP)  # type: ignore[arg-type]


def sctp(src: Endpoint, dst: Endpoint, chunk: str, tag: int, body: bytes = bytes(12), **of_ip: int) -> bytes:
    """An SCTP packet of one chunk; the tag of an INIT is 0."""
    size = 4 + len(body)
    head = pack(">HHII", src.port, dst.port, 0 if chunk == "init" else tag, 0)
    chunks = pack(">BBH", CHUNKS[chunk], 3 if chunk == "data" else 0, size) + body + bytes(-size % 4)
    return summed(ip(src.address, dst.address, SCTP, head + chunks, **of_ip), SCTP)  # type: ignore[arg-type]


def icmp(src: bytes, dst: bytes, kind: int, code: int, rest: int = 0, body: bytes = b"", **of_ip: int) -> bytes:
    """An ICMP or ICMPv6 message, by the family of its ends."""
    proto = ICMPV6 if len(src) == 16 else ICMP
    return summed(ip(src, dst, proto, pack(">BBHI", kind, code, 0, rest) + body, **of_ip), proto)  # type: ignore[arg-type]


def quoting(src: bytes, dst: bytes, kind: int, code: int, quoted: bytes, rest: int = 0) -> bytes:
    """An ICMP error about the packet *quoted*."""
    size = 28 + 20 if len(src) == 4 else 48 + 20
    return icmp(src, dst, kind, code, rest, quoted[:size])


def frame(l3: bytes, dst_mac: bytes, src_mac: bytes, tag: int | None = None) -> bytes:
    """The Ethernet frame of a packet, padded to the shortest."""
    ethertype = IPV6 if l3[:1] and l3[0] >> 4 == 6 else IPV4
    return craft.ethernet(dst_mac, src_mac, ethertype, l3, tag).ljust(craft.ETH_MIN, b"\0")


def spoiled(l3: bytes, at: int) -> bytes:
    """The packet with the bits of byte *at* turned."""
    return l3[:at] + bytes([l3[at] ^ 0xFF]) + l3[at + 1 :]


def resummed(l3: bytes, at: int, data: bytes) -> bytes:
    """The TCP packet with other bytes *at*, its checksum right again."""
    return summed(l3[:at] + data + l3[at + len(data) :], TCP)


NO_OPERATION, LOOSE_ROUTE, BROKEN_OPTION = b"\1\1\1\0", b"\x83\7\4\x0a\0\0\1\0", b"\x83\x3f\4\0"  # RFC 791, 3.1


def with_options(l3: bytes, options: bytes = NO_OPERATION) -> bytes:
    """The IPv4 packet with words of IP options."""
    whole = bytearray(bytes([0x45 + len(options) // 4]) + l3[1:20] + options + l3[20:])
    whole[2:4] = len(whole).to_bytes(2)
    checksum.ip_header(whole)
    return bytes(whole)


def behind_extension(l3: bytes, kind: int) -> bytes:
    """The IPv6 packet behind an extension header of *kind*: 0 hop-by-hop, 60 destination options."""
    whole = bytearray(l3[:40] + bytes([l3[6], 0, 1, 4, 0, 0, 0, 0]) + l3[40:])
    whole[6] = kind
    whole[4:6] = (len(whole) - 40).to_bytes(2)
    return bytes(whole)


def in_pieces(l3: bytes) -> list[bytes]:
    """The packet in two fragments, of IPv6 behind fragment headers."""
    if l3[0] >> 4 == 4:
        half = (len(l3) - 20) // 16 * 8 + 8
        return craft.fragments(l3[:6] + b"\0\0" + l3[8:], 20 + half)
    head, body = l3[:40], l3[40:]
    return [_piece(head, body[:16], 0, True), _piece(head, body[16:], 16, False)]


def _piece(head: bytes, body: bytes, at: int, more: bool) -> bytes:
    extension = pack(">BBHI", head[6], 0, at | more, 0x1234)
    return head[:4] + pack(">HB", 8 + len(body), 44) + head[7:] + extension + body
