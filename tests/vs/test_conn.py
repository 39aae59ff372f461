"""The table of connections: slots that are used again after their burst only, numbers, and Conns when asked for."""

from __future__ import annotations

import numpy as np
import pytest
import rig

from lbreplay.nic.steer import Nic
from lbreplay.vs.conn import BORN, UNBORN, Conn, ConnTable
from lbreplay.vs.forwarding import MODES
from lbreplay.vs.machine import Machine
from lbreplay.wire.packet import TCP


def take(table: ConnTable, count: int) -> list[int]:
    return [table.take(0, 0) for _ in range(count)]


class Reviver:
    """An opener that makes a Conn of a slot."""

    def revive(self, slot: int) -> str:
        return f"conn {slot}"


def test_a_slot_is_used_again_after_its_burst() -> None:
    """Rows of the burst refer to it still; then its columns are fresh."""
    table = ConnTable()
    first, second = take(table, 2)
    table.timeout[first], table.mac[2 * first + 1] = 7, 9
    table.free_slot(first)
    assert (table.live, table.created, table.timeout[first], table.alive[first]) == (1, 2, 7, 0)
    assert take(table, 1) == [2]
    table.recycle()
    assert take(table, 1) == [first] and (table.timeout[first], table.mac[2 * first + 1]) == (0, 0)
    assert table.number[first] == 4 and table.number[second] == 2


def test_a_slot_belongs_to_whom_it_was_taken_for() -> None:
    """And is alive from then on."""
    table = ConnTable()
    slot = table.take(7, 3)
    assert (table.dest[slot], table.rank[slot], table.alive[slot], table.number[slot]) == (7, 3, BORN, 1)


def test_the_table_grows_and_keeps_what_it_had() -> None:
    """In steps; memoryviews are those of the new columns."""
    table = ConnTable()
    slots = take(table, 1500)
    table.last_use[1499] = 5
    assert slots == list(range(1500)) and table.capacity == 8192
    assert table.columns["last_use"][1499] == 5 and table.columns["number"][:1500].tolist() == list(range(1, 1501))


def test_many_slots_at_once_are_the_same_slots() -> None:
    """Freed ones first; they are born, and get their numbers, when they are entered: one by one or at once."""
    table = ConnTable()
    take(table, 3)
    table.free_slot(1)
    table.recycle()
    slots = table.take_many(2000)
    assert slots.tolist() == [1, *range(3, 2002)] and table.live == 2002 and table.created == 3
    assert set(table.columns["alive"][slots].tolist()) == {UNBORN} and not table.columns["number"][slots].any()
    table.bear(3)
    assert (table.number[3], table.alive[3], table.alive[1], table.created) == (4, BORN, UNBORN, 4)
    table.bear_many(np.array([9, 1, 5]))
    assert [table.number[slot] for slot in (9, 1, 5)] == [5, 6, 7] and table.created == 7
    assert np.count_nonzero(table.columns["alive"] == BORN) == 6 and table.take(0, 0) == 2002


def test_many_are_freed_as_each_is() -> None:
    """The same slots come back, in the same order, with fresh columns."""
    many, each = ConnTable(), ConnTable()
    for table in (many, each):
        take(table, 10)
        table.columns["delta"][:], table.columns["mac"][:] = 3, 4
    many.free_many(np.array([7, 2, 5]))
    for slot in (7, 2, 5):
        each.free_slot(slot)
    for table in (many, each):
        assert table.live == 7 and table.alive[2] == 0 and table.delta[2] == 3
        table.recycle()
        assert table.take_many(2).tolist() == [2, 5] and [table.take(0, 0), table.take(0, 0)] == [7, 10]
        assert [table.delta[slot] for slot in (1, 2, 5, 7)] == [3, 0, 0, 0]
        assert [table.mac[at] for at in (3, 4, 5, 10, 11)] == [4, 0, 0, 0, 0]


def test_a_conn_is_made_once_for_who_asks() -> None:
    """By the opener of its slot; a free slot has none, and neither has one that was freed."""
    table = ConnTable()
    table.openers.append(Reviver())  # type: ignore[arg-type]
    first, second, third = take(table, 3)
    for slot in (first, second, third):
        table.opener[slot] = 1
    assert table.conns[second] == "conn 1" and table.conns[second] is table.conns[second]
    assert table.bare(np.array([third, second, first])).tolist() == [True, False, True]
    assert list(table.made) == [second] and table.conns[3] is None and table.conns[5000] is None
    table.free_slot(second)
    assert table.conns[second] is None and table.bare(np.array([second, first])).tolist() == [True, True]
    assert list(table.conns) == ["conn 0", None, "conn 2"]
    with pytest.raises(AssertionError):
        table.opener_of(table.take(0, 0))


def test_a_connection_is_counted_where_no_limit_is_drawn() -> None:
    """A service with limit_proportion counts nothing (D 13.1)."""
    for limit, packets in ((0, 1), (50, 0), (100, 1)):
        made = rig.setup(f"limit_proportion = {limit}" if limit else "")
        server = Machine(made, Nic(made).strategy).lcores[0].servers.by_name["web"]
        conn = Conn(TCP, 0, server, server.dests[0], MODES["fnat"], 0)
        conn.count(0, 60)
        assert (conn.dest.inpkts, conn.dest.inbytes) == (packets, 60 * packets)
