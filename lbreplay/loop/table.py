"""Which connection a packet belongs to: handles by the tuple of arriving packets (D 2.1).

One array of *places*, open addressing with a keyed hash, so that no capture can be made whose tuples meet at one
place. A tuple hashes to a place, and stands there or in one of the next ones before an empty place. What is taken out
leaves no trace: those behind it move up, so a look-up costs the same however long the capture was.

Connections of several workers, or one behind the other, may have equal tuples: the newest stands in the place, the
others behind it in a chain. A look-up gives the newest of a worker, or of anybody.

A tuple is two 64-bit words by handle: of IPv4 the tuple itself (addresses; ports, protocol), of IPv6 a mix of the
addresses, which are compared in full besides (`wide`), four words a handle.

    word 0   IPv4: source | dest << 32, as a little-endian machine reads the packet's bytes; IPv6: mixed
    word 1   source port | dest port << 16 (as read) | protocol << 32 | SIX
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from struct import unpack, unpack_from
from typing import Any

import numpy as np

from lbreplay.loop.names import NONE, SIX

FULL = 0xFFFFFFFFFFFFFFFF
LEAST = 12  # bits that number the places, at least
WIDTHS = (13, 37)  # bytes of the keys that are entered; no others can arrive


class Table:
    """Handles by tuple. `ranks` is whose a connection is, by slot; None: everybody's."""

    def __init__(self, shared: bool = False) -> None:
        keys = unpack("6Q", os.urandom(48))
        self._k0, self._k1, self._m0, self._m1, self._m2, self._m3 = (key | 1 for key in keys)
        self.shared = shared
        self.size = 0  # tuples that places stand for
        self._has_wide, self._handles = False, 0
        self._memory: Any = None
        self._wide_memory: Any = None
        self._ranks: Any = np.zeros(1, np.int16).data
        self._room(2)
        self._renew(LEAST)

    # --- room ------------------------------------------------------------------------------------------------------

    def point(self, ranks: Any) -> None:
        """Whose connections are, by slot; and room for all of them."""
        self._ranks = ranks
        self._room(2 * len(ranks))

    def reach(self, handle: int) -> None:
        """Room for *handle*."""
        if handle >= self._handles:
            self._room(max(2 * self._handles, handle + 1))

    def _room(self, handles: int) -> None:
        words, links = np.empty(2 * handles, np.uint64), np.full(2 * handles, NONE, np.int32)
        if self._handles:
            words[: 2 * self._handles], links[: 2 * self._handles] = self._memory
        self._handles, self._memory = handles, (words, links)
        self.words, self._links = words.data, links.data
        if self._has_wide:
            self._widen(handles)

    def _widen(self, handles: int) -> None:
        wide = np.zeros(4 * handles, np.uint64)
        if self._has_wide:
            wide[: len(self._wide_memory)] = self._wide_memory
        self._has_wide, self._wide_memory, self.wide = True, wide, wide.data

    def _renew(self, bits: int) -> None:
        """Empty places."""
        self._places = np.full(1 << bits, NONE, np.int32).data
        self._last, self._shift = (1 << bits) - 1, 64 - bits

    def _grow(self) -> None:
        """Twice the places."""
        old, size = self._places, self._last + 1
        self._renew(65 - self._shift)
        for at in range(size):
            handle = old[at]
            if handle >= 0:
                to = self._home(handle)
                while self._places[to] >= 0:
                    to = (to + 1) & self._last
                self._places[to] = handle

    # --- places ----------------------------------------------------------------------------------------------------

    def _place(self, word0: int, word1: int) -> int:
        mixed = (word0 * self._k0 + word1 * self._k1) & FULL
        return (((mixed ^ (mixed >> 29)) * self._k1) & FULL) >> self._shift

    def _home(self, handle: int) -> int:
        return self._place(self.words[2 * handle], self.words[2 * handle + 1])

    def mix(self, a: int, b: int, c: int, d: int) -> int:
        """Word 0 of IPv6 addresses."""
        return (a * self._m0 + b * self._m1 + c * self._m2 + d * self._m3) & FULL

    def _same(self, handle: int, word0: int, word1: int, a: int, b: int, c: int, d: int) -> bool:
        if self.words[2 * handle + 1] != word1 or self.words[2 * handle] != word0:
            return False
        if not word1 & SIX:
            return True
        wide, at = self.wide, 4 * handle
        return wide[at] == a and wide[at + 1] == b and wide[at + 2] == c and wide[at + 3] == d

    def first(self, word0: int, word1: int, a: int, b: int, c: int, d: int) -> int:
        """The newest handle of a tuple, whoever has it, or NONE."""
        at = self._place(word0, word1)
        handle = self._places[at]
        while handle >= 0 and not self._same(handle, word0, word1, a, b, c, d):
            at = (at + 1) & self._last
            handle = self._places[at]
        self._at = at
        return handle

    def find(self, word0: int, word1: int, a: int, b: int, c: int, d: int, rank: int) -> int:
        """The newest handle of a tuple that worker *rank* has, or NONE."""
        handle = self.first(word0, word1, a, b, c, d)
        if not self.shared and rank >= 0:
            while handle >= 0 and self._ranks[handle >> 1] != rank:
                handle = self._links[2 * handle]
        return handle

    def newest(self, handle: int) -> int:
        """The newest handle of the tuple of *handle*, which is entered."""
        word0, word1, at = self.words[2 * handle], self.words[2 * handle + 1], 4 * handle
        if not word1 & SIX:
            return self.first(word0, word1, 0, 0, 0, 0)
        wide = self.wide
        return self.first(word0, word1, wide[at], wide[at + 1], wide[at + 2], wide[at + 3])

    def found(self, handle: int, rank: int) -> int:
        """The newest handle of the tuple of *handle* that worker *rank* has, or NONE."""
        handle = self.newest(handle)
        while not self.shared and handle >= 0 and self._ranks[handle >> 1] != rank:
            handle = self._links[2 * handle]
        return handle

    def behind(self, handle: int) -> int:
        """The next older handle of the same tuple, or NONE."""
        return self._links[2 * handle]

    def alone(self, handle: int) -> bool:
        """Whether no other handle has the tuple of this one, which is in the table."""
        return self._links[2 * handle] < 0 and self._links[2 * handle + 1] < 0

    def enter(self, handle: int, word0: int, word1: int, a: int, b: int, c: int, d: int) -> None:
        """The tuple belongs to *handle* from now on."""
        if 2 * self.size > self._last:
            self._grow()
        older = self.first(word0, word1, a, b, c, d)
        self.words[2 * handle], self.words[2 * handle + 1] = word0, word1
        if word1 & SIX:
            if not self._has_wide:
                self._widen(len(self._links) >> 1)
            at = 4 * handle
            self.wide[at], self.wide[at + 1], self.wide[at + 2], self.wide[at + 3] = a, b, c, d
        self._links[2 * handle], self._links[2 * handle + 1] = older, NONE
        if older >= 0:
            self._links[2 * older + 1] = handle
        else:
            self.size += 1
        self._places[self._at] = handle

    def remove(self, handle: int) -> None:
        """*handle* is found no more; an older one that stood behind it is found again."""
        behind, ahead = self._links[2 * handle], self._links[2 * handle + 1]
        if behind >= 0:
            self._links[2 * behind + 1] = ahead
        if ahead >= 0:
            self._links[2 * ahead] = behind
            return
        at = self._home(handle)
        while self._places[at] != handle:
            at = (at + 1) & self._last
        if behind >= 0:
            self._places[at] = behind
        else:
            self.size -= 1
            self._close(at)

    def _close(self, hole: int) -> None:
        """Those behind a hole move up, each as far as its home."""
        at = hole
        while True:
            at = (at + 1) & self._last
            handle = self._places[at]
            if handle < 0:
                break
            if (at - self._home(handle)) & self._last >= (at - hole) & self._last:
                self._places[hole] = handle
                hole = at
        self._places[hole] = NONE

    # --- by key ----------------------------------------------------------------------------------------------------

    def put(self, handle: int, key: bytes) -> None:
        """`enter` by a key (wire.packet.flow_key); what has more to it than ports cannot arrive."""
        if len(key) in WIDTHS:
            self.enter(handle, *self._split(key))

    def take(self, handle: int, key: bytes) -> None:
        """`remove` what was `put`."""
        if len(key) in WIDTHS:
            self.remove(handle)

    def get(self, key: bytes, rank: int) -> int | None:
        """`find` by a key."""
        handle = self.find(*self._split(key), rank) if len(key) in WIDTHS else NONE
        return None if handle < 0 else handle

    def all(self, key: bytes) -> Iterator[int]:
        """All handles of *key*, the newest first."""
        handle = self.first(*self._split(key)) if len(key) in WIDTHS else NONE
        while handle >= 0:
            yield handle
            handle = self.behind(handle)

    def key(self, handle: int) -> bytes:
        """The key that *handle* is found by, also just after it was taken out."""
        word0, word1 = self.words[2 * handle], self.words[2 * handle + 1]
        ends = bytes(self.wide[4 * handle : 4 * handle + 4]) if word1 & SIX else word0.to_bytes(8, "little")
        return bytes((word1 >> 32 & 0xFF,)) + ends + (word1 & 0xFFFFFFFF).to_bytes(4, "little")

    def _split(self, key: bytes) -> tuple[int, int, int, int, int, int]:
        ports = int.from_bytes(key[len(key) - 4 :], "little") | key[0] << 32
        if len(key) == 13:
            return int.from_bytes(key[1:9], "little"), ports, 0, 0, 0, 0
        a, b, c, d = unpack_from("<4Q", key, 1)
        return self.mix(a, b, c, d), ports | SIX, a, b, c, d

    def word(self, handle: int, number: int) -> int:
        """Word *number* of the tuple of *handle*."""
        return self.words[2 * handle + number]

    def wide_word(self, handle: int, number: int) -> int:
        """Word *number* of its addresses, IPv6."""
        return self.wide[4 * handle + number]
