"""From hashes and queues to the table: its size, its entries, and none that nobody saw."""

from __future__ import annotations

import numpy as np
import pytest

from lbreplay.lab.audit.table import fit, usual


def seen(reta: list[int], count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    code = np.random.default_rng(seed).integers(0, 1 << 32, count)
    return code, np.array(reta)[code % len(reta)]


@pytest.mark.parametrize("size", [8, 64, 128, 512])
def test_a_drawn_table_has_its_size(size: int) -> None:
    """Three records an entry: the size is right, every entry that was seen is right, the others are -1."""
    reta = np.random.default_rng(size).integers(0, 4, size).tolist()
    table = fit(*seen(reta, 3 * size))
    assert (table.size, table.wrong) == (size, 0)
    assert all(queue in (-1, wanted) for queue, wanted in zip(table.queues, reta, strict=True))
    assert table.queues.count(-1) <= size // 8


@pytest.mark.parametrize("queues", [3, 5, 6])
def test_queues_in_turn_tell_entries_that_nobody_saw(queues: int) -> None:
    """60 records of 128 entries."""
    reta = [n % queues for n in range(128)]
    table = fit(*seen(reta, 60))
    assert (list(table.queues), table.period) == (reta, queues)


def test_a_table_of_four_and_one_that_repeats_four_are_the_same() -> None:
    """The smallest is told; the usual size is a choice."""
    table = fit(*seen([n % 4 for n in range(128)], 60))
    assert table.size == 4 and usual(table).queues == (0, 1, 2, 3) * 32


def test_a_record_that_contradicts_is_counted_and_changes_nothing() -> None:
    """One of 300."""
    reta = np.random.default_rng(3).integers(0, 4, 64).tolist()
    code, queue = seen(reta, 300)
    queue[7] = (queue[7] + 1) % 4
    table = fit(code, queue)
    assert (table.size, table.wrong) == (64, 1)
    assert table.look_up(code)[7] == reta[code[7] % 64]


def test_an_entry_that_was_never_seen_has_no_queue() -> None:
    """-1, in look-ups too."""
    table = fit(np.array([0, 1, 0, 1, 3] * 20), np.array([5, 6, 5, 6, 2] * 20))
    assert table.queues == (5, 6, -1, 2) and table.look_up(np.array([2, 6, 7])).tolist() == [-1, -1, 2]


def test_no_records_no_table() -> None:
    """Nothing is seen."""
    assert fit(np.zeros(0, np.int64), np.zeros(0, np.int64)).queues == (-1,)
