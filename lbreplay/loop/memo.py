"""What was found out, by two words: numbers that are asked for every packet, where a dict would make objects of them.

Open addressing with a keyed hash, as loop/table.py has it, so that no capture can be made whose words meet at one
place. When MOST are known all is forgotten.
"""

from __future__ import annotations

import os
from struct import unpack

from lbreplay import memory
from lbreplay.loop.names import MOST

UNKNOWN_NUMBER = -(1 << 31)
UNKNOWN = UNKNOWN_NUMBER  # the same, as compiled code has it
FULL = 0xFFFFFFFFFFFFFFFF
LEAST = 6  # bits that number the places, at least


class Memo:
    """Numbers of 32 bits by two words of 64; `size` are known."""

    def __init__(self) -> None:
        self._k0, self._k1 = (key | 1 for key in unpack("2Q", os.urandom(16)))
        self.clear()

    def clear(self) -> None:
        """Nothing is known any more."""
        self.size = 0
        self._renew(LEAST)

    def _renew(self, bits: int) -> None:
        self._last, self._shift = (1 << bits) - 1, 64 - bits
        self._words = memory.zeros("Q", 2 << bits)
        self._numbers = memory.full("i", 1 << bits, UNKNOWN)

    def get(self, first: int, second: int) -> int:
        """What is known by two words, or UNKNOWN."""
        return self._numbers[self._place(first, second)]

    def put(self, first: int, second: int, number: int) -> None:
        """This is known from now on."""
        if 2 * self.size > self._last:
            self._grow()
        at = self._place(first, second)
        self.size += self._numbers[at] == UNKNOWN
        self._words[2 * at], self._words[2 * at + 1], self._numbers[at] = first, second, number

    def _place(self, first: int, second: int) -> int:
        """Where two words stand, or would stand."""
        mixed = (first * self._k0 + second * self._k1) & FULL
        at = (((mixed ^ (mixed >> 29)) * self._k1) & FULL) >> self._shift
        while self._numbers[at] != UNKNOWN and (self._words[2 * at] != first or self._words[2 * at + 1] != second):
            at = (at + 1) & self._last
        return at

    def _grow(self) -> None:
        """Twice the places; or all is forgotten."""
        if self.size >= MOST:
            self.clear()
            return
        words, numbers = self._words, self._numbers
        self._renew(65 - self._shift)
        for at in range(len(numbers)):
            if numbers[at] != UNKNOWN:
                to = self._place(words[2 * at], words[2 * at + 1])
                self._words[2 * to], self._words[2 * to + 1] = words[2 * at], words[2 * at + 1]
                self._numbers[to] = numbers[at]
