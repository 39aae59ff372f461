"""wlc, weighted least connection: the least load for its weight, where an active connection weighs 256 (D 10.3).

The scan begins at the worker's first real server and only something strictly better replaces what was found, so the
earlier wins ties. Products are 32-bit as in C. Other balancers weigh an active connection otherwise (`overhead`) and
compare wider products (`product_bits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from lbreplay.loop.turn import Load
from lbreplay.lvs.schedulers.order import first_dest

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.lvs.flow import Flow, Listed
    from lbreplay.model import Behaviour

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
    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._place = (worker_index, workers, behaviour)
        self.load = Load(behaviour.overhead, behaviour.product_bits)
        self.changed()

    @property
    def numbers(self) -> dict[str, int]:
        """For people: where it begins, and what an active connection weighs."""
        return {"overhead": self.load.overhead, "first": self.load.first}

    def changed(self, dest: Dest | None = None) -> None:
        self.load.first = max(0, first_dest(len(self._dests), *self._place))

    def pick(self, flow: Flow) -> Dest | None:
        at = self.load.least(self._dests)
        return None if at < 0 else self._dests[at]
