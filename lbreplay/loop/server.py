"""Who is counted in the kernel: a real server, and its service (L 16); see loop/real.py about calls."""

from __future__ import annotations

from typing import Any

from lbreplay.loop.real import Dest


class Counts:
    """What is counted for a service: connections, packets and bytes."""

    def __init__(self) -> None:
        self.conns = self.inpkts = self.inbytes = self.outpkts = self.outbytes = 0

    def zero(self) -> None:
        """Begin anew."""
        self.conns = self.inpkts = self.inbytes = self.outpkts = self.outbytes = 0

    def values(self) -> tuple[int, ...]:
        """In the order of `ipvs.service.COUNTED`."""
        return self.conns, self.inpkts, self.outpkts, self.inbytes, self.outbytes


class Server(Dest):
    """A real server as the kernel has it.

    refs         connections that refer to it, templates too
    upper lower  thresholds of connections, 0: none
    counts       what is counted of its service
    """

    def __init__(self, number: int, real: Any, counts: Counts) -> None:
        super().__init__(number, real, 1)
        self.counts = counts
        self.refs = self.upper = self.lower = 0

    def bound(self) -> None:
        """A connection was counted in."""
        raise NotImplementedError

    def unbound(self, template: bool) -> None:
        """A connection was counted out."""
        raise NotImplementedError

    def enter(self) -> None:
        """A new connection refers to it, inactive at first."""
        self.refs += 1
        self.inactconns += 1
        if self.upper:
            self.bound()

    def leave(self, active: bool) -> None:
        """A connection is over."""
        if active:
            self.actconns -= 1
        else:
            self.inactconns -= 1
        if self.upper or self.lower or self.overload:
            self.unbound(False)
        self.refs -= 1

    def opened(self) -> None:
        """A connection was scheduled to it (L 5.3 row 8)."""
        self.conns += 1
        self.counts.conns += 1

    def passed(self, side: int, octets: int) -> None:
        """A packet of *octets* of L3 from the client (side 0) or the real server; after its deletion none counts."""
        if not self.available:
            return
        Dest.count(self, side, 1, octets)
        counts = self.counts
        if side:
            counts.outpkts += 1
            counts.outbytes += octets
        else:
            counts.inpkts += 1
            counts.inbytes += octets
