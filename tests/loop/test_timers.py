"""Timers: who is due, in what order, however often deadlines move."""

from __future__ import annotations

import random
from itertools import count
from typing import Any

import numpy as np
import pytest

from lbreplay.loop.names import NEVER
from lbreplay.loop.timers import Timers

SECOND = 10**9


class Wheel:
    """Columns by slot as the connection table has them, and their timers."""

    def __init__(self, slots: int = 2000) -> None:
        self.columns: dict[str, Any] = {
            name: np.zeros(slots, np.int64) for name in ("last_use", "timeout", "armed", "look")
        }
        self.columns |= {"rank": np.zeros(slots, np.int16), "alive": np.zeros(slots, np.uint8)}
        self.timers = Timers()
        self.timers.point(self.columns)

    def set(self, slot: int, deadline: int, rank: int = 0, order: int = 0) -> None:
        """A deadline, without telling anybody: only later ones may move so."""
        self.columns["alive"][slot], self.columns["rank"][slot], self.columns["armed"][slot] = 1, rank, order
        self.columns["last_use"][slot], self.columns["timeout"][slot] = deadline - SECOND, SECOND

    def arm(self, slot: int, deadline: int, rank: int = 0, order: int = 0) -> None:
        self.set(slot, deadline, rank, order)
        self.timers.arm(slot, deadline)

    def end(self, slot: int) -> None:
        self.columns["alive"][slot] = 0
        self.timers.drop(slot)

    def fired(self, now: int) -> list[int]:
        """All that are due; they end."""
        fired: list[int] = []
        while (slot := self.timers.due(now)) >= 0:
            self.end(slot)
            fired.append(slot)
        return fired

    def expected(self, now: int) -> list[int]:
        """The same from a sorted list."""
        column = self.columns
        when = column["last_use"] + column["timeout"]
        slots = np.flatnonzero((column["alive"] != 0) & (when <= now)).tolist()
        return sorted(slots, key=lambda slot: (when[slot], column["rank"][slot], column["armed"][slot]))


def test_by_deadline_then_rank_then_order() -> None:
    """Interface 4, "Time and order"."""
    wheel = Wheel()
    wheel.arm(1, 5 * SECOND, rank=1, order=0)
    wheel.arm(2, 5 * SECOND, rank=0, order=9)
    wheel.arm(3, 5 * SECOND, rank=0, order=1)
    wheel.arm(4, 4 * SECOND, rank=3, order=7)
    assert wheel.fired(5 * SECOND - 1) == [4]
    assert wheel.fired(5 * SECOND) == [3, 2, 1]


def test_a_deadline_that_moves_on() -> None:
    """Only the present one counts, whether it was told or not."""
    wheel = Wheel()
    wheel.arm(1, SECOND)
    wheel.set(1, 3 * SECOND)
    assert wheel.fired(2 * SECOND) == [] and wheel.timers.nearest > 2 * SECOND
    assert wheel.fired(3 * SECOND) == [1]


def test_a_deadline_that_moves_on_inside_an_open_bucket() -> None:
    """It was sorted by the old one, and so was its order of arming."""
    wheel = Wheel()
    for slot in (1, 2, 3):
        wheel.arm(slot, 10 * SECOND + slot, order=slot)
    assert wheel.fired(10 * SECOND) == []
    wheel.set(1, 10 * SECOND + 3, order=4)
    wheel.set(2, 11 * SECOND)
    assert wheel.fired(10 * SECOND + 2) == []
    assert wheel.fired(10 * SECOND + 3) == [3, 1] and wheel.fired(11 * SECOND) == [2]


def test_who_was_used_again_for_the_same_deadline() -> None:
    """A shorter timeout from a later packet: it goes behind those armed before it, sorted already or not."""
    wheel = Wheel()
    for slot in (1, 2):
        wheel.arm(slot, 10 * SECOND + 9, order=slot)
    assert wheel.fired(10 * SECOND) == []
    wheel.set(1, 10 * SECOND + 9, order=3)
    assert wheel.fired(10 * SECOND + 9) == [2, 1]


def test_a_deadline_that_comes_nearer() -> None:
    """A state with a shorter timeout, even in the bucket that is open."""
    wheel = Wheel()
    wheel.arm(1, 90 * SECOND)
    wheel.arm(1, 2 * SECOND)
    assert wheel.timers.nearest <= 2 * SECOND and wheel.fired(2 * SECOND) == [1]
    wheel.arm(2, 10 * SECOND + 5)
    assert wheel.fired(10 * SECOND) == []
    wheel.arm(3, 10 * SECOND + 1)
    assert wheel.timers.nearest <= 10 * SECOND + 1 and wheel.fired(10 * SECOND + 1) == [3]
    wheel.arm(2, 10 * SECOND + 3)
    assert wheel.timers.nearest <= 10 * SECOND + 3 and wheel.fired(10 * SECOND + 4) == [2]


def test_a_slot_that_was_freed_does_not_fire() -> None:
    """Nor does its old deadline for whoever has the slot next."""
    wheel = Wheel()
    wheel.arm(1, SECOND)
    wheel.end(1)
    wheel.arm(1, 9 * SECOND)
    assert wheel.fired(8 * SECOND) == [] and wheel.fired(9 * SECOND) == [1]


def test_somebody_else_may_wait_too() -> None:
    """`nearest` never lies behind what was asked for, and goes on when it is withdrawn."""
    wheel = Wheel()
    wheel.arm(1, 9 * SECOND)
    wheel.timers.look_at(2 * SECOND)
    assert wheel.timers.nearest <= 2 * SECOND
    assert wheel.fired(3 * SECOND) == [] and wheel.timers.nearest == 2 * SECOND
    wheel.timers.look_at(NEVER)
    assert wheel.fired(3 * SECOND) == [] and wheel.timers.nearest > 3 * SECOND


def test_many_at_one_time() -> None:
    """In their order; whoever fires may arm another, or itself, for the same time."""
    wheel, many = Wheel(), 800
    order = random.Random(1).sample(range(many), many)
    for slot in range(many):
        wheel.arm(slot, SECOND, rank=order[slot] % 3, order=order[slot])
    right = wheel.expected(SECOND)
    assert wheel.timers.due(SECOND) == right[0]
    wheel.arm(right[0], SECOND, rank=3, order=many)
    wheel.arm(many, SECOND, rank=0, order=-1)
    assert wheel.fired(SECOND) == [many, *right[1:], right[0]]


def test_a_long_silence() -> None:
    """Deadlines behind the ring of buckets, and more time between two looks than the ring has."""
    wheel = Wheel()
    for slot, deadline in enumerate((5, 400, 4000, 86_400)):
        wheel.arm(slot, deadline * SECOND, order=slot)
    assert wheel.fired(4 * SECOND) == [] and wheel.fired(3999 * SECOND) == [0, 1]
    wheel.arm(9, 4001 * SECOND)
    assert wheel.fired(86_400 * SECOND - 1) == [2, 9] and wheel.fired(86_400 * SECOND) == [3]
    assert wheel.timers.nearest == NEVER


@pytest.mark.parametrize("coarse", [1, SECOND // 10], ids=["any deadline", "many equal"])
@pytest.mark.parametrize("number", range(3))
def test_against_a_sorted_list(number: int, coarse: int) -> None:
    """Random arming and moving, told or not, slots that end and are used again: the same slots in the same order."""
    chance, wheel, now, fired = random.Random(number), Wheel(60), 0, 0
    for step in range(2500):
        now += chance.randrange(SECOND // 5)
        slot, deadline = chance.randrange(60), (now + chance.randrange(6 * SECOND)) // coarse * coarse
        told = deadline < wheel.columns["last_use"][slot] + SECOND or not wheel.columns["alive"][slot]
        if chance.random() < 0.1:
            wheel.end(slot)
        elif told or chance.random() < 0.5:
            wheel.arm(slot, deadline, chance.randrange(3), step)
        else:
            wheel.set(slot, deadline, chance.randrange(3), step)
        expected = wheel.expected(now)
        assert now >= wheel.timers.nearest or not expected
        if now >= wheel.timers.nearest and step % 3 == 0:
            assert wheel.fired(now) == expected and wheel.timers.nearest > now
            fired += len(expected)
    assert fired > 300


@pytest.mark.parametrize("number", range(3))
def test_who_fires_may_move_the_others(number: int) -> None:
    """One, or some of those that are due, at a time; between them somebody ends, comes nearer, or is armed again."""
    chance, wheel, fired, order = random.Random(number), Wheel(700), 0, count()
    for now in range(SECOND, 40 * SECOND, SECOND):
        for slot in chance.sample(range(700), 60):
            wheel.arm(slot, now - chance.choice((0, 0, 5, -SECOND, -9 * SECOND)), slot & 1, next(order))
        right = wheel.expected(now)
        while (slot := wheel.timers.due(now)) >= 0:
            assert slot == right[0]
            wheel.end(slot)
            fired += 1
            if chance.random() < 0.3:
                wheel.arm(slot, now + chance.randrange(3), rank=slot & 1, order=next(order))
            if chance.random() < 0.3:
                wheel.end(chance.randrange(700))
            if chance.random() < 0.3:
                other = chance.randrange(700)
                wheel.arm(other, now - chance.randrange(2), other & 1, next(order))
            right = wheel.expected(now)
        assert wheel.expected(now) == []
    assert fired > 700
