"""Columns without numpy: small ones, large ones, grown ones."""

from __future__ import annotations

import re
import resource
from itertools import pairwise
from pathlib import Path

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


@pytest.mark.parametrize("size", [0, 3, memory.HUGE // 8, 3 * memory.HUGE // 8 + 5])
@pytest.mark.parametrize("advice", ["as it is", "none", "refused"])
def test_scattered(size: int, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns as all others, also where there are no huge pages."""
    if advice != "as it is":
        monkeypatch.setattr(memory, "BY_HUGE_PAGES", None if advice == "none" else 1 << 20)
    column = memory.scattered("Q", size)
    assert (column.format, len(column), column.itemsize) == ("Q", size, 8) and not any(column)
    column[:] = memory.full("Q", size, 7)
    assert all(number == 7 for number in column)


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists(), reason="the system has none")
def test_scattered_asks_for_huge_pages() -> None:
    """As much as the column has is advised so (the flag hg), and nothing else."""
    before = advised()
    plain, column = memory.zeros("Q", memory.HUGE), memory.scattered("Q", memory.HUGE)
    assert advised() - before == memory.HUGE * 8 == plain.nbytes == column.nbytes


def advised() -> int:
    """Bytes of mappings for which huge pages are wanted."""
    mappings = Path("/proc/self/smaps").read_text().split("VmFlags:")
    sizes = (
        re.findall(r"^Size: +(\d+) kB", mapping, re.MULTILINE)[-1]
        for mapping, after in pairwise(mappings)
        if " hg" in after.partition("\n")[0]
    )
    return 1024 * sum(map(int, sizes))


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
    assert memory.grown(larger, memory.HUGE, memory.scattered)[:5].tolist() == [1, -2, 0, 0, 0]
