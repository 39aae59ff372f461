"""rr, round robin: the next valid real server after the cursor; any change takes the cursor back (D 10.3).

With behaviour `rr_restart` = removed the cursor stays with its real server, and when that one is taken out it moves to
the one before (L 13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.loop.turn import Turn
from lbreplay.lvs.schedulers.order import HEAD, first_dest, picked

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.lvs.flow import Flow, Listed
    from lbreplay.model import Behaviour


class RoundRobin:
    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._place = (worker_index, workers, behaviour)
        self._stays = behaviour.rr_restart == "removed"
        self._known: list[Dest] = []  # the list the cursor counts in
        self.rule = Turn()
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        self.rule.at = self._moved() if self._stays else first_dest(len(self._dests), *self._place)
        self._known = list(self._dests)

    def _moved(self) -> int:
        """The present position of whom the cursor points to, or of the nearest one before that is still there."""
        for at in range(self.rule.at, HEAD, -1):
            if self._known[at] in self._dests:
                return self._dests.index(self._known[at])
        return HEAD

    @property
    def numbers(self) -> dict[str, int]:
        """For people: where it is."""
        return {"cursor": self.rule.at}

    def pick(self, flow: Flow) -> Dest | None:
        return picked(self.rule, self._dests, flow)
