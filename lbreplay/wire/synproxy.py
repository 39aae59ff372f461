"""SYN-proxy packets and cookies (D 6, and the golden cases' README for the cookie's exact bytes).

    cookie = H0 + client_seq + (minute << 24) + ((H1(minute) + data) & 0xffffff)      modulo 2^32
    data   = SACK 1 << 21, timestamp 1 << 20, window scale << 16, index of the MSS << 12

H is the first word, little endian, of an MD5 over addresses, ports, a count and a secret; H0 uses count 0 and the first
secret, H1 the minute and the second. One integer, `SynProxy.secrets`, stands for every word of both secrets.
"""

from __future__ import annotations

from struct import pack, pack_into, unpack, unpack_from
from typing import NamedTuple

from lbreplay.loop.names import (
    BASE,
    CLOCK,
    M32,
    MAX_AGE,
    MAX_WSCALE,
    MICROSECOND,
    MSS,
    MSS_ABSENT,
    MSS_SHIFT,
    MSS_TABLE,
    NOP,
    SACK_BIT,
    SACK_OK,
    SYN_WINDOW,
    TIMESTAMP,
    TIMESTAMP_BIT,
    UNUSED,
    WSCALE,
    WSCALE_SHIFT,
)
from lbreplay.model import Endpoint, SynProxy
from lbreplay.wire import checksum, options
from lbreplay.wire.craft import DONT_FRAGMENT, ipv4, ipv6, turn_round
from lbreplay.wire.length import set_length
from lbreplay.wire.packet import ACK, SYN, TCP, Packet

REFUSABLE = {
    WSCALE: 3,
    TIMESTAMP: 10,
    SACK_OK: 2,
}  # options by their length; NOPs where switched off


class Offer(NamedTuple):
    """The options a cookie remembers."""

    mss: int = MSS_ABSENT
    sack: bool = False
    timestamp: bool = False
    wscale: int = 0

    @classmethod
    def of(cls, mss: int, data: int) -> Offer:
        """What the bits of a cookie remember, but for the MSS."""
        return cls(mss, bool(data >> SACK_BIT & 1), bool(data >> TIMESTAMP_BIT & 1), data >> WSCALE_SHIFT & 15)

    @property
    def data(self) -> int:
        """The bits that go into the cookie: the largest MSS of the table that is not above, or the smallest."""
        index = max((i for i, mss in enumerate(MSS_TABLE) if mss <= self.mss), default=0)
        scale = min(self.wscale, MAX_WSCALE)
        return self.sack << SACK_BIT | self.timestamp << TIMESTAMP_BIT | scale << WSCALE_SHIFT | index << MSS_SHIFT


def _hash(src: Endpoint, dst: Endpoint, count: int, secret: int) -> int:
    """The first word of the MD5; IPv6 adds the secret to every word, IPv4 puts it behind (golden README)."""
    ports = ((_swap16(src.port) << 16) + _swap16(dst.port)) & M32
    if len(src.address) == 4:
        block = src.address + dst.address + pack("<III", ports, count & M32, secret & M32)
    else:
        words = (*unpack("<8I", src.address + dst.address), ports, count, *[0] * 6)
        block = pack("<16I", *((word + secret) & M32 for word in words))
    from hashlib import md5  # 3 ms to load

    return int.from_bytes(md5(block, usedforsecurity=False).digest()[:4], "little")


def _swap16(port: int) -> int:
    """A port in network order read as a native little-endian integer."""
    return (port & 0xFF) << 8 | port >> 8


def make_cookie(src: Endpoint, dst: Endpoint, seq: int, data: int, minute: int, secrets: int = 0) -> int:
    """The sequence number of the SYN|ACK for a client's SYN with *seq*; *minute* is the minute counter."""
    first, second = _hash(src, dst, 0, secrets), _hash(src, dst, minute, secrets)
    return (first + seq + (minute << 24) + ((second + data) & 0xFFFFFF)) & M32


def check_cookie(src: Endpoint, dst: Endpoint, seq: int, cookie: int, minute: int, secrets: int = 0) -> Offer | None:
    """The options in *cookie* (the ACK's ack - 1) made for *seq* (the ACK's seq - 1); None when it is not valid.

    Valid: made less than four minutes ago, index within the table, unused low bits zero (D 6.1).
    """
    rest = (cookie - _hash(src, dst, 0, secrets) - seq) & M32
    age = (minute - (rest >> 24)) & 0xFF
    if age >= MAX_AGE:
        return None
    data = (rest - _hash(src, dst, (minute - age) & M32, secrets)) & 0xFFFFFF
    index = data >> MSS_SHIFT & 15
    if index >= len(MSS_TABLE) or data & UNUSED:
        return None
    return Offer.of(MSS_TABLE[index], data)


def check_ack(packet: Packet, minute: int, secrets: int = 0) -> Offer | None:
    """`check_cookie` for a received ACK."""
    return check_cookie(*_ends(packet), (packet.seq - 1) & M32, (packet.ack - 1) & M32, minute, secrets)


def _ends(packet: Packet) -> tuple[Endpoint, Endpoint]:
    return Endpoint(packet.src, packet.sport), Endpoint(packet.dst, packet.dport)


def synack(packet: Packet, settings: SynProxy, minute: int, *, now: int = 0, zero_window: bool = False) -> bytes:
    """A client's SYN turned in place into SYN|ACK with a cookie (D 6.1); its options keep their room, payload stays.

    *now* is the timestamp value used where timestamps are on. *zero_window*: as v1.8 always does; otherwise the
    window is the client's, or 0 for close_client_window without defer_rs_syn.
    """
    l3, at = bytearray(packet.l3), packet.l4_at
    with memoryview(l3)[at:] as tcp:
        offer = _edit_options(tcp, settings, now)
    cookie = make_cookie(*_ends(packet), packet.seq, offer.data, minute, settings.secrets)
    turn_round(l3, at, settings.ttl)
    pack_into(">II", l3, at + 4, cookie, (packet.seq + 1) & M32)
    l3[at + 13] = SYN | ACK
    if zero_window or (settings.close_client_window and not settings.defer_rs_syn):
        l3[at + 14 : at + 16] = b"\0\0"
    checksum.ip_header(l3)
    checksum.settle(l3, at, TCP, packet.l3, at)
    return bytes(l3)


def timestamp(now_ns: int) -> int:
    """The value of the balancer's own timestamps: seconds modulo 100 and microseconds of the clock, in microseconds
    (recorded; so it falls back every 100 seconds).
    """
    return now_ns // MICROSECOND % CLOCK


def _edit_options(tcp: memoryview, settings: SynProxy, now: int) -> Offer:
    """Make the options of a SYN those of the SYN|ACK, and read what the cookie has to remember."""
    offer = Offer()
    for at, kind, length in list(options.walk(tcp)):
        if kind == MSS and length == 4:
            asked = unpack_from(">H", tcp, at + 2)[0]
            offer = offer._replace(mss=min(asked, settings.mss) if asked else offer.mss)
            pack_into(">H", tcp, at + 2, offer.mss)
        elif kind == WSCALE and length == 3 and settings.wscale:
            offer = offer._replace(wscale=tcp[at + 2])
            tcp[at + 2] = settings.wscale
        elif kind == TIMESTAMP and length == 10 and settings.timestamp:
            offer = offer._replace(timestamp=True)
            tcp[at + 2 : at + 10] = pack(">I", now & M32) + tcp[at + 2 : at + 6].tobytes()
        elif kind == SACK_OK and length == 2 and settings.sack:
            offer = offer._replace(sack=True)
        elif length == REFUSABLE.get(kind):
            tcp[at : at + length] = bytes((NOP,)) * length
    return offer


def syn_to_real(packet: Packet, offer: Offer, now: int = 0) -> bytes:
    """The SYN that opens the connection to the real server, made from the client's ACK: client to virtual address, to
    be translated like any packet of the client (D 6.2). Sequence number ack's - 1, window 5000, DF, TTL 64; *now* is
    the value of its timestamp, where the client's SYN had one. Both checksums are 0: translation fills them, so under
    direct routing and in a tunnel, where there is none, it leaves like that (recorded).
    """
    head = pack(">HHIIBBHHH", packet.sport, packet.dport, (packet.seq - 1) & M32, 0, 0, SYN, SYN_WINDOW, 0, 0)
    tcp = bytearray(head) + _syn_options(offer, now)
    tcp[12] = len(tcp) // 4 << 4
    if packet.family == 4:
        l3 = ipv4(packet.src, packet.dst, TCP, tcp, tos=packet.l3[1] & 0x1E, flags=DONT_FRAGMENT)
        l3[10:12] = b"\0\0"
    else:
        l3 = ipv6(packet.src, packet.dst, TCP, tcp)
    return bytes(l3)


def _syn_options(offer: Offer, now: int) -> bytes:
    made = pack(">BBH", MSS, 4, offer.mss)
    if offer.timestamp:
        lead = b"\4\2" if offer.sack else b"\1\1"
        made += lead + b"\x08\x0a" + pack(">II", now & M32, 0)
    elif offer.sack:
        made += b"\1\1\4\2"
    if offer.wscale:
        made += bytes((NOP, WSCALE, 3, offer.wscale))
    return made


def window_update(packet: Packet) -> bytes:
    """The ACK that opens the client's window, made from the real server's SYN|ACK: seq + 1, no options of any kind, no
    SYN, DF, TOS 0; still to be translated like any packet of the real server (D 6.3).
    """
    at = 20 if packet.family == 4 else 40
    l3 = bytearray(packet.l3[:at] + packet.l3[packet.l4_at : packet.l4_at + BASE])
    pack_into(">I", l3, at + 4, (packet.seq + 1) & M32)
    l3[at + 12] = l3[at + 12] & 15 | 0x50
    l3[at + 13] &= ~SYN
    if packet.family == 4:
        l3[0:2], l3[6:8] = b"\x45\0", DONT_FRAGMENT.to_bytes(2)
    else:
        l3[0], l3[6] = 0x60, TCP
    set_length(l3)
    checksum.ip_header(l3)
    checksum.l4(l3, at, TCP)
    return bytes(l3)


def window_scale(packet: Packet) -> int:
    """The window scale of a SYN|ACK; 0 without the option, or where it says more than 14."""
    tcp = packet.l3[packet.l4_at :]
    at = options.find(tcp, WSCALE, 3)
    return 0 if at is None or tcp[at + 2] > MAX_WSCALE else tcp[at + 2]
