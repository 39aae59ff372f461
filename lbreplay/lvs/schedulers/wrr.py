"""wrr, weighted round robin: rounds whose threshold sinks from the greatest weight to 0 (D 10.3).

A round takes the valid real servers whose weight reaches the threshold, then the threshold sinks by the common divisor.
A start from the middle of the list (behaviour `start` = spread) begins in a round of threshold 0, which takes everybody
once whatever the weight; from the head the first round is an ordinary one.

Linux 6.1 keeps the threshold through changes of the list (`KernelWeightedRoundRobin`, L 13), so that real servers added
one by one begin with an unweighted round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.loop.turn import KernelRounds, Rounds
from lbreplay.lvs.schedulers.order import HEAD, divisor, first_dest, picked

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.lvs.flow import Flow, Listed
    from lbreplay.model import Behaviour


class WeightedRoundRobin:
    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._place = (worker_index, workers, behaviour)
        self.rule = Rounds()
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        rule, weights = self.rule, [dest.weight for dest in self._dests]
        rule.at = first_dest(len(weights), *self._place)
        rule.greatest, rule.step = max([0, *weights]), divisor(weights)
        if rule.threshold > rule.greatest:
            rule.threshold = 0

    def pick(self, flow: Flow) -> Dest | None:
        return picked(self.rule, self._dests, flow)


class KernelWeightedRoundRobin:
    """The rounds of Linux 6.1 (L 13)."""

    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self.rule = KernelRounds()
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        rule, weights = self.rule, [dest.weight for dest in self._dests]
        step = divisor(weights)
        rule.at, rule.step = HEAD, step
        rule.greatest = max(weights, default=0) - (step - 1)
        if rule.threshold > rule.greatest or rule.threshold == 0:
            rule.threshold = rule.greatest
        elif step > 1:
            rule.threshold = rule.threshold // step * step + 1

    def pick(self, flow: Flow) -> Dest | None:
        return picked(self.rule, self._dests, flow)
