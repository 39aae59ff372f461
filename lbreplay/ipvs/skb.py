"""A packet on its way through the director: what came, and what it is by now."""

from __future__ import annotations

from struct import pack_into
from typing import TYPE_CHECKING

from lbreplay.ipvs.ends import Ends, ends
from lbreplay.ipvs.options import NONE, Options
from lbreplay.model import Endpoint
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum
from lbreplay.wire.packet import AH, ESP, Packet

if TYPE_CHECKING:
    from lbreplay.ipvs.tracker import Entry

Seen = tuple["Entry", int]  # an entry of the tracker, and the packet's direction in it


class Pieces:
    """The fragments a datagram was put together from (L 3).

    ends         offsets in L4 where each of them ends, in order
    largest      total length of the largest; `dont_fragment`: it had DF
    kept         they are sent again as they came, where that can be
    ident        of IPv6 their identification; b"" for IPv4, which has it in the header
    """

    __slots__ = ("dont_fragment", "ends", "ident", "kept", "largest")

    def __init__(self, ends: tuple[int, ...], largest: int, dont_fragment: bool, kept: bool, ident: bytes) -> None:
        self.ends, self.largest, self.dont_fragment, self.kept = ends, largest, dont_fragment, kept
        self.ident = ident


class Skb:
    """`packet` is as received, or as put together; `l3` what it is by now, `options` those that were read."""

    __slots__ = ("ends_as", "l3", "mark", "marked", "options", "packet", "pieces", "seen")

    def __init__(self, packet: Packet) -> None:
        self.packet = packet
        self.l3 = bytearray(packet.l3)
        self.mark = 0  # the firewall's
        self.marked = False  # IPVS translated it already (`ipvs_property`)
        self.pieces: Pieces | None = None
        self.options: Options = NONE
        self.seen: Seen | None = None  # what connection tracking counts it to
        self.ends_as = Verdict.FORWARDED_PLAIN  # its verdict, when it goes on

    def becomes(self, packet: Packet, pieces: Pieces) -> None:
        """The last fragment turns into the whole datagram."""
        self.packet, self.pieces = packet, pieces
        self.l3 = bytearray(packet.l3)

    @property
    def source(self) -> Endpoint:
        return Endpoint(self.packet.src, self.packet.sport)

    @property
    def dest(self) -> Endpoint:
        return Endpoint(self.packet.dst, self.packet.dport)

    @property
    def ends(self) -> Ends | None:
        """What its connection is found by; None: too short for ports."""
        proto = self.packet.proto
        there = proto in (AH, ESP) or self.packet.l4_there >= 4
        return ends(proto, self.source, self.dest) if there else None

    @property
    def missing(self) -> int:
        """Bytes at the end that the capture cut off."""
        return max(self.packet.l3_length - len(self.packet.l3), 0)

    @property
    def length(self) -> int:
        """L3 length on the wire, as it is by now."""
        return len(self.l3) + self.missing

    @property
    def longest(self) -> int:
        """What an MTU is compared with: the length, of IPv6 that came in pieces the longest of them."""
        return self.pieces.largest if self.pieces is not None and self.pieces.ident else self.length

    @property
    def dont_fragment(self) -> bool:
        return self.l3[0] >> 4 == 6 or bool(self.l3[6] & 0x40)

    @property
    def ttl(self) -> int:
        return self.l3[8] if self.l3[0] >> 4 == 4 else self.l3[7]

    def lower_ttl(self) -> None:
        """One less; the header's checksum follows."""
        if self.l3[0] >> 4 == 6:
            self.l3[7] -= 1
            return
        before = bytes(self.l3[8:10])
        self.l3[8] -= 1
        follows = checksum.update(int.from_bytes(self.l3[10:12]), before, bytes(self.l3[8:10]))
        pack_into(">H", self.l3, 10, follows)
