"""rss-port: no rules; a worker binds a local port only where RSS of the answer comes back to it.

Every worker may bind every port, and which ones fit depends on the real server. Two workers never bind the same
(local address, port, real server), because RSS sends its answer to one of them only. With RSS over the addresses
alone (`rss = "ip"`), a pair of local address and real server fits one worker with all ports, the others with none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lbreplay.burst import KIND_SCTP, KIND_TCP, KIND_UDP
from lbreplay.model import Endpoint, Setup
from lbreplay.nic.flow_director import TCP, UDP, Rule
from lbreplay.nic.rss import Rss

if TYPE_CHECKING:
    from lbreplay.arrays import I16

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

    def room(self, laddr: bytes, rank: int, low: int, high: int, peers: Sequence[Endpoint], proto: int) -> int:
        """See `Strategy.room`."""
        import numpy as np

        useful = np.zeros(max(high + 1 - low, 0), np.bool_)
        for peer in peers:
            useful |= self._homes(laddr, low, high, peer, proto) == rank
        return int(useful.sum())

    def _homes(self, laddr: bytes, low: int, high: int, peer: Endpoint, proto: int) -> I16:
        """The rank that *peer*'s answer to each port from *low* to *high* reaches."""
        import numpy as np

        ports = np.arange(low, high + 1, dtype=">u2").view(np.uint8).reshape(-1, 2)
        head = np.frombuffer(peer.address + laddr + peer.port.to_bytes(2), np.uint8)
        flow = np.hstack([np.broadcast_to(head, (len(ports), len(head))), ports])
        kind = np.full(len(ports), KINDS[proto], np.uint8)
        if not self._rss.inputs[KINDS[proto]]:
            return np.full(len(ports), self._rank.get(0, -1), np.int16)
        ranks = np.array([self._rank.get(queue, -1) for queue in self._rss.reta], np.int16)
        return ranks[self._rss.hash_column(kind, np.ascontiguousarray(flow)) % len(ranks)]

    def rules(self) -> list[Rule]:
        """See `Strategy.rules`."""
        return []
