"""A real server as the kernel keeps it: weight, thresholds, who refers to it (L 1, L 6.5); what is counted (L 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lbreplay.loop.server import Counts, Server
from lbreplay.model import RealServer, Service

if TYPE_CHECKING:
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.sysctl import Sysctls
    from lbreplay.loop.clock import Clock

Key = tuple[int, int, bytes, int]  # of a service: firewall mark, protocol, address, port


COUNTED = ("conns", "inpkts", "outpkts", "inbytes", "outbytes")


class Serving(Protocol):
    """The service of a real server, as its list's members and its scheduler know it. `dests` is newest first."""

    service: Service
    edition: Edition
    sysctls: Sysctls
    clock: Clock
    dests: list[Dest]
    counts: Counts

    @property
    def key(self) -> Key: ...

    def remembers(self, dest: Dest) -> bool: ...


class Dest(Server):
    """A real server.

    mode         nat | dr | tunnel | local; local only where the edition fixes it when configured
    last_weight  the last weight that was not 0
    added        how many were added before it, over all services
    idle_ns      when the trash was found to hold it for nobody
    """

    def __init__(self, number: int, real: RealServer, service: Serving, local: bool) -> None:
        super().__init__(number, real, service.counts)
        self.service = service
        self.last_weight = self.idle_ns = self.added = 0
        self.take(real, local)

    def take(self, real: RealServer, local: bool) -> None:
        """What `ipvsadm -a` says of it."""
        self.real = real
        self.mode = "local" if local else real.mode or self.service.service.mode
        self.edit(real.weight, real.max_conn, real.min_conn)

    def zero(self) -> None:
        """Its counters begin anew; connections stay what they are."""
        for name in COUNTED:
            setattr(self, name, 0)

    def edit(self, weight: int, upper: int, lower: int) -> None:
        """What `ipvsadm -e` says of it (L 6.5): OVERLOAD is judged anew."""
        before = self.upper, self.lower
        self.weight, self.upper, self.lower = weight, upper, lower
        self.last_weight = weight or self.last_weight
        if self.service.edition.thresholds == "every":
            self.overload = self.overload and 0 < upper <= before[0]
        elif before != (upper, lower):
            self._judge()

    def _judge(self) -> None:
        if self.upper and self.total >= self.upper:
            self.overload = True
        elif self.total < self.relief or not self.upper:
            self.overload = False

    @property
    def wanted(self) -> bool:
        """Whether a connection, or what its scheduler remembers, refers to it."""
        return self.refs > 0 or self.service.remembers(self)

    @property
    def filling_weight(self) -> int:
        """mh keeps the places of a real server whose weight became 0 (L 13)."""
        return self.last_weight

    @property
    def total(self) -> int:
        return self.actconns + self.inactconns

    @property
    def relief(self) -> int:
        """OVERLOAD ends with fewer connections than this."""
        return self.lower or self.upper - self.upper // 4

    def bound(self) -> None:
        """A connection was counted in: the one that reaches the upper threshold is the last (L 6.5)."""
        reached = self.total == self.upper or (self.service.edition.thresholds == "every" and self.total > self.upper)
        if self.upper and reached:
            self.overload = True

    def unbound(self, template: bool) -> None:
        """A connection was counted out."""
        if self.service.edition.thresholds == "every":
            if self.lower:
                below = self.total < self.lower
            else:
                below = not self.upper or 4 * self.total < 3 * self.upper
            self.overload = self.overload and not below
        elif not template and self.total + 1 == self.relief:
            self.overload = False
