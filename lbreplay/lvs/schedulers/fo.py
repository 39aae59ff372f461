"""fo, failover: the greatest weight takes everything; the first of the list wins a tie (D 10.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.loop.turn import Greatest
from lbreplay.lvs.schedulers.order import picked

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.lvs.flow import Flow, Listed
    from lbreplay.model import Behaviour


class Failover:
    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests, self.rule = server.dests, Greatest()

    def changed(self, dest: Dest | None = None) -> None:
        """Nothing is kept, so nothing changes."""

    def pick(self, flow: Flow) -> Dest | None:
        return picked(self.rule, self._dests, flow)
