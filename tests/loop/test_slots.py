"""Slots without a table around them: who owns the columns must say where they are."""

from __future__ import annotations

import pytest

from lbreplay.dpvs.conn import ConnTable
from lbreplay.loop.slots import Slots
from lbreplay.loop.table import Table


def test_room_is_somebody_elses_to_make() -> None:
    """The base has none."""
    with pytest.raises(NotImplementedError):
        Slots().take(0, 0)


def test_a_freed_slot_waits_for_nothing() -> None:
    """Its timer is gone with it, also when somebody has the slot next."""
    table = ConnTable(Table())
    slot = table.take(0, 0)
    table.last_use[slot], table.timeout[slot] = 10**9, 10**9
    table.timers.arm(slot, 2 * 10**9)
    table.free_slot(slot)
    table.recycle()
    assert table.take(1, 1) == slot and table.timers.due(5 * 10**9) == -1
