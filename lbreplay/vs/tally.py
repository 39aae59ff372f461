"""How many connections each worker has, where many begin and end in one segment of a burst.

Openings and ends are told apart from each other, but a worker's peak depends on which came first. So they wait here
with their places in the order, those of all workers in one column, and are counted when the segment is over: worker by
worker that was a twentieth of a run on 64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I64

if TYPE_CHECKING:
    from lbreplay.vs.machine import Lcore

PLACE_BITS = 48  # of a place in the order; the worker's rank is above them
NOTHING = np.zeros(0, np.int64)


class Tally:
    """Openings and ends that wait. `waits` says whether ends have to: openings were told, and are not counted yet."""

    def __init__(self) -> None:
        self.lcores: list[Lcore] = []  # by rank
        self.waits = False
        self._opened, self._ended = NOTHING, [NOTHING]

    def opened(self, ranks: Any, orders: I64) -> None:
        """New connections of these workers at these places; ends between them are still to come, until `settle`."""
        self._opened, self.waits = _marked(ranks, orders), True

    def ended(self, ranks: Any, orders: I64) -> None:
        """Connections of these workers expire at these places."""
        self._ended.append(_marked(ranks, orders))
        if not self.waits:
            self._count()

    def settle(self) -> None:
        """Count what waits, as if one by one."""
        if self.waits:
            self._count()

    def _count(self) -> None:
        opened, ended = np.sort(self._opened), np.sort(np.concatenate(self._ended))
        bounds = np.arange(len(self.lcores) + 1) << PLACE_BITS
        first, gone = opened.searchsorted(bounds), ended.searchsorted(bounds)
        counts, ends = np.diff(first), np.diff(gone)
        living = np.arange(1, len(opened) + 1) - ended.searchsorted(opened, "right")
        most, some = np.zeros(len(self.lcores), np.int64), np.flatnonzero(counts)
        most[some] = np.maximum.reduceat(living, first[some]) - (first - gone)[some]  # more than there were before
        for lcore, new, old, more in zip(self.lcores, counts.tolist(), ends.tolist(), most.tolist(), strict=True):
            lcore.peak = max(lcore.peak, lcore.active + more)
            lcore.created, lcore.expired, lcore.active = (
                lcore.created + new,
                lcore.expired + old,
                lcore.active + new - old,
            )
        self._opened, self._ended, self.waits = NOTHING, [NOTHING], False


def _marked(ranks: Any, orders: I64) -> I64:
    return np.asarray(ranks.astype(np.int64) << PLACE_BITS | orders)
