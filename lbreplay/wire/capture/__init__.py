"""Captures in and out. A file per format; this one opens them and cuts what they give into bursts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType

from lbreplay.burst import Burst, Room
from lbreplay.edge import pace
from lbreplay.errors import CaptureError, PipeClosed
from lbreplay.loop.lay import Layer
from lbreplay.phrases import plural
from lbreplay.wire.capture.compressed import open_source
from lbreplay.wire.capture.files import Files, Merged
from lbreplay.wire.capture.frames import LEAST, STEP, CaptureInfo, Frames, Reader
from lbreplay.wire.capture.layout import lay_out
from lbreplay.wire.capture.recognise import recognised
from lbreplay.wire.capture.sink import Note, Sink, is_pcapng, judge_name, open_sink
from lbreplay.wire.capture.source import Source

__all__ = [
    "Capture",
    "CaptureInfo",
    "Merged",
    "Note",
    "PipeClosed",
    "Sink",
    "Source",
    "is_pcapng",
    "judge_name",
    "open_capture",
    "open_sink",
]


class Capture:
    """A capture being read; a context manager.

    frames, bytes, first_ns, last_ns    counted so far; bytes on the wire
    warnings    sentences, each said once
    damage      why reading stopped before the end of the file, or None; what was good before it was delivered
    """

    def __init__(self, source: Source | Files, telling: bool = False) -> None:
        self.frames = self.bytes = self.first_ns = self.last_ns = 0
        self.warnings: list[str] = []
        self._source = source
        self._reader: Reader = self._merged(source) if isinstance(source, Files) else recognised(source, self._warn)
        self._reader.telling = telling
        self.info: CaptureInfo = self._reader.info
        self._layer, self._room = Layer(self.info.nanosecond), Room(0)

    def _merged(self, files: Files) -> Reader:
        from lbreplay.wire.capture.merged import MergedReader

        return MergedReader(files, self._warn)

    @property
    def damage(self) -> CaptureError | None:
        return self._reader.damage

    @property
    def names(self) -> list[str]:
        """The names of the interfaces, by the number that `Told.interface` has."""
        return self._reader.names

    def idle(self) -> bool:
        """Whether nothing more of a live stream is there yet."""
        return isinstance(self._source, Source) and self._source.live and not self._source.ready(0)

    def bursts(self, size: int) -> Iterator[Burst]:
        """The frames in order, at most *size* a burst; a burst never spans chunks."""
        return map(Burst.copy, self.lent(size))

    def lent(self, size: int) -> Iterator[Burst]:
        """The same, each burst in the memory of the one before."""
        with pace.phase(f"reading {os.path.basename(self.info.path)}") as tell:
            yield from self._cut(size, tell)
        if raised := self._layer.raised:
            self._warn(
                f"times go back {plural(raised, 'time')}: such a frame counts as at the time of the one before it"
            )
        if self.damage:
            self._warn(str(self.damage))

    def _cut(self, size: int, tell: pace.Tell) -> Iterator[Burst]:
        for frames in self._reader.chunks():
            self._note_links(frames)
            frames = self._settled(frames)
            self._reader.step = _step(frames, size)
            start = 0
            while start < len(frames.at):
                stop = min(start + size, len(frames.at))
                room = self._room_for(stop - start)
                burst = lay_out(frames, start, stop, self.frames + 1, self._layer, room)
                if frames.told is not None:
                    burst.told = frames.told.rows(slice(start, stop))
                    burst.interface = burst.told.interface
                start = stop
                self._count(burst)
                yield burst
                tell(*self._source.come() or (self.frames, None))

    def _room_for(self, rows: int) -> Room:
        if self._room.rows < rows:
            self._room = Room(rows)
        return self._room

    def _settled(self, frames: Frames) -> Frames:
        """With times that never decrease; frames without one have that of the frame before."""
        if not self.frames:
            self.first_ns = self.last_ns = self._layer.last_ns = max(frames.time_ns[0], 0)
        went_back = self._layer.settle(frames.time_ns)
        return frames._replace(native=frames.native and not went_back)

    def _count(self, burst: Burst) -> None:
        self.frames += burst.size
        self.bytes, self.last_ns = self._layer.octets, burst.flat["time_ns"][burst.size - 1]

    def _note_links(self, frames: Frames) -> None:
        if isinstance(frames.linktype, int):
            return
        from lbreplay.wire.capture.link import unknown

        for number in unknown(frames.linktype):
            self._warn(f"frames of link type {number} are taken as Ethernet frames that nobody handles")

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._source.close()


def _step(frames: Frames, size: int) -> int:
    """How much is to be read for a burst of *size* or a few less, by the last chunk; then most chunks are one burst."""
    wanted = (frames.at[-1] - frames.at[0]) * size // len(frames.at)
    return min(max(wanted - wanted // 16, LEAST), STEP)


def open_capture(path: str, telling: bool = False) -> Capture:
    """Open *path* (`-`: standard input; a Merged: several), recognised by content. Raises CaptureError: unreadable, or
    not a capture.

    *telling*: bursts of a pcapng have `told`, what the file says beside frames of queue and hash.
    """
    source = Files(path) if isinstance(path, Merged) else open_source(path)
    try:
        return Capture(source, telling)
    except CaptureError:
        source.close()
        raise
