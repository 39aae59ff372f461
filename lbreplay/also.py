"""What is written besides what leaves (interface 4): received frames in OUT, dropped ones in a file of their own.

Both are written as they came. Once a burst has its verdicts, and before it is rewritten, dropped frames are written and
received ones kept. A received frame stands before what left because of it, and behind what timers sent before it;
ignored frames were not received. Of the received frames those for the kernel can be had alone.
"""

from __future__ import annotations

import copy
from collections.abc import Container
from typing import Protocol

from lbreplay.burst import Burst, Made, Received
from lbreplay.verdict import ENTRIES, Fate


def _marks(fates: Container[Fate]) -> bytes:
    """By verdict, whether its fate is one of these."""
    return bytes(entry.fate in fates for entry in ENTRIES).ljust(256, b"\0")


DROPPED, KERNEL = _marks({Fate.DROPPED}), _marks({Fate.TO_KERNEL})
RECEIVED = _marks(set(Fate) - {Fate.IGNORED})


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
        verdicts = burst.flat["verdict"][: burst.size].tobytes()
        if self.drops is not None:
            self._write_dropped(burst, verdicts.translate(DROPPED), self.drops)
        if self._among is not None:
            self._kept = _received(burst, verdicts.translate(self._among))

    def _write_dropped(self, burst: Burst, dropped: bytes, drops: Writes) -> None:
        """As if they, and nothing else, left."""
        column = burst.flat["leaving"][: burst.size]
        made, leaving = burst.made, column.tobytes()
        burst.made, column[:] = [], dropped
        drops.write(burst)
        burst.made, column[:] = made, leaving

    def leaving(self, burst: Burst) -> Burst:
        """What of *burst*, all done, is to be written to OUT."""
        if self._among is None:
            return burst
        both = copy.copy(burst)
        both.made = sorted([*burst.made, *self._kept], key=_turn)
        return both


def _received(burst: Burst, received: bytes) -> list[Made]:
    """Frames as they came."""
    times, lengths, workers = (burst.flat[name] for name in ("time_ns", "length", "worker"))
    return [
        Received(row, times[row], burst.frame(row), lengths[row], burst.first + row, workers[row], False)
        for row in range(burst.size)
        if received[row]
    ]


def _turn(made: Made) -> tuple[int, int]:
    """Of a row: what was sent without a cause, the received frame, what it made leave."""
    if isinstance(made, Received):
        return made.row, 1
    return made.row, 2 if made.cause else 0
