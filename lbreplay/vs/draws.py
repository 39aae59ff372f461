"""Chance, one stream a purpose: the same numbers whether drawn one by one or many at once (interface 2, `seed`)."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np

BLOCK = 1024


class Draws:
    """Uniform numbers in [0, 1) from a seed and the purpose's name."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._source = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, crc32(purpose.encode())])
        self._left: list[float] = []  # drawn already, the next one last

    def one(self) -> float:
        """The next number."""
        if not self._left:
            self._left = self._source.random(BLOCK).tolist()[::-1]
        return self._left.pop()

    def many(self, count: int) -> Any:
        """The next *count* numbers, as an array."""
        if not self._left:
            return self._source.random(count)
        ready = min(count, len(self._left))
        first = [self._left.pop() for _ in range(ready)]
        return np.concatenate([np.array(first), self._source.random(count - ready)])
