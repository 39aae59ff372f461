"""Which connection a packet belongs to: handles by the tuple of arriving packets (D 2.1).

One array of *places*, open addressing with a keyed hash, so that no capture can be made whose tuples meet at one
place. A tuple hashes to a place, and stands there or in one of the next ones before an empty place. What is taken out
leaves no trace: those behind it move up, so a look-up costs the same however long the capture was.

A place has the upper half of its tuple's hash above the handle + 1, and is 0 where it is empty. That half numbers the
home place and tells other tuples off: nothing but a tuple that is there is looked at, and to make room, or to close a
hole, no tuple at all. Homes ascend with hashes, so twice the places are filled from the old ones from end to end.

Connections of several workers, or one behind the other, may have equal tuples: the newest stands in the place, the
others behind it in a chain. A look-up gives the newest of a worker, or of anybody. There are no chains before a tuple
has a second handle.

A tuple is two 64-bit words by handle: of IPv4 the tuple itself (addresses; ports, protocol), of IPv6 a mix of the
addresses, which are compared in full besides (`wide`), four words a handle. Who has records by slot keeps the two
words in them (`point`), where the rest of what a packet asks for stands beside.

    word 0   IPv4: source | dest << 32, as a little-endian machine reads the packet's bytes; IPv6: mixed
    word 1   source port | dest port << 16 (as read) | protocol << 32 | SIX
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from struct import unpack, unpack_from
from typing import Any

from lbreplay import memory
from lbreplay.loop import octets
from lbreplay.loop.names import NONE, SIX

FULL = 0xFFFFFFFFFFFFFFFF
LEAST = 12  # bits that number the places, at least
HANDLE = 0xFFFFFFFF  # the part of a place that has it
FILLED = 7  # of 10 places, at most
OWN = 2  # words of a handle where nobody else keeps them
WIDTHS = (13, 37)  # bytes of the keys that are entered; no others can arrive


def reverse_key(key: bytes) -> bytes:
    """The key (wire.packet.flow_key) of what leaves in the opposite direction."""
    width = (len(key) - 5) >> 1
    dest, ports = 1 + width, 1 + 2 * width
    turned = octets.part(key, dest, width) + octets.part(key, 1, width)
    return octets.part(key, 0, 1) + turned + octets.part(key, ports + 2, 2) + octets.part(key, ports, 2)


class Table:
    """Handles by tuple. `ranks` is whose a connection is, by slot; None: everybody's."""

    def __init__(self, shared: bool = False) -> None:
        keys = unpack("6Q", os.urandom(48))
        self._k0, self._k1, self._m0, self._m1, self._m2, self._m3 = (key | 1 for key in keys)
        self.shared = shared
        self.size = 0  # tuples that places stand for
        self._has_wide = self._chained = False
        self._handles = 0
        self._links, self.wide = memory.zeros("i", 0), memory.zeros("Q", 0)
        self._ranks: Any = memory.zeros("h", 1)
        self.words, self.step = memory.zeros("Q", 0), OWN
        self._room(2)
        self._renew(LEAST)

    # --- room ------------------------------------------------------------------------------------------------------

    def point(self, ranks: Any, words: Any = None, step: int = OWN) -> None:
        """Whose connections are, by slot, and room for all of them: the first two of *words*, *step* a handle, or where
        nobody keeps them, its own."""
        self._ranks = ranks
        if words is None:
            self._room(2 * len(ranks))
        else:
            self._hold(words, step)

    def reach(self, handle: int) -> None:
        """Room for *handle*."""
        if handle >= self._handles:
            self._room(max(2 * self._handles, handle + 1))

    def _room(self, handles: int) -> None:
        self._hold(memory.grown(self.words, OWN * handles), OWN)

    def _hold(self, words: Any, step: int) -> None:
        """Tuples stand in *words*, and all that goes by handle is as long."""
        self._handles, self.words, self.step = len(words) // step, words, step
        if self._has_wide:
            self._widen(self._handles)
        if self._chained:
            self._chain(self._handles)

    def _chain(self, handles: int) -> None:
        """Room for chains: the older and the newer one by handle."""
        links = memory.full("i", 2 * handles, NONE)
        links[: len(self._links)] = self._links
        self._chained, self._links = True, links

    def _widen(self, handles: int) -> None:
        self._has_wide, self.wide = True, memory.grown(self.wide, 4 * handles)

    def _renew(self, bits: int) -> None:
        """Empty places."""
        self._places = memory.scattered("Q", 1 << bits)
        self._last, self._shift = (1 << bits) - 1, 64 - bits
        self._most = FILLED * (1 << bits) // 10

    def _grow(self) -> None:
        """Twice the places."""
        old, size = self._places, self._last + 1
        self._renew(65 - self._shift)
        for at in range(size):
            place = old[at]
            if place:
                to = place >> self._shift
                while self._places[to]:
                    to = (to + 1) & self._last
                self._places[to] = place

    # --- places ----------------------------------------------------------------------------------------------------

    def _hash(self, word0: int, word1: int) -> int:
        """The hash of a tuple, as it stands in a place: without its lower half."""
        mixed = (word0 * self._k0 + word1 * self._k1) & FULL
        mixed = ((mixed ^ (mixed >> 29)) * self._k1) & FULL
        return mixed >> 32 << 32

    def mix(self, a: int, b: int, c: int, d: int) -> int:
        """Word 0 of IPv6 addresses."""
        return (a * self._m0 + b * self._m1 + c * self._m2 + d * self._m3) & FULL

    def _same(self, handle: int, word0: int, word1: int, a: int, b: int, c: int, d: int) -> bool:
        if self.word(handle, 1) != word1 or self.word(handle, 0) != word0:
            return False
        if not word1 & SIX:
            return True
        at = 4 * handle
        return self.wide[at] == a and self.wide[at + 1] == b and self.wide[at + 2] == c and self.wide[at + 3] == d

    def first(self, word0: int, word1: int, a: int, b: int, c: int, d: int) -> int:
        """The newest handle of a tuple, whoever has it, or NONE."""
        return self.at(self._hash(word0, word1), word0, word1, a, b, c, d)

    def at(self, marked: int, word0: int, word1: int, a: int, b: int, c: int, d: int) -> int:
        """The same of a tuple that was foreseen: *marked* is what it is known by."""
        at = marked >> self._shift
        place = self._places[at]
        while place:
            if place ^ marked <= HANDLE and self._same((place & HANDLE) - 1, word0, word1, a, b, c, d):
                break
            at = (at + 1) & self._last
            place = self._places[at]
        self._at, self._marked = at, marked
        return (place & HANDLE) - 1

    def foresee(self, word0: int, word1: int) -> int:
        """A tuple is soon looked up: a cache may fetch its home place. What `bring` and `at` know it by."""
        marked = self._hash(word0, word1)
        octets.fetch(self._places, marked >> self._shift)
        return marked

    def bring(self, marked: int) -> None:
        """The same of the record, both sides, of a tuple that was foreseen."""
        at = marked >> self._shift
        place = self._places[at]
        while place and place ^ marked > HANDLE:
            at = (at + 1) & self._last
            place = self._places[at]
        if place:
            at = (place & HANDLE) - 1
            octets.fetch(self.words, self.step * at)
            octets.fetch(self.words, self.step * (at ^ 1))

    def find(self, word0: int, word1: int, a: int, b: int, c: int, d: int, rank: int) -> int:
        """The newest handle of a tuple that worker *rank* has, or NONE."""
        handle = self.first(word0, word1, a, b, c, d)
        return handle if rank < 0 else self.of(handle, rank)

    def of(self, handle: int, rank: int) -> int:
        """The first of a chain that worker *rank* has, or NONE."""
        while not self.shared and handle >= 0 and self._ranks[handle >> 1] != rank:
            handle = self.behind(handle)
        return handle

    def newest(self, handle: int) -> int:
        """The newest handle of the tuple of *handle*, which is entered."""
        word0, word1, at = self.word(handle, 0), self.word(handle, 1), 4 * handle
        if not word1 & SIX:
            return self.first(word0, word1, 0, 0, 0, 0)
        return self.first(word0, word1, self.wide[at], self.wide[at + 1], self.wide[at + 2], self.wide[at + 3])

    def found(self, handle: int, rank: int) -> int:
        """The newest handle of the tuple of *handle* that worker *rank* has, or NONE."""
        return self.of(self.newest(handle), rank)

    def behind(self, handle: int) -> int:
        """The next older handle of the same tuple, or NONE."""
        return self._links[2 * handle] if self._chained else NONE

    def _before(self, handle: int) -> int:
        """The next newer one, or NONE."""
        return self._links[2 * handle + 1] if self._chained else NONE

    def alone(self, handle: int) -> bool:
        """Whether no other handle has the tuple of this one, which is in the table."""
        return self.behind(handle) < 0 and self._before(handle) < 0

    def enter(self, handle: int, word0: int, word1: int, a: int, b: int, c: int, d: int) -> None:
        """The tuple belongs to *handle* from now on."""
        if self.size >= self._most:
            self._grow()
        older = self.first(word0, word1, a, b, c, d)
        at = self.step * handle
        self.words[at], self.words[at + 1] = word0, word1
        if word1 & SIX:
            if not self._has_wide:
                self._widen(self._handles)
            at = 4 * handle
            self.wide[at], self.wide[at + 1], self.wide[at + 2], self.wide[at + 3] = a, b, c, d
        if older < 0:
            self.size += 1
        elif not self._chained:
            self._chain(self._handles)
        if self._chained:
            self._links[2 * handle], self._links[2 * handle + 1] = older, NONE
        if older >= 0:
            self._links[2 * older + 1] = handle
        self._put(handle)

    def _put(self, handle: int) -> None:
        """At the place that was looked up last."""
        place = handle + 1
        self._places[self._at] = self._marked | place

    def remove(self, handle: int) -> None:
        """*handle* is found no more; an older one that stood behind it is found again."""
        behind, ahead = self.behind(handle), self._before(handle)
        if behind >= 0:
            self._links[2 * behind + 1] = ahead
        if ahead >= 0:
            self._links[2 * ahead] = behind
            return
        self._find(handle)
        if behind >= 0:
            self._put(behind)
        else:
            self.size -= 1
            self._close(self._at)

    def _find(self, handle: int) -> None:
        """The place where *handle* stands, the first of its chain."""
        self._marked, place = self._hash(self.word(handle, 0), self.word(handle, 1)), handle + 1
        place |= self._marked
        at = place >> self._shift
        while self._places[at] != place:
            at = (at + 1) & self._last
        self._at = at

    def _close(self, hole: int) -> None:
        """Those behind a hole move up, each as far as its home."""
        at = hole
        while True:
            at = (at + 1) & self._last
            place = self._places[at]
            if not place:
                break
            home = place >> self._shift
            if (at - home) & self._last >= (at - hole) & self._last:
                self._places[hole] = place
                hole = at
        self._places[hole] = 0

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
        word0, word1 = self.word(handle, 0), self.word(handle, 1)
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
        return self.words[self.step * handle + number]

    def wide_word(self, handle: int, number: int) -> int:
        """Word *number* of its addresses, IPv6."""
        return self.wide[4 * handle + number]
