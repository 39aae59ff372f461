"""pcapng: sections of blocks. Frames stand in enhanced, simple and (old) packet blocks; interfaces say what they are.

A section header sets the byte order and forgets the interfaces. Blocks of a chunk are walked once; what they say is
gathered as columns, with the interfaces as a table that rows index, so that neither many interfaces nor many sections
make a chunk slow. Unknown blocks are passed over, whatever their size. Reference: draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import unpack
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbreplay.arrays import I64, U8, Bool
from lbreplay.burst import Told
from lbreplay.errors import CaptureError
from lbreplay.loop.walk import Shape, walk
from lbreplay.wire.capture.frames import (
    CHUNK,
    LAST_SECOND,
    MAX_CAPLEN,
    NO_TIME,
    SECTION,
    CaptureInfo,
    Frames,
    Reader,
    Warn,
)
from lbreplay.wire.capture.source import Source
from lbreplay.wire.capture.told import join_told, read_told
from lbreplay.wire.fields import overlay

INTERFACE, PACKET, SIMPLE, ENHANCED = 1, 2, 3, 6
STOP = int.from_bytes(SECTION)
ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
MAX_BLOCK = 1 << 20  # bytes of a block that is looked at; libpcap allows 16 MiB, for options nobody writes
MAX_INTERFACES = 1 << 16
LEAST = np.array([12, 20, 32, 16, 12, 12, 32, 12])  # bytes of a block of a kind; 7: of any other
SECTION_LEAST = 28
EXPECTED = "the header of a section of pcapng version 1 expected"
HEAD = 28  # bytes before the frame in an enhanced and an old packet block; 12 in a simple one
SECOND = 1_000_000_000
NAME, TSRESOL, TSOFFSET = 2, 9, 14


class Interface(NamedTuple):
    linktype: int
    snaplen: int
    units: int  # of a timestamp in a second
    offset: int  # seconds to add
    name: str = ""


def options(data: bytes, order: str) -> dict[int, bytes]:
    """The options of a block by code, the last of each; what runs over the end is left out."""
    found, at = {}, 0
    while at + 4 <= len(data):
        code, size = unpack(order + "HH", data[at : at + 4])
        if code == 0 or at + 4 + size > len(data):
            break
        found[code] = data[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4
    return found


def interface(block: bytes, order: str) -> Interface:
    """An interface description block, whole."""
    linktype, _, snaplen = unpack(order + "HHI", block[8:16])
    option = options(block[16:-4], order)
    resolution = (option.get(TSRESOL) or b"\x06")[0]
    units = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    offset = option.get(TSOFFSET, b"")
    seconds = unpack(order + "q", offset)[0] if len(offset) == 8 else 0
    return Interface(linktype, snaplen, units, seconds, option.get(NAME, b"").decode("utf-8", "replace"))


def nanoseconds(stamps: Iterable[int], units: Iterable[int], offsets: Iterable[int]) -> I64:
    """Timestamps as nanoseconds since 1970, kept within what a pcap can say. Exact, for any resolution."""
    last = LAST_SECOND * SECOND
    rows = zip(stamps, units, offsets, strict=True)
    return np.array([min(max(s * SECOND // u + o * SECOND, 0), last) for s, u, o in rows], np.int64)


class Table(NamedTuple):
    """The interfaces as columns. `scale`: nanoseconds a unit, 0 where only exact arithmetic will do."""

    linktype: I64
    scale: I64
    offset: I64


def table(interfaces: list[Interface]) -> Table:
    fast = [SECOND % i.units == 0 and abs(i.offset) <= LAST_SECOND for i in interfaces]
    scale = [SECOND // i.units if easy else 0 for i, easy in zip(interfaces, fast, strict=True)]
    offset = [i.offset * SECOND if easy else 0 for i, easy in zip(interfaces, fast, strict=True)]
    linktype = [i.linktype for i in interfaces]
    return Table(*(np.array(column, np.int64) for column in (linktype, scale, offset)))


class PcapngReader(Reader):
    """Packet blocks of a pcapng."""

    record = "block"

    def __init__(self, source: Source, warn: Warn) -> None:
        super().__init__(source, warn)
        self.order = "<"
        self.interfaces: list[Interface] = []
        self.table = table([])
        self.passed = 0  # interfaces of the sections before
        first = self._first_interface()
        self.info = CaptureInfo(source.path, "pcapng", first.linktype, True, first.snaplen or MAX_CAPLEN)

    def _first_interface(self) -> Interface:
        """Look ahead to it and put back what was read. A capture without packets may have none: Ethernet then."""
        seen, order = bytearray(), "<"
        try:
            while len(head := self.source.read_exactly(12)) == 12:
                seen += head
                if head[:4] == SECTION and head[8:] not in ORDERS:
                    raise CaptureError(f"{self.source.path}: offset {len(seen) - 12}: {EXPECTED}")
                order = ORDERS[head[8:]] if head[:4] == SECTION else order
                kind, size = unpack(order + "II", head[:8])
                if not 12 <= size <= CHUNK - len(seen):
                    break
                rest = self.source.read_exactly(size - 12)
                seen += rest
                if kind == INTERFACE and len(rest) >= 8:
                    return interface(head + rest, order)
            return Interface(1, 0, 10**6, 0)
        finally:
            self.source.head = bytes(seen) + self.source.head

    def take(self, chunk: memoryview, end: int) -> tuple[Frames | None, int]:
        array, at, before, parts = np.asarray(chunk), 0, -1, []
        while before < at < end and not self.damage:
            before = at
            if chunk[at : at + 4].tobytes() == SECTION:
                at = self._section(array, at, end)
                continue
            starts, at, bad = walk(chunk, at, end, Shape(self.order, 4, 0, 12, MAX_BLOCK, STOP))
            if len(starts):
                parts.append(self._frames(array, np.asarray(starts)))
            if bad and not self.damage:
                at = self._too_long(array, at)
        return joined(parts), at

    def _section(self, chunk: U8, at: int, end: int) -> int:
        """Begin a section; where it goes on, or *at* where its header is not whole."""
        block = chunk[at : min(at + SECTION_LEAST, end)].tobytes()
        if len(block) < SECTION_LEAST:
            return at
        order = ORDERS.get(block[8:12], "")
        size, _, major = unpack(order + "IIH", block[4:14])
        if not (order and SECTION_LEAST <= size <= MAX_BLOCK and size % 4 == 0 and major == 1):
            self.broken(at, EXPECTED)
            return at
        if at + size > end:
            return at
        self.passed += len(self.interfaces)
        self.order, self.interfaces, self.table = order, [], table([])
        return at + int(size)

    def _too_long(self, chunk: U8, at: int) -> int:
        """A block that is longer than any worth looking at: where it ends, if nobody needs what is in it."""
        kind, size = unpack(self.order + "II", chunk[at : at + 8].tobytes())
        if size % 4 == 0 and size > MAX_BLOCK and (kind > ENHANCED or LEAST[kind] == 12):
            return at + int(size)
        self.broken(at, f"a block of 12 to {MAX_BLOCK} bytes expected, this one says {size}")
        return at

    def _frames(self, chunk: U8, starts: I64) -> Frames:
        """The packets of the blocks at *starts*, up to the first that cannot be; interfaces are learned."""
        blocks = read_blocks(chunk, starts, self.order)
        wrong = blocks.wrong(len(self.interfaces))
        if wrong.any():
            first = int(wrong.argmax())
            self.broken(int(starts[first]), f"a block of type {blocks.kind[first]} whose numbers contradict each other")
            blocks = blocks.rows(slice(first))
        if (blocks.kind != ENHANCED).any():
            self._learn(chunk, blocks.rows(np.flatnonzero(blocks.kind == INTERFACE)))
            blocks = blocks.rows(np.flatnonzero(blocks.is_frame))
        at, caplen = blocks.start + HEAD, blocks.caplen
        time_ns = self._times(blocks.stamp, blocks.interface)
        simple = blocks.kind == SIMPLE
        if simple.any():
            caplen = np.where(simple, np.minimum(caplen, self.interfaces[0].snaplen or MAX_CAPLEN), caplen)
            at, time_ns = np.where(simple, at - HEAD + 12, at), np.where(simple, NO_TIME, time_ns)
        links = self.table.linktype[blocks.interface]
        same = (links == self.info.linktype).all()
        linktype = self.info.linktype if same else links
        found = Frames.of(chunk.data, at, caplen, np.maximum(blocks.length, caplen), time_ns, linktype)
        return found._replace(told=self._told(chunk, blocks)) if self.telling else found

    def _told(self, chunk: U8, blocks: Blocks) -> Told:
        """What the options of enhanced packet blocks say; the others have none of these."""
        ends = blocks.start + blocks.size - 4
        begins = np.where(blocks.kind == ENHANCED, blocks.start + HEAD + (blocks.caplen + 3 & ~3), ends)
        return read_told(chunk, begins, ends, self.order, blocks.interface + self.passed)

    def _learn(self, chunk: U8, blocks: Blocks) -> None:
        """The interfaces that these blocks describe join the section's."""
        for start, size in zip(blocks.start.tolist(), blocks.size.tolist(), strict=True):
            self.interfaces.append(interface(chunk[start : start + size].tobytes(), self.order))
            self.names.append(self.interfaces[-1].name)
        if len(blocks.start):
            self.table = table(self.interfaces)

    def _times(self, stamp: NDArray[np.uint64], which: I64) -> I64:
        each = 0 if len(self.interfaces) == 1 else which  # a number for all costs less than one a row
        scale, offset = self.table.scale[each], self.table.offset[each]
        if (scale > 0).all() and (stamp <= LAST_SECOND * SECOND // np.maximum(scale, 1)).all():
            time_ns: I64 = np.clip(stamp.astype(np.int64) * scale + offset, 0, LAST_SECOND * SECOND)
            return time_ns
        described = [self.interfaces[i] for i in which.tolist()]
        return nanoseconds(stamp.tolist(), (i.units for i in described), (i.offset for i in described))


class Blocks(NamedTuple):
    """Blocks as columns. Where a block is no packet, the columns of packets mean nothing."""

    start: I64
    kind: I64
    size: I64
    tail: I64  # the size again, at the block's end
    interface: I64
    stamp: NDArray[np.uint64]
    caplen: I64
    length: I64

    @property
    def is_frame(self) -> Bool:
        return (self.kind == ENHANCED) | (self.kind == SIMPLE) | (self.kind == PACKET)  # type: ignore[no-any-return]

    def rows(self, which: slice | I64) -> Blocks:
        return Blocks._make(column[which] for column in self)

    def wrong(self, known: int) -> Bool:
        """Blocks whose numbers cannot be true, with *known* interfaces before the first."""
        described = self.kind == INTERFACE
        interfaces = known + np.cumsum(described) if described.any() else np.int64(known)
        wrong = (self.size % 4 != 0) | (self.tail != self.size) | (self.size < LEAST[np.minimum(self.kind, 7)])
        room = self.size - np.where(self.kind == SIMPLE, 16, 32)
        frame = (self.interface >= interfaces) | (self.caplen > np.minimum(room, MAX_CAPLEN))
        judged: Bool = wrong | (interfaces > MAX_INTERFACES) | (self.is_frame & frame)
        return judged


def read_blocks(chunk: U8, starts: I64, order: str) -> Blocks:
    """The numbers at the beginning of the blocks at *starts*, and the one at their end."""
    head = overlay(chunk, HEAD)[starts].view(order + "u4").reshape(-1, 7).T.astype(np.int64, order="C")
    kind, size, which, high, low, caplen, length = head
    tail = overlay(chunk, 4)[starts + size - 4].view(order + "u4").astype(np.int64)
    stamp = (high.astype(np.uint64) << np.uint64(32)) | low.astype(np.uint64)
    if (kind != ENHANCED).any():
        simple = kind == SIMPLE  # its length stands where others have the interface
        length = np.where(simple, which, length)
        caplen = np.where(simple, np.minimum(size - 16, length), caplen)
        old = which & 0xFFFF if order == "<" else which >> 16
        which = np.where(simple, 0, np.where(kind == PACKET, old, which))
    return Blocks(starts, kind, size, tail, which, stamp, caplen, length)


def joined(parts: list[Frames]) -> Frames | None:
    """The rows of several sections of a chunk."""
    if len(parts) < 2:
        return parts[0] if parts else None
    at, caplen, length, time_ns = (np.concatenate(column) for column in list(zip(*parts, strict=True))[1:5])
    linktype = np.concatenate([np.broadcast_to(np.asarray(part.linktype), len(part.at)) for part in parts])
    told = join_told([part.told for part in parts if part.told is not None])
    return Frames.of(parts[0].buffer, at, caplen, length, time_ns, linktype, told)
