"""By turn and by load, among those that may be picked."""

from __future__ import annotations

from made_server import endpoint

from lbreplay.loop.real import Dest
from lbreplay.loop.turn import NOBODY_THERE, Load, Turn
from lbreplay.model import RealServer


def dests(*weights: int) -> list[Dest]:
    return [Dest(n, RealServer(endpoint("10.0.0.1", n), weight), 1) for n, weight in enumerate(weights)]


def test_each_in_its_turn() -> None:
    """Behind the cursor first; who may not be picked is passed over, and nobody of none."""
    turn = Turn()
    assert [turn.next(dests(1, 0, 1)) for _ in range(4)] == [0, 2, 0, 2]
    assert turn.next(dests(0, 0)) == turn.next([]) == NOBODY_THERE and turn.at == 2


def test_the_least_load_for_its_weight() -> None:
    """An active connection weighs 256; the first of equals wins, from where the scan begins."""
    load, some = Load(256, 32), dests(1, 1, 4)
    some[0].inactconns, some[1].actconns, some[2].actconns = 1, 1, 1
    assert load.least(some) == 0
    some[0].inactconns = 65
    assert load.least(some) == 2
    load.first = 1
    assert load.least(dests(1, 1, 1)) == 1 and load.least(dests(0, 0)) == NOBODY_THERE


def test_products_are_of_32_bits() -> None:
    """As in C: a product that runs over is small."""
    some = dests(1 << 14, 1)
    some[0].inactconns, some[1].inactconns = 1, 1 << 18
    assert (Load(256, 32).least(some), Load(256, 64).least(some)) == (1, 0)
