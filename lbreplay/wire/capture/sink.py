"""A capture being written: what leaves, in order.

A classic pcap of Ethernet frames, the usual case, is written a burst at once: rows that leave stand behind their record
headers in the buffer already, one run of neighbours mostly. Where frames were made between them, or rows lie apart
(some do not leave, padding was taken off), all are gathered first. Everything else (other link types, pcapng) goes
frame by frame.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from struct import pack
from types import TracebackType
from typing import NamedTuple, Protocol

from lbreplay import memory
from lbreplay.burst import RECORD, Burst, Made
from lbreplay.edge.output import Output
from lbreplay.errors import CaptureError
from lbreplay.loop.runs import Runs
from lbreplay.wire.capture.frames import ETHERNET_LINK, CaptureInfo
from lbreplay.wire.capture.output import PackedOutput

ETHERNET = 14  # bytes of its header
SECOND = 1_000_000_000
SECTION = pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
INTERFACE, ENHANCED = 1, 6
COMMENT, HASH, QUEUE, VERDICT = 1, 3, 6, 7  # options of an enhanced packet block
NAME, RESOLUTION = 2, 9  # options of an interface
TOEPLITZ, HARDWARE = 5, 0  # what kind of hash, of verdict


class Note(NamedTuple):
    """What a pcapng says about a frame that leaves; None is not said. `worker` is a rank, or with several ports the
    number of the interface of a port and a worker; `verdict` a name."""

    worker: int
    queue: int | None = None
    hash: int | None = None
    verdict: str | None = None
    comment: str | None = None


Annotate = Callable[[Burst, "int | Made"], "Note | tuple[int, int | None, int | None, str | None, str | None]"]


class Writes(Protocol):
    """What writes blocks of rows, one behind the other: loop/notes.py."""

    interfaces: int
    unit: int

    def tell(self, row: int, stop: int) -> int: ...

    def write(self, data: bytes) -> None: ...

    def written(self) -> memoryview: ...


class Leaving(NamedTuple):
    """A frame that leaves, in the link type of the capture."""

    what: int | Made  # a row, or what was made
    time_ns: int
    frame: bytes
    length: int


class Sink:
    """What leaves, in order. A context manager: a clean exit gives the file its name, any other removes it.

    Raises OutputError (disk full), PipeClosed (nobody reads standard output any more).
    """

    def __init__(self, output: Output, info: CaptureInfo) -> None:
        self.info = info
        self._output = output
        self._unit = 1 if info.nanosecond else 1000
        self._runs = Runs()
        self._memory = memoryview(bytearray())  # of what is gathered
        output.write(self._begin())

    def _begin(self) -> bytes:
        magic = 0xA1B23C4D if self.info.nanosecond else 0xA1B2C3D4
        return pack("<IHHIIII", magic, 2, 4, 0, 0, self.info.snaplen, self.info.linktype)

    def write(self, burst: Burst) -> None:
        """Write the made frames and the leaving rows of *burst*, in order: made ones before their row."""
        pieces = list(self._pieces(burst))
        if pieces:
            self._output.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _pieces(self, burst: Burst) -> Iterator[bytes | memoryview]:
        if self.info.linktype == ETHERNET_LINK:
            return self._in_place(burst)
        return (self._record(one.time_ns, one.frame, one.length) for one in self._leaving(burst))

    def _in_place(self, burst: Burst) -> Iterator[memoryview]:
        """A slice of the buffer, or of a copy where something made goes between rows or rows lie apart."""
        runs = self._runs
        runs.look(burst)
        if burst.made or runs.runs > 1:
            yield self._gathered(burst)
        elif runs.runs:
            yield burst.data[runs.begin : runs.end]

    def _gathered(self, burst: Burst) -> memoryview:
        """The records of rows that leave and of what was made, one behind the other in order."""
        size = self._runs.size + sum([RECORD + len(one.frame) for one in burst.made])
        if len(self._memory) < size:
            self._memory = memory.zeros("B", size + size // 8)
        return self._memory[: self._runs.gather(burst, self._unit, self._memory)]

    def _leaving(self, burst: Burst, some: Collection[int] | None = None) -> Iterator[Leaving]:
        """Frame by frame, under the link header of the capture; of rows only *some*."""
        made, leaving = _by_row(burst.made), burst.flat["leaving"]
        rows = [row for row in (range(burst.size) if some is None else some) if leaving[row]]
        frames = {row: burst.frame(row) for row in rows}
        head = dict(zip(rows, self._heads(frames.values()), strict=True))
        made_head = iter(self._heads(one.frame for one in burst.made))
        for row in sorted(made.keys() | head.keys()):
            for one in made.get(row, ()):
                yield self._under(one, one.time_ns, next(made_head), one.frame, one.length)
            if row in head:
                yield self._under(row, burst.flat["time_ns"][row], head[row], frames[row], burst.flat["sent"][row])

    def _heads(self, frames: Iterable[bytes]) -> list[bytes]:
        """The link header of each."""
        heads = [frame[:ETHERNET] for frame in frames]
        if self.info.linktype == ETHERNET_LINK:
            return heads
        from lbreplay.wire.capture.link import heads_of

        return heads_of(self.info.linktype, heads)

    def _under(self, what: int | Made, time_ns: int, head: bytes, frame: bytes, length: int) -> Leaving:
        return Leaving(what, time_ns, head + frame[ETHERNET:], length - ETHERNET + len(head))

    def _record(self, time_ns: int, frame: bytes, length: int) -> bytes:
        seconds, fraction = divmod(time_ns, SECOND)
        return pack("<IIII", seconds, fraction // self._unit, len(frame), max(length, len(frame))) + frame

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self._output.commit()
        else:
            self._output.abandon()


class PcapngSink(Sink):
    """The same as pcapng: an interface per worker, and what `annotate` says beside each frame."""

    def __init__(self, output: Output, info: CaptureInfo, annotate: Annotate | None) -> None:
        self._annotate = annotate
        self._interfaces = 0
        super().__init__(output, info)

    def _begin(self) -> bytes:
        return SECTION

    def _pieces(self, burst: Burst) -> Iterator[bytes | memoryview]:
        rows = getattr(self._annotate, "rows", None)
        if rows is None or self.info.linktype != ETHERNET_LINK:
            for leaving in self._leaving(burst):
                yield from self._noted(burst, leaving)
        else:
            yield self._together(burst, *rows(burst))

    def _noted(self, burst: Burst, leaving: Leaving) -> Iterator[bytes]:
        """One frame with its note, and before it the interfaces up to its own."""
        note = Note(*self._annotate(burst, leaving.what)) if self._annotate else Note(0)
        while self._interfaces <= note.worker:
            yield self._interface(self._interfaces)
            self._interfaces += 1
        yield self._block(leaving, note)

    def _together(self, burst: Burst, notes: Writes, odd: Collection[int]) -> memoryview:
        """The rows that *notes* writes, and between them the *odd* ones and what was made."""
        notes.unit, row = self._unit, 0
        for leaving in self._leaving(burst, odd):
            at, own = (leaving.what, True) if isinstance(leaving.what, int) else (leaving.what.row, False)
            self._rows(notes, row, at)
            notes.write(b"".join(self._noted(burst, leaving)))
            row = at + own
        self._rows(notes, row, burst.size)
        return notes.written()

    def _rows(self, notes: Writes, row: int, stop: int) -> None:
        """Rows up to *stop*, with the interfaces that they are the first to leave by."""
        notes.interfaces = self._interfaces
        while (row := notes.tell(row, stop)) < stop:
            notes.write(self._interface(self._interfaces))
            self._interfaces += 1
            notes.interfaces = self._interfaces

    def _interface(self, worker: int) -> bytes:
        say = getattr(self._annotate, "interface", "worker{}".format)  # of several ports, the port too
        name = [(NAME, say(worker).encode())] if self._annotate else []
        options = pack_options([*name, (RESOLUTION, b"\x09" if self.info.nanosecond else b"\x06")])
        return block(INTERFACE, pack("<HHI", self.info.linktype, 0, self.info.snaplen) + options)

    def _block(self, leaving: Leaving, note: Note) -> bytes:
        stamp, size = leaving.time_ns // self._unit, len(leaving.frame)
        head = pack("<IIIII", note.worker, stamp >> 32, stamp & 0xFFFFFFFF, size, max(leaving.length, size))
        return block(ENHANCED, head + leaving.frame + bytes(-size % 4) + pack_options(_options(note)))


def _options(note: Note) -> Iterator[tuple[int, bytes]]:
    if note.comment is not None:
        yield COMMENT, note.comment.encode()
    if note.hash is not None:
        yield HASH, pack("<BI", TOEPLITZ, note.hash)
    if note.queue is not None:
        yield QUEUE, pack("<I", note.queue)
    if note.verdict is not None:
        yield VERDICT, bytes([HARDWARE]) + note.verdict.encode()


def pack_options(options: Iterable[tuple[int, bytes]]) -> bytes:
    """Options of a pcapng block, with their end; nothing for none."""
    packed = b"".join(pack("<HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options)
    return packed and packed + bytes(4)


def block(kind: int, body: bytes) -> bytes:
    """A pcapng block around *body*, whose length is a multiple of 4."""
    size = len(body) + 12
    return pack("<II", kind, size) + body + pack("<I", size)


def _by_row(made: list[Made]) -> dict[int, list[Made]]:
    return {row: list(group) for row, group in groupby(made, attrgetter("row"))} if made else {}


def is_pcapng(path: str) -> bool:
    """Whether *path* asks for a pcapng, by its suffix behind that of a compression."""
    return _suffix(path) == ".pcapng"


def judge_name(path: str) -> None:
    """Raises CaptureError where the suffix of *path* names no form that is written: another one would mislead."""
    if _suffix(path) not in (".pcap", ".pcapng"):
        raise CaptureError(f"{path}: .pcap or .pcapng expected, with .gz, .zst or .xz behind it compressed")


def _suffix(path: str) -> str:
    return os.path.splitext(path.removesuffix(".gz").removesuffix(".zst").removesuffix(".xz"))[1]


def open_sink(path: str, info: CaptureInfo, annotate: Annotate | None = None) -> Sink:
    """A capture to write, like *info* in link type, resolution and snap length; its form by the suffix of *path*.

    `-` is standard output, pcap. Only pcapng has room for what *annotate* says of a row or a made frame.
    Raises OutputError where it cannot be written, or is the capture that is read.
    """
    output = PackedOutput(path, info)
    try:
        return PcapngSink(output, info, annotate) if is_pcapng(path) else Sink(output, info)
    except BaseException:
        output.abandon()
        raise
