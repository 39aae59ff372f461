"""The table of connections: slots that are used again after their burst only, and the cache that may be stale."""

from __future__ import annotations

import numpy as np
import rig
from made_server import endpoint

from lbreplay.nic.steer import Nic
from lbreplay.vs.conn import Conn, ConnTable, RouteCache, key_of, reversed_flows
from lbreplay.vs.forwarding import MODES
from lbreplay.vs.machine import Machine
from lbreplay.wire.packet import TCP, UDP, reverse_key


def key(number: int, six: bool = False) -> bytes:
    client = "2001:db8:c::1" if six else "172.16.0.1"
    return key_of(TCP, endpoint(client, number), endpoint("2001:db8:1::100" if six else "10.0.0.100", 80))


def take(table: ConnTable, count: int) -> list[int]:
    return [table.take(None, key(n), reverse_key(key(n)), 0, 0) for n in range(count)]


def flows(keys: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Keys as the columns have them: tuples and protocols."""
    rows = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1)
    return np.ascontiguousarray(rows[:, 1:]), rows[:, 0]


def found(cache: RouteCache, keys: list[bytes]) -> list[int]:
    """What the cache says of IPv4 keys."""
    none = np.zeros(0, np.int64)
    return cache.find(*flows(keys), none, np.zeros((0, 36), np.uint8)).tolist()


def found6(cache: RouteCache, keys: list[bytes]) -> list[int]:
    flow6, proto = flows(keys)
    return cache.find(np.zeros((len(keys), 12), np.uint8), proto, np.arange(len(keys)), flow6).tolist()


def test_a_slot_is_used_again_after_its_burst() -> None:
    """Rows of the burst refer to it still; then its columns are fresh."""
    table = ConnTable()
    first, second = take(table, 2)
    table.timeout[first], table.mac[2 * first + 1] = 7, 9
    table.free_slot(first)
    assert (table.live, table.created, table.timeout[first]) == (1, 2, 7)
    assert take(table, 1) == [2]
    table.recycle()
    assert take(table, 1) == [first] and (table.timeout[first], table.mac[2 * first + 1]) == (0, 0)
    assert table.number[first] == 4 and table.number[second] == 2


def test_the_table_grows_and_keeps_what_it_had() -> None:
    """By doubling; memoryviews are those of the new columns."""
    table = ConnTable()
    slots = take(table, 1500)
    table.last_use[1499] = 5
    assert slots == list(range(1500)) and table.capacity == 2048
    assert table.columns["last_use"][1499] == 5 and table.columns["number"][:1500].tolist() == list(range(1, 1501))


def test_many_slots_at_once_are_the_same_slots() -> None:
    """Freed ones first; numbers come when they are entered."""
    table = ConnTable()
    take(table, 3)
    table.free_slot(1)
    table.recycle()
    keys = [key(n) for n in range(2000)]
    slots = table.take_many(None, keys, keys)  # type: ignore[arg-type]
    assert slots.tolist() == [1, *range(3, 2002)] and table.live == 2002 and table.created == 3
    assert [table.in_keys[slot] for slot in slots] == keys
    table.number_slot(1)
    assert table.number[1] == table.created == 4


def test_the_cache_finds_what_was_flushed() -> None:
    """Both sides of a connection, and nothing that ended, nor another protocol's."""
    cache, keys = RouteCache(), [key(n) for n in range(50)]
    for slot, one in enumerate(keys):
        cache.enter(slot, one, reverse_key(one))
    assert found(cache, keys) == [-1] * 50
    cache.flush()
    assert found(cache, keys) == [2 * slot for slot in range(50)]
    assert found(cache, [reverse_key(one) for one in keys]) == [2 * slot + 1 for slot in range(50)]
    assert found(cache, [bytes((UDP,)) + keys[0][1:], key(51)]) == [-1, -1]
    cache.forget(3)
    cache.flush()
    assert found(cache, keys[2:5]) == [4, -1, 8]


def test_the_cache_grows_and_knows_both_families() -> None:
    """IPv6 addresses are compared in full; entering many is entering each."""
    cache, four, six = RouteCache(), [key(n) for n in range(3000)], [key(n, six=True) for n in range(40)]
    cache.enter_many(np.arange(3000), four, [reverse_key(one) for one in four])
    cache.enter_many(np.arange(3000, 3040), six, [reverse_key(one) for one in six])
    cache.flush()
    right = np.array(found(cache, four)) == 2 * np.arange(3000)
    assert right.mean() > 0.7, "places may be overwritten, never wrong"
    assert {handle for handle, ok in zip(found(cache, four), right, strict=True) if not ok} <= {-1}
    assert found6(cache, six) == [2 * slot for slot in range(3000, 3040)]
    other = six[0][:5] + b"\7" + six[0][6:]
    assert found6(cache, [other]) == [-1]


def test_what_sides_leave_with_is_the_other_side_turned() -> None:
    """IN leaves from the local address to the real server: the reverse of the key of the answers."""
    cache = RouteCache()
    inside = key_of(TCP, endpoint("192.168.100.2", 8080), endpoint("192.168.100.200", 1025))
    cache.enter(0, key(7), inside)
    cache.flush()
    assert cache.ends[0].tobytes() == reverse_key(inside)[1:] and cache.ends[1].tobytes() == reverse_key(key(7))[1:]
    assert reversed_flows(flows([inside])[0]).tobytes() == reverse_key(inside)[1:]


def test_translated_families_are_not_cached() -> None:
    """NAT64 never takes the columns."""
    cache = RouteCache()
    cache.enter(0, key(1, six=True), key(1))
    cache.flush()
    assert found(cache, [key(1)]) == [-1] and found6(cache, [key(1, six=True)]) == [-1]


def test_a_connection_is_counted_where_no_limit_is_drawn() -> None:
    """A service with limit_proportion counts nothing (D 13.1)."""
    for limit, packets in ((0, 1), (50, 0), (100, 1)):
        made = rig.setup(f"limit_proportion = {limit}" if limit else "")
        server = Machine(made, Nic(made).strategy).lcores[0].servers.by_name["web"]
        conn = Conn(TCP, 0, server, server.dests[0], MODES["fnat"], 0)
        conn.count(0, 60)
        assert (conn.dest.inpkts, conn.dest.inbytes) == (packets, 60 * packets)
