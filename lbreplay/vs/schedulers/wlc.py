"""wlc, weighted least connection: the least load for its weight, where an active connection weighs 256 (D 10.3).

The scan begins at the worker's first real server and only something strictly better replaces what was found, so the
earlier wins ties. Products are 32-bit as in C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.vs.hashes import M32
from lbreplay.vs.schedulers.order import first_dest

if TYPE_CHECKING:
    from lbreplay.model import Behaviour
    from lbreplay.vs.server import Dest, Flow, VirtualServer


def load(dest: Dest) -> int:
    """256 for each active connection, 1 for each inactive one, of this worker."""
    return 256 * dest.actconns + dest.inactconns


class WeightedLeastConnection:
    def __init__(self, server: VirtualServer, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._place = (worker_index, workers, behaviour)
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        self._first = max(0, first_dest(len(self._dests), *self._place))

    def pick(self, flow: Flow) -> Dest | None:
        least: Dest | None = None
        for dest in (*self._dests[self._first :], *self._dests[: self._first]):
            if dest.valid and (least is None or load(least) * dest.weight & M32 > load(dest) * least.weight & M32):
                least = dest
        return least
