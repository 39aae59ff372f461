"""Chunks of a capture as rows: what every format's reader gives, and how a burst's buffer is laid out from it.

A reader knows its format's blocks and answers one question a chunk: where the frames are, how long, and when. It never
copies a frame. `Reader.chunks` is the loop around it: read, find, keep what a chunk's end cut for the next one.
A capture that ends in the middle of a record is read up to there, with a warning; a record that cannot be is `damage`:
what was good before it is delivered first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from lbreplay import memory
from lbreplay.burst import Told
from lbreplay.errors import CaptureError
from lbreplay.wire.capture.source import Source

if TYPE_CHECKING:
    from lbreplay.arrays import I64

CHUNK = 4 << 20  # bytes at most of a chunk; nothing in a file makes more of it
STEP, LEAST = 1 << 19, 1 << 16  # bytes read at once: they and the columns of their rows stay in a core's cache
SLACK = 2048  # bytes behind a chunk that may be read, and mean nothing
ETHERNET_LINK = 1  # the link type of most captures
SECTION = b"\x0a\x0d\x0d\x0a"  # how a pcapng begins, in either byte order
MAX_CAPLEN = 262_144  # as libpcap judges: a longer record is not a record

NO_TIME = -1
LAST_SECOND = (1 << 32) - 1  # a pcap's seconds are 32 bits

Warn = Callable[[str], None]


class CaptureInfo(NamedTuple):
    """What stands at the head of a capture. `snaplen` in bytes; `path` is `-` for standard input."""

    path: str
    format: str  # "pcap" or "pcapng"
    linktype: int
    nanosecond: bool
    snaplen: int


class Frames(NamedTuple):
    """Rows of a chunk. `buffer` is the chunk, columns are of numbers of 8 bytes; both are valid until the next one is
    read. Times are as the capture has them.

    linktype    of all rows, or a column
    dense       nothing but the RECORD bytes of a record header stands between two frames
    native      those headers are what the output wants: little-endian, its resolution, the columns' numbers
    """

    buffer: memoryview
    at: memoryview
    caplen: memoryview
    length: memoryview
    time_ns: memoryview  # NO_TIME: the format has none
    linktype: I64 | int
    dense: bool
    native: bool
    told: Told | None = None  # where the reader was asked for it

    @classmethod
    def of(
        cls, buffer: memoryview, at: I64, caplen: I64, length: I64, time_ns: I64, linktype: I64 | int,
        told: Told | None = None,
    ) -> Frames:  # fmt: skip
        """Rows of arrays, which lie apart."""
        return cls(buffer, at.data, caplen.data, length.data, time_ns.data, linktype, False, False, told)

    def rows(self, start: int, stop: int) -> Frames:
        some = slice(start, stop)
        return self._replace(
            at=self.at[some],
            caplen=self.caplen[some],
            length=self.length[some],
            time_ns=self.time_ns[some],
            linktype=self.linktype if isinstance(self.linktype, int) else self.linktype[some],
            told=self.told and self.told.rows(some),
        )


class Reader:
    """Base of the formats: the chunk loop. A format sets `info` and has `take`."""

    info: CaptureInfo
    record = "record"  # the format's word for what a chunk's end may cut
    telling = False  # whether to read what the file says beside frames, too

    def __init__(self, source: Source, warn: Warn) -> None:
        self.source = source
        self.warn = warn
        self.offset = 0  # in the file (unpacked), of the chunk's first byte
        self.step = STEP  # bytes that are read at once
        self.damage: CaptureError | None = None
        self.names: list[str] = []  # of interfaces, where the format has them

    def take(self, chunk: memoryview, end: int) -> tuple[Frames | None, int]:
        """The frames of the whole records in chunk[:end], and where the first record that is not whole begins."""
        raise NotImplementedError

    def broken(self, at: int, what: str) -> None:
        """Say that the record at *at* in the chunk cannot be; nothing behind it is read."""
        self.damage = CaptureError(f"{self.source.path}: offset {self.offset + at}: {what}")

    def chunks(self) -> Iterator[Frames]:
        """Rows chunk by chunk, until the end or `damage`."""
        chunk = memory.zeros("B", CHUNK + SLACK)
        room, held, got = chunk[:CHUNK], 0, 1
        while got and not self.damage:
            got = self._fill(room[held : held + self.step])
            frames, used = self.take(chunk, held + got) if got else (None, 0)
            if frames is not None and len(frames.at):
                yield frames
            self.offset += used
            held += got - used
            if held < 0:
                held = self._pass_over(room, -held)
                got = not held
            else:
                chunk[:held] = chunk[used : used + held]
        if not self.damage:
            self._end(held)

    def _fill(self, view: memoryview) -> int:
        try:
            return self.source.fill(view)
        except CaptureError as error:
            self.damage = error
            return 0

    def _pass_over(self, room: memoryview, rest: int) -> int:
        """Leave out *rest* bytes of a block that nobody needs; how many of them are missing."""
        while rest and (got := self._fill(room[: min(rest, CHUNK)])):
            rest -= got
        return rest

    def _end(self, held: int) -> None:
        """Say what the end of the file cut."""
        if self.source.cut:
            self.warn(self.source.cut)
        elif held:
            self.warn(f"the capture ends inside a {self.record} (offset {self.offset}), which is left out")
