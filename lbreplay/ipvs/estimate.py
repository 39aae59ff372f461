"""Rates of what the whole director counts, as /proc/net/ip_vs_stats shows them (L 16).

Every two seconds the average of each counter moves a quarter of the way to its present rate, in fixed point. What comes
out is a little low for events, whose fraction is cut, and reaches a steady rate only after some twenty seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbreplay.ipvs.dest import COUNTED
from lbreplay.model import NANOSECOND

if TYPE_CHECKING:
    from lbreplay.ipvs.sysctl import Sysctls

PERIOD = 2 * NANOSECOND
EVENTS, BYTES = (9, 10), (4, 5)  # bits: of the fraction of a rate over two seconds, and what is cut when shown
SCALE = tuple(BYTES if name.endswith("bytes") else EVENTS for name in COUNTED)


class Estimator:
    """Averages of *counted*, in the order of `COUNTED`."""

    def __init__(self, counted: Callable[[], tuple[int, ...]], sysctls: Sysctls) -> None:
        self._counted, self._sysctls = counted, sysctls
        self._average = [0] * len(COUNTED)
        self._last = (0,) * len(COUNTED)
        self.next_ns = 0

    def start(self, now: int) -> None:
        """The first period begins at *now*."""
        self.next_ns = now + PERIOD

    def zero(self) -> None:
        """The counters began anew."""
        self._average = [0] * len(COUNTED)
        self._last = (0,) * len(COUNTED)

    def reach(self, now: int) -> None:
        """Take every period that ended at or before *now*, when nothing was counted since."""
        periods = (now - self.next_ns) // PERIOD + 1
        self.next_ns += periods * PERIOD
        if not self._sysctls["run_estimation"]:
            return
        counted = self._counted()
        self._move([now - last for now, last in zip(counted, self._last, strict=True)])
        self._last = counted
        for _ in range(periods - 1):
            if not any(self._average):
                return
            self._move([0] * len(counted))

    def _move(self, more: list[int]) -> None:
        for n, (count, (fraction, _)) in enumerate(zip(more, SCALE, strict=True)):
            self._average[n] += ((count << fraction) - self._average[n]) >> 2

    def rates(self) -> dict[str, int]:
        """By counter: conns and packets a second, bytes a second."""
        shown = ((a + (1 << bits - 1) - 1) >> bits for a, (_, bits) in zip(self._average, SCALE, strict=True))
        return dict(zip(COUNTED, shown, strict=True))
