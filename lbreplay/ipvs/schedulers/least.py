"""lc, sed and nq: the least load, without weights, by expected delay, or whoever is idle (L 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.loop.turn import Load
from lbreplay.lvs.schedulers.order import picked

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest, Serving
    from lbreplay.lvs.flow import Flow


class LeastConnection:
    """The lowest load; the first of the list wins ties."""

    def __init__(self, service: Serving) -> None:
        self._dests, self.rule = service.dests, self._load(service)

    def _load(self, service: Serving) -> Load:
        return Load(service.edition.scheduling.overhead, weighted=False)

    def changed(self, dest: Dest | None = None) -> None:
        """Nothing is kept, so nothing changes."""

    def pick(self, flow: Flow) -> Dest | None:
        return picked(self.rule, self._dests, flow)


class ShortestDelay(LeastConnection):
    """wlc's rule, where only active connections weigh, and the new one with them: what it would wait for."""

    def _load(self, service: Serving) -> Load:
        return Load(1, service.edition.scheduling.product_bits, idle=0, own=1)


class NeverQueue(LeastConnection):
    """The first idle one of the list, whatever its weight; without one, the shortest delay."""

    def _load(self, service: Serving) -> Load:
        return Load(1, service.edition.scheduling.product_bits, idle=0, own=1, lazy=True)
