"""rr, round robin: the next valid real server after the cursor; any change takes the cursor back (D 10.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.vs.schedulers.order import first_dest

if TYPE_CHECKING:
    from lbreplay.model import Behaviour
    from lbreplay.vs.server import Dest, Flow, VirtualServer


class RoundRobin:
    def __init__(self, server: VirtualServer, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._place = (worker_index, workers, behaviour)
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        self._cursor = first_dest(len(self._dests), *self._place)

    def pick(self, flow: Flow) -> Dest | None:
        count = len(self._dests)
        for at in range(self._cursor + 1, self._cursor + 1 + count):
            dest = self._dests[at % count]
            if dest.valid:
                self._cursor = at % count
                return dest
        return None
