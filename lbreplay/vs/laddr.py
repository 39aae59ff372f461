"""Local addresses and their ports: what a full-NAT connection leaves from (D 11).

A worker has one `SockAddrPool` per local address. It owns the ports whose low bits are its rank, so the NIC's rules
bring the answers home. Inside a pool every hash bucket (chosen by the peer) has *every* owned port: one laddr:lport can
live once towards each bucket. Free ports are first in, first out; a bucket is a range not yet used plus the released.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from lbreplay.burst import I32, I64, U16, ascending, parted
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


class PortBook:
    """How far the ports of all buckets of a machine are taken, in columns by the bucket's number, so that ports of many
    buckets are taken at once. Ports given back together wait here until a bucket has no fresh ones left: most never do.
    """

    def __init__(self) -> None:
        self.buckets: list[_Bucket] = []
        self._columns = np.zeros((4, 0), np.int64)
        self._grow(64)
        self._given: list[tuple[I32, U16]] = []  # buckets' numbers and ports, in order

    def _grow(self, capacity: int) -> None:
        self._columns = np.pad(self._columns, ((0, 0), (0, capacity - self._columns.shape[1])))
        self._start, self._step, self._size, self._taken = self._columns
        taken: Any = self._taken
        self.taken = memoryview(taken)  # how many ports ever were: those behind them are fresh

    def enter(self, bucket: _Bucket, ports: Sequence[int]) -> int:
        """The number of a new bucket of *ports*, which are taken many at once where they are a range."""
        number = len(self.buckets)
        self.buckets.append(bucket)
        if number == len(self.taken):
            self._grow(2 * number)
        if isinstance(ports, range):
            self._columns[:, number] = ports.start, ports.step, len(ports), 0
        return number

    def fresh(self, buckets: I64) -> I64:
        """How many ports were never used yet, of each of *buckets*; none where they are no range."""
        return np.asarray(self._size[buckets] - self._taken[buckets])

    def take_many(self, buckets: I64) -> I64:
        """A fresh port of each of *buckets*, in their order: the n-th row of a bucket has its n-th port."""
        order = ascending(buckets)
        ordered = buckets[order]
        first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        counts = np.diff(np.append(first, len(ordered)))
        nth = np.empty(len(buckets), np.int64)
        nth[order] = np.arange(len(ordered)) - np.repeat(first, counts)
        nth += self._taken[buckets]
        self._taken[ordered[first]] += counts
        return np.asarray(self._start[buckets] + self._step[buckets] * nth)

    def give_many(self, buckets: I64, ports: Any) -> None:
        """Give back a port to each of *buckets*, in their order."""
        self._given.append((buckets.astype(np.int32), ports.astype(np.uint16)))

    def settle(self) -> None:
        """What was given back reaches its buckets: somebody asks what is free in them, or has more to add."""
        if not self._given:
            return
        buckets, ports = map(np.concatenate, zip(*self._given, strict=True))
        self._given.clear()
        for number, some in parted(buckets):
            self.buckets[number].add(ports[some].tolist())


class _Bucket:
    """Free ports of one sub-pool: a range not used yet, then the released, longest free first."""

    __slots__ = ("_book", "_ports", "_released", "number")

    def __init__(self, book: PortBook, ports: Sequence[int]) -> None:
        self._book, self._ports = book, ports
        self._released: deque[int] = deque()
        self.number = book.enter(self, ports)

    @property
    def used(self) -> int:
        """Ports that connections have."""
        self._book.settle()
        return self._book.taken[self.number] - len(self._released)

    def take(self, peer: Endpoint | None) -> int | None:
        taken = self._book.taken
        at = taken[self.number]
        if at < len(self._ports):
            taken[self.number] = at + 1
            return self._ports[at]
        self._book.settle()
        return self._released.popleft() if self._released else None

    def give(self, port: int) -> None:
        self._book.settle()
        self._released.append(port)

    def add(self, ports: list[int]) -> None:
        """Add to the free ones, in their order."""
        self._released.extend(ports)


class _FittingBucket(_Bucket):
    """The same where not every port suits every peer; `fits` tells."""

    __slots__ = ("_fits", "_free", "_size")

    def __init__(self, book: PortBook, ports: Sequence[int], fits: Callable[[int, Endpoint | None], bool]) -> None:
        super().__init__(book, ())
        self._free, self._size = dict.fromkeys(ports), len(ports)
        self._fits = fits

    @property
    def used(self) -> int:
        self._book.settle()
        return self._size - len(self._free)

    def take(self, peer: Endpoint | None) -> int | None:
        self._book.settle()
        port = next((port for port in self._free if self._fits(port, peer)), None)
        if port is not None:
            del self._free[port]
        return port

    def give(self, port: int) -> None:
        self._book.settle()
        self._free[port] = None

    def add(self, ports: list[int]) -> None:
        self._free.update(dict.fromkeys(ports))


class SockAddrPool:
    """The local ports of one address on one worker (D 11.3).

    `fits(port, peer)`, where given, says whether the answers of *peer* to *port* come home; others are passed over.
    Pools of a machine share a *book*.
    """

    def __init__(
        self,
        laddr: bytes,
        ports: Sequence[int],
        hash_size: int,
        fits: Callable[[int, Endpoint | None], bool] | None = None,
        book: PortBook | None = None,
    ) -> None:
        self.laddr = laddr
        self._book = book or PortBook()
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
            book, ports, fits = self._book, self._ports, self._fits
            bucket = _Bucket(book, ports) if fits is None else _FittingBucket(book, ports, fits)
            self._buckets[at] = bucket
        if len(self._by_peer) > MOST_PEERS:
            self._by_peer.clear()
        self._by_peer[peer] = bucket
        return bucket


class LaddrCursor:
    """The local addresses of one service on one worker, taken in turn (D 11.1).

    chance   the worker's generator where the 5 % double step applies (rr, wrr), None where steps are single
    conns    live connections by local address
    at       position of the last one taken
    heard    where somebody listens: told of every trial, with its port or None
    """

    def __init__(self, laddrs: Sequence[bytes], chance: Draws | None = None) -> None:
        self.laddrs = tuple(laddrs)
        self.conns = dict.fromkeys(self.laddrs, 0)
        self.heard: Callable[[bytes, int | None], None] | None = None
        self._chance = chance
        self.at = -1

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
        step = 2 if self._chance is not None and self._chance.one() < DOUBLE_STEP else 1
        self.at = (self.at + step) % len(self.laddrs)
        return self.laddrs[self.at]

    def draws(self, count: int) -> Any:
        """What decides on the next *count* steps: below DOUBLE_STEP a double one."""
        return np.ones(count) if self._chance is None else self._chance.many(count)


def next_many(cursors: Sequence[LaddrCursor], counts: I64) -> I64:
    """Positions of the next addresses, each of which has a port left: as many as *counts* of each cursor."""
    steps = 1 + (np.concatenate([one.draws(n) for one, n in zip(cursors, counts.tolist(), strict=True)]) < DOUBLE_STEP)
    walked, stops = np.cumsum(steps), np.cumsum(counts)
    begin = np.array([one.at for one in cursors]) - np.append(0, walked[stops[:-1] - 1])
    sizes = np.array([len(one.laddrs) for one in cursors])
    made = (walked + np.repeat(begin, counts)) % np.repeat(sizes, counts)
    for one, at in zip(cursors, made[stops - 1].tolist(), strict=True):
        one.at = at
    return np.asarray(made)
