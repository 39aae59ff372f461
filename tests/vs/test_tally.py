"""Connections of workers counted at the end of a segment, against the same one by one."""

from __future__ import annotations

import random

import numpy as np
import rig

from lbreplay.nic.steer import Nic
from lbreplay.vs.machine import Lcore, Machine

Told = list[tuple[int, int]]  # rank, place


def lcores(workers: int) -> list[Lcore]:
    made = rig.setup(workers=workers)
    return Machine(made, Nic(made).strategy).lcores


def counts(some: list[Lcore]) -> list[tuple[int, int, int, int]]:
    return [(one.created, one.expired, one.active, one.peak) for one in some]


def columns(told: Told) -> tuple[np.ndarray, np.ndarray]:
    ranks, places = zip(*told, strict=True)
    return np.array(ranks, np.int16), np.array(places)


def tell(some: list[Lcore], opened: Told, ends: Told, chance: random.Random) -> None:
    """Openings at once, then the ends in any order, some of them at once."""
    tally = some[0].tally
    tally.opened(*columns(opened))
    while ends:
        few = [ends.pop(chance.randrange(len(ends))) for _ in range(chance.randrange(len(ends)) + 1)]
        if len(few) == 1:
            some[few[0][0]].closed(few[0][1])
        else:
            tally.ended(*columns(few))
    tally.settle()


def test_ends_between_openings_are_counted_in_their_places() -> None:
    """As if each was told in its turn, to some workers and not to others: peaks lie in between."""
    chance, below = random.Random(1), 0
    once, each = lcores(4), lcores(4)
    for _ in range(200):
        places = sorted(chance.sample(range(1000), chance.randrange(1, 100)))
        opened, ends, before = [], [], counts(each)
        for place in places:
            one = each[chance.choice((0, 1, 3)) if chance.random() < 0.9 else 2]
            if one.active and chance.random() < 0.5:
                one.closed(place)
                ends.append((one.rank, place))
            else:
                one.opened()
                opened.append((one.rank, place))
        if opened:
            tell(once, opened, ends, chance)
        else:
            once[0].tally.ended(*columns(ends))
        assert counts(once) == counts(each)
        news = [after[0] - old[0] for old, after in zip(before, counts(each), strict=True)]
        below += any(old[3] < one.peak < old[2] + new for old, one, new in zip(before, each, news, strict=True))
    assert below > 5, "peaks that neither the first nor the last count tells"


def test_ends_alone_are_counted_at_once() -> None:
    """Where no openings wait, and after they were settled; there is nothing to settle then."""
    (owner,) = some = lcores(1)
    owner.opened()
    owner.opened()
    owner.closed(7)
    owner.tally.settle()
    assert counts(some) == [(2, 1, 1, 2)]
    owner.tally.opened(np.zeros(3, np.int16), np.array([10, 20, 30]))
    owner.tally.ended(np.zeros(2, np.int16), np.array([15, 12]))
    assert counts(some) == [(2, 1, 1, 2)]
    owner.tally.settle()
    assert counts(some) == [(5, 3, 2, 2)]
    owner.tally.ended(np.zeros(1, np.int16), np.array([40]))
    assert counts(some) == [(5, 4, 1, 2)]
