"""Workers own classes of ports, `port & mask == base`; a rule for each (S 2.2). What port-low and port-high share.

Ports are owned by the right mask whatever the NIC compares: a wrong mask is the NIC's fault alone (interface 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lbreplay.model import Endpoint, PortClass, Setup
from lbreplay.nic.flow_director import PROTOCOLS, Rule, queue_of, used_mask


class PortClassStrategy:
    """`class_of` gives a worker's ports; rules compare them through the mask in use."""

    def __init__(self, setup: Setup, class_of: Callable[[int], PortClass]) -> None:
        self._setup = setup
        self._class_of = class_of

    def ports(self, laddr: bytes, rank: int, low: int, high: int) -> Sequence[int]:
        """See `Strategy.ports`."""
        owned = self._class_of(rank)
        return [port for port in range(low, high + 1) if owned.owns(port)]

    def fits(self, rank: int, laddr: bytes, lport: int, peer: Endpoint, proto: int) -> bool:
        """See `Strategy.fits`."""
        return True

    def room(self, laddr: bytes, rank: int, low: int, high: int, peers: Sequence[Endpoint], proto: int) -> int:
        """See `Strategy.room`."""
        return len(self.ports(laddr, rank, low, high))

    def rules(self) -> list[Rule]:
        """See `Strategy.rules`."""
        setup, workers = self._setup, self._setup.forwarding_workers
        mask = used_mask(setup, self._class_of(0).mask)
        return [
            Rule(laddr, proto, self._class_of(worker.rank).base & mask, mask, queue_of(worker, nth), worker.rank)
            for nth, laddr in enumerate(setup.local_addresses)
            for proto in PROTOCOLS
            for worker in workers
        ]
