"""A capture being written: beside its final name, renamed at the end; runs of rows that stay as they are, as slices."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import attrgetter
from struct import pack
from types import TracebackType
from typing import Any

import numpy as np

from lbreplay.burst import RECORD, Burst, Made
from lbreplay.errors import CaptureError
from lbreplay.wire.capture.frames import CaptureInfo

SECOND = 1_000_000_000


class PipeClosed(Exception):
    """Whoever read standard output has gone: the run ends quietly."""


class Output:
    """The file behind a sink. Nothing stands under the final name before `commit`."""

    def __init__(self, path: str, info: CaptureInfo) -> None:
        self.path = path
        self._part: str | None = None
        try:
            self._fd = self._open(info)
        except OSError as error:
            raise CaptureError(f"{path}: cannot be written: {error.strerror}") from None

    def _open(self, info: CaptureInfo) -> int:
        if self.path == "-":
            return 1
        self._refuse_input(info)
        self._final = os.path.realpath(self.path)
        if os.path.exists(self._final) and not stat.S_ISREG(os.stat(self._final).st_mode):
            return os.open(self._final, os.O_WRONLY)  # a device, a pipe: nothing to rename
        folder, name = os.path.split(self._final)
        self._part = os.path.join(folder, f".{name}.{os.getpid()}.part")
        return os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)

    def _refuse_input(self, info: CaptureInfo) -> None:
        try:
            read = os.fstat(0) if info.path == "-" else os.stat(info.path)
            same = os.path.samestat(read, os.stat(self.path))
        except OSError:
            return
        if same and stat.S_ISREG(read.st_mode):
            raise CaptureError(f"{self.path}: a file other than the capture that is read expected")

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        try:
            while len(view):
                view = view[os.write(self._fd, view) :]
        except BrokenPipeError:
            raise PipeClosed from None
        except OSError as error:
            raise CaptureError(f"{self.path}: cannot be written: {error.strerror}") from None

    def commit(self) -> None:
        """Give the file its name."""
        self._close()
        if self._part is not None:
            os.replace(self._part, self._final)

    def abandon(self) -> None:
        """Leave no half file."""
        self._close()
        if self._part is not None:
            os.unlink(self._part)

    def _close(self) -> None:
        if self._fd != 1:
            os.close(self._fd)


class Sink:
    """What leaves, in order. A context manager: a clean exit gives the file its name, any other removes it."""

    def __init__(self, output: Output, info: CaptureInfo) -> None:
        self.written = 0
        self._output = output
        self._fraction = 1 if info.nanosecond else 1000
        magic = 0xA1B23C4D if info.nanosecond else 0xA1B2C3D4
        self._output.write(pack("<IHHIIII", magic, 2, 4, 0, 0, info.snaplen, info.linktype))

    def write(self, burst: Burst) -> None:
        """Write the made frames and the leaving rows of *burst*, in order."""
        pieces = list(self._pieces(burst))
        self._output.write(b"".join(pieces) if len(pieces) != 1 else pieces[0])
        self.written += len(burst.made) + int(np.count_nonzero(burst.leaving))

    def _pieces(self, burst: Burst) -> Iterator[bytes | memoryview]:
        """Slices of the buffer, cut where something made goes before a row, or a row does not leave."""
        data = burst.buffer.data
        made = {row: list(group) for row, group in groupby(burst.made, attrgetter("row"))}
        starts, ends = self._runs(burst, list(made))
        runs = dict(zip(starts, ends, strict=True))
        at, end = burst.at, burst.at + burst.caplen
        for row in sorted(made.keys() | runs.keys()):
            for frame in made.get(row, ()):
                yield self._record(frame)
            if row in runs:
                yield data[int(at[row]) - RECORD : int(end[runs[row] - 1])]

    def _runs(self, burst: Burst, cuts: list[int]) -> tuple[list[int], list[int]]:
        """First rows of runs, and the rows behind their last."""
        if not burst.size:
            return [], []
        leaving = np.concatenate(([False], burst.leaving, [False]))
        cut = leaving[1:] != leaving[:-1]
        cut[1:-1] |= burst.at[1:] - RECORD != burst.at[:-1] + burst.caplen[:-1]
        cut[[row for row in cuts if row < burst.size]] = True
        edges = np.flatnonzero(cut)
        first = burst.leaving[edges[:-1]]
        return edges[:-1][first].tolist(), edges[1:][first].tolist()

    def _record(self, made: Made) -> bytes:
        seconds, fraction = divmod(made.time_ns, SECOND)
        size = len(made.frame)
        return pack("<IIII", seconds, fraction // self._fraction, size, max(made.length, size)) + made.frame

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self._output.commit()
        else:
            self._output.abandon()


def open_sink(path: str, info: CaptureInfo, annotate: Callable[..., Any] | None = None) -> Sink:
    """A capture to write, like *info* in link type, resolution and snap length. `-` is standard output.

    Raises CaptureError where it cannot be written, or is the capture that is read.
    """
    return Sink(Output(path, info), info)
