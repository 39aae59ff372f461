"""Where the bytes of a capture come from: a file, a pipe, a terminal's end of one. No format is known here.

A file fills every chunk. A live stream (a pipe, a socket) is given PATIENCE seconds after its first bytes to bring
more, so that a fast one is read in large pieces and a slow one is not held back. Memory is the caller's chunk.
"""

from __future__ import annotations

import os
import select
import stat
from time import monotonic
from types import TracebackType

from lbreplay.edge import within
from lbreplay.errors import CaptureError

PATIENCE = 0.05  # seconds a live stream may take to fill a chunk
PEEK = 16  # bytes that tell formats apart


class Source:
    """The bytes of *path* (`-`: standard input), in order. `head` is what was looked at and is still to be read."""

    def __init__(self, path: str) -> None:
        within.judge(path)
        self.path = path
        self._failed: CaptureError | None = None
        self.cut = ""  # a sentence, where the bytes end before they should
        try:
            self._file = open(0 if path == "-" else path, "rb", buffering=0, closefd=path != "-")  # noqa: SIM115
            about = os.fstat(self._file.fileno())
            self.live, self._size = not stat.S_ISREG(about.st_mode), about.st_size
            self.head = b""
            self.head = self.read_exactly(PEEK)
        except OSError as error:
            raise CaptureError(f"{path}: cannot be read: {error.strerror}") from None

    def read_exactly(self, size: int) -> bytes:
        """The next *size* bytes, fewer only at the end."""
        data = bytearray(size)
        done = 0
        while done < size and (got := self.step(memoryview(data)[done:])):
            done += got
        return bytes(data[:done])

    def fill(self, view: memoryview) -> int:
        """Fill *view*; less at the end, or when a live stream has run out of PATIENCE. 0 only at the end.

        An error comes after the bytes before it, with the next call.
        """
        done, deadline = 0, 0.0
        while done < len(view) and not self._failed:
            if done and self.live and not self.ready(deadline - monotonic()):
                break
            try:
                got = self.step(view[done:])
            except CaptureError as error:
                self._failed = error
                break
            if not got:
                break
            deadline = deadline or monotonic() + PATIENCE
            done += got
        if not done and self._failed:
            raise self._failed
        return done

    def step(self, view: memoryview) -> int:
        """Read once into *view*: what is there, waiting for the first byte; 0 at the end."""
        if self.head:
            got = min(len(view), len(self.head))
            view[:got], self.head = self.head[:got], self.head[got:]
            return got
        try:
            return self._file.readinto(view) or 0
        except OSError as error:
            raise CaptureError(f"{self.path}: cannot be read: {error.strerror}") from None

    def come(self) -> tuple[int, int] | None:
        """Bytes of the file that were read, compressed as it is, and how many it had; None of a stream."""
        if self.live:
            return None
        return self._file.tell(), self._size

    def ready(self, seconds: float) -> bool:
        """Whether a step would not have to wait, after waiting at most *seconds*."""
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        return bool(poll.poll(max(0, seconds) * 1000))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()
