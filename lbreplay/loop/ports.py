"""Local ports as connections take them, and local addresses in turn (D 11).

A *bucket* has the free ports of one local address on one worker towards those peers that hash to it: a range not used
yet, then the released, longest free first, which stand in a ring of two bytes each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from lbreplay import memory
from lbreplay.loop.draws import Draws
from lbreplay.loop.names import M32, MAX_TRIALS, NO_PORT

PEER_SEED = 10
DOUBLE_STEP = 0.05  # of the steps of an rr or wrr service that skip an address


@lru_cache(maxsize=64)
def _range(first: int, stop: int, step: int) -> memoryview:
    return memory.listed("H", range(first, stop, step))


def listed(ports: Sequence[int]) -> memoryview:
    """*ports* two bytes each; equal ranges are one list, for many pools and buckets have the same."""
    if isinstance(ports, range):
        return _range(ports.start, ports.stop, ports.step)
    return memory.listed("H", ports)


class Bucket:
    """Free ports of one sub-pool. `miss`: how often there was none."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports, self._size = listed(ports), len(ports)
        self._taken = self.miss = 0
        self._head = self._released = 0  # of the ring: where the first of so many stands
        self._ring = memory.zeros("H", 0)

    def used(self) -> int:
        """Ports that connections have."""
        return self._taken - self._released

    def next(self) -> int:
        """The port that is taken next, most likely."""
        if self._taken < self._size:
            return self._ports[self._taken]
        return self._ring[self._head] if self._released else NO_PORT

    def take(self, peer: Any) -> int:
        """The port that is free for longest, towards *peer*; NO_PORT, and a miss, where there is none."""
        if self._taken < self._size:
            self._taken += 1
            return self._ports[self._taken - 1]
        if not self._released:
            self.miss += 1
            return NO_PORT
        port = self._ring[self._head]
        self._head = (self._head + 1) & (len(self._ring) - 1)
        self._released -= 1
        return port

    def give(self, port: int) -> None:
        """Put *port* at the end of the free ones."""
        if self._released == len(self._ring):
            self._widen()
        self._ring[(self._head + self._released) & (len(self._ring) - 1)] = port
        self._released += 1

    def _widen(self) -> None:
        """A ring of twice the size, a power of two; all of the old one are free."""
        ring, behind = memory.zeros("H", max(16, 2 * self._released)), self._released - self._head
        ring[:behind], ring[behind : self._released] = self._ring[self._head :], self._ring[: self._head]
        self._ring, self._head = ring, 0


class FittingBucket(Bucket):
    """The same where not every port suits every peer; `fits` tells."""

    def __init__(self, ports: Sequence[int], fits: Callable[[int, Any], bool]) -> None:
        super().__init__(ports)
        self._free = dict.fromkeys(ports)
        self._fits = fits

    def used(self) -> int:
        return self._size - len(self._free)

    def take(self, peer: Any) -> int:
        for port in self._free:
            if self._fits(port, peer):
                del self._free[port]
                return port
        self.miss += 1
        return NO_PORT

    def give(self, port: int) -> None:
        self._free[port] = None


class Pool:
    """The ports of one address on one worker (D 11.3). `fits`: whether a port suits a peer, where not all do."""

    def __init__(self, ports: Sequence[int], size: int, fits: Callable[[int, Any], bool] | None = None) -> None:
        self.ports, self.fits = ports, fits
        self.buckets: list[Any] = [None] * size

    def numbered(self, number: int) -> Bucket:
        """Bucket *number*, made when it is first asked for."""
        bucket: Bucket | None = self.buckets[number]
        if bucket is None:
            bucket = Bucket(self.ports) if self.fits is None else FittingBucket(self.ports, self.fits)
            self.buckets[number] = bucket
        return bucket

    def towards(self, low: int, high: int, port: int, six: bool) -> Bucket:
        """The bucket of a peer, address and port as little-endian machines read them."""
        number = peer_hash(low, high, port) if six else _number(low >> 16) + _number(port)
        return self.numbered(number % len(self.buckets))


def _number(word: int) -> int:
    """Two bytes as they are in the packet, of the same as a little-endian machine read them."""
    return (word & 0xFF) << 8 | word >> 8


def peer_hash(low: int, high: int, port: int) -> int:
    """lookup3 over the port and the four words of an IPv6 address (D 11.3; lvs/hashes.py has it for any words)."""
    a = b = c = (0xDEADBEEF + 5 * 4 + PEER_SEED) & M32
    a, b, c = (a + port) & M32, (b + low) & M32, (c + (low >> 32)) & M32
    for count in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & M32) ^ _rotated(c, count)
        c = (c + b) & M32
        a, b, c = b, c, a
    a, b = (a + high) & M32, (b + (high >> 32)) & M32
    for count in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotated(b, count)) & M32
        a, b, c = b, c, a
    return b


def _rotated(word: int, count: int) -> int:
    return (word << count | word >> (32 - count)) & M32


class LaddrCursor:
    """The local addresses of one service on one worker, taken in turn (D 11.1).

    chance   the worker's generator where the 5 % double step applies (rr, wrr), None where steps are single
    counts   live connections by position of the local address; of those taken out too, `conns` has them
    at       position of the last one taken
    heard    where somebody listens: told of every trial, with its port or None
    """

    def __init__(self, laddrs: Sequence[bytes], chance: Draws | None = None) -> None:
        self.laddrs = tuple(laddrs)
        self.counts = memory.zeros("q", len(self.laddrs))
        self.heard: Callable[[bytes, int | None], None] | None = None
        self._chance, self._stepping = chance or Draws(0, ""), chance is not None
        self.at, self._size = -1, len(self.laddrs)
        self._gone: dict[bytes, int] = {}  # live connections of addresses that were taken out

    @property
    def conns(self) -> dict[bytes, int]:
        """Live connections by local address."""
        return {laddr: self.counts[at] for at, laddr in enumerate(self.laddrs)} | self._gone

    def bind(self, pools: Mapping[bytes, Any], peer: Any) -> tuple[bytes, int] | None:
        """A local address with a free port towards *peer*; None after min(16, addresses) trials without one."""
        for _ in range(min(MAX_TRIALS, len(self.laddrs))):
            laddr = self.laddrs[self.next()]
            pool = pools.get(laddr)
            port = None if pool is None else pool.fetch(peer)
            if self.heard is not None:
                self.heard(laddr, port)
            if port is not None:
                self.counts[self.at] += 1
                return laddr, port
        return None

    def release(self, laddr: bytes) -> None:
        """A connection from *laddr* ended. The port is given back to its pool by itself."""
        if laddr in self.laddrs:
            self.counts[self.laddrs.index(laddr)] -= 1
        else:
            self._gone[laddr] -= 1

    def replace(self, laddrs: Sequence[bytes]) -> None:
        """An operator's change: the turn goes on behind the last address taken that is still there. Connections from
        one that went live on, and are counted."""
        conns = self.conns
        taken = [laddr for laddr in self.laddrs[: self.at + 1] if laddr in laddrs]
        self.laddrs = tuple(laddrs)
        self.counts = memory.listed("q", [conns.pop(laddr, 0) for laddr in laddrs])
        self.at, self._size = self.laddrs.index(taken.pop()) if taken else -1, len(self.laddrs)
        self._gone = conns

    def next(self) -> int:
        """The position of the next address."""
        step = 2 if self._stepping and self._chance.one() < DOUBLE_STEP else 1
        self.at = (self.at + step) % self._size
        return self.at
