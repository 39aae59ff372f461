"""Timers: who is due, in what order, however often deadlines move."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from lbreplay.vs.timers import FEW, NEVER, Timers

SECOND = 10**9


class Wheel:
    """Columns by slot as the connection table has them, and their timers."""

    def __init__(self, slots: int = 2000) -> None:
        self.columns: dict[str, Any] = {name: np.zeros(slots, np.int64) for name in ("last_use", "timeout", "armed")}
        self.columns |= {"rank": np.zeros(slots, np.int16), "alive": np.zeros(slots, np.uint8)}
        self.timers = Timers(self)

    def set(self, slot: int, deadline: int, rank: int = 0, order: int = 0) -> None:
        """A deadline, without telling anybody: only later ones may move so."""
        self.columns["alive"][slot], self.columns["rank"][slot], self.columns["armed"][slot] = 1, rank, order
        self.columns["last_use"][slot], self.columns["timeout"][slot] = deadline - SECOND, SECOND

    def arm(self, slot: int, deadline: int, rank: int = 0, order: int = 0) -> None:
        self.set(slot, deadline, rank, order)
        self.timers.arm(slot, deadline)

    def end(self, slots: Any) -> None:
        self.columns["alive"][slots] = 0

    def fired(self, now: int) -> list[int]:
        """All that are due; they end."""
        fired: list[int] = []
        while len(slots := self.timers.due(now)):
            assert len(slots) <= FEW and self.timers.due(now).tolist() == slots.tolist(), "the next until `take`"
            self.timers.take(len(slots))
            self.end(slots)
            fired += slots.tolist()
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
    assert wheel.timers.nearest == 2 * SECOND
    assert wheel.fired(3 * SECOND) == [] and wheel.timers.nearest == 2 * SECOND
    wheel.timers.look_at(NEVER)
    assert wheel.fired(3 * SECOND) == [] and wheel.timers.nearest > 3 * SECOND


def test_more_than_a_few_at_one_time() -> None:
    """In their order, some at a time; whoever fires may arm another, or itself, for the same time."""
    wheel, count = Wheel(), 3 * FEW + 7
    order = random.Random(1).sample(range(count), count)
    for slot in range(count):
        wheel.arm(slot, SECOND, rank=order[slot] % 3, order=order[slot])
    right = wheel.expected(SECOND)
    assert wheel.timers.due(SECOND).tolist() == right[:FEW]
    wheel.timers.take(1)
    wheel.arm(right[0], SECOND, rank=3, order=count)
    wheel.arm(count, SECOND, rank=0, order=-1)
    assert wheel.fired(SECOND) == [count, *right[1:], right[0]]


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
        if step % 5 == 0:
            ahead = now + chance.randrange(2 * SECOND)
            assert wheel.timers.due(ahead, most=NEVER).tolist() == wheel.expected(ahead), "a look ahead moves nobody"
        if now >= wheel.timers.nearest and step % 3 == 0:
            assert wheel.fired(now) == expected and wheel.timers.nearest > now
            fired += len(expected)
    assert fired > 300


@pytest.mark.parametrize("number", range(3))
def test_who_fires_may_move_the_others(number: int) -> None:
    """One, or some of those that are due, at a time; between them somebody ends, comes nearer, or is armed again."""
    chance, wheel, fired = random.Random(number), Wheel(700), 0
    for now in range(SECOND, 40 * SECOND, SECOND):
        for slot in chance.sample(range(700), 60):
            wheel.arm(slot, now - chance.choice((0, 0, 5, -SECOND, -9 * SECOND)), chance.randrange(2), fired + slot)
        while len(slots := wheel.timers.due(now)):
            right = wheel.expected(now)
            assert slots.tolist() == right[:FEW]
            count = chance.randrange(len(slots)) + 1
            wheel.timers.take(count)
            wheel.end(slots[:count])
            fired += count
            if chance.random() < 0.5:
                wheel.arm(int(slots[0]), now + chance.randrange(3), order=fired)
            if chance.random() < 0.5:
                wheel.end(chance.randrange(700))
            if chance.random() < 0.3:
                wheel.arm(chance.randrange(700), now - chance.randrange(2), chance.randrange(2), fired)
        assert wheel.expected(now) == []
    assert fired > 700


@pytest.mark.parametrize("number", range(3))
def test_many_are_armed_as_each_is(number: int) -> None:
    """For buckets to come and for open ones, nearer and later, with and without a deadline before."""
    chance, many, each = random.Random(number), Wheel(), Wheel()
    now, fired = 0, 0
    for step in range(90):
        slots = chance.sample(range(2000), chance.choice((0, 1, 3, 400)))
        spread = chance.choice((SECOND // 50, SECOND // 50, 20 * SECOND))
        deadlines = [now + 1 + chance.randrange(spread) for _ in slots]
        for slot, deadline in zip(slots, deadlines, strict=True):
            many.set(slot, deadline, slot % 3, step)
            each.arm(slot, deadline, slot % 3, step)
        many.timers.arm_many(np.array(slots, np.int64), np.array(deadlines, np.int64))
        assert many.timers.nearest == each.timers.nearest
        now += chance.choice((SECOND // 1000, SECOND // 100, 5 * SECOND))
        right = many.expected(now)
        assert right == [] or now >= many.timers.nearest
        assert many.fired(now) == each.fired(now) == right and many.timers.nearest == each.timers.nearest
        fired += len(right)
    assert fired > 3000


def test_one_of_many_comes_nearer_inside_an_open_bucket() -> None:
    """The others stay as they were sorted."""
    wheel, slots = Wheel(), np.arange(5)
    for slot in slots.tolist():
        wheel.set(slot, 10 * SECOND + 100 + slot)
    wheel.timers.arm_many(slots, 10 * SECOND + 100 + slots)
    assert wheel.fired(10 * SECOND) == []
    wheel.set(3, 10 * SECOND + 50)
    wheel.timers.arm_many(slots[3:4], np.array([10 * SECOND + 50]))
    assert wheel.timers.nearest <= 10 * SECOND + 50 and wheel.fired(10 * SECOND + 50) == [3]
    assert wheel.fired(11 * SECOND) == [0, 1, 2, 4]


def test_nobody_is_armed_at_once_too() -> None:
    """Before any slot was."""
    wheel = Wheel()
    wheel.timers.arm_many(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert wheel.timers.nearest == NEVER and wheel.fired(SECOND) == []
