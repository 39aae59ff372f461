"""The column path: ordinary packets of known connections, many at a time.

Most rows need no order: a row only steps its own connection, so rows of different connections may be taken together,
and rows of one connection in turn (`waves.py`). What has to stay in order is what connections share: schedulers,
local ports, the timers that give them back, the counts that wlc reads. So the ordered loop keeps the rows that open
connections and those that need the plain path, and everything else waits here until somebody has to see it: the end
of the segment, or an odd packet of a connection that has rows waiting (`flush`).

A row may wait when its connection cannot expire before the segment ends, whatever waits with it. Where a service counts
active connections (`watched`: wlc, or a passive check), a change of state is made in its turn (`move`), the rest waits.

Measured: without waiting a run takes four times as long on a few long connections, seven times on short ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I32, I64, Bool, Burst, ascending
from lbreplay.verdict import Verdict
from lbreplay.vs.conn import OTHER, OUT
from lbreplay.vs.index import BORN, endpoint, endpoints, tuple_words, turned4, words4
from lbreplay.vs.machine import before, itself
from lbreplay.vs.waves import UDP_STEP, Changes, Waves, slots_of
from lbreplay.wire.fields import overlay, reversed_flows
from lbreplay.wire.packet import ETH_ARP, ETH_VLAN, ICMP, ICMPV6, UDP, Packet, reverse_key

if TYPE_CHECKING:
    from lbreplay.vs.links import Links
    from lbreplay.vs.machine import Machine
    from lbreplay.vs.view import View

Reverse = Callable[[Burst, I64], Any]  # the workers that rows would go to with their ends exchanged
NONE = -1
LOOKED_UP, MISSED = 1, 3  # codes of column `lookup` for a hit IN (OUT is one more) and for a miss


class Columns:
    """Finds and steps the connections of ordinary rows."""

    def __init__(self, machine: Machine, links: Links, view: View, reverse: Reverse) -> None:
        self.machine, self.links, self.view, self._reverse = machine, links, view, reverse
        self.table, self.index = machine.table, machine.index
        self.waves = Waves(machine, links, view)
        self._shared = machine.setup.conn.table == "shared"
        self._virtual = _sorted_services(view)
        self._virtual6 = [(proto, address, port) for proto, address, port in view.virtual if len(address) == 16]
        self._serial = 0
        self._rows: I64 = np.zeros(0, np.int64)  # rows that wait, ascending
        self._handles: I32 = np.zeros(0, np.int32)
        self._deferred: list[tuple[int, int]] = []  # (row, handle) that joined them since
        self.missed: Bool = np.zeros(0, np.bool_)  # rows whose tuple nobody had when their segment began
        self.movers: I64 = np.zeros(0, np.int64)  # rows that might wait, but for somebody who counts their states
        self._counted = np.zeros((2, 0), np.int64)  # packets and bytes of L3, by 2 * real server + side
        self.end_ns = 0  # connections that outlive this may wait
        self.long = False  # the segment is longer than some timeout, so none may

    # --- who is whose ------------------------------------------------------------------------------------------

    def prepare(self, burst: Burst) -> None:
        """What rows tell without their connections: which are answers of a virtual address, which are ordinary, whose
        tuple they have. Nothing is asked that a replay changes, so it may be done long before."""
        burst.simple &= burst.worker >= 0
        burst.simple &= burst.l3_length <= self.links.shortest_mtu
        burst.answer = np.zeros(burst.size, np.bool_)
        if self.view.name == "client":
            burst.answer = self._answers(burst)
        elif self.view.name == "lb":
            burst.simple &= ~self.view.own(burst)
        burst.simple &= burst.ours | burst.answer
        burst.step = np.where(burst.proto == UDP, np.uint16(UDP_STEP), burst.flags)
        burst.macs = overlay(burst.buffer, 12)[burst.at].view(np.uint8).reshape(-1, 12)
        burst.end = _stream_ends(burst)
        self._tuples(burst)

    def _tuples(self, burst: Burst) -> None:
        """The words that rows are looked up by; of answers, their clients'."""
        words: tuple[Any, ...] = words4(burst.flow4, burst.proto)
        if burst.answer.any():
            back = turned4(*words)
            words = tuple(np.where(burst.answer, turned, there) for turned, there in zip(back, words, strict=True))
        burst.word0, burst.word1 = words
        rows, flow6 = burst.rows6, burst.flow6
        flow6 = np.ascontiguousarray(np.where(burst.answer[rows][:, None], reversed_flows(flow6), flow6))
        burst.word0[rows], burst.word1[rows], burst.wide = tuple_words(flow6, burst.proto[rows])

    def start(self, burst: Burst) -> None:
        """The columns that are filled here."""
        burst.handle = np.full(burst.size, NONE, np.int32)
        burst.mac = np.zeros(burst.size, np.int32)
        burst.fdata = np.zeros(burst.size, np.uint32)
        burst.delta = np.zeros(burst.size, np.uint32)
        burst.full = np.zeros(burst.size, np.uint8)
        burst.opened = np.zeros(burst.size, np.bool_)
        burst.moved = np.zeros(burst.size, np.bool_)

    def _answers(self, burst: Burst) -> Bool:
        """Rows that come from the address and port of a service."""
        words = burst.flow4.view(np.uint32)
        place = endpoints(words[:, 0], words[:, 2] & 0xFFFF, burst.proto)
        found = np.isin(place, self._virtual) & (burst.family == 4)
        for proto, address, port in self._virtual6:
            place6 = np.frombuffer(address + port.to_bytes(2), np.uint8)
            same = (burst.flow6[:, [*range(16), 32, 33]] == place6).all(1) & (burst.proto[burst.rows6] == proto)
            found[burst.rows6[same]] = True
        return np.asarray(found)

    def find(self, burst: Burst, rows: I64) -> I32:
        """The handle of somebody who has each row's tuple (an answer's client's, then its answering side), or -1."""
        answer = burst.answer[rows]
        handles = self.index.find(burst.word0[rows], burst.word1[rows])
        if len(burst.rows6):
            six = np.flatnonzero(burst.family[rows] == 6)
            wide = burst.wide[np.searchsorted(burst.rows6, rows[six])]
            handles[six] = self.index.find(burst.word0[rows[six]], burst.word1[rows[six]], wide)
        if answer.any():
            there = answer & (handles >= 0)
            handles[there & (handles & 1 == OUT)] = NONE
            handles[there & (handles >= 0)] |= 1
        return handles

    def keys(self, burst: Burst, rows: I64) -> list[bytes]:
        """Keys of ordinary rows as the dicts have them; of answers, their clients'."""
        flow4, answers = burst.flow4.take(rows, 0), np.flatnonzero(burst.answer[rows])
        flow4[answers] = reversed_flows(flow4.take(answers, 0))
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

    # --- who may wait ------------------------------------------------------------------------------------------

    def claim(self, burst: Burst, start: int, stop: int) -> I64:
        """Let the rows of [start, stop) wait that may; the rest, ascending, is the ordered loop's."""
        self._begin(int(burst.time_ns[start]), int(burst.time_ns[stop - 1]))
        rows = start + np.flatnonzero(burst.simple[start:stop])
        self.missed, self.movers = np.ones(burst.size, np.bool_), rows[:0]
        if not len(rows) or not self.table.live:
            return np.arange(start, stop)
        handles = self.find(burst, rows)
        self.missed[rows] = handles < 0
        column, slots = self.table.columns, slots_of(handles)
        handles[~self._owned(burst, rows, handles, slots)] = NONE
        burst.handle[rows] = handles
        waits = (handles >= 0) & self.outlives(slots) & (column["mac"][handles] >= 0)
        still = self._still(burst, rows, handles, slots, waits)
        self.movers = rows[waits & ~still]
        waits &= still
        self._rows, self._handles = rows[waits], handles[waits]
        column["mark"][slots[waits]] = self._serial
        left = np.ones(stop - start, np.bool_)
        left[self._rows - start] = False
        return start + np.flatnonzero(left)

    def _owned(self, burst: Burst, rows: I64, handles: I32, slots: I64) -> Bool:
        """Whether the worker that received each row has what was found, and nobody can have it besides."""
        column = self.table.columns
        owned = (column["rank"][slots] == burst.worker[rows]) | burst.answer[rows] | self._shared
        return np.asarray((handles >= 0) & owned & (column["full"][slots] != OTHER))

    def join(self, burst: Burst, rows: I64, counted: bool = False) -> I64:
        """Let rows wait that follow the row which opened their connection a moment ago; the others are still left.

        Without this every row of a new connection goes through the loop in its first burst: 60 % of short datagrams.
        *counted*: whoever counts states is told of them all by `change`, so those of watched connections wait too.
        """
        if counted:
            self._wait(self.movers, burst.handle[self.movers])
            rows = rows[~np.isin(rows, self.movers, assume_unique=True)]
        some = rows[burst.simple[rows] & self.missed[rows]]
        if not len(some) or self.long:
            return rows
        handles = self.find(burst, some)
        column, slots = self.table.columns, slots_of(handles)
        behind = column["armed"][slots] < before(burst.first + some)
        waits = self._owned(burst, some, handles, slots) & behind & (column["mac"][handles] >= 0)
        waits &= (column["watched"][slots] == 0) | counted
        waits &= column["alive"][slots] != BORN
        waits &= self.outlives(slots)
        self._wait(some[waits], handles[waits])
        return rows[~np.isin(rows, some[waits], assume_unique=True)]

    def _wait(self, rows: I64, handles: I32) -> None:
        """`defer` for many."""
        self._rows, self._handles = np.concatenate([self._rows, rows]), np.concatenate([self._handles, handles])
        order = ascending(self._rows)
        self._rows, self._handles = self._rows[order], self._handles[order]
        self.table.columns["mark"][handles >> 1] = self._serial

    def _begin(self, first: int, last: int) -> None:
        """A new segment, in which nothing waits yet; in a long one nothing may."""
        self.index.flush()  # what has no handle now is new
        self._serial += 1
        self.long = last - first >= self.machine.shortest_timeout
        self.end_ns = 1 << 62 if self.long else last

    def _still(self, burst: Burst, rows: I64, handles: I32, slots: I64, found: Bool) -> Bool:
        """Rows of services that nobody counts, and of connections none of whose rows changes its state."""
        column = self.table.columns
        watched = found & (column["watched"][slots] != 0)
        if not watched.any():
            return np.ones(len(rows), np.bool_)
        state = column["state"][slots]
        changing = watched & (self.waves.after(handles & 1, burst.step[rows], state) != state)
        column["mark"][slots[changing]] = -self._serial
        still = np.asarray(column["mark"][slots] != -self._serial)
        column["still"][slots[watched & still]] = self._serial
        return still

    def outlives(self, slots: I64) -> Bool:
        """Which connections cannot expire before the segment ends."""
        return np.asarray(self.table.deadlines(slots) > self.end_ns)

    def may_wait(self, slot: int) -> bool:
        """Whether a row that was not known when the segment began may join those that wait."""
        table = self.table
        return bool(table.full[slot] != OTHER and table.last_use[slot] + table.timeout[slot] > self.end_ns)

    def defer(self, row: int, handle: int) -> None:
        """Let a row of the ordered loop wait too."""
        self._deferred.append((row, handle))
        self.table.mark[handle >> 1] = self._serial

    def move(self, burst: Burst, row: int, handle: int, step: int, now: int) -> None:
        """Change the state in order where a service counts its active connections; the rest of the row may wait."""
        table, slot = self.table, handle >> 1
        if table.still[slot] == self._serial:
            self.flush(burst, row)
        burst.moved[row] = True
        if not self.waves.move(slot, handle & 1, step):
            return
        table.last_use[slot], table.armed[slot] = now, itself(burst.first + row)
        self.machine.timers.arm(slot, now + table.timeout[slot])

    def waits(self, slot: int) -> bool:
        """Whether rows of a connection wait."""
        return bool(self.table.mark[slot] == self._serial)

    def concerns(self, packet: Packet) -> bool:
        """Whether an odd packet may see a connection that has rows waiting, or teach a MAC they would leave with."""
        if not (len(self._rows) or self._deferred):
            return False
        if packet.ethertype in (ETH_ARP, ETH_VLAN) or packet.proto in (ICMP, ICMPV6):
            return True
        if not packet.family:
            return False
        key = packet.key
        keys = (key, reverse_key(key)) if len(key) in (13, 37) else ()
        handles = [lcore.find.get(key) for key in keys for lcore in self.machine.lcores]
        return any(self.waits(handle >> 1) for handle in handles if handle is not None)

    def withdraw(self) -> list[int]:
        """The rows that may wait no longer, ascending: their side has taken to the plain path meanwhile."""
        self._settle_deferred()
        plain = self.table.columns["mac"][self._handles] < 0
        rows, self._rows, self._handles = self._rows[plain], self._rows[~plain], self._handles[~plain]
        withdrawn: list[int] = rows.tolist()
        return withdrawn

    def _settle_deferred(self) -> None:
        if self._deferred:
            rows, handles = np.array(self._deferred).T
            self._deferred.clear()
            self._wait(rows, handles.astype(np.int32))

    def flush(self, burst: Burst, row: int) -> None:
        """Take all waiting rows before *row*."""
        self._settle_deferred()
        cut = int(np.searchsorted(self._rows, row))
        rows, handles = self._rows[:cut], self._handles[:cut]
        self._rows, self._handles = self._rows[cut:], self._handles[cut:]
        if cut:
            burst.handle[rows] = handles
            self.waves.take(burst, rows, handles)

    def change(self, burst: Burst) -> Changes:
        """Change the states that all waiting rows change, for who counts them to know. The rows wait on."""
        return self.waves.change(burst, self._rows, self._handles)

    # --- afterwards --------------------------------------------------------------------------------------------

    def settle(self, burst: Burst, start: int, stop: int) -> None:
        """Verdicts, counters and what rewriting needs, of all rows of [start, stop) that took the columns."""
        rows = start + np.flatnonzero(burst.handle[start:stop] >= 0)
        if not len(rows):
            return
        column, handles = self.table.columns, burst.handle[rows]
        slots, sides = slots_of(handles), handles & 1
        fast = self.links.fast[burst.mac[rows]]
        burst.verdict[rows] = np.where(fast, np.uint8(Verdict.FORWARDED_FAST), np.uint8(Verdict.FORWARDED_SLOW))
        burst.lookup[rows] = np.where(burst.opened[rows], MISSED, LOOKED_UP + sides)
        burst.delta[rows], burst.full[rows] = column["delta"][slots], column["full"][slots]
        burst.leaving[rows] = True
        self._bring_home(burst, rows, slots)
        burst.owner[rows] = burst.worker[rows]
        self._count_packets(burst, rows, column["dest"][slots] * 2 + sides)

    def _bring_home(self, burst: Burst, rows: I64, slots: I64) -> None:
        """Answers are received where the NIC steers them."""
        turned = np.flatnonzero(burst.answer[rows])
        if not len(turned):
            return
        rows, slots = rows[turned], slots[turned]
        homes = self.links.homes[self.table.columns["home"][slots]]
        for name, values in zip(("queue", "worker", "by", "reta", "rule"), homes.T, strict=True):
            getattr(burst, name)[rows] = values
        burst.hash[rows] = self.table.columns["home_hash"][slots]

    def _count_packets(self, burst: Burst, rows: I64, places: I64) -> None:
        """Packets and bytes by real server and side, until somebody asks: one call each a segment adds up."""
        packets = np.bincount(places, minlength=self._counted.shape[1])
        if len(packets) > self._counted.shape[1]:
            self._counted = np.pad(self._counted, ((0, 0), (0, len(packets) - self._counted.shape[1])))
        self._counted += packets, np.bincount(places, burst.l3_length[rows], len(packets)).astype(np.int64)

    def tell_servers(self) -> None:
        """Give real servers what was counted for them."""
        some = np.flatnonzero(self._counted[0])
        for place, packets, octets in zip(some.tolist(), *self._counted[:, some].tolist(), strict=True):
            self.machine.dests[place >> 1].count(place & 1, packets, octets)
        self._counted[:] = 0

    def packet(self, burst: Burst, row: int) -> Packet:
        """*row* for the plain path."""
        n, now = burst.first + row, int(burst.time_ns[row])
        return Packet(burst.frame(row), int(burst.length[row]), now, n, row, int(burst.worker[row]))


def _stream_ends(burst: Burst) -> Any:
    """Sequence number behind each segment, as DPVS counts it: of IPv6 mostly 40 too many (D 5.5 a)."""
    header = np.full(burst.size, 20, np.int32)
    header[burst.rows6] = (burst.buffer[burst.at[burst.rows6] + 14] & 15).astype(np.int32) * 4
    return burst.seq + (burst.l3_length - header - burst.header).astype(np.uint32)


def _sorted_services(view: View) -> Any:
    """IPv4 services as one number each: address, port, protocol as `_answers` puts them."""
    return np.array(sorted(endpoint(*one) for one in view.virtual if len(one[1]) == 4), np.uint64)
