"""A progress bar on standard error: only on a terminal, and only once a job has taken a second."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from lbreplay.edge import ending

PATIENCE = 1.0  # seconds before a bar appears
SHOW_CURSOR = b"\x1b[?25h\n"  # which a bar hides
RECORD = 16  # bytes a capture spends on a frame besides its own


class Progress:
    """`show(done, total)` may be called as often as one likes; rich is loaded when the bar first appears."""

    def __init__(self, enabled: bool = True, what: str = "replaying") -> None:
        self._enabled = enabled and sys.stderr.isatty()
        self._what = what
        self._start = time.monotonic()
        self._bar: Any = None

    def show(self, done: int, total: int | None = None) -> None:
        """*done* of *total* units (bytes or jobs) are done; total None: unknown."""
        if not self._enabled or time.monotonic() - self._start < PATIENCE:
            return
        if self._bar is None:
            self._open()
        self._bar.update(self._task, completed=done, total=total)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar

        self._bar = Bar(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._what, total=None)
        self._cursor = ending.remember(lambda: os.write(2, SHOW_CURSOR))
        self._bar.start()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
            ending.forget(self._cursor)


def through(capture: str, bar: Progress) -> Callable[[int, int], None]:
    """What a replay of the file *capture* calls a burst: (frames so far, bytes of this burst); it moves *bar*.

    A pipe has no size, and a compressed file turns out to hold more than its size: the bar only runs then.
    """
    size = os.path.getsize(capture) if os.path.isfile(capture) else 0
    read = 0

    def show(frames: int, octets: int) -> None:
        nonlocal read
        read += octets
        done = read + RECORD * frames
        bar.show(done, size if done <= size else None)

    return show
