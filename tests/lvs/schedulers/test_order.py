"""Where a worker starts, and the divisor of weights."""

import pytest

from lbreplay.lvs.schedulers.order import HEAD, divisor, first_dest
from lbreplay.model import Behaviour


@pytest.mark.parametrize(
    "dests, workers, positions",
    [(3, 4, [1, 2, 0, 1]), (8, 2, [4, 0]), (3, 1, [0]), (7, 3, [2, 4, 6]), (1, 4, [0, 0, 0, 0])],
)
def test_start_is_spread(dests: int, workers: int, positions: list[int]) -> None:
    """Workers start max(1, D / N) steps apart."""
    assert [first_dest(dests, i, workers, Behaviour()) for i in range(1, workers + 1)] == positions


def test_start_at_head() -> None:
    """The old start is before the first, for every worker, and so is that of an empty list."""
    assert first_dest(3, 2, 4, Behaviour(start="head")) == HEAD
    assert first_dest(0, 1, 4, Behaviour()) == HEAD


@pytest.mark.parametrize("weights, unit", [((4, 2, 6), 2), ((0, 0), 1), ((), 1), ((0, 9, 6), 3), ((-1, 9, 6), 3)])
def test_divisor(weights: tuple[int, ...], unit: int) -> None:
    """Only positive weights count."""
    assert divisor(weights) == unit
