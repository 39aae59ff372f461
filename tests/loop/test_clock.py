"""Things with a time fire in order of their deadline, of equals the newest armed first, and see it as the time."""

from __future__ import annotations

import pytest

from lbreplay.loop.clock import Clock, Timed


class Thing(Timed):
    def __init__(self, clock: Clock, log: list[tuple[str, int]], name: str) -> None:
        super().__init__()
        self.clock, self.log, self.name = clock, log, name

    def fire(self) -> None:
        self.log.append((self.name, self.clock.now))


@pytest.mark.parametrize(("same_moment", "order"), [("newest", "cab"), ("oldest", "cba")])
def test_order_and_time(same_moment: str, order: str) -> None:
    """The earlier deadline first, of equals who was armed last (2.6: first); re-arming counts as arming."""
    clock, log = Clock(same_moment), []
    a, b, c = (Thing(clock, log, name) for name in "abc")
    for thing, due in ((a, 50), (b, 50), (c, 20), (a, 50)):
        clock.arm(thing, due)
    clock.advance(49)
    clock.advance(100)
    assert log == [(name, {"c": 20}.get(name, 50)) for name in order]


def test_disarmed_things_do_not_fire() -> None:
    """And their place can be taken by another."""
    clock, log = Clock(), []
    a, b = Thing(clock, log, "a"), Thing(clock, log, "b")
    clock.arm(a, 10)
    clock.disarm(a)
    clock.arm(b, 30)
    clock.advance(1000)
    assert log == [("b", 30)]


def test_years_cost_nothing() -> None:
    """A gap of half a century between two frames is one step."""
    clock, log = Clock(), []
    clock.arm(Thing(clock, log, "a"), 10)
    clock.advance(1_600_000_000 * 10**9)
    assert log == [("a", 10)]
