"""What leaves of a burst, found as runs and copied together: tests/wire/capture/test_sink.py has what is written."""

from __future__ import annotations

import itertools
from struct import pack

import numpy as np
import pytest

from lbreplay.burst import RECORD, Burst, Made
from lbreplay.loop.runs import Runs

SIZES = (3, 0, 5, 2)


def burst(gaps: tuple[int, ...], leaving: tuple[bool, ...]) -> Burst:
    """Frames of SIZES, each behind a gap and its record header."""
    size = np.array(SIZES)
    at = np.cumsum(np.array(gaps) + RECORD + size) - size
    buffer = np.arange(int(at[-1] + size[-1]), dtype=np.uint8)
    made = Burst.of(1, buffer, at, size, size, np.zeros(len(size), np.int64))
    made.leaving[:] = leaving
    return made


@pytest.mark.parametrize("gaps", [(0, 0, 0, 0), (0, 7, 0, 1), (4, 0, 0, 0)])
@pytest.mark.parametrize("leaving", list(itertools.product([False, True], repeat=4)))
def test_runs_are_what_stands_side_by_side(gaps: tuple[int, ...], leaving: tuple[bool, ...]) -> None:
    """How many, of how many bytes, where the last stands; gathered with what was made they are the records in order."""
    some, runs = burst(gaps, leaving), Runs()
    runs.look(some)
    records = [some.buffer[a - RECORD : a + s].tobytes() for a, s in zip(some.at, some.caplen, strict=True)]
    ends = [(int(a) - RECORD, int(a + s)) for a, s, out in zip(some.at, SIZES, leaving, strict=True) if out]
    assert runs.runs == sum(n == 0 or ends[n - 1][1] != begin for n, (begin, _) in enumerate(ends))
    assert runs.size == sum(end - begin for begin, end in ends)
    if runs.runs == 1:
        assert (runs.begin, runs.end) == (ends[0][0], ends[-1][1])
    record = pack("<IIII", 3, 7, 4, 9) + b"made"
    for rows in itertools.combinations_with_replacement(range(5), 2):
        some.made = [Made(row, 3_000_007_999, b"made", 9, 0, 0, True) for row in rows]
        before = [record * rows.count(n) + (records[n] if n < 4 and leaving[n] else b"") for n in range(5)]
        wanted, target = b"".join(before), bytearray(runs.size + 2 * len(record))
        assert runs.gather(some, 1000, target) == len(wanted) == len(target)
        assert target == wanted
