"""wlc, weighted least connection: the least load for its weight, where an active connection weighs 256 (D 10.3).

The scan begins at the worker's first real server and only something strictly better replaces what was found, so the
earlier wins ties. Products are 32-bit as in C. Other balancers weigh an active connection otherwise (`overhead`) and
compare wider products (`product_bits`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.loop.turn import Load
from lbreplay.lvs.schedulers.order import first_dest, picked

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.lvs.flow import Flow, Listed
    from lbreplay.model import Behaviour


class WeightedLeastConnection:
    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._place = (worker_index, workers, behaviour)
        self.rule = Load(behaviour.overhead, behaviour.product_bits)
        self.changed()

    @property
    def numbers(self) -> dict[str, int]:
        """For people: where it begins, and what an active connection weighs."""
        return {"overhead": self.rule.overhead, "first": self.rule.first}

    def changed(self, dest: Dest | None = None) -> None:
        self.rule.first = max(0, first_dest(len(self._dests), *self._place))

    def pick(self, flow: Flow) -> Dest | None:
        return picked(self.rule, self._dests, flow)
