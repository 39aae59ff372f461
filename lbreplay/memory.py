"""Memory for columns: numbers of one C type, one behind the other, as compiled code and `struct` have them.

Arrays of numpy would do, but numpy takes 70 ms to load, twice as long as all else that a short run needs.

    B H I Q  unsigned, of 1 2 4 8 bytes        b h i q  signed
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from struct import calcsize
from typing import Any, Literal

Kind = Literal["B", "H", "I", "Q", "b", "h", "i", "q"]
WIDTHS: dict[str, int] = {kind: calcsize(kind) for kind in "BHIQbhiq"}  # bytes of a number
LARGE = 1 << 16  # bytes of a column that is worth pages of its own
HUGE = 1 << 21  # bytes of a huge page
BY_HUGE_PAGES = getattr(mmap, "MADV_HUGEPAGE", None)  # of Linux


def zeros(kind: Kind, size: int) -> memoryview:
    """*size* numbers, all 0. Many of them are no memory before they are touched, and begin with a page: numpy would ask
    for huge pages, which took a third of the time of a flood where a host must find them first."""
    octets = size * WIDTHS[kind]
    if octets < LARGE:
        return memoryview(array(kind, bytes(octets)))
    return memoryview(_pages(octets)).cast("B").cast(kind)


def scattered(kind: Kind, size: int) -> memoryview:
    """The same of numbers that are touched here and there: by huge pages, where the system has them. By small ones each
    look-up must find its page first: with a million connections a packet took twice as long."""
    octets = size * WIDTHS[kind]
    if octets < HUGE or BY_HUGE_PAGES is None:
        return zeros(kind, size)
    pages = _pages(octets)
    with suppress(OSError):  # the system has none
        pages.madvise(BY_HUGE_PAGES)
    return memoryview(pages).cast("B").cast(kind)


def _pages(octets: int) -> mmap.mmap:
    return mmap.mmap(-1, octets, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def full(kind: Kind, size: int, value: int) -> memoryview:
    """*size* numbers that are all *value*."""
    return memoryview(array(kind, (value,)) * size)


def listed(kind: Kind, numbers: Iterable[int]) -> memoryview:
    """These *numbers*."""
    return memoryview(array(kind, numbers))


def grown(column: Any, size: int, made: Callable[[Kind, int], memoryview] = zeros) -> memoryview:
    """*column*, *size* numbers by now: behind those that it had, 0. They are `zeros`, or `scattered`."""
    old: Any = memoryview(column)
    larger = made(old.format, size)
    larger[: len(old)] = old
    return larger
