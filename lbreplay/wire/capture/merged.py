"""Captures of several ports as one, by time: `--port dpdk0=a.pcap --port dpdk1=b.pcap` (interface 2).

Each file is an interface with the name of its port. Frames of equal time come in the order of the files, and within a
file in its own. A file whose times go back counts as at its latest time, as anywhere. No file is held in memory: a
chunk of each is there, and rows go out as far as no file can still bring an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lbreplay.arrays import I64, U8
from lbreplay.burst import RECORD, Told
from lbreplay.wire.capture.files import Files
from lbreplay.wire.capture.frames import SLACK, CaptureInfo, Frames, Reader, Warn
from lbreplay.wire.capture.recognise import recognised


class Waiting(NamedTuple):
    """Rows of one file that are not out yet, and by what they are ordered."""

    number: int  # of the file
    frames: Frames
    key: I64  # times that never go back

    def rows(self, start: int, stop: int) -> Waiting:
        return self._replace(frames=self.frames.rows(start, stop), key=self.key[start:stop])


class MergedReader(Reader):
    """Reads several files at once."""

    def __init__(self, files: Files, warn: Warn) -> None:
        super().__init__(files.sources[0], warn)
        self.readers = [recognised(source, warn) for source in files.sources]
        self.names = files.names
        infos = [reader.info for reader in self.readers]
        self.info = CaptureInfo(
            files.path, "merged", infos[0].linktype, any(i.nanosecond for i in infos), max(i.snaplen for i in infos)
        )

    def chunks(self) -> Iterator[Frames]:
        """Rows of all files in the order of time."""
        files = [_keyed(number, reader) for number, reader in enumerate(self.readers)]
        waiting: list[Waiting | None] = [next(file, None) for file in files]
        while live := [one for one in waiting if one is not None]:
            last = min((int(one.key[-1]), one.number) for one in live)
            out = []
            for one in live:
                count = int(np.searchsorted(one.key, last[0], "right" if one.number <= last[1] else "left"))
                out.append(one.rows(0, count))
                waiting[one.number] = one.rows(count, len(one.key)) if count < len(one.key) else None
            yield _together([one for one in out if len(one.key)])
            waiting[last[1]] = next(files[last[1]], None)
        self.damage = next((reader.damage for reader in self.readers if reader.damage), None)


def _keyed(number: int, reader: Reader) -> Iterator[Waiting]:
    """The chunks of one file, with times that never go back over all of them."""
    last = 0
    for frames in reader.chunks():
        key = np.maximum.accumulate(np.maximum(frames.time_ns, last))
        last = int(key[-1])
        yield Waiting(number, frames, key)


def _together(parts: Sequence[Waiting]) -> Frames:
    """The rows of *parts*, by time, then by file."""
    pieces, at, offset = [], [], 0
    for part in parts:
        piece, begin = _bytes_of(part.frames)
        pieces.append(piece)
        at.append(np.asarray(part.frames.at) - begin + offset)
        offset += len(piece)
    order = np.argsort(np.concatenate([part.key for part in parts]), kind="stable")
    caplen, length, time_ns = (
        np.concatenate([getattr(part.frames, name) for part in parts])[order]
        for name in ("caplen", "length", "time_ns")
    )
    links = [np.broadcast_to(np.asarray(part.frames.linktype, np.int64), part.key.shape) for part in parts]
    interface = np.concatenate([np.full(len(part.key), part.number) for part in parts])[order]
    linktype = np.concatenate(links)[order]
    same = (linktype == linktype[0]).all()
    kind = int(linktype[0]) if same else linktype
    buffer = np.concatenate(pieces)
    return Frames.of(buffer.data, np.concatenate(at)[order], caplen, length, time_ns, kind, _told(interface))


def _bytes_of(frames: Frames) -> tuple[U8, int]:
    """What of a chunk its rows need, with room behind the last, and where that began."""
    at, caplen = np.asarray(frames.at), np.asarray(frames.caplen)
    begin, end = max(int(at.min()) - RECORD, 0), int((at + caplen).max())
    piece = np.zeros(end - begin + SLACK, np.uint8)
    piece[: end - begin] = frames.buffer[begin:end]
    return piece, begin


def _told(interface: I64) -> Told:
    """Only the file says something."""
    count = len(interface)
    nothing, none = np.full(count, -1, np.int64), np.zeros(count, np.uint8)
    return Told(nothing, nothing.copy(), none, interface, none.copy())
