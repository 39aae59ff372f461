"""What is written besides what leaves (interface 4): received frames in OUT, dropped ones in a file of their own.

Both are written as they came. Once a burst has its verdicts, and before it is rewritten, dropped frames are written and
received ones kept. A received frame stands before what left because of it, and behind what timers sent before it;
ignored frames were not received. Of the received frames those for the kernel can be had alone.
"""

from __future__ import annotations

import copy
from typing import Protocol

import numpy as np

from lbreplay.burst import I64, Burst, Made, Received
from lbreplay.verdict import ENTRIES, Fate

DROPPED = np.array([entry.fate == Fate.DROPPED for entry in ENTRIES])
RECEIVED = np.array([entry.fate != Fate.IGNORED for entry in ENTRIES])
KERNEL = np.array([entry.fate == Fate.TO_KERNEL for entry in ENTRIES])


class Writes(Protocol):
    def write(self, burst: Burst) -> None: ...


class Also:
    """What is kept of bursts. *wanted* "received", or "kernel" for those alone that go to the kernel, are put among
    what leaves; dropped ones are written to *drops*."""

    def __init__(self, wanted: frozenset[str] | set[str], drops: Writes | None) -> None:
        self._among = RECEIVED if "received" in wanted else KERNEL if "kernel" in wanted else None
        self.drops = drops
        self._kept: list[Made] = []

    def keep(self, burst: Burst) -> None:
        """*burst* has its verdicts, and is about to be rewritten."""
        if self.drops is not None:
            self._write_dropped(burst, self.drops)
        if self._among is not None:
            self._kept = _received(burst, np.flatnonzero(self._among[burst.verdict]))

    def _write_dropped(self, burst: Burst, drops: Writes) -> None:
        """As if they, and nothing else, left."""
        made, leaving = burst.made, burst.leaving.copy()
        burst.made, burst.leaving[:] = [], DROPPED[burst.verdict]
        drops.write(burst)
        burst.made, burst.leaving[:] = made, leaving

    def leaving(self, burst: Burst) -> Burst:
        """What of *burst*, all done, is to be written to OUT."""
        if self._among is None:
            return burst
        both = copy.copy(burst)
        both.made = sorted([*burst.made, *self._kept], key=_turn)
        return both


def _received(burst: Burst, rows: I64) -> list[Made]:
    """Frames as they came."""
    times, lengths, workers = (column[rows].tolist() for column in (burst.time_ns, burst.length, burst.worker))
    return [
        Received(row, time_ns, burst.frame(row), length, burst.first + row, worker, False)
        for row, time_ns, length, worker in zip(rows.tolist(), times, lengths, workers, strict=True)
    ]


def _turn(made: Made) -> tuple[int, int]:
    """Of a row: what was sent without a cause, the received frame, what it made leave."""
    if isinstance(made, Received):
        return made.row, 1
    return made.row, 2 if made.cause else 0
