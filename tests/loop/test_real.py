"""Who is counted: limits, weights, connections and packets."""

from __future__ import annotations

from made_server import endpoint

from lbreplay.loop.real import Census, Dest
from lbreplay.model import RealServer


def test_who_may_be_picked() -> None:
    """Not without a weight, not when it is full, taken out or inhibited (D 2.8)."""
    dest = Dest(3, RealServer(endpoint("10.0.0.1", 80), 2, max_conn=5), 2)
    assert (dest.valid, dest.full, dest.max_conn) == (True, False, 2)
    dest.inactconns = 2
    assert dest.full
    dest.overload = True
    dest.admit()
    assert not dest.valid
    dest.activate(1)
    assert (dest.actconns, dest.inactconns, dest.full) == (1, 1, True)
    dest.inactconns = 0
    dest.admit()
    assert dest.valid
    dest.weight = 0
    assert not dest.valid


def test_one_that_was_taken_out_counts_nothing() -> None:
    """D 13.1."""
    dest = Dest(0, RealServer(endpoint("10.0.0.1", 80), 1), 1)
    dest.count(0, 1, 60)
    dest.count(1, 2, 90)
    dest.available = False
    dest.count(1, 2, 90)
    assert (dest.inpkts, dest.inbytes, dest.outpkts, dest.outbytes) == (1, 60, 2, 90)


def test_the_most_at_once() -> None:
    """Created, ended, living, and how many lived at the peak."""
    census = Census()
    for act in "++-+-+":
        census.opened() if act == "+" else census.closed()
    assert (census.created, census.expired, census.active, census.peak) == (4, 2, 2, 2)
