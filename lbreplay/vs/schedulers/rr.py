"""rr, round robin: the next valid real server after the cursor; any change takes the cursor back (D 10.3).

With behaviour `rr_restart` = removed the cursor stays with its real server, and when that one is taken out it moves to
the one before (L 13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lbreplay.burst import I64
from lbreplay.vs.schedulers.order import HEAD, first_dest

if TYPE_CHECKING:
    from lbreplay.model import Behaviour
    from lbreplay.vs.server import Dest, Flow, VirtualServer


class RoundRobin:
    def __init__(self, server: VirtualServer, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._place = (worker_index, workers, behaviour)
        self._stays = behaviour.rr_restart == "removed"
        self._known: list[Dest] = []  # the list the cursor counts in
        self._cursor = HEAD
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        self._cursor = self._moved() if self._stays else first_dest(len(self._dests), *self._place)
        self._known = list(self._dests)

    def _moved(self) -> int:
        """The present position of whom the cursor points to, or of the nearest one before that is still there."""
        for at in range(self._cursor, HEAD, -1):
            if self._known[at] in self._dests:
                return self._dests.index(self._known[at])
        return HEAD

    def pick(self, flow: Flow) -> Dest | None:
        count = len(self._dests)
        for at in range(self._cursor + 1, self._cursor + 1 + count):
            dest = self._dests[at % count]
            if dest.valid:
                self._cursor = at % count
                return dest
        return None

    def pick_many(self, many: int) -> I64:
        """Positions of the next *many* picks, where every real server may be picked."""
        first, self._cursor = self._cursor + 1, (self._cursor + many) % len(self._dests)
        return np.arange(first, first + many) % len(self._dests)
