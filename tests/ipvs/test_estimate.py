"""Averages in fixed point move a quarter of the way every two seconds (L 16)."""

from __future__ import annotations

import craft
from kernel import VIP, Kernel, real, service

from lbreplay.ipvs.estimate import PERIOD, Estimator
from lbreplay.ipvs.listing import listing
from lbreplay.ipvs.sysctl import Sysctls


class Counter:
    """Something that counts events only."""

    def __init__(self) -> None:
        self.events = 0

    def __call__(self) -> tuple[int, ...]:
        return self.events, 0, 0, 1000 * self.events, 0


def test_a_steady_rate() -> None:
    """100 events in two seconds show 12 after the first tick and 22 after the second; the true rate is 50."""
    counter = Counter()
    estimator = Estimator(counter, Sysctls({}, "6.1"))
    estimator.start(0)
    shown = []
    for tick in range(1, 40):
        counter.events += 100
        estimator.reach(tick * PERIOD)
        shown.append(estimator.rates()["conns"])
    assert shown[:2] == [12, 22] and shown[-1] == 50 and estimator.rates()["inbytes"] == 49_999


def test_silence() -> None:
    """Periods that nothing came in are made up for at once, even years of them."""
    counter = Counter()
    estimator = Estimator(counter, Sysctls({}, "6.1"))
    estimator.start(0)
    counter.events = 100
    estimator.reach(PERIOD)
    estimator.reach(2 * PERIOD)
    assert estimator.rates()["conns"] == 9
    estimator.reach(10**9 * PERIOD)
    assert estimator.rates()["conns"] == 0 and estimator.next_ns == (10**9 + 1) * PERIOD


def test_switched_off() -> None:
    """run_estimation = 0 freezes it."""
    counter = Counter()
    estimator = Estimator(counter, Sysctls({"run_estimation": 0}, "6.1"))
    estimator.start(0)
    counter.events = 100
    estimator.reach(PERIOD)
    assert estimator.rates()["conns"] == 0


def test_of_the_whole_director() -> None:
    """Ticks come from the first frame on; a deleted service is remembered in the totals."""
    k = Kernel(service(real("10.1.0.13:8080")))
    for client in range(100):
        k.send(craft.syn(f"198.51.100.{client + 1}:1000", VIP))
    k.wait(2)
    assert listing(k.parts)["rates"]["conns"] == 12
    k.parts.services.remove(k.parts.services.by_name["web"])
    assert listing(k.parts)["counts"]["conns"] == 100
