"""Fragments: put together before IPVS looks, and taken apart again when sent (L 3, recorded).

Requests are put together where they are delivered, and leave in equal pieces as long as the largest received; replies
and strangers are put together by IPVS itself and leave in the very pieces that came. With connection tracking
everything is put together when it arrives, and keeps its pieces; so is all of IPv6 once there was a service of IPv6.

Whoever puts together (`LOCAL`, `FORWARD`, `ARRIVING`) has queues of his own: pieces of one datagram that go different
ways, because a rule for ports marks the first alone, never meet. A queue lives 30 s (IPv6: 60 s) from its first piece
on; if the first part of the datagram is in it by then, the sender is told (ICMP 11/1), by `ARRIVING` only about what is
for the director. Pieces of IPv4 but the first leave without the options that are not copied. The identification of what
is taken apart again is the received one; the kernel chooses a new one for IPv6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import pack, pack_into, unpack_from
from typing import NamedTuple

from lbreplay.ipvs.options import HEADER, without_copied
from lbreplay.ipvs.skb import Pieces, Skb
from lbreplay.loop.clock import Clock, Timed
from lbreplay.model import NANOSECOND
from lbreplay.wire import checksum
from lbreplay.wire.length import Bytes, set_length
from lbreplay.wire.packet import DEST_OPTIONS, FRAGMENT, HOP_BY_HOP, ROUTING, SCTP, TCP, UDP, Packet

LOCAL, FORWARD, ARRIVING = "local", "forward", "arriving"  # who puts together
TIMEOUT = {4: 30 * NANOSECOND, 6: 60 * NANOSECOND}  # ipfrag_time, nf_conntrack_frag6_timeout
DONT_FRAGMENT, MORE, OFFSET = 0x4000, 0x2000, 0x1FFF
MORE_V6, OFFSET_V6, FRAGMENT_HEADER, MIN_MTU_V6 = 1, 0xFFF8, 8, 1280
PORTED = (TCP, UDP, SCTP)
WHOLE_HEADER = {TCP: 20, UDP: 8}  # bytes the first piece must have for the pieces to be kept

Key = tuple[str, bytes, bytes, bytes, int]


class Place(NamedTuple):
    """Where a piece's data begin and end in the datagram, and whether more follow; `at`: where they are in its L3."""

    at: int
    start: int
    end: int
    more: bool


def fragment_header(l3: Bytes) -> tuple[int, int] | None:
    """Of IPv6: offsets of the fragment header and of the byte that announces it; None: there is none."""
    proto, at, named = l3[6], 40, 6
    while proto in (HOP_BY_HOP, ROUTING, DEST_OPTIONS) and at + 8 <= len(l3):
        proto, at, named = l3[at], at + (l3[at + 1] + 1) * 8, at
    return (at, named) if proto == FRAGMENT and at + FRAGMENT_HEADER <= len(l3) else None


def is_fragment(packet: Packet) -> bool:
    """A piece of a datagram, of either family."""
    return packet.is_fragment if packet.family == 4 else fragment_header(packet.l3) is not None


def dport(packet: Packet) -> int | None:
    """The destination port, also of a first piece; None: there is none to read."""
    later = packet.family == 4 and unpack_from(">H", packet.l3, 6)[0] & OFFSET
    port = packet.l3[packet.l4_at + 2 : packet.l4_at + 4]
    return None if later or packet.proto not in PORTED or len(port) < 2 else int.from_bytes(port)


def _place(skb: Skb) -> Place:
    found = fragment_header(skb.l3) if skb.packet.family == 6 else None
    if found is None:
        word, at = unpack_from(">H", skb.l3, 6)[0], (skb.l3[0] & 15) * 4
        start, more = (word & OFFSET) * 8, bool(word & MORE)
    else:
        word, at = unpack_from(">H", skb.l3, found[0] + 2)[0], found[0] + FRAGMENT_HEADER
        start, more = word & OFFSET_V6, bool(word & MORE_V6)
    end = start + len(skb.l3) - at
    return Place(at, start, end - (end - start) % 8 if more else end, more)


class Queue(Timed):
    """What is there of one datagram: pieces by offset, each with its place; a thing of the clock."""

    __slots__ = ("end", "late", "pieces")

    def __init__(self, late: Callable[[], None]) -> None:
        super().__init__()
        self.end = -1  # length of the datagram's body, once the last piece is there
        self.pieces: dict[int, tuple[Skb, Place]] = {}
        self.late = late

    def fire(self) -> None:
        """The rest did not come in time."""
        self.late()

    def add(self, skb: Skb) -> bool:
        """Take a piece in; False: it overlaps or cannot be, and the datagram is given up."""
        place = _place(skb)
        known = self.pieces.get(place.start)
        if known is not None and known[1].end == place.end:
            return True
        clash = any(place.start < other.end and at < place.end for at, (_, other) in self.pieces.items())
        if clash or place.end <= place.start or not skb.packet.complete:
            return False
        if not place.more:
            self.end = place.end
        self.pieces[place.start] = skb, place
        return True

    @property
    def complete(self) -> bool:
        """Without overlaps the pieces are whole when their lengths add up."""
        return 0 in self.pieces and self.end == sum(place.end - place.start for _, place in self.pieces.values())


class Reassembly:
    """Datagrams that wait for their rest. *lost* hears of a first piece whose rest did not come, and who waited."""

    def __init__(self, clock: Clock, lost: Callable[[Skb, str], None]) -> None:
        self._clock, self._lost = clock, lost
        self._queues: dict[Key, Queue] = {}

    def gather(self, skb: Skb, who: str) -> bool:
        """Add a fragment. True: *skb* is the whole datagram now; False: it waits."""
        key = _key(skb, who)
        queue = self._queues.get(key) or self._begun(key, skb.packet.family)
        if queue.add(skb) and not queue.complete:
            return False
        self._clock.disarm(self._queues.pop(key))
        if not queue.complete:
            return False
        skb.becomes(*_joined(queue, skb, kept=who != LOCAL))
        return True

    def _begun(self, key: Key, family: int) -> Queue:
        queue = self._queues[key] = Queue(lambda: self._late(key))
        self._clock.arm(queue, self._clock.now + TIMEOUT[family])
        return queue

    def _late(self, key: Key) -> None:
        first = self._queues.pop(key).pieces.get(0)
        if first is not None:
            self._lost(first[0], key[0])


def _key(skb: Skb, who: str) -> Key:
    packet = skb.packet
    found = fragment_header(packet.l3) if packet.family == 6 else None
    if found is None:
        return who, packet.src, packet.dst, packet.l3[4:6], packet.proto
    return who, packet.src, packet.dst, packet.l3[found[0] + 4 : found[0] + FRAGMENT_HEADER], 0


def _joined(queue: Queue, last: Skb, kept: bool) -> tuple[Packet, Pieces]:
    """The datagram, as if received with the frame that completed it."""
    order = [queue.pieces[at] for at in sorted(queue.pieces)]
    largest = max((skb for skb, _ in order), key=lambda skb: (len(skb.l3), skb.dont_fragment))
    body = b"".join(skb.l3[place.at : place.at + place.end - place.start] for skb, place in order)
    first = order[0][0]
    l3, ident = _whole_header(first.l3, largest)
    l3 += body
    set_length(l3)
    checksum.ip_header(l3)
    kept = kept and order[0][1].end >= WHOLE_HEADER.get(first.packet.proto, 0)
    ends = tuple(place.end for _, place in order)
    return _as_received(last.packet, l3), Pieces(ends, len(largest.l3), largest.dont_fragment, kept, ident)


def _whole_header(l3: bytearray, largest: Skb) -> tuple[bytearray, bytes]:
    """The header of the datagram that begins with the piece *l3*, and of IPv6 the identification of its pieces."""
    found = fragment_header(l3) if l3[0] >> 4 == 6 else None
    if found is not None:
        at, named = found
        header = l3[:at]
        header[named] = l3[at]
        return header, bytes(l3[at + 4 : at + FRAGMENT_HEADER])
    header = l3[: (l3[0] & 15) * 4]
    header[6:8] = (DONT_FRAGMENT if largest.dont_fragment else 0).to_bytes(2)
    return header, b""


def _as_received(last: Packet, l3: bytearray) -> Packet:
    """*l3* in the frame of *last*."""
    frame = last.frame[: last.l3_at] + bytes(l3)
    whole = Packet(frame, len(frame), last.time_ns, last.n, last.row, last.worker)
    whole.l2class = last.l2class
    if last.l3_at != 14:
        whole.untag()
    return whole


# --- taken apart ----------------------------------------------------------------------------------------------------


def taken_apart(l3: Bytes, mtu: int, pieces: Pieces | None, moved: int = 0) -> list[bytes]:
    """A packet as it leaves: whole, or in the pieces that the *mtu* or its own history ask for.

    moved: bytes put before its old L4 (a tunnel's header): old pieces cannot be kept then.
    """
    v6 = l3[0] >> 4 == 6
    if pieces is None or bool(pieces.ident) != v6:
        return [bytes(l3)] if v6 or len(l3) <= mtu else cut(l3, _equal(l3, mtu), b"", False)
    if v6 and len(l3) <= min(mtu, pieces.largest):
        return [bytes(l3)]
    ends = _received(l3, mtu, pieces) if pieces.kept and not moved else ()
    return cut(l3, ends or _equal(l3, min(pieces.largest, mtu)), pieces.ident, pieces.dont_fragment)


def _received(l3: Bytes, mtu: int, pieces: Pieces) -> tuple[int, ...]:
    """The ends of the received pieces where all of them fit, else none."""
    head, added = _head(l3)
    longest = max(end - at for at, end in zip((0, *pieces.ends), pieces.ends, strict=False))
    return pieces.ends if pieces.ends[-1] == len(l3) - head and head + added + longest <= mtu else ()


def _head(l3: Bytes) -> tuple[int, int]:
    """Bytes of *l3* that go into each piece, and how many are added to them."""
    if l3[0] >> 4 == 4:
        return (l3[0] & 15) * 4, 0
    proto, at = l3[6], 40
    while proto in (HOP_BY_HOP, ROUTING) and at + 8 <= len(l3) and at + (l3[at + 1] + 1) * 8 <= len(l3):
        proto, at = l3[at], at + (l3[at + 1] + 1) * 8
    return at, FRAGMENT_HEADER


def _equal(l3: Bytes, length: int) -> tuple[int, ...]:
    """Ends of pieces of at most *length*, but of IPv6 no shorter than its least MTU."""
    head, added = _head(l3)
    length = max(length, MIN_MTU_V6) if added else length
    body, step = len(l3) - head, (length - head - added) // 8 * 8
    assert step > 0, "an MTU has room for a header and eight bytes"
    return (*range(step, body, step), body)


def cut(l3: Bytes, ends: Iterable[int], ident: bytes, dont_fragment: bool) -> list[bytes]:
    """*l3* in pieces that end at *ends* of what follows its header, each with the header and its identification."""
    head, at, found = _head(l3)[0], 0, []
    later = bytes(l3[:HEADER]) + without_copied(l3) if l3[0] >> 4 == 4 else b""
    for end in ends:
        more = head + end < len(l3)
        if later:
            word = at // 8 | (MORE if more else 0) | (DONT_FRAGMENT if dont_fragment else 0)
            piece = bytearray(later if at else l3[:head])
            pack_into(">H", piece, 6, word)
        else:
            piece = _head_v6(l3, head, at | more, ident)
        piece += l3[head + at : head + end]
        set_length(piece)
        checksum.ip_header(piece)
        found.append(bytes(piece))
        at = end
    return found


def _head_v6(l3: Bytes, head: int, word: int, ident: bytes) -> bytearray:
    """The header of a piece of IPv6, with its fragment header."""
    piece, named, at = bytearray(l3[:head]), 6, 40
    while at < head:
        named, at = at, at + (l3[at + 1] + 1) * 8
    piece += pack(">BBH4s", piece[named], 0, word, ident)
    piece[named] = FRAGMENT
    return piece
