"""Chance, one stream a purpose: the same numbers whoever draws them (interface 2, `seed`)."""

from __future__ import annotations

from zlib import crc32

import numpy as np

BLOCK = 1024  # numbers drawn ahead


class Draws:
    """Uniform numbers in [0, 1) from a seed and the purpose's name."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._source = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, crc32(purpose.encode())])
        self._block = np.empty(BLOCK).data
        self._at = BLOCK

    def one(self) -> float:
        """The next number."""
        if self._at == BLOCK:
            self._block, self._at = self._source.random(BLOCK).data, 0
        self._at += 1
        number: float = self._block[self._at - 1]
        return number

    def skip(self, count: int) -> None:
        """Pass over as many numbers as *count*."""
        while count > BLOCK - self._at:
            count -= BLOCK - self._at
            self._block, self._at = self._source.random(BLOCK).data, 0
        self._at += count
