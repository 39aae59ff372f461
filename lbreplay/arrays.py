"""Columns as arrays of numpy: their types, and what is asked of them by those who work on many rows at once.

Who handles the frames of an ordinary run asks for none of it (memory.py): types are for type checkers there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROW_BITS = 20  # that number the rows of a burst

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


def distinct(column: NDArray[Any]) -> list[int]:
    """The different values of *column*, ascending: np.unique, which is slower and loads the masked arrays (6 ms)."""
    ordered = np.sort(column)
    found: list[int] = ordered[:1].tolist() + ordered[1:][ordered[1:] != ordered[:-1]].tolist()
    return found


def ascending(column: NDArray[Any]) -> I64:
    """The rows of a column of numbers from 0 to 2**40, by number and then by row: a stable argsort at a fifth of its
    cost, since numbers with their rows behind them are sorted as they are."""
    if len(column) >> ROW_BITS:
        return np.argsort(column, kind="stable")
    marked = column.astype(np.int64) << ROW_BITS | np.arange(len(column))
    marked.sort()
    return marked & ((1 << ROW_BITS) - 1)


def groups(column: NDArray[Any]) -> tuple[I64, I64]:
    """Of a column of numbers: the first row of each different one, ascending by number, and each row's place among
    them."""
    order = ascending(column)
    new = np.append(True, column[order[1:]] != column[order[:-1]])[: len(column)]
    place = np.empty(len(column), np.int64)
    place[order] = np.cumsum(new) - 1
    return order[new], place


def parted(column: NDArray[Any]) -> list[tuple[int, I64]]:
    """The different numbers of a column of small ones, ascending, each with its rows, ascending."""
    order, counts = ascending(column), np.bincount(column)
    numbers = np.flatnonzero(counts)
    stops = np.cumsum(counts[numbers]).tolist()
    starts = [0, *stops[:-1]]
    return [(number, order[at:stop]) for number, at, stop in zip(numbers.tolist(), starts, stops, strict=True)]
