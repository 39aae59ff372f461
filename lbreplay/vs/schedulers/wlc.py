"""wlc, weighted least connection: the least load for its weight, where an active connection weighs 256 (D 10.3).

The scan begins at the worker's first real server and only something strictly better replaces what was found, so the
earlier wins ties. Products are 32-bit as in C. Other balancers weigh an active connection otherwise (`overhead`) and
compare wider products (`product_bits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from lbreplay.vs.schedulers.order import first_dest

if TYPE_CHECKING:
    from lbreplay.model import Behaviour
    from lbreplay.vs.server import Dest, Flow, VirtualServer

D = TypeVar("D", bound="Dest")


def load(dest: Dest, overhead: int = 256) -> int:
    """*overhead* for each active connection, 1 for each inactive one, of this worker."""
    return overhead * dest.actconns + dest.inactconns


def least(dests: Iterable[D], cost: Callable[[D], int], bits: int = 32) -> D | None:
    """The valid one of the lowest *cost* for its weight, the first of equals; compared by products of *bits* bits."""
    mask = (1 << bits) - 1
    best: D | None = None
    lowest = 0
    for dest in dests:
        if not dest.valid:
            continue
        own = cost(dest)
        if best is None or lowest * dest.weight & mask > own * best.weight & mask:
            best, lowest = dest, own
    return best


class WeightedLeastConnection:
    def __init__(self, server: VirtualServer, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._place = (worker_index, workers, behaviour)
        self._overhead, self._bits = behaviour.overhead, behaviour.product_bits
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        self._first = max(0, first_dest(len(self._dests), *self._place))

    def pick_among(self, steps: Iterable[tuple[int, int]]) -> list[int]:
        """Positions picked one after the other, where every real server may be picked, by a tape of (position, by): the
        load of a position changes, of position -1 - n that of the n-th pick; a change by 0 is a pick."""
        dests, first = self._dests, self._first
        order = [*range(first, len(dests)), *range(first)]
        loads = [load(dests[at], self._overhead) for at in order]
        cheapest = self._cheapest([dests[at].weight for at in order])
        picked: list[int] = []
        for at, by in steps:
            if by:
                loads[picked[-1 - at] if at < 0 else (at - first) % len(order)] += by
            else:
                picked.append(cheapest(loads))
                loads[picked[-1]] += 1
        return [order[at] for at in picked]

    def _cheapest(self, weights: list[int]) -> Callable[[list[int]], int]:
        """Which of some loads is the least for its weight, as `least` finds it."""
        mask, greatest = (1 << self._bits) - 1, max(weights)

        def cheapest(loads: list[int]) -> int:
            if alike and max(loads) * greatest <= mask:
                return loads.index(min(loads))
            best = 0
            for at, own in enumerate(loads):
                if loads[best] * weights[at] & mask > own * weights[best] & mask:
                    best = at
            return best

        alike = len(set(weights)) == 1
        return cheapest

    @property
    def overhead(self) -> int:
        """What an active connection weighs more than an inactive one."""
        return self._overhead - 1

    def pick(self, flow: Flow) -> Dest | None:
        turned = (*self._dests[self._first :], *self._dests[: self._first])
        return least(turned, lambda dest: load(dest, self._overhead), self._bits)
