"""Things with a time fire in order of their deadline, then of arming, and see it as the time."""

from __future__ import annotations

from lbreplay.ipvs.clock import Clock, Job


class Thing:
    def __init__(self, clock: Clock, log: list[tuple[str, int]], name: str) -> None:
        self.slot, self.due, self.armed = -1, 0, 0
        self.clock, self.log, self.name = clock, log, name

    def fire(self) -> None:
        self.log.append((self.name, self.clock.now))


def test_order_and_time() -> None:
    """The earlier deadline first, of equals who was armed first; re-arming moves a thing behind."""
    clock, log = Clock(), []
    a, b, c = (Thing(clock, log, name) for name in "abc")
    for thing, due in ((a, 50), (b, 50), (c, 20), (a, 50)):
        clock.arm(thing, due)
    clock.advance(49)
    clock.advance(100)
    assert log == [("c", 20), ("b", 50), ("a", 50)]


def test_disarmed_things_do_not_fire() -> None:
    """And their place can be taken by another."""
    clock, log = Clock(), []
    a, b = Thing(clock, log, "a"), Thing(clock, log, "b")
    clock.arm(a, 10)
    clock.disarm(a)
    clock.arm(b, 30)
    clock.advance(1000)
    assert log == [("b", 30)]


def test_a_job_comes_again() -> None:
    """Every period, first after one."""
    clock, seen = Clock(), []
    Job(clock, 10, lambda: seen.append(clock.now))
    clock.advance(35)
    assert seen == [10, 20, 30]
