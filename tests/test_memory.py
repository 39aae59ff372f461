"""Columns without numpy: small ones, large ones, grown ones."""

from __future__ import annotations

import resource

import pytest

from lbreplay import memory


@pytest.mark.parametrize("size", [0, 1, 16, memory.LARGE, memory.LARGE + 3])
@pytest.mark.parametrize("kind", "BHIQbhiq")
def test_zeros(kind: memory.Kind, size: int) -> None:
    """Of any size and type, writable; small or large shows nowhere."""
    column = memory.zeros(kind, size)
    assert (column.format, len(column), column.itemsize) == (
        kind,
        size,
        int.from_bytes(b"\1") << "bhiq".index(kind.lower()),
    )
    assert not any(column)
    if size:
        column[size - 1] = 7
        assert column[size - 1] == 7


def test_a_large_column_is_no_memory_before_it_is_touched() -> None:
    """A gigabyte that nobody needs."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    room = memory.zeros("Q", 1 << 27)
    assert len(room) == 1 << 27 and room[0] == room[-1] == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_full_and_listed() -> None:
    """Numbers that are given; one that does not fit is refused."""
    assert memory.full("i", 3, -1).tolist() == [-1, -1, -1] and not len(memory.full("i", 0, -1))
    assert memory.listed("Q", [1, 1 << 63]).tolist() == [1, 1 << 63] and not len(memory.listed("i", ()))
    with pytest.raises(OverflowError):
        memory.listed("H", [1 << 16])


def test_grown() -> None:
    """The old numbers, then 0, in memory of its own."""
    old = memory.listed("h", [1, -2])
    larger = memory.grown(old, 4)
    old[0] = 9
    assert larger.tolist() == [1, -2, 0, 0] and memory.grown(larger, 4).tolist() == [1, -2, 0, 0]
    assert len(memory.grown(larger, memory.LARGE)) == memory.LARGE
