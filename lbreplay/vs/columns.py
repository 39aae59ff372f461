"""The column path: ordinary packets of known connections, many at a time.

A row is *quiet* when nothing it does can be noticed by another row of its burst: its connection's state stays what it
is, its timer cannot go off before the burst ends, the other side is known already, and no row of the same connection
does any of this. What quiet rows do to their connection (last use, where the real server's stream stands) is the same
whatever stands between them, so it is done for all of them at once, before the ordered loop takes the others.

`claim` finds the connection of every ordinary row and takes the quiet ones; `step` is what the loop does with one that
is known but not quiet; `settle` does the bookkeeping of all rows that took either way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I32, I64, Bool, Burst
from lbreplay.verdict import Verdict
from lbreplay.vs.conn import FULL_TCP, IN, OTHER, OUT, Macs, reversed_flows
from lbreplay.vs.machine import ORDERS
from lbreplay.wire.packet import RST, SYN, TCP, UDP, Packet, reverse_key

if TYPE_CHECKING:
    from lbreplay.vs.links import Links
    from lbreplay.vs.machine import Machine
    from lbreplay.vs.view import View

Reverse = Callable[[Burst, I64], Any]  # the workers that rows would go to with their ends exchanged
MASK32 = 0xFFFFFFFF
NONE = -1
LOOKED_UP, MISSED = 1, 3  # codes of column `lookup` for a hit IN (OUT is one more) and for a miss


class Columns:
    """Finds and steps the connections of ordinary rows."""

    def __init__(self, machine: Machine, links: Links, view: View, reverse: Reverse) -> None:
        self.machine, self.links, self.view, self._reverse = machine, links, view, reverse
        self.table, self.cache = machine.table, machine.cache
        self._next = _tables(machine)
        self._serial = 0
        self._hops: dict[tuple[bytes, bytes], Macs] = {}
        self._mark = np.zeros(0, np.int64)  # by slot: the last burst in which a row of it was not quiet
        self._shared = machine.setup.conn.table == "shared"
        self._virtual = _sorted_services(view)
        local = [address for address in machine.stack.local_addresses() if len(address) == 4]
        self._local4 = np.frombuffer(b"".join(local), np.uint32)

    # --- who is whose ------------------------------------------------------------------------------------------

    def start(self, burst: Burst) -> None:
        """Columns of a burst: which rows are answers of a virtual address, and which connection each row has."""
        burst.handle = np.full(burst.size, NONE, np.int32)
        burst.mac = np.zeros(burst.size, np.int32)
        burst.fdata = np.zeros(burst.size, np.uint32)
        burst.delta = np.zeros(burst.size, np.uint32)
        burst.full = np.zeros(burst.size, np.uint8)
        burst.opened = np.zeros(burst.size, np.bool_)
        burst.answer = np.zeros(burst.size, np.bool_)
        burst.simple &= burst.worker >= 0
        burst.simple &= burst.l3_length <= self.links.shortest_mtu
        if self.view.name == "client":
            burst.answer = self._answers(burst)
        elif self.view.name == "lb":
            burst.simple &= ~self._own(burst)
        burst.simple &= burst.ours | burst.answer

    def _answers(self, burst: Burst) -> Bool:
        """Rows that come from the address and port of a service."""
        words = burst.flow4.view(np.uint32)
        place = words[:, 0].astype(np.uint64) | _half(words[:, 2]) << np.uint64(32) | _proto(burst.proto)
        found = np.isin(place, self._virtual) & (burst.family == 4)
        for row, flow in zip(burst.rows6.tolist(), burst.flow6, strict=True):
            place6 = int(burst.proto[row]), flow[:16].tobytes(), int(flow[32]) << 8 | int(flow[33])
            found[row] = place6 in self.view.virtual
        return np.asarray(found)

    def _own(self, burst: Burst) -> Bool:
        """Rows that come from an address of the balancer: what it sent."""
        own = np.isin(burst.flow4.view(np.uint32)[:, 0], self._local4) & (burst.family == 4)
        own[burst.rows6] = [self.view.is_local(flow[:16].tobytes()) for flow in burst.flow6]
        return np.asarray(own)

    def find(self, burst: Burst, rows: I64) -> I32:
        """A handle for each of *rows*, or -1 where only the dicts know."""
        flow4, proto = burst.flow4[rows], burst.proto[rows]
        place = np.searchsorted(rows, burst.rows6)
        place = np.minimum(place, len(rows) - 1)
        kept = rows[place] == burst.rows6 if len(burst.rows6) else np.zeros(0, np.bool_)
        rows6, flow6 = place[kept], burst.flow6[kept]
        answer = burst.answer[rows]
        if answer.any():
            flow4 = np.where(answer[:, None], reversed_flows(flow4), flow4)
            if len(rows6):
                flow6 = np.where(answer[rows6][:, None], reversed_flows(flow6), flow6)
        flow4, flow6 = np.ascontiguousarray(flow4), np.ascontiguousarray(flow6)
        handles = self.cache.find(flow4, proto, rows6, flow6)
        turned = answer & (handles >= 0)
        handles[turned & (handles & 1 == OUT)] = NONE
        handles[turned & (handles >= 0)] |= 1
        return handles

    # --- quiet rows --------------------------------------------------------------------------------------------

    def claim(self, burst: Burst, start: int, stop: int) -> I64:
        """Take the quiet rows of [start, stop); the rest, ascending, is the ordered loop's."""
        rows = start + np.flatnonzero(burst.simple[start:stop])
        if not len(rows) or not self.table.live:
            return np.arange(start, stop)
        handles = self.find(burst, rows)
        column = self.table.columns
        slots = handles >> 1
        owned = (column["rank"][slots] == burst.worker[rows]) | burst.answer[rows] | self._shared
        found = (handles >= 0) & owned & (column["full"][slots] != OTHER)
        handles[~found] = NONE
        burst.handle[rows] = handles
        quiet = found & self._unchanging(burst, rows, handles) & self._lasting(slots, int(burst.time_ns[stop - 1]))
        if quiet.any():
            quiet &= self._alone(burst, rows, handles, slots, quiet, start, stop)
        taken = rows[quiet]
        self._use(burst, taken, handles[quiet])
        left = np.ones(stop - start, np.bool_)
        left[taken - start] = False
        return start + np.flatnonzero(left)

    def _unchanging(self, burst: Burst, rows: I64, handles: I32) -> Bool:
        """Rows that leave their connection's state as it is, and tell nothing new of the other side."""
        column, slots, sides = self.table.columns, handles >> 1, handles & 1
        flags = burst.flags[rows]
        state = column["state"][slots]
        kind = (burst.proto[rows] == UDP).astype(np.intp)
        same = self._next[kind, sides, flags, state] == state
        plain_flags = flags & (SYN | RST) == 0
        news = (sides == OUT) & (column["met"][slots] == 0)
        return np.asarray(same & plain_flags & ~news & (column["mac"][handles] >= 0))

    def _lasting(self, slots: I32, end: int) -> Bool:
        """Connections whose timers cannot go off before *end*, whatever their rows do."""
        column = self.table.columns
        return np.asarray(column["last_use"][slots] + column["timeout"][slots] > end)

    def _alone(
        self, burst: Burst, rows: I64, handles: I32, slots: I32, quiet: Bool, start: int, stop: int
    ) -> Bool:
        """Rows whose connection has no row in this burst that is not quiet."""
        self._serial += 1
        if len(self._mark) < self.table.capacity:
            self._mark = np.zeros(self.table.capacity, np.int64)
        self._mark[slots[(handles >= 0) & ~quiet]] = self._serial
        self._look_up(burst, rows[handles < 0])
        for slot in self._touched(burst, start, stop):
            self._mark[slot] = self._serial
        return np.asarray(self._mark[slots] != self._serial)

    def _look_up(self, burst: Burst, unknown: I64) -> None:
        """Ordinary rows that the cache does not know: where a worker's dict does, their connections are not quiet."""
        finds = [lcore.find for lcore in self.machine.lcores]
        redirect = self.machine.redirect
        for key, worker in zip(self.keys(burst, unknown), self.askers(burst, unknown).tolist(), strict=True):
            handle = finds[worker].get(key)
            if handle is None and redirect and (owner := redirect.get(key)) is not None:
                handle = finds[owner].get(key)
            if handle is not None:
                self._mark[handle >> 1] = self._serial

    def _touched(self, burst: Burst, start: int, stop: int) -> list[int]:
        """Slots that odd rows may use."""
        finds, slots, keys = [lcore.find for lcore in self.machine.lcores], [], list[bytes]()
        for row in np.flatnonzero(~burst.simple[start:stop] & (burst.family[start:stop] != 0)).tolist():
            key = self.packet(burst, start + row).key
            keys += [key, reverse_key(key)] if len(key) in (13, 37) else []
        for key in keys:
            slots += [handle >> 1 for find in finds if (handle := find.get(key)) is not None]
        return slots

    def _use(self, burst: Burst, rows: I64, handles: I32) -> None:
        """What quiet rows do to their connections: the last one of each counts."""
        if not len(rows):
            return
        column, slots = self.table.columns, handles >> 1
        burst.mac[rows] = column["mac"][handles]
        burst.fdata[rows] = column["fdata"][slots]
        order = np.argsort(slots, kind="stable")
        sorted_slots = slots[order]
        last = order[np.flatnonzero(np.append(sorted_slots[1:] != sorted_slots[:-1], True))]
        column["last_use"][slots[last]] = burst.time_ns[rows[last]]
        column["armed"][slots[last]] = (burst.first + rows[last]) * ORDERS + ORDERS // 2
        out = order[(handles[order] & 1 == OUT) & (column["full"][sorted_slots] == FULL_TCP)]
        if len(out):
            self._remember_ends(burst, rows[out], slots[out])

    def _remember_ends(self, burst: Burst, rows: I64, slots: I32) -> None:
        """Where the real servers' streams stand (D 5.5 a): rows by connection, in order within each.

        An acknowledgement that is not behind the one before it wins, so mostly the last row does; connections
        whose acknowledgements go back are taken row by row.
        """
        column = self.table.columns
        acks, ends = self.acks(burst, rows, slots), stream_ends(burst, rows)
        first = np.append(True, slots[1:] != slots[:-1])
        before = np.where(first, column["rs_ack"][slots], np.append(np.uint32(0), acks[:-1]))
        back = ((acks - before).view(np.int32) < 0) & (before != 0)
        odd = np.isin(slots, slots[back])
        last = np.append(first[1:], True) & ~odd
        column["rs_ack"][slots[last]], column["rs_seq"][slots[last]] = acks[last], ends[last]
        for slot, ack, end in zip(slots[odd].tolist(), acks[odd].tolist(), ends[odd].tolist(), strict=True):
            self.remember_end(slot, ack, end)

    def remember_end(self, slot: int, ack: int, end: int) -> None:
        """One packet of the real server that is no RST (D 5.5 a)."""
        last = self.table.rs_ack[slot]
        if not last or not (ack - last) & 0x80000000:
            self.table.rs_ack[slot], self.table.rs_seq[slot] = ack, end

    def acks(self, burst: Burst, rows: I64, slots: I32) -> Any:
        """Acknowledgements as the real server sent them."""
        moved = np.where(burst.answer[rows], self.table.columns["delta"][slots], 0).astype(np.uint32)
        return burst.ack[rows] + moved

    # --- rows of the ordered loop ------------------------------------------------------------------------------

    def keys(self, burst: Burst, rows: I64) -> list[bytes]:
        """Keys of ordinary rows as the dicts have them; of answers, their clients'."""
        flow4 = np.where(burst.answer[rows][:, None], reversed_flows(burst.flow4[rows]), burst.flow4[rows])
        keys = np.empty((len(rows), 13), np.uint8)
        keys[:, 0], keys[:, 1:] = burst.proto[rows], flow4
        made: list[bytes] = keys.view("V13").ravel().tolist()
        for at in np.flatnonzero(burst.family[rows] == 6).tolist():
            row = int(rows[at])
            key = b"%c" % int(burst.proto[row]) + burst.flow6[np.searchsorted(burst.rows6, row)].tobytes()
            made[at] = reverse_key(key) if burst.answer[row] else key
        return made

    def askers(self, burst: Burst, rows: I64) -> Any:
        """The worker that has each row's connection, if any has: of an answer, the one its client's packets go to."""
        workers = burst.worker[rows]
        turned = np.flatnonzero(burst.answer[rows] & (burst.handle[rows] < 0))
        if len(turned):
            workers[turned] = self._reverse(burst, rows[turned])
        return workers

    def meet(self, slot: int, head: bytes, answer: bool) -> None:
        """The first packet of the real server's side: its MACs are those the client's packets leave with."""
        macs = (head[6:12], head[0:6])
        if answer:
            real = self.machine.dests[self.table.dest[slot]].address
            macs = self._hops.get((real, head[6:12])) or self._hop(real, head[6:12])
        conn = self.table.made[slot]
        if conn is None:
            self.links.meet(slot, macs)
            return
        conn.in_seen = conn.in_seen or macs
        if self.links.may_be_fast(conn):
            conn.in_macs = conn.in_macs or macs
        self.links.refresh(conn)

    def _hop(self, real: bytes, source: bytes) -> Macs:
        """MACs towards *real*, as its frames would tell them; *source* is the answer's own."""
        port, hop = self.view.macs(real, source)
        made = self._hops[real, source] = hop, port
        return made

    def forget_hops(self) -> None:
        """A neighbour's MAC changed."""
        self._hops.clear()

    # --- afterwards --------------------------------------------------------------------------------------------

    def settle(self, burst: Burst, start: int, stop: int) -> None:
        """Verdicts, counters and what rewriting needs, of all rows of [start, stop) that took the columns."""
        rows = start + np.flatnonzero(burst.handle[start:stop] >= 0)
        if not len(rows):
            return
        column, handles = self.table.columns, burst.handle[rows]
        slots, sides = handles >> 1, handles & 1
        fast = self.links.fast[burst.mac[rows]]
        burst.verdict[rows] = np.where(fast, np.uint8(Verdict.FORWARDED_FAST), np.uint8(Verdict.FORWARDED_SLOW))
        burst.lookup[rows] = np.where(burst.opened[rows], MISSED, LOOKED_UP + sides)
        burst.owner[rows] = column["rank"][slots]
        burst.delta[rows], burst.full[rows] = column["delta"][slots], column["full"][slots]
        burst.leaving[rows] = True
        self._bring_home(burst, rows, slots)
        self._count(burst, rows, column["dest"][slots].astype(np.int64) * 2 + sides)

    def _bring_home(self, burst: Burst, rows: I64, slots: I32) -> None:
        """Answers are received where the NIC steers them."""
        turned = burst.answer[rows]
        if not turned.any():
            return
        rows, homes = rows[turned], self.table.columns["home"][slots[turned]]
        burst.queue[rows], burst.worker[rows], burst.by[rows], burst.reta[rows], burst.rule[rows] = self.links.homes[homes].T
        burst.hash[rows] = self.table.columns["home_hash"][slots[turned]]

    def _count(self, burst: Burst, rows: I64, places: I64) -> None:
        packets = np.bincount(places)
        octets = np.bincount(places, burst.l3_length[rows])
        for place in np.flatnonzero(packets).tolist():
            self.machine.dests[place >> 1].count(place & 1, int(packets[place]), int(octets[place]))

    def packet(self, burst: Burst, row: int) -> Packet:
        """*row* for the plain path."""
        n, now = burst.first + row, int(burst.time_ns[row])
        return Packet(burst.frame(row), int(burst.length[row]), now, n, row, int(burst.worker[row]))


def stream_ends(burst: Burst, rows: I64) -> Any:
    """Sequence number behind each segment, as DPVS counts it: of IPv6 mostly 40 too many (D 5.5 a)."""
    header = (burst.buffer[burst.at[rows] + 14] & 15).astype(np.int32) * 4
    return burst.seq[rows] + (burst.l3_length[rows] - header - burst.header[rows]).astype(np.uint32)


def _tables(machine: Machine) -> Any:
    """New state by [TCP or UDP, side, flags, state], for the modes whose answers pass here."""
    tables = np.zeros((2, 2, 256, 16), np.uint8)
    for kind, number in enumerate((TCP, UDP)):
        protocol = machine.protocols[number]
        for side in (IN, OUT):
            columns = protocol.sides("fnat")[side]
            for flags in range(256):
                event = protocol.event[flags]
                row = protocol.next[columns * len(protocol.events) + event]
                tables[kind, side, flags, : len(row)] = np.frombuffer(row, np.uint8)
    return tables


def _sorted_services(view: View) -> Any:
    """IPv4 services as one number each: address, port, protocol as `_answers` puts them."""
    numbers = [
        int.from_bytes(address, "little") | (port >> 8 | (port & 0xFF) << 8) << 32 | proto << 48
        for proto, address, port in view.virtual
        if len(address) == 4
    ]
    return np.array(sorted(numbers), np.uint64)


def _half(ports: Any) -> Any:
    return (ports & 0xFFFF).astype(np.uint64)


def _proto(proto: Any) -> Any:
    return proto.astype(np.uint64) << np.uint64(48)
