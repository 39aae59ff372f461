"""Which bits of the local port decide: masks at either end, of either byte order, with values that have no rule."""

from __future__ import annotations

import numpy as np
import pytest

from lbreplay.lab.audit.rules import search


def packets(mask: int, queues: dict[int, int], count: int = 120, wrong: int = 0) -> tuple[np.ndarray, ...]:
    """(address, port, queue): address 0 has rules, 1 has queues by chance."""
    rng = np.random.default_rng(mask + 1)
    address, port, queue = rng.integers(0, 2, count), rng.integers(1024, 65536, count), rng.integers(0, 4, count)
    for n in np.flatnonzero(address == 0).tolist():
        queue[n] = queues.get(int(port[n]) & mask, queue[n])
    queue[np.flatnonzero(address == 0)[:wrong]] ^= 1
    return address, port, queue


@pytest.mark.parametrize("mask", [3, 0xC000, 0x0300, 0x18, 0x11])
def test_the_mask_is_named(mask: int) -> None:
    """Low bits, high bits, a mask of the other byte order, a run in the middle, and bits apart."""
    values = sorted({port & mask for port in range(65536)})
    wanted = dict(zip(values, (0, 1, 2, 3), strict=True))
    rules = search(*packets(mask, wanted))
    assert rules is not None and (rules.mask, rules.by_value, rules.addresses) == (mask, wanted, [0])


def test_values_without_a_rule_are_left_out() -> None:
    """Three workers compare two bits: the value 3 goes by the table."""
    rules = search(*packets(3, {0: 0, 1: 1, 2: 2}))
    assert rules is not None and rules.by_value == {0: 0, 1: 1, 2: 2}


def test_one_packet_that_contradicts_does_not_hide_a_rule() -> None:
    """It costs its value something, not the mask."""
    rules = search(*packets(1, {0: 2, 1: 3}, wrong=1))
    assert rules is not None and rules.mask == 1


def test_queues_by_chance_have_no_rules() -> None:
    """Nor has a single queue."""
    address, port, queue = packets(0, {})
    assert search(address, port, queue) is None
    assert search(address, port, queue * 0) is None


def test_look_up_is_what_the_rules_say() -> None:
    """-1 for other addresses and values."""
    rules = search(*packets(3, {0: 0, 1: 1, 2: 2}))
    assert rules is not None
    assert rules.look_up(np.array([0, 0, 1]), np.array([5, 7, 5])).tolist() == [1, -1, -1]
