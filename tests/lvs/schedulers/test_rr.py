"""Round robin picks in the order of D 18."""

import pytest
from made_server import picks, reals, virtual


@pytest.mark.parametrize("rank, expected", list(enumerate(["ACBACB", "CBACBA", "BACBAC", "ACBACB"])))
def test_order_by_worker(rank: int, expected: str) -> None:
    """Four workers start spread over the list."""
    assert picks(virtual(rank=rank, workers=4, scheduler="rr", reals=reals(3, 2, 1)), 6) == expected


def test_order_from_head() -> None:
    """Edition 1.8 starts with the newest."""
    assert picks(virtual(edition="1.8", scheduler="rr", reals=reals(3, 2, 1)), 6) == "CBACBA"


def test_change_takes_the_cursor_back() -> None:
    """An edit begins the round again."""
    server = virtual(edition="1.8", scheduler="rr", reals=reals(1, 1, 1))
    assert picks(server, 2) == "CB"
    server.edit(server.dests[0], 5)
    assert picks(server, 2) == "CB"


def test_passes_over_the_invalid() -> None:
    """Overloaded, inhibited and weightless ones are not picked; with nobody left there is no pick."""
    server = virtual(edition="1.8", scheduler="rr", reals=reals(1, 0, 1, 1))
    server.dests[0].overload = server.dests[1].inhibited = True
    assert picks(server, 3) == "AAA"
    server.remove(server.dests[3])
    assert picks(server, 1) == "-"


def test_no_real_server() -> None:
    """A service without real servers picks nobody."""
    assert picks(virtual(scheduler="rr"), 1) == "-"
