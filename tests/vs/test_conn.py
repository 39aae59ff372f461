"""Connections and their tables: slots and columns, and a cache that may forget but never errs."""

from __future__ import annotations

import random
from ipaddress import ip_address
from types import SimpleNamespace

import numpy as np
import pytest

from lbreplay.model import Endpoint
from lbreplay.vs.conn import IN, OUT, Conn, ConnTable, RouteCache, key_of, reversed_flows
from lbreplay.vs.forwarding import MODES
from lbreplay.wire.packet import reverse_key

TCP, UDP = 6, 17


def endpoint(text: str, port: int) -> Endpoint:
    return Endpoint(ip_address(text).packed, port)


def connection(number: int = 1, limit: int = 0) -> Conn:
    """The full-NAT connection of client *number*."""
    counts: list[tuple[int, int, int]] = []
    dest = SimpleNamespace(id=3, count=lambda *what: counts.append(what), counts=counts)
    server = SimpleNamespace(service=SimpleNamespace(limit_proportion=limit))
    conn = Conn(TCP, 2, server, dest, MODES["fnat"], 0)  # type: ignore[arg-type]
    conn.client, conn.virtual = endpoint("172.16.0.1", number), endpoint("10.0.0.100", 80)
    conn.real = endpoint("192.168.100.2", 8080)
    conn.take_local(ip_address("192.168.100.200").packed, 1024 + number)
    return conn


# --- connections -------------------------------------------------------------------------------------------------


def test_a_connection_is_found_by_what_arrives() -> None:
    """From its client, and from its real server; each leaves as the reverse of the other."""
    conn = connection(7)
    assert conn.in_key == key_of(TCP, endpoint("172.16.0.1", 7), endpoint("10.0.0.100", 80))
    assert conn.out_key == key_of(TCP, endpoint("192.168.100.2", 8080), endpoint("192.168.100.200", 1031))


def test_snat_is_found_from_inside_and_outside() -> None:
    """Its remote is the client of the table, its inside the real server."""
    conn = connection()
    remote, outside, inside = endpoint("8.8.8.8", 53), endpoint("1.2.3.4", 4000), endpoint("192.168.0.9", 5000)
    conn.take_snat(remote, outside, inside)
    assert conn.in_key == key_of(TCP, remote, outside) and conn.out_key == key_of(TCP, inside, remote)


@pytest.mark.parametrize("limit, counted", [(0, 1), (50, 0), (100, 1)])
def test_what_a_rate_limit_does_not_count(limit: int, counted: int) -> None:
    """Between 1 and 99 (D 13.1)."""
    conn = connection(limit=limit)
    conn.count(OUT, 60)
    assert conn.dest.counts == [(OUT, 1, 60)] * counted  # type: ignore[attr-defined]


# --- the table ---------------------------------------------------------------------------------------------------


def test_a_slot_has_columns_of_its_own() -> None:
    """As numbers one by one and as arrays, of the same memory, however the table grows."""
    table = ConnTable()
    slots = [table.add(connection(n)) for n in range(1, 3001)]
    for slot in slots:
        table.timeout[slot] = slot * 10
    assert table.columns["timeout"][slots].tolist() == [slot * 10 for slot in slots]
    table.columns["state"][5] = 9
    assert table.state[5] == 9 and table.capacity >= 3000
    assert [conn.number for conn in table.conns if conn is not None] == list(range(1, 3001))


def test_a_new_connection_takes_the_plain_path() -> None:
    """Until somebody says what its sides leave with."""
    table = ConnTable()
    slot = table.add(connection())
    assert (table.mac[2 * slot], table.mac[2 * slot + 1]) == (-1, -1)
    assert (table.dest[slot], table.rank[slot], table.live, table.created) == (3, 2, 1, 1)


def test_a_freed_slot_waits_for_the_end_of_its_burst() -> None:
    """Rows still refer to its columns; then they are as new."""
    table = ConnTable()
    first = connection(1)
    slot = table.add(first)
    table.timeout[slot], table.mac[2 * slot + 1] = 99, 7
    table.free(first)
    assert table.live == 0 and table.conns[slot] is None and table.timeout[slot] == 99
    assert table.add(connection(2)) != slot
    table.recycle()
    assert table.timeout[slot] == 0 and table.mac[2 * slot + 1] == 0
    assert table.add(connection(3)) == slot and table.created == 3


def test_many_slots_at_once_are_those_of_one_by_one() -> None:
    """Free ones first; numbers come when they are entered."""
    table = ConnTable()
    old = [connection(n) for n in range(1, 5)]
    for conn in old:
        table.add(conn)
    for conn in old[:2]:
        table.free(conn)
    table.recycle()
    opener = SimpleNamespace(revive=lambda slot: f"revived {slot}")
    keys = [b"in %d" % n for n in range(2000)]
    slots = table.take_many(opener, keys, keys)  # type: ignore[arg-type]
    assert sorted(slots.tolist()) == [0, 1, *range(4, 2002)] and table.live == 2002
    assert [table.in_keys[slot] for slot in slots.tolist()] == keys
    table.number_slot(int(slots[0]))
    assert table.number[int(slots[0])] == 5


def test_a_connection_without_an_object_is_revived_once() -> None:
    """By who opened it, when somebody asks."""
    made: list[int] = []

    def revive(slot: int) -> Conn:
        made.append(slot)
        return connection()

    table = ConnTable()
    slot = table.take(SimpleNamespace(revive=revive), b"in", b"out", 1, 0)  # type: ignore[arg-type]
    assert made == [] and table.conns[slot] is table.conns[slot] and made == [slot]


# --- the cache ---------------------------------------------------------------------------------------------------


def columns(keys: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a burst with these keys: flow4, proto, rows6, flow6."""
    flow4 = np.array([list(key[1:] if len(key) == 13 else bytes(12)) for key in keys], np.uint8)
    rows6 = np.array([n for n, key in enumerate(keys) if len(key) == 37], np.int64)
    flow6 = np.array([list(keys[n][1:]) for n in rows6], np.uint8).reshape(-1, 36)
    return flow4, np.array([key[0] for key in keys], np.uint8), rows6, flow6


def random_key(rng: random.Random, width: int) -> bytes:
    return bytes([rng.choice((TCP, UDP))]) + rng.randbytes(2 * width + 4)


@pytest.mark.parametrize("width", [4, 16])
def test_both_sides_are_found(width: int) -> None:
    """After the next flush, by thousands, and nobody else is."""
    rng, cache = random.Random(width), RouteCache()
    keys = [(random_key(rng, width), random_key(rng, width)) for _ in range(5000)]
    for slot, (in_key, out_key) in enumerate(keys):
        cache.enter(slot, in_key, out_key)
    assert (cache.find(*columns([k for k, _ in keys])) == -1).all(), "not before the flush"
    cache.flush()
    for side in (IN, OUT):
        found = cache.find(*columns([pair[side] for pair in keys]))
        hit = found >= 0
        assert hit.mean() > 0.5, "it may forget, but not most"
        assert (found[hit] == 2 * np.flatnonzero(hit) + side).all()
    strangers = [random_key(rng, width) for _ in range(5000)]
    assert (cache.find(*columns(strangers)) == -1).all()


def test_families_and_protocols_do_not_mix() -> None:
    """A burst may hold all of them."""
    rng, cache = random.Random(1), RouteCache()
    keys = [random_key(rng, 4 if n % 2 else 16) for n in range(40)]
    for slot, key in enumerate(keys):
        cache.enter(slot, key, random_key(rng, (len(key) - 5) // 2))
    cache.flush()
    found = cache.find(*columns(keys))
    assert (found[found >= 0] == 2 * np.flatnonzero(found >= 0)).all() and (found >= 0).sum() > 30
    other = [bytes([TCP + UDP - key[0]]) + key[1:] for key in keys]
    assert (cache.find(*columns(other)) == -1).all()


def test_what_ended_is_not_found() -> None:
    """From the next flush on, and its place serves the next one."""
    rng, cache = random.Random(2), RouteCache()
    one, two = random_key(rng, 4), random_key(rng, 4)
    cache.enter(0, one, random_key(rng, 4))
    cache.flush()
    cache.forget(0)
    cache.flush()
    assert cache.find(*columns([one])).tolist() == [-1]
    cache.enter(0, two, random_key(rng, 4))
    cache.flush()
    assert cache.find(*columns([one, two])).tolist() == [-1, 0]


def test_translation_between_families_is_not_entered() -> None:
    """It never takes the columns."""
    rng, cache = random.Random(3), RouteCache()
    cache.enter(0, key := random_key(rng, 16), random_key(rng, 4))
    cache.flush()
    assert cache.find(*columns([key])).tolist() == [-1]


@pytest.mark.parametrize("width", [4, 16])
def test_a_side_leaves_as_the_reverse_of_the_other(width: int) -> None:
    """What rewriting puts in."""
    rng, cache = random.Random(4), RouteCache()
    in_key, out_key = random_key(rng, width), random_key(rng, width)
    cache.enter(3, in_key, out_key)
    cache.flush()
    ends = cache.ends if width == 4 else cache.ends6
    assert ends[6].tobytes() == reverse_key(out_key)[1:] and ends[7].tobytes() == reverse_key(in_key)[1:]


def test_many_at_once_are_entered_like_one_by_one() -> None:
    rng, one, many = random.Random(5), RouteCache(), RouteCache()
    pairs = [(random_key(rng, 4), random_key(rng, 4)) for _ in range(3000)]
    for slot, pair in enumerate(pairs):
        one.enter(slot, *pair)
    many.enter_many(np.arange(3000), [p[0] for p in pairs], [p[1] for p in pairs])
    one.flush(), many.flush()
    asked = columns([p[0] for p in pairs])
    assert (one.find(*asked) == many.find(*asked)).all() and (one.ends == many.ends).all()


@pytest.mark.parametrize("width", [4, 16])
def test_flows_turn_like_keys(width: int) -> None:
    keys = [random_key(random.Random(n), width) for n in range(20)]
    turned = reversed_flows(np.array([list(key[1:]) for key in keys], np.uint8))
    assert [row.tobytes() for row in turned] == [reverse_key(key)[1:] for key in keys]
