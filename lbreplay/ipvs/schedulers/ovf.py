"""ovf, overflow: the greatest weight among those that have no more active connections than weight (L 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest, Serving
    from lbreplay.lvs.flow import Flow


class Overflow:
    def __init__(self, service: Serving) -> None:
        self._dests = service.dests

    def changed(self, dest: Dest | None = None) -> None:
        """Nothing is kept, so nothing changes."""

    def pick(self, flow: Flow) -> Dest | None:
        room = (dest for dest in self._dests if dest.valid and dest.actconns <= dest.weight)
        return max(room, key=lambda dest: dest.weight, default=None)
