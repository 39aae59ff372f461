"""Which real server a hash of the first packet's ends names: conhash's ring, Maglev's table, the buckets of sh and dh
(D 10.3, L 13); and the hashes (vectors: D 18)."""

from __future__ import annotations

from typing import Any

from lbreplay import memory
from lbreplay.loop import octets
from lbreplay.loop.md5 import BLOCK, MARK, SIZE_AT, Digest
from lbreplay.loop.names import M32
from lbreplay.loop.real import Dest
from lbreplay.loop.turn import NOBODY_THERE, Choice

NOBODY = NOBODY_THERE
M64 = 0xFFFFFFFFFFFFFFFF
MOST_DIGITS = 20  # of a 64-bit number
# Maglev's table, and the keys of its hashes
PLACES = 4093
START_KEY, SKIP_KEY = 2654435761, 2654446892
START, SLOTS = START_KEY, PLACES
# of sh and dh
SIZE = 256
BUCKETS = SIZE
KNUTH, GOLDEN = 2654435761, 0x61C88647
DIGEST, NUMBER = Digest(), memory.zeros("B", BLOCK)  # a number's digits, as MD5 has a message


def ring_key(number: int) -> int:
    """conhash's H (D 10.3) of the digits of *number*: a signed 64-bit place on the ring."""
    _write(number)
    DIGEST.begin()
    DIGEST.add(NUMBER)
    total = DIGEST.a
    return stirred(total + DIGEST.b + DIGEST.c + DIGEST.d)


def _write(number: int) -> None:
    """*number* in digits, padded."""
    size, rest = 1, number
    while rest > 9:
        size, rest = size + 1, rest // 10
    for at in range(size + 1, MOST_DIGITS + 1):
        NUMBER[at] = 0
    NUMBER[size], NUMBER[SIZE_AT] = MARK, 8 * size
    for at in range(size):
        NUMBER[size - 1 - at], number = 48 + number % 10, number // 10


def stirred(total: int) -> int:
    """The mixing of H, of the sum of the four words of an MD5, signed."""
    place = _stirred(total)
    return place - M64 - 1 if place >> 63 else place


def _stirred(a: int) -> int:
    a = (a + 0x7ED55D16 + (a << 12)) & M64
    a = a ^ 0xC761C23C ^ a >> 19
    a = (a + 0x165667B1 + (a << 5)) & M64
    a = ((a + 0xD3A2646C) & M64) ^ (a << 9 & M64)
    a = (a + 0xFD7046C5 + (a << 3)) & M64
    a = a ^ 0xB55A4F09 ^ a >> 16
    return (a * 3221225473) & M64


def siphash(value: int, key: int) -> int:
    """SipHash with one compression and three final rounds over four bytes, *value* as a little-endian machine has it,
    keyed with (*key*, *key*): the low 32 bits of it."""
    v0, v1 = key ^ 0x736F6D6570736575, key ^ 0x646F72616E646F6D
    v2, v3 = key ^ 0x6C7967656E657261, key ^ 0x7465646279746573
    block = 4
    block = block << 56 | value
    v3 ^= block
    for turn in range(4):
        v0, v2 = (v0 + v1) & M64, (v2 + v3) & M64
        v1 = ((v1 << 13 | v1 >> 51) & M64) ^ v0
        v3 = ((v3 << 16 | v3 >> 48) & M64) ^ v2
        v0 = (v0 << 32 | v0 >> 32) & M64
        v2, v0 = (v2 + v1) & M64, (v0 + v3) & M64
        v1 = ((v1 << 17 | v1 >> 47) & M64) ^ v2
        v3 = ((v3 << 21 | v3 >> 43) & M64) ^ v0
        v2 = (v2 << 32 | v2 >> 32) & M64
        if turn == 0:
            v0, v2 = v0 ^ block, v2 ^ 0xFF
    return (v0 ^ v1 ^ v2 ^ v3) & M32


def _taken(dests: list[Any], at: int) -> int:
    """The owner at position *at*, where it may be picked."""
    dest = dests[at]
    return at if Dest.may_be_picked(dest) else NOBODY


def in_order(keys: Any, owners: Any) -> Any:
    """Keys (q) with their owners (i), ascending, equal ones as they came: a pass for each byte, the lowest first. Both
    are used up."""
    size, counts = len(keys), memory.zeros("q", 256)
    other_keys, other_owners = memory.zeros("q", size), memory.zeros("i", size)
    for shift in range(0, 64, 8):
        flip, first = 128 if shift == 56 else 0, 0  # of signed numbers, those below 0 come first
        for byte in range(256):
            counts[byte] = 0
        for at in range(size):
            counts[keys[at] >> shift & 255 ^ flip] += 1
        for byte in range(256):
            first, counts[byte] = first + counts[byte], first
        for at in range(size):
            byte = keys[at] >> shift & 255 ^ flip
            place = counts[byte]
            other_keys[place], other_owners[place], counts[byte] = keys[at], owners[at], place + 1
        keys, other_keys, owners, other_owners = other_keys, keys, other_owners, owners
    return memoryview(keys), memoryview(owners)


class Ring(Choice):
    """conhash: a key belongs to the next place at or after it; if the owner may not be picked nobody takes the
    connection."""

    def __init__(self) -> None:
        self.spread(memory.zeros("q", 0), memory.zeros("i", 0), [])

    def spread(self, keys: Any, owners: Any, positions: list[int]) -> None:
        """These are the places from now on: *keys* (i8) in their order, and of each the owner (i4), an index into
        *positions* of real servers."""
        self._keys, self._owners, self._size = keys, owners, len(keys)
        self._positions = positions

    def pick(self, dests: list[Any], source: int, dest: int, port: int) -> int:
        """By the source, as a little-endian machine reads it."""
        return self.owner(dests, octets.swapped(source))

    def owner(self, dests: list[Any], number: int) -> int:
        """By a number."""
        key, low, high = ring_key(number), 0, self._size
        while low < high:
            middle = (low + high) >> 1
            if self._keys[middle] < key:
                low = middle + 1
            else:
                high = middle
        if not self._size:
            return NOBODY
        at: int = self._positions[self._owners[low if low < self._size else 0]]
        return _taken(dests, at)


def filled(starts: Any, skips: Any, turns: Any) -> Any:
    """Maglev's table, i4: real servers in turn take as many slots as their turn says, each along its own permutation,
    which begins at its start and goes on by its skip. Somebody has a turn."""
    slots, places, left = memory.full("i", PLACES, NOBODY), memory.listed("I", starts), SLOTS
    while left:
        for owner in range(len(places)):
            skip = skips[owner]
            for _ in range(turns[owner]):
                at = places[owner]
                while slots[at] >= 0:
                    at = (at + skip) % SLOTS
                slots[at], places[owner] = owner, at
                left -= 1
                if not left:
                    return memoryview(slots)
    return memoryview(slots)


class Maglev(Choice):
    """mh: the owner of the source's slot, with the port where `with_port` says so; where it may not be picked nobody
    takes the connection, or with `fallback` the owner of another slot."""

    def __init__(self, with_port: bool, fallback: bool) -> None:
        self.with_port, self.fallback = with_port, fallback
        self.fill(memory.zeros("i", 0))

    def fill(self, owners: Any) -> None:
        """Positions of real servers by slot, i4 (`filled`); or none."""
        self._owners, self._size = owners, len(owners)

    def pick(self, dests: list[Any], source: int, dest: int, port: int) -> int:
        """By the source."""
        if not self._size:
            return NOBODY
        value = (source + port) & M32 if self.with_port else source
        first = siphash(value, START) % SLOTS
        at = _taken(dests, self._owners[first])
        if at == NOBODY and self.fallback:
            return self._fall_back(dests, value, first)
        return at

    def _fall_back(self, dests: list[Any], value: int, first: int) -> int:
        """The owner of the first other slot that may be picked."""
        for offset in range(SLOTS):
            other = (value + (offset + first) % SLOTS) & M32
            at = _taken(dests, self._owners[siphash(other, START) % SLOTS])
            if at != NOBODY:
                return at
        return NOBODY


def bucket(value: int, low: bool) -> int:
    """One of BUCKETS for *value*: by the low part of a product with Knuth's number, or the high one with the golden
    ratio (L 13)."""
    return value * KNUTH & (BUCKETS - 1) if low else ((value * GOLDEN) & M32) >> 24


class Buckets(Choice):
    """sh and dh: the owner of a bucket, by the source or, `by_dest`, by where the packet goes. `fallback`: where it may
    not be picked, those of others are asked."""

    def __init__(self, low: bool, by_dest: bool = False, with_port: bool = False, fallback: bool = False) -> None:
        self.low, self.by_dest, self.with_port, self.fallback = low, by_dest, with_port, fallback
        self.deal(memory.zeros("i", 0))

    def deal(self, owners: Any) -> None:
        """Positions of real servers by bucket, i4; or none."""
        self._owners, self._size = owners, len(owners)

    def pick(self, dests: list[Any], source: int, dest: int, port: int) -> int:
        """The owner of the bucket."""
        if not self._size:
            return NOBODY
        value = dest if self.by_dest else (source + port) & M32 if self.with_port else source
        home = bucket(value, self.low)
        at, offset = _taken(dests, self._owners[home]), 0
        while at == NOBODY and self.fallback and offset < BUCKETS:
            at = _taken(dests, self._owners[((offset + home) % BUCKETS + home) & (BUCKETS - 1)])
            offset += 1
        return at
