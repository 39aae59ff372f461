"""wrr, weighted round robin: rounds whose threshold sinks from the greatest weight to 0 (D 10.3).

A round takes the valid real servers whose weight reaches the threshold, then the threshold sinks by the common divisor.
A start from the middle of the list (behaviour `start` = spread) begins in a round of threshold 0, which takes everybody
once whatever the weight; from the head the first round is an ordinary one.

Linux 6.1 keeps the threshold through changes of the list (`KernelWeightedRoundRobin`, L 13), so that real servers added
one by one begin with an unweighted round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.lvs.schedulers.order import HEAD, divisor, first_dest

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.lvs.flow import Flow, Listed
    from lbreplay.model import Behaviour


class WeightedRoundRobin:
    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._place = (worker_index, workers, behaviour)
        self._threshold = 0
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        self._cursor = first_dest(len(self._dests), *self._place)
        self._greatest = max([0, *(dest.weight for dest in self._dests)])
        self._step = divisor(dest.weight for dest in self._dests)
        if self._threshold > self._greatest:
            self._threshold = 0

    def pick(self, flow: Flow) -> Dest | None:
        if not self._greatest:
            return None
        start = self._cursor
        while True:
            self._advance()
            if self._cursor != HEAD:
                dest = self._dests[self._cursor]
                if dest.valid and dest.weight >= self._threshold:
                    return dest
            if self._cursor == start and self._threshold == self._step:
                return None

    def _advance(self) -> None:
        """One place on; leaving the head begins the next round."""
        if self._cursor == HEAD:
            self._threshold -= self._step
            if self._threshold <= 0:
                self._threshold = self._greatest
        self._cursor = self._cursor + 1 if self._cursor + 1 < len(self._dests) else HEAD


class KernelWeightedRoundRobin:
    """The rounds of Linux 6.1: thresholds of the form k * step + 1, and an end when the lowest found nobody (L 13)."""

    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._threshold = 0
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        self._cursor = HEAD
        self._step = divisor(dest.weight for dest in self._dests)
        self._greatest = max((dest.weight for dest in self._dests), default=0) - (self._step - 1)
        if self._threshold > self._greatest or self._threshold == 0:
            self._threshold = self._greatest
        elif self._step > 1:
            self._threshold = self._threshold // self._step * self._step + 1

    def pick(self, flow: Flow) -> Dest | None:
        untested = len(self._dests) if self._greatest > 0 else 0  # not yet held against the lowest threshold
        while untested:
            self._cursor += 1
            if self._cursor == len(self._dests):
                self._next_round()
                continue
            dest = self._dests[self._cursor]
            if dest.valid and dest.weight >= self._threshold:
                return dest
            untested -= self._threshold <= self._step
        return None

    def _next_round(self) -> None:
        self._cursor = HEAD
        self._threshold -= self._step
        if self._threshold <= 0:
            self._threshold = self._greatest
