"""Captures in and out. A file per format; this one opens them and cuts what they give into bursts."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

import numpy as np

from lbreplay.burst import PAD, RECORD, U8, Burst
from lbreplay.errors import CaptureError
from lbreplay.wire.capture.frames import CaptureInfo, Frames, Reader
from lbreplay.wire.capture.pcap import MAGICS, PcapReader
from lbreplay.wire.capture.sink import PipeClosed, Sink, open_sink
from lbreplay.wire.capture.source import Source
from lbreplay.wire.fields import overlay

__all__ = ["Capture", "CaptureInfo", "PipeClosed", "Sink", "open_capture", "open_sink"]


class Capture:
    """A capture being read; a context manager.

    frames, bytes, first_ns, last_ns    counted so far; bytes on the wire
    warnings    sentences, each said once
    damage      why reading stopped before the end of the file, or None; what was good before it was delivered
    """

    def __init__(self, source: Source) -> None:
        self.frames = self.bytes = self.first_ns = self.last_ns = 0
        self.warnings: list[str] = []
        self._source = source
        self._reader: Reader = self._recognise(source)
        self.info: CaptureInfo = self._reader.info
        self._raised = 0

    def _recognise(self, source: Source) -> Reader:
        if source.head[:4] in MAGICS:
            return PcapReader(source, self._warn)
        what = "an empty file" if not source.head else f"a file that begins {source.head[:4].hex(' ')}"
        raise CaptureError(f"{source.path}: offset 0: a pcap or pcapng capture expected, got {what}")

    @property
    def damage(self) -> CaptureError | None:
        return self._reader.damage

    def bursts(self, size: int) -> Iterator[Burst]:
        """The frames in order, at most *size* a burst; a burst never spans chunks."""
        for frames in self._reader.chunks():
            frames = self._clock(frames)
            for row in range(0, len(frames.at), size):
                burst = self._burst(frames, row, min(row + size, len(frames.at)))
                yield burst
        if self._raised:
            self._warn(f"{self._raised} frames have times before the frame in front of them: they count as that time")
        if self.damage:
            self._warn(str(self.damage))

    def _clock(self, frames: Frames) -> Frames:
        """Times that never decrease."""
        if not self.frames:
            self.first_ns = self.last_ns = int(frames.time_ns[0])
        time_ns = np.maximum.accumulate(np.maximum(frames.time_ns, self.last_ns))
        raised = int(np.count_nonzero(time_ns != frames.time_ns))
        self._raised += raised
        return frames._replace(time_ns=time_ns, in_place=frames.in_place and not raised)

    def _burst(self, frames: Frames, start: int, stop: int) -> Burst:
        at, caplen = frames.at[start:stop], frames.caplen[start:stop]
        length, time_ns = frames.length[start:stop], frames.time_ns[start:stop]
        begin, end = int(at[0]) - RECORD, int(at[-1] + caplen[-1])
        buffer = np.empty(end - begin + PAD, np.uint8)
        buffer[: end - begin] = frames.buffer[begin:end]
        buffer[end - begin :] = 0
        burst = Burst(self.frames + 1, buffer, at - begin, caplen, length, time_ns)
        if not frames.in_place:
            self._head(burst.buffer, burst)
        self.frames += burst.size
        self.bytes += int(length.sum())
        self.last_ns = int(time_ns[-1])
        return burst

    def _head(self, buffer: U8, burst: Burst) -> None:
        """Write the record headers from the columns."""
        fraction = 1 if self.info.nanosecond else 1000
        header = np.empty((burst.size, 4), "<u4")
        header[:, 0], nanosecond = np.divmod(burst.time_ns, 1_000_000_000)
        header[:, 1], header[:, 2], header[:, 3] = nanosecond // fraction, burst.caplen, burst.length
        view = overlay(buffer, RECORD)
        view[burst.at - RECORD] = header.view(view.dtype)[:, 0]

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._source.close()


def open_capture(path: str) -> Capture:
    """Open *path* (`-`: standard input), recognised by content. Raises CaptureError: unreadable, or not a capture."""
    source = Source(path)
    try:
        return Capture(source)
    except CaptureError:
        source.close()
        raise
