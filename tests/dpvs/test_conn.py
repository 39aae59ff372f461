"""The table of connections: slots that are used again after their burst only, numbers, and Conns when asked for."""

from __future__ import annotations

import pytest
import rig
import twins

from lbreplay.dpvs.conn import TEMPLATE, Conn, ConnTable
from lbreplay.dpvs.machine import Machine
from lbreplay.dpvs.modes import MODES
from lbreplay.loop.table import Table
from lbreplay.nic.steer import Nic
from lbreplay.wire.packet import TCP, flow_key


def take(table: ConnTable, count: int) -> list[int]:
    return [table.take(0, 0) for _ in range(count)]


def test_a_slot_is_used_again_after_its_burst() -> None:
    """Rows of the burst refer to it still; then its columns are fresh."""
    table = ConnTable(Table())
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
    table = ConnTable(Table())
    slot = table.take(7, 3)
    assert (table.dest[slot], table.rank[slot], table.alive[slot], table.number[slot]) == (7, 3, 1, 1)


def test_the_table_grows_and_keeps_what_it_had() -> None:
    """In steps; memoryviews are those of the new columns."""
    table = ConnTable(Table())
    slots = take(table, 1500)
    table.last_use[1499] = 5
    assert slots == list(range(1500)) and table.capacity == 32768
    assert table.columns["last_use"][1499] == 5 and table.columns["number"][:1500].tolist() == list(range(1, 1501))


def test_a_conn_is_made_once_for_who_asks() -> None:
    """Of a slot that the loop opened; a free slot has none, and neither has one that was freed."""
    table = ConnTable(Table())
    table.revive = lambda slot: f"conn {slot}"  # type: ignore[assignment, return-value]
    _, second, _ = take(table, 3)
    assert table.conns[second] == "conn 1" and table.conns[second] is table.conns[second]
    assert list(table.made) == [second] and table.conns[3] is None and table.conns[5000] is None
    table.free_slot(second)
    assert table.conns[second] is None and not table.made
    assert list(table.conns) == ["conn 0", None, "conn 2"]
    with pytest.raises(AssertionError):
        ConnTable(Table()).revive(0)


def test_a_connection_is_counted_where_no_limit_is_drawn() -> None:
    """A service with limit_proportion counts nothing (D 13.1)."""
    for limit, packets in ((0, 1), (50, 0), (100, 1)):
        made = rig.setup(f"limit_proportion = {limit}" if limit else "")
        server = Machine(made, Nic(made).strategy).lcores[0].servers.by_name["web"]
        conn = Conn(TCP, 0, server, server.dests[0], MODES["fnat"], 0)
        conn.count(0, 60)
        assert (conn.dest.inpkts, conn.dest.inbytes) == (packets, 60 * packets)


def test_the_newest_template_of_a_key_is_the_only_one() -> None:
    """An older one that it took the place of is not found again when it ends (D 2.7)."""
    made = rig.setup("persistent = { timeout = 60 }")
    frames = [rig.syn(rig.CLIENT, rig.VIP)]
    machine = twins.driven(made, frames)[0].balancer.machine
    key = flow_key(6, bytes((172, 16, 0, 1)), 0, bytes((10, 0, 0, 100)), 80)
    first = machine.templates.get(key)
    assert first is not None and machine.table.controlled[first.slot] == 1
    second = Conn(6, -1, first.server, first.dest, first.mode, TEMPLATE)
    second.in_key = key
    machine.table.add(second)
    machine.templates.put(key, second)
    assert machine.templates.get(key) is second
    machine.templates.end(second)
    machine.templates.end(first)
    assert machine.templates.get(key) is None
