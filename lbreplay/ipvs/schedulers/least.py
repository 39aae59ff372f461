"""lc, sed and nq: the least load, without weights, by expected delay, or whoever is idle (L 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.lvs.schedulers.wlc import least, load

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest, Serving
    from lbreplay.lvs.flow import Flow


def delay(dest: Dest) -> int:
    """What a new connection would wait for: the active ones and itself."""
    return dest.actconns + 1


class LeastConnection:
    """The lowest load; the first of the list wins ties."""

    def __init__(self, service: Serving) -> None:
        self._dests = service.dests
        self._overhead = service.edition.scheduling.overhead

    def changed(self, dest: Dest | None = None) -> None:
        """Nothing is kept, so nothing changes."""

    def pick(self, flow: Flow) -> Dest | None:
        valid = (dest for dest in self._dests if dest.valid)
        return min(valid, key=lambda dest: load(dest, self._overhead), default=None)


class ShortestDelay:
    """wlc's rule, where only active connections weigh, and the new one with them."""

    def __init__(self, service: Serving) -> None:
        self._dests = service.dests
        self._bits = service.edition.scheduling.product_bits

    def changed(self, dest: Dest | None = None) -> None:
        """Nothing is kept, so nothing changes."""

    def pick(self, flow: Flow) -> Dest | None:
        return least(self._dests, delay, self._bits)


class NeverQueue(ShortestDelay):
    """The first idle one of the list, whatever its weight; without one, the shortest delay."""

    def pick(self, flow: Flow) -> Dest | None:
        idle = (dest for dest in self._dests if dest.valid and not dest.actconns)
        return next(idle, None) or super().pick(flow)
