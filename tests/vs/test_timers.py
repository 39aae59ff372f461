"""Timers: who is due, in what order, however often deadlines move."""

from __future__ import annotations

import random

from lbreplay.vs.timers import NEVER, Timers

SECOND = 10**9


class Wheel:
    """Deadlines, ranks and orders by slot, as the connection table has them."""

    def __init__(self) -> None:
        self.due: dict[int, tuple[int, int, int]] = {}
        self.timers = Timers(self.due.get)

    def arm(self, slot: int, deadline: int, rank: int = 0, order: int = 0) -> None:
        self.due[slot] = deadline, rank, order
        self.timers.arm(slot, deadline)

    def fired(self, now: int) -> list[int]:
        slots = []
        while (slot := self.timers.pop(now)) is not None:
            slots.append(slot)
            del self.due[slot]
        return slots


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
    wheel.due[1] = 3 * SECOND, 0, 0
    assert wheel.fired(2 * SECOND) == [] and wheel.timers.nearest > 2 * SECOND
    assert wheel.fired(3 * SECOND) == [1]


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


def test_a_slot_that_was_freed_does_not_fire() -> None:
    """Nor does its old deadline for whoever has the slot next."""
    wheel = Wheel()
    wheel.arm(1, SECOND)
    del wheel.due[1]
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


def test_against_a_sorted_list() -> None:
    """Random arming and moving: the same slots at the same time in the same order."""
    chance, wheel = random.Random(7), Wheel()
    now = 0
    for step in range(3000):
        now += chance.randrange(SECOND // 5)
        wheel.arm(chance.randrange(40), now + chance.randrange(6 * SECOND), chance.randrange(3), step)
        expected = [slot for slot, due in sorted(wheel.due.items(), key=lambda item: item[1]) if due[0] <= now]
        if now >= wheel.timers.nearest or expected:
            assert now >= wheel.timers.nearest or not expected
            assert wheel.fired(now) == expected
