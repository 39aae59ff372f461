"""off: nobody owns a local port and the NIC has no rules. Answers go where RSS sends them (interface 2)."""

from __future__ import annotations

from collections.abc import Sequence

from lbreplay.model import Endpoint, Setup
from lbreplay.nic.flow_director import Rule


class OffStrategy:
    """Every worker may bind every port."""

    def __init__(self, setup: Setup) -> None:
        pass

    def ports(self, laddr: bytes, rank: int, low: int, high: int) -> Sequence[int]:
        """See `Strategy.ports`."""
        return range(low, high + 1)

    def fits(self, rank: int, laddr: bytes, lport: int, peer: Endpoint, proto: int) -> bool:
        """See `Strategy.fits`."""
        return True

    def room(self, laddr: bytes, rank: int, low: int, high: int, peers: Sequence[Endpoint], proto: int) -> int:
        """See `Strategy.room`."""
        return len(self.ports(laddr, rank, low, high))

    def rules(self) -> list[Rule]:
        """See `Strategy.rules`."""
        return []
