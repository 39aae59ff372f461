"""Hashes name real servers: the published values of D 18 and L 19."""

from __future__ import annotations

import hashlib
import random
from array import array
from struct import unpack

import numpy as np
import pytest
from made_server import endpoint

from lbreplay.loop.hashed import (
    PLACES,
    SKIP_KEY,
    START_KEY,
    Buckets,
    Maglev,
    Ring,
    filled,
    in_order,
    ring_key,
    siphash,
    stirred,
)
from lbreplay.loop.real import Dest
from lbreplay.loop.turn import NOBODY_THERE
from lbreplay.model import RealServer


def dests(*weights: int) -> list[Dest]:
    return [Dest(n, RealServer(endpoint("10.0.0.1", n), weight), 1) for n, weight in enumerate(weights)]


@pytest.mark.parametrize("number", [0, 9, 10, 77, 16777226, 0xFFFFFFFF, 0x8000000000000001, (1 << 64) - 1])
def test_ring_key(number: int) -> None:
    """The place of a number is that of its digits, by what the standard library makes of them."""
    words = unpack("<4I", hashlib.md5(str(number).encode()).digest())
    assert ring_key(number) == stirred(sum(words))
    assert ring_key(16777226) == 2823142601705650014


@pytest.mark.parametrize(
    "value, first, second",
    [
        (0, 0x1D5A77C2, 0xF882433F),
        (1, 0x16EC66B2, 0x8210AAD1),
        (0x0A000001, 0x03080CE4, 0x48F9D0C1),
        (0xC0A80101, 0xD3F1B4D3, 0xF99FC1D7),
        (0x0A000051, 0x439C0CBE, 0x97B3DC47),
    ],
)
def test_siphash(value: int, first: int, second: int) -> None:
    """The low halves that Maglev uses, with both of its keys."""
    assert (siphash(value, START_KEY), siphash(value, SKIP_KEY)) == (first, second)


def test_the_next_place_of_the_ring() -> None:
    """At or behind the key, and around; an owner that may not be picked is nobody."""
    ring, some = Ring(), dests(1, 1, 0)
    assert ring.pick(some, 1, 2, 3) == NOBODY_THERE
    for number in range(40):
        key = ring_key(number)
        for keys, owner in (([key - 1, key, key + 1], 1), ([key - 2, key - 1], 0), ([key - 1, key + 1, key + 2], 1)):
            ring.spread(np.array(keys), np.arange(len(keys), dtype=np.int32), [1, 0, 2])
            assert ring.owner(some, number) == [1, 0, 2][owner]
        ring.spread(np.array([key]), np.zeros(1, np.int32), [2])
        assert ring.owner(some, number) == NOBODY_THERE


@pytest.mark.parametrize("size", [0, 1, 2, 3000])
def test_places_in_order(size: int) -> None:
    """Signed, and equal ones as they came."""
    chance = random.Random(size)
    drawn = [chance.choice([chance.getrandbits(64) - (1 << 63), -1, 0, 5, 256]) for _ in range(size)]
    keys, owners = in_order(array("q", drawn), array("i", range(size)))
    assert owners.tolist() == sorted(range(size), key=drawn.__getitem__)
    assert keys.tolist() == sorted(drawn)


def test_maglevs_table() -> None:
    """Each slot has an owner, by turns; with fallback one that may be picked is found, wherever."""
    table = filled([0, 5, 9], [1, 2, 3], [1, 0, 2])
    assert np.bincount(table).tolist() == [1365, 0, 2728] and table[0] == 0 and table[9] == table[12] == 2
    for fallback in (False, True):
        rule = Maglev(False, fallback)
        assert rule.pick(dests(1), 1, 2, 3) == NOBODY_THERE
        rule.fill(table)
        found = [rule.pick(dests(1, 1, 0), source, 0, 0) for source in range(100)]
        assert set(found) == ({0} if fallback else {0, NOBODY_THERE})
        assert [at for at in found if at >= 0] or not fallback
        assert rule.pick(dests(0, 0, 0), 7, 0, 0) == NOBODY_THERE
    assert len(table) == PLACES


def test_buckets_count_what_they_are_told_to() -> None:
    """The source, with its port or not, or where the packet goes."""
    owners = np.arange(256, dtype=np.int32) % 3
    for settings, same, other in (({}, (1, 2, 4), (2, 2, 3)), ({"by_dest": True}, (9, 2, 9), (1, 3, 3)),
                                  ({"with_port": True}, (1, 9, 3), (1, 2, 4))):  # fmt: skip
        rule = Buckets(True, **settings)
        assert rule.pick(dests(1), 1, 2, 3) == NOBODY_THERE
        rule.deal(owners)
        assert rule.pick(dests(1, 1, 1), 1, 2, 3) == rule.pick(dests(1, 1, 1), *same)
        assert rule.pick(dests(1, 1, 1), 1, 2, 3) != rule.pick(dests(1, 1, 1), *other)
