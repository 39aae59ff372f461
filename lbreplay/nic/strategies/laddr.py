"""laddr: each local address belongs to one worker with all its ports, in turn; the rules compare no port.

What a NIC without port masks can hold. A service needs at least as many local addresses as there are workers: a
worker without one opens no connection. A configured port mask plays no part.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbreplay.model import Endpoint, Setup
from lbreplay.nic.flow_director import PROTOCOLS, Rule, queue_of


class LaddrStrategy:
    """The i-th of all local addresses belongs to worker i modulo their number."""

    def __init__(self, setup: Setup) -> None:
        self._workers = setup.forwarding_workers
        self._owner = {laddr: i % len(self._workers) for i, laddr in enumerate(setup.local_addresses)}

    def ports(self, laddr: bytes, rank: int, low: int, high: int) -> Sequence[int]:
        """See `Strategy.ports`."""
        return range(low, high + 1) if self._owner.get(laddr) == rank else range(0)

    def fits(self, rank: int, laddr: bytes, lport: int, peer: Endpoint, proto: int) -> bool:
        """See `Strategy.fits`."""
        return True

    def room(self, laddr: bytes, rank: int, low: int, high: int, peers: Sequence[Endpoint], proto: int) -> int:
        """See `Strategy.room`."""
        return len(self.ports(laddr, rank, low, high))

    def rules(self) -> list[Rule]:
        """See `Strategy.rules`."""
        return [
            Rule(laddr, proto, 0, 0, queue_of(self._workers[rank], nth // len(self._workers)), rank)
            for nth, (laddr, rank) in enumerate(self._owner.items())
            for proto in PROTOCOLS
        ]
