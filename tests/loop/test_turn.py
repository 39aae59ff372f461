"""By turn and by load, among those that may be picked."""

from __future__ import annotations

import pytest
from made_server import endpoint

from lbreplay.loop.real import Dest
from lbreplay.loop.turn import NOBODY_THERE, Choice, Greatest, KernelRounds, Load, Rounds, Turn
from lbreplay.model import RealServer

FLOW = (1, 2, 3)  # source, dest, port: none of these rules asks


def dests(*weights: int) -> list[Dest]:
    return [Dest(n, RealServer(endpoint("10.0.0.1", n), weight), 1) for n, weight in enumerate(weights)]


def test_each_in_its_turn() -> None:
    """Behind the cursor first; who may not be picked is passed over, and nobody of none."""
    turn = Turn()
    assert [turn.pick(dests(1, 0, 1), *FLOW) for _ in range(4)] == [0, 2, 0, 2]
    assert turn.pick(dests(0, 0), *FLOW) == turn.pick([], *FLOW) == NOBODY_THERE and turn.at == 2


def test_the_least_load_for_its_weight() -> None:
    """An active connection weighs 256; the first of equals wins, from where the scan begins."""
    load, some = Load(256, 32), dests(1, 1, 4)
    some[0].inactconns, some[1].actconns, some[2].actconns = 1, 1, 1
    assert load.pick(some, *FLOW) == 0
    some[0].inactconns = 65
    assert load.pick(some, *FLOW) == 2
    load.first = 1
    assert load.pick(dests(1, 1, 1), *FLOW) == 1 and load.pick(dests(0, 0), *FLOW) == NOBODY_THERE


def test_products_are_of_32_bits() -> None:
    """As in C: a product that runs over is small."""
    some = dests(1 << 14, 1)
    some[0].inactconns, some[1].inactconns = 1, 1 << 18
    assert (Load(256, 32).pick(some, *FLOW), Load(256, 64).pick(some, *FLOW)) == (1, 0)


@pytest.mark.parametrize("rounds", [Rounds, KernelRounds])
def test_a_round_takes_whose_weight_reaches_the_threshold(rounds: type[Rounds]) -> None:
    """3, 1 and 2, six times in six picks; nobody of none, and of those that may not be picked."""
    rule, some = rounds(), dests(3, 1, 2)
    rule.greatest, rule.threshold = 3, 3 if rounds is KernelRounds else 0  # as their schedulers begin
    assert [rule.pick(some, *FLOW) for _ in range(12)] == [0, 0, 2, 0, 1, 2] * 2
    for each in some:
        each.overload = True
    assert rule.pick(some, *FLOW) == NOBODY_THERE
    assert Choice().pick(some, *FLOW) == rounds().pick([], *FLOW) == NOBODY_THERE


def test_rules_of_load() -> None:
    """Without weights, by what a new one would wait for, and whoever is idle at once."""
    some = dests(5, 1, 1)
    some[0].actconns, some[1].actconns, some[2].inactconns = 2, 1, 600
    assert Load(256, weighted=False).pick(some, *FLOW) == 1
    assert Load(1, 32, idle=0, own=1).pick(some, *FLOW) == 0
    assert Load(1, 32, idle=0, own=1, lazy=True).pick(some, *FLOW) == 2


def test_the_greatest_takes_everything() -> None:
    """fo even one that is inhibited, ovf one that has room."""
    some = dests(1, 3, 3)
    some[1].inhibited, some[2].actconns = True, 4
    assert (Greatest().pick(some, *FLOW), Greatest(roomy=True).pick(some, *FLOW)) == (1, 0)
    some[1].overload = True
    assert Greatest().pick(some, *FLOW) == 2 and Greatest().pick(dests(0, -1), *FLOW) == NOBODY_THERE
