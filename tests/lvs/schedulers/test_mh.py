"""Maglev hashing fills its table and chooses as D 18 says."""

from collections import Counter

import pytest
from made_server import address, by_source, flow, reals, virtual

from lbreplay.dpvs.server import VirtualServer
from lbreplay.loop.hashed import PLACES


def table(server: VirtualServer) -> list[int]:
    """The slots, each with the last byte of its owner's address."""
    server.scheduler.pick(flow())
    return [server.dests[owner].address[-1] for owner in server.scheduler._table]  # type: ignore[attr-defined]


def test_published_table() -> None:
    """Three real servers of weight 100: counts, first slots, twelve sources."""
    server = virtual(scheduler="mh", reals=reals(100, 100, 100))
    slots = table(server)
    assert Counter(slots) == {1: 1364, 2: 1364, 3: 1365}
    assert slots[:16] == [1, 2, 2, 3, 3, 1, 2, 3, 3, 1, 1, 2, 2, 1, 1, 3]
    assert by_source(server) == [1, 3, 2, 3, 3, 2, 2, 2, 2, 1, 1, 3]


@pytest.mark.parametrize("setting", ["mh_port", "synproxy"])
def test_port_counts(setting: str) -> None:
    """mh-port hashes the source port too; in edition 1.8 the SYN proxy's flag is the same bit."""
    server = virtual(edition="1.8", scheduler="mh", reals=reals(1, 1, 1), **{setting: True})
    chosen = server.scheduler.pick(flow(sport=12345))
    assert chosen is not None and chosen.address == address("10.0.0.2")


@pytest.mark.parametrize(
    "weights, turns", [((1, 3, 2), [1, 3, 2]), ((10, 0, 5), [2, 0, 1]), ((1000, 1, 0), [62, 1, 0]), ((64, 1), [32, 1])]
)
def test_turns(weights: tuple[int, ...], turns: list[int]) -> None:
    """Slots in a row: weight by divisor, the greatest cut to six bits, at least one for a positive weight."""
    server = virtual(scheduler="mh", reals=reals(*weights))
    assert [turn.slots for turn in reversed(server.scheduler._turns())] == turns  # type: ignore[attr-defined]
    counts = Counter(table(server))
    assert sum(counts.values()) == PLACES
    assert all(abs(counts[n] - PLACES * turn / sum(turns)) <= turn for n, turn in enumerate(turns, start=1))


def test_invalid_owner() -> None:
    """Without fallback the sources of an invalid real server are refused; with it they find another, the rest stay."""
    plain, fallback = (virtual(scheduler="mh", mh_fallback=on, reals=reals(1, 1, 1)) for on in (False, True))
    before = by_source(plain, 100)
    for server in (plain, fallback):
        server.dests[0].overload = True
    assert by_source(plain, 100) == [0 if n == 3 else n for n in before]
    moved = by_source(fallback, 100)
    assert {n for n, old in zip(moved, before, strict=True) if old == 3} == {1, 2}
    assert all(n == old for n, old in zip(moved, before, strict=True) if old != 3)


def test_nobody() -> None:
    """All weights 0, nobody valid, or no real server at all: no pick, with fallback too."""
    assert by_source(virtual(scheduler="mh", mh_fallback=True, reals=reals(0, 0)), 1) == [0]
    assert by_source(virtual(scheduler="mh"), 1) == [0]
    server = virtual(scheduler="mh", mh_fallback=True, reals=reals(1))
    server.dests[0].inhibited = True
    assert by_source(server, 1) == [0]


def test_rebuilt_on_change() -> None:
    """A new weight gives a new table."""
    server = virtual(scheduler="mh", reals=reals(1, 1))
    assert Counter(table(server)) == {1: 2046, 2: 2047}
    server.edit(server.dests[0], 0)
    assert Counter(table(server)) == {1: PLACES}


def test_weights_from_32768_take_no_slots() -> None:
    """They are negative in DPVS; one that is less than the divisor rounds to 0, and that gets one turn as in C."""
    assert Counter(table(virtual(scheduler="mh", reals=reals(1, 32768)))) == {1: PLACES}
    assert set(table(virtual(scheduler="mh", reals=reals(4, 8, 65535)))) == {1, 2, 3}
