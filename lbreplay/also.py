"""What is written besides what leaves (interface 4): received frames in OUT, dropped ones in a file of their own.

Both are written as they came, so a burst's bytes are kept before it is rewritten. A received frame stands before what
left because of it, and behind what timers sent before it; ignored frames were not received. Of the received frames
those for the kernel can be had alone.
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
    """Keeps bursts as they came. *wanted* "received", or "kernel" for those alone that go to the kernel, are put among
    what leaves; dropped ones are written to *drops*."""

    def __init__(self, wanted: frozenset[str] | set[str], drops: Writes | None) -> None:
        self._among = RECEIVED if "received" in wanted else KERNEL if "kernel" in wanted else None
        self.drops = drops

    def keep(self, burst: Burst) -> None:
        """Remember the bytes of *burst*, before anything in it is rewritten."""
        self._came = burst.copy()

    def leaving(self, burst: Burst) -> Burst:
        """What of *burst*, all done, is to be written to OUT; the dropped frames are written."""
        if self.drops is not None:
            self.drops.write(self._as_came(burst))
        return burst if self._among is None else self._with(burst, np.flatnonzero(self._among[burst.verdict]))

    def _as_came(self, burst: Burst) -> Burst:
        """The dropped rows, with the columns that *burst* has."""
        came, dropped = self._came, burst.copy()
        dropped.buffer, dropped.made = came.buffer, []
        dropped.at[:], dropped.caplen[:], dropped.sent[:] = came.at, came.caplen, came.length
        dropped.leaving[:] = DROPPED[burst.verdict]
        return dropped

    def _with(self, burst: Burst, rows: I64) -> Burst:
        both = copy.copy(burst)
        both.made = sorted([*burst.made, *self._frames(burst, rows)], key=_turn)
        return both

    def _frames(self, burst: Burst, rows: I64) -> list[Made]:
        came = self._came
        workers = burst.worker[rows].tolist()
        return [
            Received(
                row, int(came.time_ns[row]), came.frame(row), int(came.length[row]), came.first + row, worker, False
            )
            for row, worker in zip(rows.tolist(), workers, strict=True)
        ]


def _turn(made: Made) -> tuple[int, int]:
    """Of a row: what was sent without a cause, the received frame, what it made leave."""
    if isinstance(made, Received):
        return made.row, 1
    return made.row, 2 if made.cause else 0
