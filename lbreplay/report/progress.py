"""A progress bar on standard error: only on a terminal, and only once a job has taken a second."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

PATIENCE = 1.0  # seconds before a bar appears


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
        self._bar.start()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
