"""rss-port: no rules; a worker binds a local port only where RSS of the answer comes back to it.

Every worker may bind every port, and which ones fit depends on the real server. Two workers never bind the same
(local address, port, real server), because RSS sends its answer to one of them only. With RSS over the addresses
alone (`rss = "ip"`), a pair of local address and real server fits one worker with all ports, the others with none.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbreplay.burst import KIND_SCTP, KIND_TCP, KIND_UDP
from lbreplay.model import Endpoint, Setup
from lbreplay.nic.flow_director import TCP, UDP, Rule
from lbreplay.nic.rss import Rss

KINDS = {TCP: KIND_TCP, UDP: KIND_UDP, 132: KIND_SCTP}


class RssPortStrategy:
    """Asks the port's own hash and table."""

    def __init__(self, setup: Setup) -> None:
        self._rss = Rss(setup)
        self._rank = {queue: worker.rank for worker in setup.forwarding_workers for queue in worker.queues}

    def ports(self, laddr: bytes, rank: int, low: int, high: int) -> Sequence[int]:
        """See `Strategy.ports`."""
        return range(low, high + 1)

    def fits(self, rank: int, laddr: bytes, lport: int, peer: Endpoint, proto: int) -> bool:
        """See `Strategy.fits`."""
        code = self._rss.hash_flow(KINDS[proto], peer.address, peer.port, laddr, lport)
        queue = 0 if code is None else self._rss.reta[code % len(self._rss.reta)]
        return self._rank.get(queue) == rank

    def rules(self) -> list[Rule]:
        """See `Strategy.rules`."""
        return []
