"""IPv4 fragments: put together before IPVS looks, and taken apart again when sent (L 3, recorded).

Requests are put together where they are delivered, and leave in equal pieces as long as the largest received; replies
and strangers are put together by IPVS itself and leave in the very pieces that came. With connection tracking
everything is put together when it arrives, and keeps its pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack_into, unpack_from

from lbreplay.ipvs.skb import Pieces, Skb
from lbreplay.model import NANOSECOND
from lbreplay.wire import checksum
from lbreplay.wire.length import Bytes, set_length
from lbreplay.wire.packet import TCP, UDP, Packet

TIMEOUT = 30 * NANOSECOND  # net.ipv4.ipfrag_time
DONT_FRAGMENT, MORE, OFFSET = 0x4000, 0x2000, 0x1FFF
WHOLE_HEADER = {TCP: 20, UDP: 8}  # bytes the first piece must have for the pieces to be kept

Key = tuple[bytes, bytes, bytes, int]


class Queue:
    """What is there of one datagram: pieces by offset."""

    __slots__ = ("born", "end", "pieces")

    def __init__(self, now: int) -> None:
        self.born = now
        self.end = -1  # length of the L4 part, once the last piece is there
        self.pieces: dict[int, Packet] = {}


class Reassembly:
    """Datagrams that wait for their rest."""

    def __init__(self) -> None:
        self._queues: dict[Key, Queue] = {}

    def gather(self, skb: Skb, now: int, kept: bool) -> bool:
        """Add a fragment. True: *skb* is the whole datagram now; False: it waits."""
        packet = skb.packet
        key = packet.src, packet.dst, bytes(packet.l3[4:6]), packet.proto
        queue = self._queues.get(key)
        if queue is None or queue.born + TIMEOUT <= now:
            queue = self._queues[key] = Queue(now)
        if not _add(queue, packet):
            del self._queues[key]
        elif _complete(queue):
            del self._queues[key]
            skb.becomes(*_joined(queue, packet, kept))
            return True
        return False


def _place(packet: Packet) -> tuple[int, int, bool]:
    """Where a fragment's data begin and end in the datagram, and whether more follow."""
    word = unpack_from(">H", packet.l3, 6)[0]
    start = (word & OFFSET) * 8
    return start, start + len(packet.l3) - packet.l4_at, bool(word & MORE)


def _add(queue: Queue, packet: Packet) -> bool:
    """Take a piece in; False: it overlaps or cannot be, and the datagram is given up."""
    start, end, more = _place(packet)
    if more:
        end -= (end - start) % 8
    if start in queue.pieces and _place(queue.pieces[start])[1] == end:
        return True
    clash = any(start < _place(p)[1] and at < end for at, p in queue.pieces.items())
    if clash or end <= start or not packet.complete:
        return False
    if not more:
        queue.end = end
    queue.pieces[start] = packet
    return True


def _complete(queue: Queue) -> bool:
    """Without overlaps the pieces are whole when their lengths add up."""
    lengths = (end - start for start, end, _ in map(_place, queue.pieces.values()))
    return 0 in queue.pieces and queue.end == sum(lengths)


def _joined(queue: Queue, last: Packet, kept: bool) -> tuple[Packet, Pieces]:
    """The datagram, as if received with the frame that completed it."""
    first, order = queue.pieces[0], sorted(queue.pieces)
    body = b"".join(queue.pieces[at].l3[queue.pieces[at].l4_at :] for at in order)
    largest = max(queue.pieces.values(), key=lambda piece: (len(piece.l3), piece.dont_fragment))
    l3 = bytearray(first.l3[: first.l4_at] + body)
    l3[6:8] = (DONT_FRAGMENT if largest.dont_fragment else 0).to_bytes(2)
    set_length(l3)
    checksum.ip_header(l3)
    frame = last.frame[: last.l3_at] + bytes(l3)
    whole = Packet(frame, len(frame), last.time_ns, last.n, last.row, last.worker)
    whole.l2class = last.l2class
    if last.l3_at != 14:
        whole.untag()
    header = first.l3_length - first.l4_at
    kept = kept and header >= WHOLE_HEADER.get(first.proto, 0)
    ends = tuple(_place(queue.pieces[at])[1] for at in order)
    return whole, Pieces(ends, len(largest.l3), largest.dont_fragment, kept)


def taken_apart(l3: Bytes, mtu: int, pieces: Pieces | None, moved: int = 0) -> list[bytes]:
    """An IPv4 packet as it leaves: whole, or in the pieces that the *mtu* or its own history ask for.

    moved: bytes put before its old L4 (a tunnel's header): old pieces cannot be kept then.
    """
    head = (l3[0] & 15) * 4
    body = len(l3) - head
    if pieces is None:
        return [bytes(l3)] if len(l3) <= mtu else cut(l3, _equal(body, mtu - head), False)
    if pieces.kept and not moved and pieces.ends[-1] == body and head + _longest(pieces.ends) <= mtu:
        return cut(l3, pieces.ends, pieces.dont_fragment)
    return cut(l3, _equal(body, min(pieces.largest, mtu) - head), pieces.dont_fragment)


def _equal(body: int, room: int) -> tuple[int, ...]:
    step = room // 8 * 8
    assert step > 0, "an MTU has room for a header and eight bytes"
    return (*range(step, body, step), body)


def _longest(ends: Iterable[int]) -> int:
    at, longest = 0, 0
    for end in ends:
        at, longest = end, max(longest, end - at)
    return longest


def cut(l3: Bytes, ends: Iterable[int], dont_fragment: bool) -> list[bytes]:
    """*l3* in pieces that end at *ends* of what follows its header, each with the header and its identification."""
    head, at, found = (l3[0] & 15) * 4, 0, []
    last = len(l3) - head
    for end in ends:
        piece = bytearray(l3[:head]) + l3[head + at : head + end]
        word = at // 8 | (MORE if end < last else 0) | (DONT_FRAGMENT if dont_fragment else 0)
        pack_into(">H", piece, 6, word)
        set_length(piece)
        checksum.ip_header(piece)
        found.append(bytes(piece))
        at = end
    return found
