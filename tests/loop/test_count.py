"""Rows of bursts into tables: what one pass counts is what the columns say."""

from __future__ import annotations

import numpy as np

from lbreplay.burst import COLUMNS, Burst
from lbreplay.loop.count import Count

WORKERS, WAYS, LOOKS = 4, 3, 4


def burst(seed: int, size: int) -> Burst:
    rng = np.random.default_rng(seed)
    nothing = np.zeros(size, np.int64)
    made = Burst.of(1, np.zeros(0, np.uint8), nothing, nothing, rng.integers(60, 1 << 33, size), nothing)
    made.verdict[:], made.by[:] = rng.integers(0, 90, size), rng.integers(0, WAYS, size)
    made.lookup[:], made.sent[:] = rng.integers(0, LOOKS, size), rng.integers(60, 1 << 33, size)
    made.wrong_worker[:], made.leaving[:] = rng.random(size) < 0.1, rng.random(size) < 0.7
    for column in (made.worker_index, made.redirected, made.owner):
        column[:] = rng.integers(-1, WORKERS, size)
    return made


def _part(whole: Burst, rows: slice) -> Burst:
    some = Burst.of(1, whole.buffer, *(getattr(whole, name)[rows] for name in ("at", "caplen", "length", "time_ns")))
    for name, *_ in COLUMNS:
        getattr(some, name)[:] = getattr(whole, name)[rows]
    return some


def tables() -> tuple[np.ndarray, ...]:
    rows = WORKERS + 1
    shapes = ((rows, 256), (rows, WAYS), (rows, LOOKS), (6, rows))
    return tuple(np.zeros(shape, np.int64) for shape in shapes)


def counting(tables: tuple[np.ndarray, ...], of_rank: np.ndarray) -> Count:
    *flat, sums = tables
    return Count(*(table.ravel().data for table in flat), [row.data for row in sums], of_rank.data)


def test_it_counts_what_the_columns_say() -> None:
    """Every table, by boolean masks of the same columns; lengths beyond 32 bits are exact."""
    verdicts, steered, lookups, sums = tables()
    of_rank = np.array([2, 0, 1, 3, 4])
    count = counting((verdicts, steered, lookups, sums), of_rank)
    b = burst(1, 5000)
    count.add(b)
    for worker in range(WORKERS + 1):
        mine = (b.worker_index if worker < WORKERS else np.where(b.worker_index < 0, WORKERS, -9)) == worker
        assert verdicts[worker].tolist() == np.bincount(b.verdict[mine], minlength=256).tolist()
        assert steered[worker].tolist() == np.bincount(b.by[mine], minlength=WAYS).tolist()
        assert lookups[worker].tolist() == np.bincount(b.lookup[mine], minlength=LOOKS).tolist()
        sends = (of_rank[b.owner] == worker) & b.leaving
        moved = b.redirected >= 0
        assert sums[:, worker].tolist() == [
            b.length[mine].sum(),
            sends.sum(),
            b.sent[sends].sum(),
            (mine & b.wrong_worker).sum(),
            (moved & (of_rank[b.redirected] == worker)).sum(),
            (moved & mine).sum(),
        ]
    assert count.first_wrong == int(b.wrong_worker.argmax())


def test_bursts_add_up() -> None:
    """Two bursts are their sum, and the row that strayed first is the last burst's."""
    whole, parts = tables(), tables()
    of_rank = np.arange(WORKERS + 1)
    both, count = burst(3, 700), counting(parts, of_rank)
    counting(whole, of_rank).add(both)
    for rows in (slice(0, 300), slice(300, 700)):
        count.add(_part(both, rows))
    assert all((one == other).all() for one, other in zip(whole, parts, strict=True))
    both.wrong_worker[:] = False
    count.add(both)
    assert count.first_wrong == -1
