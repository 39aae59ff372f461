"""Local addresses and their ports: what a full-NAT connection leaves from (D 11).

A worker has one `SockAddrPool` per local address. It owns the ports whose low bits are its rank, so the NIC's rules
bring the answers home. Inside a pool every hash bucket (chosen by the peer) has *every* owned port: one laddr:lport can
live once towards each bucket. Free ports are first in, first out; a bucket is a range not yet used plus the released.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from lbreplay.loop.names import NO_PORT
from lbreplay.loop.ports import Bucket, Pool
from lbreplay.lvs.hashes import jhash, native_port, native_words
from lbreplay.model import Endpoint, PortClass, SaPool

MOST_PEERS = 65536  # whose bucket is remembered; SNAT has as many as there are remote hosts


def owned_ports(pool: SaPool, owner: PortClass) -> range:
    """The ports of *pool* with `port & mask == base`, ascending; *mask* covers low bits (D 11.3)."""
    return range(pool.low + ((owner.base - pool.low) & owner.mask), pool.high + 1, owner.mask + 1)


@lru_cache(maxsize=65536)
def sub_pool(peer: Endpoint | None, hash_size: int) -> int:
    """The bucket that connections to *peer* take their ports from (D 11.3); no peer: 0."""
    if peer is None:
        return 0
    if len(peer.address) == 4:
        return (int.from_bytes(peer.address[2:]) + peer.port) % hash_size
    return jhash((native_port(peer.port), *native_words(peer.address)), 10) % hash_size


class SockAddrPool(Pool):
    """The local ports of one address on one worker (D 11.3), by peers as the plain path has them.

    `fits(port, peer)`, where given, says whether the answers of *peer* to *port* come home; others are passed over.
    """

    def __init__(
        self,
        laddr: bytes,
        ports: Sequence[int],
        hash_size: int,
        fits: Callable[[int, Endpoint | None], bool] | None = None,
    ) -> None:
        super().__init__(ports, hash_size, fits)
        self.laddr = laddr
        self._by_peer: dict[Endpoint | None, Bucket] = {}

    @property
    def used(self) -> int:
        """Ports in use, over all buckets."""
        return sum(bucket.used() for bucket in self.buckets if bucket is not None)

    @property
    def miss(self) -> int:
        """How often there was no port."""
        return sum(bucket.miss for bucket in self.buckets if bucket is not None)

    @property
    def free(self) -> int:
        """Ports not in use, over all buckets: a port counts once in each."""
        return len(self.ports) * len(self.buckets) - self.used

    def fetch(self, peer: Endpoint | None) -> int | None:
        """Take the port that is free for longest towards *peer*; None and a miss where there is none."""
        port = (self._by_peer.get(peer) or self.bucket(peer)).take(peer)
        return None if port == NO_PORT else port

    def release(self, port: int, peer: Endpoint | None) -> None:
        """Put *port*, taken towards *peer*, at the end of the free ones."""
        (self._by_peer.get(peer) or self.bucket(peer)).give(port)

    def bucket(self, peer: Endpoint | None) -> Bucket:
        """The bucket of *peer*, made when it is first asked for."""
        bucket = self.numbered(sub_pool(peer, len(self.buckets)))
        if len(self._by_peer) > MOST_PEERS:
            self._by_peer.clear()
        self._by_peer[peer] = bucket
        return bucket
