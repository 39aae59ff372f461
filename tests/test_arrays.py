"""What is asked of arrays, beside what numpy itself says."""

from __future__ import annotations

import numpy as np
import pytest

from lbreplay.arrays import ROW_BITS, ascending, distinct, groups, parted


@pytest.mark.parametrize("size", [1, 2, 700, (1 << ROW_BITS) + 1])
def test_as_numpy_has_it(size: int) -> None:
    """Different numbers, and their rows in order."""
    column = np.random.default_rng(size).integers(0, 50, size)
    numbers, firsts, places = np.unique(column, return_index=True, return_inverse=True)
    assert distinct(column) == numbers.tolist() and distinct(column[:0]) == []
    assert np.array_equal(ascending(column), np.argsort(column, kind="stable"))
    assert all(map(np.array_equal, groups(column), (firsts, places)))
    parts = parted(column)
    assert [number for number, _ in parts] == numbers.tolist()
    assert all(np.array_equal(rows, np.flatnonzero(column == number)) for number, rows in parts)
