"""Memory for columns: numbers of one C type, one behind the other, as compiled code and `struct` have them.

Arrays of numpy would do, but numpy takes 70 ms to load, twice as long as all else that a short run needs.

    B H I Q  unsigned, of 1 2 4 8 bytes        b h i q  signed
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from struct import calcsize
from typing import Any, Literal

Kind = Literal["B", "H", "I", "Q", "b", "h", "i", "q"]
LARGE = 1 << 16  # bytes of a column that is worth pages of its own


def zeros(kind: Kind, size: int) -> memoryview:
    """*size* numbers, all 0. Many of them are no memory before they are touched, and begin with a page: numpy would ask
    for huge pages, which took a third of the time of a flood where a host must find them first."""
    octets = size * calcsize(kind)
    if octets < LARGE:
        return memoryview(array(kind, bytes(octets)))
    return memoryview(mmap(-1, octets, MAP_PRIVATE | MAP_ANONYMOUS)).cast("B").cast(kind)


def full(kind: Kind, size: int, value: int) -> memoryview:
    """*size* numbers that are all *value*."""
    return memoryview(array(kind, (value,)) * size)


def listed(kind: Kind, numbers: Iterable[int]) -> memoryview:
    """These *numbers*."""
    return memoryview(array(kind, numbers))


def grown(column: Any, size: int) -> memoryview:
    """*column*, *size* numbers by now: behind those that it had, 0."""
    old: Any = memoryview(column)
    larger = zeros(old.format, size)
    larger[: len(old)] = old
    return larger
