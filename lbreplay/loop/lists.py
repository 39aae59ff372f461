"""Black and white lists, as every packet is asked by them (D 14.2): by its own destination as the virtual address, and
its source as the subject. dpvs/acl.py says whose they are.

The addresses and networks of a list are spans of numbers, sorted and apart, so that a look costs the same for one
address as for ten thousand, but for some steps of a search.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from lbreplay import memory
from lbreplay.loop import octets
from lbreplay.loop.ends import Ends
from lbreplay.loop.names import M32, NONE

BUCKETS_THERE = 1 << 16  # of white lists' entries
BUCKETS = BUCKETS_THERE
M64 = 0xFFFFFFFFFFFFFFFF


def merged(ranges: Any) -> list[int]:
    """*ranges* (first and last of each, as numbers of 128 bits) merged and sorted: four words of 64 bits each."""
    found: Any = []
    for first, last in sorted(ranges):
        if found and first <= found[len(found) - 1][1] + 1:
            earlier = found[len(found) - 1]
            earlier[1] = max(earlier[1], last)
        else:
            found.append([first, last])
    return [word for pair in found for number in pair for word in (number >> 64, number & M64)]


class Lists:
    """*ends* (protocol, virtual address, port) have lists: *black* and *white* are spans (`merged`) by number, None:
    there is no white one. *shut*: buckets of which one shuts out all strangers, a byte each; None: of its own end."""

    def __init__(self, ends: Any, black: Any, white: Any, shut: bytes | None, verdicts: tuple[int, int]) -> None:
        self._ends, self._by_bucket = Ends(ends), shut is not None
        self._shut = memory.listed("B", shut or bytes(1))
        self._closes = memory.listed("B", [words is not None for words in white] or [False])
        lists = [words or [] for pair in zip(black, white, strict=True) for words in pair]
        self._spans = memory.listed("Q", [word for words in lists for word in words])
        self._starts = memory.listed("q", accumulate((len(words) >> 2 for words in lists), initial=0))
        self._black, self._white = verdicts

    def refusal(self, low: int, high: int, dest0: int, dest1: int, port: int, proto: int, six: bool) -> int:
        """The verdict on a packet of these words (loop/ends.py; *port* of its destination), or NONE: it may pass."""
        number = self._ends.find(dest0, dest1, port, proto, six)
        if number < 0 and not self._by_bucket:
            return NONE
        first, second = 0, octets.swapped(low & M32)
        if six:
            first, second = octets.swapped64(low), octets.swapped64(high)
        if number >= 0 and self._has(2 * number, first, second):
            return self._black
        if self._by_bucket:
            closed = self._shut[bucket(proto, octets.swapped(dest0 & M32), octets.swapped16(port))] != 0
        else:
            closed = self._closes[number] != 0
        if closed and not (number >= 0 and self._has(2 * number + 1, first, second)):
            return self._white
        return NONE

    def _has(self, which: int, first: int, second: int) -> bool:
        """Whether a list has an address: the last span that begins at or before it does."""
        spans, low, high = self._spans, self._starts[which], self._starts[which + 1]
        begin = low
        while low < high:
            middle = (low + high) >> 1
            at = 4 * middle
            if spans[at] < first or (spans[at] == first and spans[at + 1] <= second):
                low = middle + 1
            else:
                high = middle
        if low == begin:
            return False
        at = 4 * low - 2
        return spans[at] > first or (spans[at] == first and spans[at + 1] >= second)


def bucket(proto: int, word: int, port: int) -> int:
    """The bucket of a white list's entry (D 14.2): *word* is the first 32 bits of an address, as it is written."""
    return ((256 * proto * 7 + word) * 31 + port) & (BUCKETS - 1)
