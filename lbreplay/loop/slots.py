"""What every packet of a connection asks for, in columns by slot; mac by handle (2 * slot + side). Who owns the columns
(dpvs/conn.py) says which of them stand together.

alive u1 (0: free), state u1, timeout last_use i8 (ns), armed i8 (order of last use), number i8 (1: the first)
look i8 (the timers' own)
rank i2, dest i4 (its id), pair i4 (what it is made of: `opener.Pair`; 0: the plain path opened it)
delta u4, fdata u4 (sequence delta, first data byte: D 5.4), full u1 (FULL_*)
met u1 (bits of loop/names.py: MET and those beside it), rs_seq rs_ack u4 (D 5.5 a)
limit i2 (row of the table of timeouts), fraction i4 (ns of its timeouts below a second, D 2.5)
control i4 (1 + slot of the template that chose its real server, 0: none; of a template -1: it is found no more)
controlled i4 (of a template: the connections it has)
isn u4 (of the client, as the real server sees it; where proxy headers are put in)
trail i2 (datagrams still to come that leave by the slow path; all but the last tell the client's address, D 7.4)
client server i4 (1 + entry of dpvs/links that the side's first frame told, 0: none came yet), back forth i4 (1 + entry
    that the fast path learned of the client, of the real server, 0: not yet); these of connections without a Conn
home i4, home_hash u4 (where the NIC sends its answers: entry of dpvs/links; client view)
mac i4 (entry of dpvs/links that a side's packets leave with; below 0: the plain path, minus the reason, loop/ways.py)
"""

from __future__ import annotations

from typing import Any

from lbreplay import memory
from lbreplay.loop.syn import Proxied
from lbreplay.loop.timers import Timers


class Stack:
    """Numbers of slots, the last one first."""

    def __init__(self) -> None:
        self.size = 0
        self._slots = memory.zeros("i", 16)

    def push(self, slot: int) -> None:
        """Put one on top."""
        if self.size == len(self._slots):
            self._slots = memory.grown(self._slots, 2 * self.size)
        self._slots[self.size] = slot
        self.size += 1

    def pop(self) -> int:
        """Take the one on top, which is there."""
        self.size -= 1
        return self._slots[self.size]

    def clear(self, records: Any, size: int) -> None:
        """All numbers are 0 of their *records*, *size* each."""
        for at in range(self.size):
            first = self._slots[at] * size
            for place in range(first, first + size):
                records[place] = 0

    def take(self, other: Stack) -> None:
        """All of another, which is empty then."""
        for at in range(other.size):
            self.push(other._slots[at])
        other.size = 0


class Slots:
    """Slots of connections. A freed one is used again after its burst only, for rows refer to it."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.used = 0  # slots that ever had a connection
        self.live = self.created = self.capacity = 0
        self._free, self._freed = Stack(), Stack()
        self.made: dict[int, Any] = {}  # the Conn of each slot that somebody asked for one
        self.proxied: dict[int, Proxied] = {}  # what is remembered of each slot behind a SYN proxy (BEHIND)

    def point(self, columns: dict[str, Any]) -> None:
        """Where the columns are now."""
        self.alive, self.state = memoryview(columns["alive"]), memoryview(columns["state"])
        self.full, self.met = memoryview(columns["full"]), memoryview(columns["met"])
        self.timeout, self.last_use = memoryview(columns["timeout"]), memoryview(columns["last_use"])
        self.armed, self.number = memoryview(columns["armed"]), memoryview(columns["number"])
        self.rank, self.limit = memoryview(columns["rank"]), memoryview(columns["limit"])
        self.dest, self.pair = memoryview(columns["dest"]), memoryview(columns["pair"])
        self.fraction, self.trail = memoryview(columns["fraction"]), memoryview(columns["trail"])
        self.isn = memoryview(columns["isn"])
        self.control, self.controlled = memoryview(columns["control"]), memoryview(columns["controlled"])
        self.client, self.server = memoryview(columns["client"]), memoryview(columns["server"])
        self.back, self.forth = memoryview(columns["back"]), memoryview(columns["forth"])
        self.home, self.home_hash = memoryview(columns["home"]), memoryview(columns["home_hash"])
        self.delta, self.fdata = memoryview(columns["delta"]), memoryview(columns["fdata"])
        self.rs_seq, self.rs_ack = memoryview(columns["rs_seq"]), memoryview(columns["rs_ack"])
        self.mac = memoryview(columns["mac"])
        self.timers.point(columns)

    def grow(self) -> None:
        """More room; `point` says where."""
        raise NotImplementedError

    def take(self, dest: int, rank: int) -> int:
        """A slot and a number for a new connection; its other columns are 0."""
        if self._free.size:
            slot = self._free.pop()
        else:
            slot = self.used
            self.used += 1
            if self.used > self.capacity:
                self.grow()
        self.live += 1
        self.created += 1
        self.alive[slot], self.dest[slot], self.rank[slot], self.number[slot] = 1, dest, rank, self.created
        return slot

    def free_slot(self, slot: int) -> None:
        """Empty a slot. Its columns stay as they are until the burst is over: rows refer to them."""
        self.alive[slot] = 0
        self.timers.drop(slot)
        if self.made:
            self.made.pop(slot, None)
        if self.proxied:
            self.proxied.pop(slot, None)
        self._freed.push(slot)
        self.live -= 1
