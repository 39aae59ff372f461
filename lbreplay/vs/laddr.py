"""Local addresses and their ports: what a full-NAT connection leaves from (D 11).

A worker has one `SockAddrPool` per local address. It owns the ports whose low bits are its rank, so the NIC's rules
bring the answers home. Inside a pool every hash bucket (chosen by the peer) has *every* owned port: one laddr:lport can
live once towards each bucket. Free ports are first in, first out; a bucket is a range not yet used plus the released.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from lbreplay.burst import I64
from lbreplay.model import Endpoint, PortClass, SaPool
from lbreplay.vs.draws import Draws
from lbreplay.vs.hashes import jhash, native_port, native_words

MOST_PEERS = 65536  # whose bucket is remembered; SNAT has as many as there are remote hosts
MAX_TRIALS = 16  # local addresses tried for one connection
DOUBLE_STEP = 0.05  # of the steps of an rr or wrr service that skip an address


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
    """Free ports of one sub-pool: a range not used yet, then the released, longest free first."""

    __slots__ = ("_fresh", "_ports", "_released", "used")

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports, self._fresh = ports, 0
        self._released: deque[int] = deque()
        self.used = 0

    @property
    def fresh(self) -> int:
        """Ports never used yet."""
        return len(self._ports) - self._fresh

    def take(self, peer: Endpoint | None) -> int | None:
        if self._fresh < len(self._ports):
            port = self._ports[self._fresh]
            self._fresh += 1
        elif self._released:
            port = self._released.popleft()
        else:
            return None
        self.used += 1
        return port

    def take_fresh(self, count: int) -> I64:
        """The next *count* ports at once; as many must be fresh."""
        ports = self._ports[self._fresh : self._fresh + count]
        self._fresh += count
        self.used += count
        return np.arange(ports.start, ports.stop, ports.step) if isinstance(ports, range) else np.array(ports, np.int64)

    def give_many(self, ports: list[int]) -> None:
        """Give them back, in their order."""
        self.used -= len(ports)
        self._released.extend(ports)

    def give(self, port: int) -> None:
        self.used -= 1
        self._released.append(port)


class _FittingBucket(_Bucket):
    """The same where not every port suits every peer; `fits` tells."""

    __slots__ = ("_fits", "_free")

    def __init__(self, ports: Sequence[int], fits: Callable[[int, Endpoint | None], bool]) -> None:
        super().__init__(())
        self._free = dict.fromkeys(ports)
        self._fits = fits

    def take(self, peer: Endpoint | None) -> int | None:
        port = next((port for port in self._free if self._fits(port, peer)), None)
        if port is not None:
            del self._free[port]
            self.used += 1
        return port

    def give(self, port: int) -> None:
        self.used -= 1
        self._free[port] = None

    def give_many(self, ports: list[int]) -> None:
        self.used -= len(ports)
        self._free.update(dict.fromkeys(ports))


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
        self._buckets: list[_Bucket | None] = [None] * hash_size
        self._by_peer: dict[Endpoint | None, _Bucket] = {}

    @property
    def used(self) -> int:
        """Ports in use, over all buckets."""
        return sum(bucket.used for bucket in self._buckets if bucket is not None)

    @property
    def free(self) -> int:
        """Ports not in use, over all buckets: a port counts once in each."""
        return len(self._ports) * len(self._buckets) - self.used

    def fetch(self, peer: Endpoint | None) -> int | None:
        """Take the port that is free for longest towards *peer*; None and a miss where there is none."""
        port = (self._by_peer.get(peer) or self.bucket(peer)).take(peer)
        if port is None:
            self.miss += 1
        return port

    def release(self, port: int, peer: Endpoint | None) -> None:
        """Put *port*, taken towards *peer*, at the end of the free ones."""
        (self._by_peer.get(peer) or self.bucket(peer)).give(port)

    def bucket(self, peer: Endpoint | None) -> _Bucket:
        """The bucket of *peer*, made when it is first asked for."""
        at = sub_pool(peer, len(self._buckets))
        bucket = self._buckets[at]
        if bucket is None:
            fits = self._fits
            bucket = self._buckets[at] = _Bucket(self._ports) if fits is None else _FittingBucket(self._ports, fits)
        if len(self._by_peer) > MOST_PEERS:
            self._by_peer.clear()
        self._by_peer[peer] = bucket
        return bucket


class LaddrCursor:
    """The local addresses of one service on one worker, taken in turn (D 11.1).

    chance   the worker's generator where the 5 % double step applies (rr, wrr), None where steps are single
    conns    live connections by local address
    heard    where somebody listens: told of every trial, with its port or None
    """

    def __init__(self, laddrs: Sequence[bytes], chance: Draws | None = None) -> None:
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

    def next_many(self, count: int) -> I64:
        """Positions of the next *count* addresses, each of which has a port left."""
        steps = np.ones(count, np.int64)
        if self._chance is not None:
            steps += self._chance.many(count) < DOUBLE_STEP
        made = (self._at + np.cumsum(steps)) % len(self.laddrs)
        self._at = int(made[-1])
        return np.asarray(made)

    def _next(self) -> bytes:
        step = 2 if self._chance is not None and self._chance.one() < DOUBLE_STEP else 1
        self._at = (self._at + step) % len(self.laddrs)
        return self.laddrs[self._at]
