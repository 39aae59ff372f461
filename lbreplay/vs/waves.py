"""Waves: rows of known connections taken many at a time, as if one by one.

Rows of different connections do not see each other, so they are laid out by connection, and what happens to one happens
to all side by side: states by their changes (the first of each connection, then the second, and so on), timers once a
connection, MACs and sequence numbers by the rows before. `step` does the same for one row that has to go in its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lbreplay.burst import I32, I64, Bool, Burst, ascending, groups
from lbreplay.vs.bulk import distinct_heads
from lbreplay.vs.conn import FULL_TCP, IN, INACTIVE, OUT, Macs
from lbreplay.vs.machine import itself
from lbreplay.wire.packet import ACK, RST, SYN, TCP, UDP

if TYPE_CHECKING:
    from lbreplay.vs.links import Links
    from lbreplay.vs.machine import Machine
    from lbreplay.vs.view import View

UDP_STEP = 256  # steps are TCP flags, or this
STATE_BITS = 4  # that number the states of a protocol


class Changes(NamedTuple):
    """Connections that became active (1) or inactive (-1), and the rows that made them so, in no order."""

    rows: I64
    slots: I64
    became: I64


Tell = Callable[[Changes], Any]
NO_CHANGES = Changes(*[np.zeros(0, np.int64)] * 3)


class Wave:
    """Rows laid out by connection, in order within each. `begin` and `last` are the ends of each connection's run,
    `group` the run of each row."""

    def __init__(self, rows: I64, handles: I32) -> None:
        order = ascending(handles >> 1)
        self.rows, self.handles = rows[order], handles[order]
        self.slots = slots_of(self.handles)
        first = np.append(True, self.slots[1:] != self.slots[:-1])
        self.begin = np.flatnonzero(first)
        self.last = np.append(self.begin[1:], len(rows)) - 1
        self.group = np.cumsum(first) - 1


def slots_of(handles: I32) -> I64:
    """The connections of *handles*, as numpy indexes fastest."""
    return (handles >> 1).astype(np.int64)


class Waves:
    """Steps connections."""

    def __init__(self, machine: Machine, links: Links, view: View) -> None:
        self.machine, self.links, self.view = machine, links, view
        self.table = machine.table
        self._next = _tables(machine)
        self._rows_next = [[bytes(row) for row in side] for side in self._next]  # the same, to read one by one
        self._established = machine.protocols[TCP].states.index("established")
        self._hops: dict[tuple[bytes, bytes], Macs] = {}
        self._numbers: dict[int, int] = {}  # of real servers' addresses, by real server
        self._address_of: I64 = np.zeros(0, np.int64)  # the same as a column

    def take(self, burst: Burst, rows: I64, handles: I32) -> None:
        """Rows, ascending, as if one by one."""
        wave = Wave(rows, handles)
        shortened = self._step(burst, wave, self.count)
        column = self.table.columns
        last_rows = wave.rows[wave.last]
        column["last_use"][wave.slots[wave.last]] = burst.time_ns[last_rows]
        column["armed"][wave.slots[wave.last]] = itself(burst.first + last_rows)
        self.machine.timers.arm_many(shortened, self.table.deadlines(shortened))
        burst.mac[wave.rows] = self._macs(burst, wave)
        burst.fdata[wave.rows] = self._remember(burst, wave)

    def change(self, burst: Burst, rows: I64, handles: I32) -> Changes:
        """Change the states that *rows* change, for who counts them to know; the rest of the rows is still to come."""
        told = [NO_CHANGES]
        wave = Wave(rows, handles)
        shortened = self._step(burst, wave, told.append)
        burst.moved[rows] = True
        if len(rows):  # their last use is still to be told: no deadline is earlier than this
            first_ns, timeouts = int(burst.time_ns[rows[0]]), self.table.columns["timeout"]
            self.machine.timers.arm_many(shortened, first_ns + timeouts[shortened])
        return Changes(*map(np.concatenate, zip(*told, strict=True)))

    def _step(self, burst: Burst, wave: Wave, tell: Tell) -> I64:
        """States: the first row of each connection that changes it, then the next one that does, and so on.

        *tell* hears of connections that became active (1) or inactive (-1), and by which row. Returns the slots whose
        timers may have to go off earlier now.
        """
        states, slots = self.table.columns["state"], wave.slots
        sides, steps = wave.handles & 1, burst.step[wave.rows]
        moved = burst.moved[wave.rows]
        now = states[slots]
        changing = (self.after(sides, steps, now) != now) & ~moved
        if not changing.any():
            return slots[:0]
        touched = np.logical_or.reduceat(changing, wave.begin)
        begin = slots[wave.begin[touched]]
        before = states[begin]
        rows = np.flatnonzero(touched[wave.group])
        while len(rows):
            rows = self._step_once(wave, rows, sides, steps, moved, tell)
        changed = states[begin] != before
        return self._changed(begin[changed], before[changed])

    def _step_once(self, wave: Wave, rows: I64, sides: Any, steps: Any, moved: Bool, tell: Tell) -> I64:
        """Of some rows of *wave*, the first of each connection that changes its state; those behind it are left."""
        states = self.table.columns["state"]
        slots = wave.slots[rows]
        old = states[slots]
        new = self.after(sides[rows], steps[rows], old)
        changing = np.flatnonzero((new != old) & ~moved[rows])
        group = wave.group[rows[changing]]
        first = changing[np.append(True, group[1:] != group[:-1])[: len(group)]]
        slots, old, new = slots[first], old[first], new[first]
        states[slots] = new
        became = (new == self._established).astype(np.int64) - (old == self._established)
        told = np.flatnonzero(became * (self.table.columns["full"][slots] == FULL_TCP))
        tell(Changes(wave.rows[rows[first[told]]], slots[told], became[told]))
        reached = np.full(len(wave.begin), len(wave.rows))
        reached[wave.group[rows[first]]] = rows[first]
        behind: I64 = rows[rows > reached[wave.group[rows]]]
        return behind

    def after(self, sides: Any, steps: Any, states: Any) -> Any:
        """The states that come after: one index into a flat table costs a quarter of three."""
        return self._next.ravel().take((sides * (UDP_STEP + 1) + steps << STATE_BITS) + states)

    def _changed(self, slots: I64, before: Any) -> I64:
        """The timeouts of new states; the slots with a shorter one."""
        column, limits = self.table.columns, self.machine.limits
        now, limit = column["state"][slots], column["limit"][slots]
        column["timeout"][slots] = limits[limit, now] + column["fraction"][slots]
        return np.asarray(slots[limits[limit, now] < limits[limit, before]])

    def count(self, changes: Changes) -> None:
        """Count active and inactive connections (D 5.2)."""
        _, slots, became = changes
        if not len(slots):
            return
        dests = self.table.columns["dest"][slots]
        sums = np.bincount(dests, became).astype(np.int64)
        some = np.flatnonzero(sums)
        for number, more in zip(some.tolist(), sums[some].tolist(), strict=True):
            self.machine.dests[number].activate(more)
        for slot in slots[~self.table.bare(slots)].tolist():
            self.table.made[slot].flags ^= INACTIVE

    def _macs(self, burst: Burst, wave: Wave) -> Any:
        """What rows leave with: it changes once the real server's side was heard of (D 12.3)."""
        column, slots = self.table.columns, wave.slots
        macs = column["mac"][wave.handles]
        news = np.flatnonzero((wave.handles & 1 == OUT) & (column["met"][slots] == 0))
        if not len(news):
            return macs
        heard = news[np.append(True, slots[news][1:] != slots[news][:-1])]
        self._meet_many(burst, wave.rows[heard], slots[heard])
        since = np.full(len(wave.begin), len(wave.rows))
        since[wave.group[heard]] = heard
        return np.where(np.arange(len(wave.rows)) > since[wave.group], column["mac"][wave.handles], macs)

    def _meet_many(self, burst: Burst, rows: I64, slots: I64) -> None:
        """`meet` for many: few cases of MACs and real servers stand behind them."""
        heads, which = distinct_heads(burst, rows)
        answers, column = burst.answer[rows], self.table.columns
        reals = self._addresses(column["dest"][slots]) * answers  # other frames' MACs say it all
        cases = (reals * len(heads) + which) * 2 + answers
        first, case = groups(cases)
        shown = zip(slots[first].tolist(), which[first].tolist(), answers[first].tolist(), strict=True)
        macs = [self._macs_towards(slot, heads[head], answer) for slot, head, answer in shown]
        bare = self.table.bare(slots)
        for place in np.flatnonzero(~bare).tolist():
            self.meet(int(slots[place]), heads[which[place]], bool(answers[place]))
        entries = np.array([self.links.told(pair) for pair in macs])[case]
        column["mac"][2 * slots[bare]], column["met"][slots[bare]] = entries[bare], 1

    def _addresses(self, dests: Any) -> I64:
        """A number for the address of each real server, whichever worker's."""
        if len(self._numbers) != len(self.machine.dests):
            known = {dest.address: number for number, dest in enumerate(self.machine.dests.values())}
            self._numbers = {number: known[dest.address] for number, dest in self.machine.dests.items()}
            self._address_of = np.zeros(max(self._numbers, default=0) + 1, np.int64)
            self._address_of[list(self._numbers)] = list(self._numbers.values())
        numbers: I64 = self._address_of[dests]
        return numbers

    def _remember(self, burst: Burst, wave: Wave) -> Any:
        """Where the real servers' streams begin and stand (D 5.5); for each row, the first data byte as known then."""
        column, rows, slots = self.table.columns, wave.rows, wave.slots
        flags = burst.flags[rows]
        out = (wave.handles & 1 == OUT) & (column["full"][slots] == FULL_TCP)
        fdata = column["fdata"][slots]
        if not out.any():
            return fdata
        told, synack = out & (flags & RST == 0), out & (flags & (SYN | ACK) == SYN | ACK)
        ends = np.where(synack, burst.seq[rows] + np.uint32(1), burst.end[rows])
        moved = np.where(burst.answer[rows], column["delta"][slots], np.uint32(0))
        if told.any():
            self._remember_ends(slots[told], burst.ack[rows][told] + moved[told], ends[told])
        place = np.flatnonzero(synack)
        if len(place):
            latest = np.maximum.accumulate(np.where(synack, np.arange(len(rows)), -1))
            known = latest >= wave.begin[wave.group]
            fdata = np.where(known, ends[latest], fdata)
            column["fdata"][slots[place]] = ends[place]  # of equal slots the last that is written stays
            for slot in slots[place][~self.table.bare(slots[place])].tolist():
                self.table.made[slot].fdata = self.table.fdata[slot]
        return fdata

    def _begins(self, slot: int, end: int) -> None:
        """A SYN|ACK told the first data byte."""
        self.table.fdata[slot] = end
        conn = self.table.made.get(slot)
        if conn is not None:
            conn.fdata = end

    def _remember_ends(self, slots: I64, acks: Any, ends: Any) -> None:
        """Rows of real servers by connection, in order within each.

        An acknowledgement that is not behind the one before it wins, so mostly the last row does; connections
        whose acknowledgements go back are taken row by row.
        """
        column = self.table.columns
        first = np.append(True, slots[1:] != slots[:-1])
        before = np.where(first, column["rs_ack"][slots], np.append(np.uint32(0), acks[:-1]))
        back = ((acks - before).view(np.int32) < 0) & (before != 0)
        last = np.append(first[1:], True)
        if back.any():
            odd = np.isin(slots, slots[back])
            last &= ~odd
            for slot, ack, end in zip(slots[odd].tolist(), acks[odd].tolist(), ends[odd].tolist(), strict=True):
                self._remember_end(slot, ack, end)
        column["rs_ack"][slots[last]], column["rs_seq"][slots[last]] = acks[last], ends[last]

    def _remember_end(self, slot: int, ack: int, end: int) -> None:
        last = self.table.rs_ack[slot]
        if not last or not (ack - last) & 0x80000000:
            self.table.rs_ack[slot], self.table.rs_seq[slot] = ack, end

    # --- one row, in order -------------------------------------------------------------------------------------

    def after_one(self, side: int, step: int, state: int) -> int:
        """`after` of one row."""
        return self._rows_next[side][step][state]

    def move(self, slot: int, side: int, step: int) -> bool:
        """Change a connection's state, with all that hangs on it; whether it did change."""
        table = self.table
        old, conn = table.state[slot], table.made.get(slot)
        new = self.after_one(side, step, old)
        if new == old:
            return False
        if conn is not None:
            self.machine.changed(conn, old, new, self.machine.protocols[conn.proto])
        else:
            table.opener_of(slot).change(slot, old, new)
        return True

    def step(self, burst: Burst, row: int, handle: int, head: bytes) -> tuple[int, int]:
        """A row that may not wait, as `_take` would have it. Returns what it leaves with: MACs, first data byte."""
        table, slot, side = self.table, handle >> 1, handle & 1
        mac, fdata = table.mac[handle], table.fdata[slot]
        table.last_use[slot] = now = int(burst.time_ns[row])
        table.armed[slot] = itself(burst.first + row)
        if self.move(slot, side, int(burst.step[row])):
            self.machine.timers.arm(slot, now + table.timeout[slot])
        if side == OUT:
            answer = bool(burst.answer[row])
            if not table.met[slot]:
                self.meet(slot, head, answer)
            self._tell(burst, row, slot, answer)
        return mac, fdata

    def _tell(self, burst: Burst, row: int, slot: int, answer: bool) -> None:
        flags = int(burst.flags[row])
        if self.table.full[slot] != FULL_TCP:
            return
        ack = (int(burst.ack[row]) + (self.table.delta[slot] if answer else 0)) & 0xFFFFFFFF
        if flags & (SYN | ACK) == SYN | ACK:
            end = (int(burst.seq[row]) + 1) & 0xFFFFFFFF
            self._begins(slot, end)
        else:
            end = int(burst.end[row])
        if not flags & RST:
            self._remember_end(slot, ack, end)

    def meet(self, slot: int, head: bytes, answer: bool) -> None:
        """The first packet of the real server's side: its MACs are those the client's packets leave with."""
        macs = self._macs_towards(slot, head, answer)
        conn = self.table.made.get(slot)
        if conn is None:
            self.links.meet(slot, macs)
            return
        conn.in_seen = conn.in_seen or macs
        if self.links.may_be_fast(conn):
            conn.in_macs = conn.in_macs or macs
        self.links.refresh(conn)

    def _macs_towards(self, slot: int, head: bytes, answer: bool) -> Macs:
        if not answer:
            return head[6:12], head[0:6]
        real = self.machine.dests[self.table.dest[slot]].address
        return self._hops.get((real, head[6:12])) or self._hop(real, head[6:12])

    def _hop(self, real: bytes, source: bytes) -> Macs:
        """MACs towards *real*, as its frames would tell them; *source* is the answer's own."""
        port, hop = self.view.macs(real, source)
        made = self._hops[real, source] = hop, port
        return made

    def forget_hops(self) -> None:
        """A neighbour's MAC changed."""
        self._hops.clear()


def _tables(machine: Machine) -> Any:
    """New state by [side, step, state], for the modes whose answers pass here."""
    tables = np.zeros((2, UDP_STEP + 1, 1 << STATE_BITS), np.uint8)
    for side in (IN, OUT):
        for number, steps in ((TCP, range(256)), (UDP, range(UDP_STEP, UDP_STEP + 1))):
            protocol = machine.protocols[number]
            first = protocol.sides("fnat")[side] * len(protocol.events)
            for step in steps:
                row = protocol.next[first + protocol.event[step & 0xFF]]
                tables[side, step, : len(row)] = np.frombuffer(row, np.uint8)
    return tables
