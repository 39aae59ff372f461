"""A progress bar on standard error: only on a terminal, and only once a job has taken a second.

It says what is done, how much of it, and how long the rest will take at the pace so far; where nobody knows how much
there is (a pipe), how long it has taken.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from lbreplay.edge import ending

PATIENCE = 1.0  # seconds before a bar appears
SHOW_CURSOR = b"\x1b[?25h\n"  # which a bar hides


class Progress:
    """A `pace.Listener`; rich is loaded when the bar first appears. *wanted* is asked then."""

    def __init__(self, wanted: Callable[[], bool] = lambda: True) -> None:
        self._wanted = wanted
        self._what, self._done, self._start = "", 0, 0.0
        self._bar: Any = None

    def show(self, what: str, done: int, total: int | None) -> None:
        """May be called as often as one likes."""
        if what != self._what or done < self._done:  # another job, or the same again
            self.hide()
            self._what, self._start = what, time.monotonic()
        self._done = done
        if time.monotonic() - self._start < PATIENCE or not self._shown():
            return
        if self._bar is None:
            self._open(done, total)
        self._bar.update(self._task, completed=done, total=total)

    def _shown(self) -> bool:
        return sys.stderr.isatty() and self._wanted()

    def _open(self, done: int, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn()]
        if total is None:
            columns += [TextColumn("{task.completed:,.0f}"), TimeElapsedColumn()]
        else:
            columns += [TextColumn("{task.percentage:.0f}%"), TimeRemainingColumn(), TextColumn("left")]
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._what, completed=done, total=total)
        self._cursor = ending.remember(lambda: os.write(2, SHOW_CURSOR))
        self._bar.start()

    def hide(self) -> None:
        """The bar goes, until the next call of `show`."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()
            ending.forget(self._cursor)
