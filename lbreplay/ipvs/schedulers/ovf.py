"""ovf, overflow: the greatest weight among those that have no more active connections than weight (L 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.loop.turn import Greatest
from lbreplay.lvs.schedulers.order import picked

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest, Serving
    from lbreplay.lvs.flow import Flow


class Overflow:
    def __init__(self, service: Serving) -> None:
        self._dests, self.rule = service.dests, Greatest(roomy=True)

    def changed(self, dest: Dest | None = None) -> None:
        """Nothing is kept, so nothing changes."""

    def pick(self, flow: Flow) -> Dest | None:
        return picked(self.rule, self._dests, flow)
