"""Bob Jenkins's lookup3 (D 2.1), word by word: three at a time are mixed, the last one makes the hash."""

from __future__ import annotations

from lbreplay.loop.names import M32

SEED = 0xDEADBEEF


class Jenkins:
    """One hash: `start`, `mix` three words, and so on, `end`."""

    def __init__(self) -> None:
        self._a = self._b = self._c = 0

    def start(self, count: int) -> None:
        """Of so many words."""
        self._a = self._b = self._c = (SEED + 4 * count) & M32

    def mix(self, x: int, y: int, z: int) -> None:
        """The next three words."""
        self._a, self._b, self._c = (self._a + x) & M32, (self._b + y) & M32, (self._c + z) & M32
        self._turn(4)
        self._turn(6)
        self._turn(8)
        self._turn(16)
        self._turn(19)
        self._turn(4)

    def end(self, x: int) -> int:
        """The last word; the hash."""
        self._a = (self._a + x) & M32
        self._settle(14)
        self._settle(11)
        self._settle(25)
        self._settle(16)
        self._settle(4)
        self._settle(14)
        self._settle(24)
        return self._b

    def _turn(self, count: int) -> None:
        a = ((self._a - self._c) & M32) ^ self._rotated(self._c, count)
        c = (self._c + self._b) & M32
        self._a, self._b, self._c = self._b, c, a

    def _settle(self, count: int) -> None:
        c = ((self._c ^ self._b) - self._rotated(self._b, count)) & M32
        self._a, self._b, self._c = self._b, c, self._a

    def _rotated(self, word: int, count: int) -> int:
        return (word << count | word >> (32 - count)) & M32
