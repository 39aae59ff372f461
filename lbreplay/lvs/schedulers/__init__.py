"""Schedulers: which real server takes a new connection (D 10.3). One algorithm a file; SCHEDULERS is the list of them.

Each worker has its own scheduler per service, with its own cursor. `pick` sees the live counts of the worker's real
servers; None drops the packet. A new scheduler is a file with a class of this shape and a line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lbreplay.lvs.schedulers.conhash import ConsistentHash
from lbreplay.lvs.schedulers.fo import Failover
from lbreplay.lvs.schedulers.mh import MaglevHash
from lbreplay.lvs.schedulers.rr import RoundRobin
from lbreplay.lvs.schedulers.wlc import WeightedLeastConnection
from lbreplay.lvs.schedulers.wrr import WeightedRoundRobin

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.loop.turn import Choice
    from lbreplay.lvs.flow import Flow, Listed
    from lbreplay.model import Behaviour


class Scheduler(Protocol):
    """What a virtual server asks of its scheduler. *worker_index* counts from 1 to *workers*."""

    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None: ...

    @property
    def rule(self) -> Choice:
        """What the loop asks, up to date; whoever asks again after a change has what holds then."""
        ...

    def pick(self, flow: Flow) -> Dest | None:
        """The real server for the first packet *flow*, None where there is none."""
        ...

    def changed(self, dest: Dest | None = None) -> None:
        """A real server was added, edited or removed: *dest*, None for more than one."""
        ...


SCHEDULERS: dict[str, type[Scheduler]] = {
    "rr": RoundRobin,
    "wrr": WeightedRoundRobin,
    "wlc": WeightedLeastConnection,
    "conhash": ConsistentHash,
    "mh": MaglevHash,
    "fo": Failover,
}
