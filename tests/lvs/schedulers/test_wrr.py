"""Weighted round robin picks in the order of D 18."""

import pytest
from made_server import picks, reals, virtual


@pytest.mark.parametrize(
    "rank, expected",
    [(0, "AABACBAABACBAABA"), (1, "ABACBAABACBAABAC"), (2, "BAABACBAABACBAAB"), (3, "AABACBAABACBAABA")],
)
def test_order_by_worker(rank: int, expected: str) -> None:
    """Four workers; the first round takes everybody once."""
    assert picks(virtual(rank=rank, workers=4, scheduler="wrr", reals=reals(3, 2, 1)), 16) == expected


def test_two_with_a_common_divisor() -> None:
    """Weights 4 and 2 are 2 and 1."""
    assert picks(virtual(workers=4, scheduler="wrr", reals=reals(4, 2)), 14) == "ABAABAABAABAAB"


def test_order_from_head() -> None:
    """Edition 1.8 begins with an ordinary round."""
    assert picks(virtual(edition="1.8", scheduler="wrr", reals=reals(3, 2, 1)), 12) == "ABACBAABACBA"


def test_edit_keeps_the_threshold_unless_too_great() -> None:
    """After an edit the cursor is back at the head and the round goes on at its threshold, or a new one starts."""
    server = virtual(edition="1.8", scheduler="wrr", reals=reals(3, 2, 1))
    assert picks(server, 2) == "AB"
    server.edit(server.dests[0], 3)
    assert picks(server, 3) == "CBA"
    server = virtual(edition="1.8", scheduler="wrr", reals=reals(3, 2, 1))
    assert picks(server, 1) == "A"
    server.edit(server.dests[2], 2)
    assert picks(server, 4) == "BACB"


@pytest.mark.parametrize("weights", [(), (0, 0), (0,), (65535, 32768)])
def test_nobody_has_weight(weights: tuple[int, ...]) -> None:
    """Without a positive weight nobody is picked."""
    assert picks(virtual(scheduler="wrr", reals=reals(*weights)), 2) == "--"


@pytest.mark.parametrize("edition", ["1.8", "1.10"])
def test_nobody_is_valid(edition: str) -> None:
    """The search ends when all are overloaded, and begins again where one recovers."""
    server = virtual(edition=edition, scheduler="wrr", reals=reals(3, 2))
    for dest in server.dests:
        dest.overload = True
    assert picks(server, 2) == "--"
    server.dests[0].overload = False
    assert picks(server, 2) == "BB"


@pytest.mark.parametrize("edition", ["1.8", "1.10"])
def test_weights_from_32768_neither_raise_the_threshold_nor_divide_it(edition: str) -> None:
    """65535 is -1 in DPVS: the others take their turns as if it was not there."""
    among = picks(virtual(edition=edition, scheduler="wrr", reals=reals(65535, 4, 2)), 9)[-6:]
    assert among in ("BCBBCB", "CBBCBB", "BBCBBC")
