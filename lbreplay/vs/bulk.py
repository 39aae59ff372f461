"""Many ordinary connections at once: what a flood of first packets opens, and what expires, in columns (D 2.4, D 11).

Whoever opens a connection takes the next real server, the next local address and the next port, so the n-th of a
segment takes the n-th of each: cursors advance by n, and ports are slices of what was never used. That holds while
nothing else on the worker opens connections between them, every real server may be picked, and the fresh ports last;
`prepare` sees to it before anything moves, and leaves the rows to the ordered loop where it is not so. What is opened
so is *born* in its turn: a row finds a connection only behind the row that opened it.

Connections that end in silence give back what they took in the order of their ends, which matters to ports alone.

Measured: half the time of a run of nothing but first packets, a sixth of one of short connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lbreplay.burst import I64, Bool, Burst, groups
from lbreplay.vs.conn import FULL_TCP
from lbreplay.vs.index import SIX, words4
from lbreplay.vs.links import PLAIN
from lbreplay.vs.machine import ORDERS
from lbreplay.wire.fields import overlay
from lbreplay.wire.packet import TCP

if TYPE_CHECKING:
    from lbreplay.vs.columns import Columns
    from lbreplay.vs.machine import Machine
    from lbreplay.vs.opener import Opener, Openers, Taken

FEW = 16  # rows of a worker below which the loop is as fast


class Batch(NamedTuple):
    """Connections that have everything but their birth: the rows that open them, ascending, and their slots."""

    rows: I64
    slots: I64


NOBODY = Batch(np.zeros(0, np.int64), np.zeros(0, np.int64))


class Bulk:
    """Opens the connections of a segment's first packets, and ends those whose time is up."""

    def __init__(self, machine: Machine, openers: Openers, columns: Columns) -> None:
        self.machine, self.openers, self.columns = machine, openers, columns
        self._established = machine.protocols[TCP].states.index("established")

    # --- opening -------------------------------------------------------------------------------------------------

    def prepare(self, burst: Burst, rows: I64, first: Bool) -> Batch:
        """Those first packets among the ordered loop's *rows* that may be taken at once, opened but not born."""
        machine = self.machine
        at = rows[first & burst.simple[rows] & ~burst.answer[rows]]
        missed = self.columns.missed[at]
        if np.count_nonzero(missed) < FEW or machine.stray or machine.listened or self.columns.long:
            return NOBODY
        if (~burst.simple[rows] & (burst.family[rows] != 0)).any():
            return NOBODY  # an odd packet may open connections too
        known, at = burst.handle[at[~missed]], at[missed]
        if not self._stay(known) or machine.table.live + len(at) >= machine.setup.conn.pool_size:
            return NOBODY
        at = at[first_of_each(*words4(burst.flow4[at], burst.proto[at]))]
        numbers = self.openers.numbers(burst.flow4[at], burst.proto[at], burst.worker[at])
        numbers[burst.family[at] != 4] = 0
        heads, which = distinct_heads(burst, at)
        good = self._good(burst.worker[at], numbers, heads)
        return self._open(burst, at[good], numbers[good], heads, which[good]) if good.any() else NOBODY

    def _stay(self, handles: Any) -> bool:
        """Whether no row of these connections can end up opening another: none ends before the segment does."""
        column, slots = self.machine.table.columns, handles >> 1
        outlives = column["last_use"][slots] + column["timeout"][slots] > self.columns.end_ns
        return bool((outlives & (column["mac"][handles] >= 0) & (handles >= 0)).all())

    def _good(self, workers: Any, numbers: I64, heads: list[bytes]) -> Bool:
        """Rows of workers all of whose rows may be taken at once: by openers that can, with ports and pools of their
        own."""
        counts = np.bincount(workers)
        odd = np.bincount(workers[numbers == 0], minlength=len(counts))
        good = (counts >= FEW) & (odd == 0)
        openers: dict[int, list[Opener]] = {}
        for number in np.flatnonzero(np.bincount(numbers)).tolist():
            opener = self.machine.table.openers[number]
            if opener is not None:
                openers.setdefault(opener.lcore.rank, []).append(opener)
        for rank, some in openers.items():
            good[rank] = good[rank] and self._able(some, int(counts[rank]), heads)
        return np.asarray(good[workers])

    def _able(self, openers: list[Opener], count: int, heads: list[bytes]) -> bool:
        if not all(opener.bulky and opener.has_ports(count) and opener.has_ways(heads) for opener in openers):
            return False
        laddrs = [laddr for opener in openers for laddr in opener.server.laddrs.laddrs]
        return len(laddrs) == len(set(laddrs)) or len(openers) == 1

    def _open(self, burst: Burst, rows: I64, numbers: I64, heads: list[bytes], which: I64) -> Batch:
        """Everything of the connections but their birth."""
        order = np.argsort(numbers.astype(np.int32), kind="stable")
        rows, numbers, which = rows[order], numbers[order], which[order]
        begin = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
        openers: list[Any] = [self.machine.table.openers[number] for number in numbers[begin].tolist()]
        parts = np.split(which, begin[1:])
        taken = [opener.take_many(heads, part) for opener, part in zip(openers, parts, strict=True)]
        every: Taken = taken[0] if len(taken) == 1 else type(taken[0])(*map(np.concatenate, zip(*taken, strict=True)))
        of = np.repeat(np.arange(len(openers)), np.diff(np.append(begin, len(rows))))
        slots = self._fill(burst, rows, openers, of, every)
        backs = np.array([self.openers.links.answering(head) for head in heads])[which]
        column = self.machine.table.columns
        column["client"][slots], column["mac"][2 * slots] = backs, every.way
        column["mac"][2 * slots + 1] = np.where(every.at_home, backs, PLAIN)
        self._index(burst, rows, slots, every)
        burst.opened[rows], burst.handle[rows], burst.mac[rows] = True, 2 * slots, every.way
        order = np.argsort(rows)
        return Batch(rows[order], slots[order])

    def _fill(self, burst: Burst, rows: I64, openers: list[Any], of: I64, taken: Taken) -> I64:
        """Slots with their columns; *of* is the place in *openers* of each row's."""
        slots, column = self.machine.table.take_many(len(rows)), self.machine.table.columns
        states = np.array([opener.first_state for opener in openers])
        timeouts = np.array([opener.timeouts[opener.first_state] for opener in openers])[of] + taken.fraction
        column["state"][slots], column["timeout"][slots] = states[of], timeouts
        column["last_use"][slots] = at = burst.time_ns[rows]
        column["armed"][slots] = orders(burst, rows)
        column["dest"][slots], column["home"][slots], column["fraction"][slots] = taken.dest, taken.home, taken.fraction
        for name, values in (
            ("opener", [opener.number for opener in openers]), ("full", [opener.kind for opener in openers]),
            ("rank", [opener.lcore.rank for opener in openers]), ("delta", [opener.delta for opener in openers]),
            ("limit", [opener.limit for opener in openers]), ("watched", [opener.watched for opener in openers]),
        ):  # fmt: skip
            column[name][slots] = np.array(values)[of]
        self.machine.timers.arm_many(slots, at + timeouts)
        return slots

    def _index(self, burst: Burst, rows: I64, slots: I64, taken: Taken) -> None:
        word0, word1 = words4(burst.flow4[rows], burst.proto[rows])
        handles = np.concatenate([2 * slots, 2 * slots + 1])
        words = np.concatenate([word0, taken.word0]), np.concatenate([word1, taken.word1])
        self.machine.index.insert(handles, *words)

    def bear(self, slot: int) -> None:
        """One connection of a batch, in its turn."""
        table = self.machine.table
        table.bear(slot)
        self.machine.lcores[table.rank[slot]].opened()

    def bear_all(self, burst: Burst, batch: Batch) -> None:
        """All of them, where nothing happens between them but ends."""
        table = self.machine.table
        table.bear_many(batch.slots)
        ranks = table.columns["rank"][batch.slots]
        at = orders(burst, batch.rows)
        for rank in np.flatnonzero(np.bincount(ranks)).tolist():
            self.machine.lcores[rank].opened_many(at[ranks == rank])

    # --- ending --------------------------------------------------------------------------------------------------

    def silent(self, slots: I64) -> int:
        """How many of the first of *slots* may end at once: nobody asked for a Conn, and nobody is told."""
        self.machine.index.flush()
        table, column = self.machine.table, self.machine.table.columns
        told = (column["full"][slots] == FULL_TCP) & (column["state"][slots] == self._established)
        six = self.machine.index.words[2 * slots, 1] & np.uint64(SIX) != 0
        odd = told | (column["opener"][slots] == 0) | six | ~table.bare(slots) | self.machine.setup.conn.redirect
        return int(np.argmax(odd)) if odd.any() else len(slots)

    def end(self, slots: I64, order: I64) -> None:
        """These connections expire, in this order, at these places of the order of the run (D 2.5)."""
        machine, table, column = self.machine, self.machine.table, self.machine.table.columns
        ranks, laddrs = column["rank"][slots], machine.index.words[2 * slots + 1, 0] >> np.uint64(32)
        for rank in np.flatnonzero(np.bincount(ranks)).tolist():
            here = ranks == rank
            machine.lcores[rank].pass_over(int(np.count_nonzero(here)))  # drawn for every expiry
            machine.lcores[rank].closed_many(order[here])
        machine.index.forget_many(slots)
        self._give_back(slots, column["opener"][slots], column["dest"][slots], laddrs)
        table.free_many(slots)

    def _give_back(self, slots: I64, openers: Any, dests: Any, laddrs: Any) -> None:
        """Counts, and ports: to each bucket, which real servers may share, in the order of the ends."""
        machine = self.machine
        pairs = dests.astype(np.uint64) << np.uint64(32) | laddrs
        first, pair = groups(pairs)
        counts = np.bincount(pair)
        buckets: dict[int, Any] = {}
        number = np.zeros(len(first), np.int64)
        for i, (at, count) in enumerate(zip(first.tolist(), counts.tolist(), strict=True)):
            opener, dest = machine.table.openers[openers[at]], machine.dests[int(dests[at])]
            assert opener is not None, "only openers' connections end so"
            laddr = int(laddrs[at]).to_bytes(4, "little")
            opener.left(dest, count)
            opener.server.laddrs.conns[laddr] -= count
            bucket = opener.lcore.pools[laddr].bucket(dest.endpoint)
            buckets[id(bucket)] = bucket
            number[i] = list(buckets).index(id(bucket))
        of = number[pair]
        order = np.argsort(of.astype(np.int32), kind="stable")
        ports = machine.index.ports(2 * slots[order] + 1)
        ends = np.cumsum(np.bincount(of))
        for bucket, some in zip(buckets.values(), np.split(ports, ends[:-1]), strict=True):
            bucket.give_many(some.tolist())


def orders(burst: Burst, rows: I64) -> I64:
    """The places of *rows* in the order of arming."""
    return (burst.first + rows) * ORDERS + ORDERS // 2


def distinct_heads(burst: Burst, rows: I64) -> tuple[list[bytes], I64]:
    """The MACs (destination, source) that frames come with, each once, and each row's place among them."""
    heads = overlay(burst.buffer, 12)[burst.at[rows]]
    words = heads.view("<u4").reshape(-1, 3)
    if (words == words[:1]).all():
        return [heads[:1].tobytes()], np.zeros(len(rows), np.int64)
    places: dict[bytes, int] = {}
    which = np.array([places.setdefault(head, len(places)) for head in heads.tolist()])
    return list(places), which


def first_of_each(word0: Any, word1: Any) -> Bool:
    """Of rows of tuples, those that are the first of theirs.

    Rows of a tuple meet at a place of a scratch table, where the first of all that come there stays; those that met
    another tuple try again without them.
    """
    first = np.ones(len(word0), np.bool_)
    bits = (4 * len(word0)).bit_length()
    places = ((word0 ^ word1 * np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xC2B2AE3D27D4EB4F)) >> np.uint64(64 - bits)
    scratch, rows = np.zeros(1 << bits, np.int64), np.arange(len(word0))
    while len(rows):
        scratch[places[rows[::-1]]] = rows[::-1]  # of equal places the last that is written stays
        met = scratch[places[rows]]
        same = (word0[met] == word0[rows]) & (word1[met] == word1[rows])
        first[rows[same & (met != rows)]] = False
        rows = rows[~same]
    return first
