"""The kernel's schedulers (L 13). Where DPVS has the same algorithm, its file serves both (`lvs/schedulers`).

All of them see the real servers newest first; nobody takes a connection while overloaded or with weight 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lbreplay.ipvs.schedulers.bucket import DestinationHash, SourceHash
from lbreplay.ipvs.schedulers.lblc import Locality, LocalitySets
from lbreplay.ipvs.schedulers.least import LeastConnection, NeverQueue, ShortestDelay
from lbreplay.ipvs.schedulers.ovf import Overflow
from lbreplay.lvs.schedulers.fo import Failover
from lbreplay.lvs.schedulers.mh import MaglevHash
from lbreplay.lvs.schedulers.rr import RoundRobin
from lbreplay.lvs.schedulers.wlc import WeightedLeastConnection
from lbreplay.lvs.schedulers.wrr import KernelWeightedRoundRobin, WeightedRoundRobin

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest, Serving
    from lbreplay.loop.turn import Choice
    from lbreplay.lvs.flow import Flow


class Scheduler(Protocol):
    """What a service asks of its scheduler."""

    @property
    def rule(self) -> Choice | None:
        """What the loop asks (loop/turn.py), up to date; None: `pick`."""
        ...

    def pick(self, flow: Flow) -> Dest | None:
        """The real server for the first packet *flow*, None where there is none."""
        ...

    def changed(self, dest: Dest | None = None) -> None:
        """A real server was added, edited or removed."""
        ...


OWN: dict[str, Any] = {
    "lc": LeastConnection,
    "sed": ShortestDelay,
    "nq": NeverQueue,
    "sh": SourceHash,
    "dh": DestinationHash,
    "lblc": Locality,
    "lblcr": LocalitySets,
    "ovf": Overflow,
}
SHARED: dict[str, Any] = {"rr": RoundRobin, "wlc": WeightedLeastConnection, "fo": Failover, "mh": MaglevHash}
WRR: dict[str, Any] = {"threshold": WeightedRoundRobin, "kernel": KernelWeightedRoundRobin}


def scheduler(name: str, service: Serving) -> Scheduler:
    """A new scheduler of that name for *service*."""
    if name in OWN:
        made: Scheduler = OWN[name](service)
        return made
    behaviour = service.edition.scheduling
    made = {**SHARED, "wrr": WRR[behaviour.wrr_rounds]}[name](service, 1, 1, behaviour)
    return made
