"""Local addresses and their ports: what a full-NAT connection leaves from (D 11).

A worker has one `SockAddrPool` per local address. It owns the ports whose low bits are its rank, so the NIC's rules
bring the answers home. Inside a pool every hash bucket (chosen by the peer) has *every* owned port: one laddr:lport can
live once towards each bucket. Free ports are first in, first out; a bucket is a range not yet used plus the released.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from random import Random

from lbreplay.model import Endpoint, PortClass, SaPool
from lbreplay.vs.hashes import jhash, native_port, native_words

MAX_TRIALS = 16  # local addresses tried for one connection
DOUBLE_STEP = 5  # per cent of the steps of an rr or wrr service that skip an address


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


class _Bucket:
    """Free and used ports of one sub-pool. `fresh`: iterators over what was never used, by peer where it matters."""

    __slots__ = ("fresh", "released", "used")

    def __init__(self) -> None:
        self.fresh: dict[Endpoint | None, Iterator[int]] = {}
        self.released: OrderedDict[int, None] = OrderedDict()
        self.used: set[int] = set()


class SockAddrPool:
    """The local ports of one address on one worker (D 11.3).

    `fits(port, peer)`, where given, says whether the answers of *peer* to *port* come home; others are passed over.
    """

    def __init__(
        self,
        laddr: bytes,
        ports: Sequence[int],
        hash_size: int,
        fits: Callable[[int, Endpoint | None], bool] | None = None,
    ) -> None:
        self.laddr = laddr
        self.miss = 0
        self._ports = ports
        self._fits = fits
        self._buckets = [_Bucket() for _ in range(hash_size)]

    @property
    def used(self) -> int:
        """Ports in use, over all buckets."""
        return sum(len(bucket.used) for bucket in self._buckets)

    @property
    def free(self) -> int:
        """Ports not in use, over all buckets: a port counts once in each."""
        return len(self._ports) * len(self._buckets) - self.used

    def fetch(self, peer: Endpoint | None) -> int | None:
        """Take the port that is free for longest towards *peer*; None and a miss where there is none."""
        bucket = self._buckets[sub_pool(peer, len(self._buckets))]
        port = next(self._fresh(bucket, peer), None)
        if port is None:
            port = self._oldest(bucket, peer)
        if port is None:
            self.miss += 1
        else:
            bucket.used.add(port)
        return port

    def release(self, port: int, peer: Endpoint | None) -> None:
        """Put *port* at the end of the free ones; one that is not in use stays what it is."""
        bucket = self._buckets[sub_pool(peer, len(self._buckets))]
        if port in bucket.used:
            bucket.used.remove(port)
            bucket.released[port] = None

    def _fresh(self, bucket: _Bucket, peer: Endpoint | None) -> Iterator[int]:
        key = peer if self._fits else None
        ports = bucket.fresh.get(key)
        if ports is None:
            ports = bucket.fresh[key] = self._fitting(bucket, peer) if self._fits else iter(self._ports)
        return ports

    def _fitting(self, bucket: _Bucket, peer: Endpoint | None) -> Iterator[int]:
        fits = self._fits
        assert fits is not None, "only pools with a test pick their ports"
        for port in self._ports:
            if port not in bucket.used and port not in bucket.released and fits(port, peer):
                yield port

    def _oldest(self, bucket: _Bucket, peer: Endpoint | None) -> int | None:
        fits = self._fits
        port = next((port for port in bucket.released if fits is None or fits(port, peer)), None)
        if port is not None:
            del bucket.released[port]
        return port


class LaddrCursor:
    """The local addresses of one service on one worker, taken in turn (D 11.1).

    chance   the worker's generator where the 5 % double step applies (rr, wrr), None where steps are single
    conns    live connections by local address
    heard    where somebody listens: told of every trial, with its port or None
    """

    def __init__(self, laddrs: Sequence[bytes], chance: Random | None = None) -> None:
        self.laddrs = tuple(laddrs)
        self.conns = dict.fromkeys(self.laddrs, 0)
        self.heard: Callable[[bytes, int | None], None] | None = None
        self._chance = chance
        self._at = -1

    def bind(self, pools: Mapping[bytes, SockAddrPool], peer: Endpoint) -> tuple[bytes, int] | None:
        """A local address with a free port towards *peer*; None after min(16, addresses) trials without one."""
        for _ in range(min(MAX_TRIALS, len(self.laddrs))):
            laddr = self._next()
            pool = pools.get(laddr)
            port = None if pool is None else pool.fetch(peer)
            if self.heard is not None:
                self.heard(laddr, port)
            if port is not None:
                self.conns[laddr] += 1
                return laddr, port
        return None

    def release(self, laddr: bytes) -> None:
        """A connection from *laddr* ended. The port is given back to its pool by itself."""
        self.conns[laddr] -= 1

    def _next(self) -> bytes:
        step = 2 if self._chance is not None and self._chance.randrange(100) < DOUBLE_STEP else 1
        self._at = (self._at + step) % len(self.laddrs)
        return self.laddrs[self._at]
