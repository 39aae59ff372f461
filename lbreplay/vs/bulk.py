"""Many ordinary connections at once: what a flood of first packets opens, and what expires, in columns (D 2.4, D 11).

Whoever opens a connection takes the next real server, the next local address and the next port, so the n-th of a
segment takes the n-th of each: cursors advance by n, and ports are slices of what was never used. That holds while
nothing else on the worker opens connections between them, every real server may be picked, and the fresh ports last;
`prepare` sees to it before anything moves, and leaves the rows to the ordered loop where it is not so. What is opened
so is *born* in its turn: a row finds a connection only behind the row that opened it.

Connections that end in silence give back what they took in the order of their ends, which matters to ports alone.

Measured: without it a run of nothing but first packets takes eight times as long, one of short connections four times.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lbreplay.burst import I64, Bool, Burst, ascending, parted
from lbreplay.vs.conn import FULL_TCP
from lbreplay.vs.index import SIX, WORD0, WORD1
from lbreplay.vs.laddr import next_many
from lbreplay.vs.links import PLAIN
from lbreplay.vs.machine import before, itself, jitters
from lbreplay.wire.packet import TCP

if TYPE_CHECKING:
    from lbreplay.vs.columns import Columns
    from lbreplay.vs.machine import Machine
    from lbreplay.vs.opener import Opener, Openers, Steps
    from lbreplay.vs.waves import Changes

FEW = 64  # rows of connections to open below which the loop is as fast
ENDED = 2  # beside 1 and -1, what a tape tells of a connection
GONE = 1 << 62  # the place of a real server that was taken out


class Rush(NamedTuple):
    """Connections that are opened together: the rows that open them, ascending, and their slots.

    `parts` has the openers, each with the places of its connections here; `which` is the place in `heads` of the MACs
    that each first packet came with. `due` has the slots that end by the last row of the loop, where somebody
    counts: it is asked before states change at once, whose new timeouts are false deadlines until their rows are taken.
    """

    rows: I64
    slots: I64
    parts: list[tuple[Opener, I64]]
    heads: list[bytes]
    which: I64
    due: I64

    @property
    def counted(self) -> bool:
        """Whether some scheduler counts active connections."""
        return any(opener.watched for opener, _ in self.parts)


NONE = np.zeros(0, np.int64)
NOBODY = Rush(NONE, NONE, [], [], NONE, NONE)


class Bulk:
    """Opens the connections of a segment's first packets, and ends those whose time is up."""

    def __init__(self, machine: Machine, openers: Openers, columns: Columns) -> None:
        self.machine, self.openers, self.columns = machine, openers, columns
        self._established = machine.protocols[TCP].states.index("established")

    # --- opening -------------------------------------------------------------------------------------------------

    def prepare(self, burst: Burst, rows: I64, first: Bool) -> Rush:
        """Those first packets among the ordered loop's *rows* that may be taken at once. They have slots and are found
        by their clients' tuples; `complete` gives them the rest."""
        machine = self.machine
        at = rows[first & burst.simple[rows] & ~burst.answer[rows]]
        missed, new = self.columns.missed[at], np.count_nonzero(self.columns.missed[rows] & burst.simple[rows])
        if not missed.any() or new < FEW or machine.stray or machine.listened or self.columns.long:
            return NOBODY
        if self.seen_by(burst, rows[~burst.simple[rows]]):
            return NOBODY  # an odd packet may open connections too
        known, at = burst.handle[at[~missed]], at[missed]
        if not self._stay(known) or machine.table.live + len(at) >= machine.setup.conn.pool_size:
            return NOBODY
        at = at[first_of_each(burst.word0[at], burst.word1[at])]
        numbers = self.openers.numbers(burst.flow4.take(at, 0), burst.proto[at], burst.worker[at])
        numbers[burst.family[at] != 4] = 0
        at, numbers = self._without_strangers(burst, at, numbers)
        due = self._due(burst, rows) if self.openers.columns["watched"][numbers].any() else NONE
        good = self._good(burst, rows, at, numbers, due) if len(at) else at[:0] > 0
        return self._allot(burst, at[good], numbers[good], due) if good.any() else NOBODY

    def _without_strangers(self, burst: Burst, first: I64, numbers: I64) -> tuple[I64, I64]:
        """First packets, and their openers' numbers, without those that go to nobody here."""
        none = np.flatnonzero(numbers == 0)
        kept = np.ones(len(first), np.bool_)
        if len(none):
            kept[none] = self.openers.ours(burst, first[none])
        return first[kept], numbers[kept]

    def seen_by(self, burst: Burst, rows: I64) -> bool:
        """Whether somebody among *rows* may have to do with connections; whoever is no IP has not."""
        rows = rows[burst.family[rows] != 0]
        return bool(len(rows)) and bool(self.openers.ours(burst, rows).any())

    def _stay(self, handles: Any) -> bool:
        """Whether no row of these connections can end up opening another: none ends before the segment does."""
        usable = (handles >= 0) & (self.machine.table.columns["mac"][handles] >= 0)
        return bool((usable & self.columns.outlives(handles >> 1)).all())

    def _good(self, burst: Burst, rows: I64, first: I64, numbers: I64, due: I64) -> Bool:
        """Which of the *first* rows may be taken at once: those of workers all of whose may. Where somebody counts
        connections, none or all."""
        workers = burst.worker[first]
        counts = np.bincount(workers)
        good = np.bincount(workers[numbers == 0], minlength=len(counts)) == 0
        present = np.flatnonzero(np.bincount(numbers)[1:]) + 1
        good[self.openers.plans.unable(present, counts)] = False
        chosen = np.asarray(good[workers])
        counting = [self._opener(number) for number in present[self.openers.columns["watched"][present] != 0].tolist()]
        return (
            chosen if not counting or (chosen.all() and self._countable(burst, rows, counting, due)) else chosen & False
        )

    def _opener(self, number: int) -> Opener:
        opener = self.machine.table.openers[number]
        assert opener is not None, "0 is nobody's number"
        return opener

    def _countable(self, burst: Burst, rows: I64, openers: list[Opener], due: I64) -> bool:
        """Whether all that changes counts in this segment can be told before it happens: states, by rows that wait
        or would and are found by their clients' tuples, and ends that nobody is told of."""
        columns = self.columns
        others = np.count_nonzero(burst.simple[rows] & ~columns.missed[rows]) - len(columns.movers)
        return (
            columns.view.name == "client"
            and others == 0
            and bool(self.machine.table.bare(burst.handle[columns.movers] >> 1).all())
            and all(opener.answers_come_home for opener in openers)
            and (not len(due) or self.silent(due) == len(due))
        )

    def _due(self, burst: Burst, rows: I64) -> I64:
        """The slots whose time is up by the last of *rows*."""
        return self.machine.timers.due(int(burst.time_ns[rows[-1]]), most=1 << 62)

    def _allot(self, burst: Burst, rows: I64, numbers: I64, due: I64) -> Rush:
        """Slots with their columns, and the clients' tuples."""
        slots = self._take(burst, rows, numbers)
        parts = [(self._opener(number), part) for number, part in parted(numbers)]
        self.machine.index.insert(2 * slots, burst.word0[rows], burst.word1[rows])
        burst.opened[rows], burst.handle[rows] = True, 2 * slots
        return Rush(rows, slots, parts, *distinct_heads(burst, rows), due)

    def _take(self, burst: Burst, rows: I64, numbers: I64) -> I64:
        """Slots with their first columns."""
        columns = {name: constants[numbers] for name, constants in self.openers.columns.items()}
        fractions, times = self._fractions(columns["rank"]), burst.time_ns[rows]
        columns["timeout"] += fractions
        slots = self.machine.table.take_many(
            len(rows), opener=numbers, **columns, fraction=fractions, last_use=times, armed=orders(burst, rows)
        )
        self.machine.timers.arm_many(slots, times + columns["timeout"])
        return slots

    def _fractions(self, ranks: I64) -> I64:
        """Each worker draws in the order of its rows."""
        draws = np.empty(len(ranks))
        for rank, part in parted(ranks):
            draws[part] = self.machine.lcores[rank].draws(len(part))
        return jitters(draws)

    def complete(self, burst: Burst, rush: Rush, changes: Changes) -> None:
        """Real servers, local ends and ways. *changes* is what whoever counts has to know."""
        machine, column, slots = self.machine, self.machine.table.columns, rush.slots
        tapes = self._tapes(burst, rush, changes) if rush.counted else [[]] * len(rush.parts)
        dests, laddrs = self._picked(burst, rush, tapes), self._laddrs(rush)
        pairs, ways, homes, at_home = self.openers.plans.take(column["opener"][slots], dests, laddrs)
        ports = machine.ports.take_many(machine.pairs.buckets(pairs))
        machine.pairs.opened(pairs)
        backs = np.array([self.openers.links.answering(head) for head in rush.heads])[rush.which]
        column["dest"][slots], column["home"][slots], column["client"][slots] = machine.pairs.dests(pairs), homes, backs
        column["mac"][2 * slots], column["mac"][2 * slots + 1] = ways, np.where(at_home, backs, PLAIN)
        machine.index.insert(2 * slots + 1, *machine.pairs.tuples(pairs, ports))
        burst.mac[rush.rows] = ways
        self.columns.waves.count(changes)

    def _picked(self, burst: Burst, rush: Rush, tapes: list[Steps]) -> I64:
        """The positions of real servers."""
        picked = np.empty(len(rush.rows), np.int64)
        for (opener, part), tape in zip(rush.parts, tapes, strict=True):
            picked[part] = opener.pick_many(partial(self.columns.keys, burst, rush.rows[part]), len(part), tape)
        return picked

    def _laddrs(self, rush: Rush) -> I64:
        """The positions of local addresses."""
        made, parts = np.empty(len(rush.rows), np.int64), [part for _, part in rush.parts]
        cursors = [opener.server.laddrs for opener, _ in rush.parts]
        made[np.concatenate(parts)] = next_many(cursors, np.array([len(part) for part in parts]))
        return made

    def _tapes(self, burst: Burst, rush: Rush, changes: Changes) -> list[Steps]:
        """For each opener what its scheduler sees happen: picks, connections that become active or inactive, ends."""
        column, due = self.machine.table.columns, rush.due
        ends = self.machine.table.deadlines(due)
        when = np.concatenate([
            orders(burst, rush.rows), orders(burst, changes.rows),
            before(burst.first + np.searchsorted(burst.time_ns, ends)),
        ])  # fmt: skip
        slots = np.concatenate([rush.slots, changes.slots, due])
        by = np.concatenate([np.zeros(len(rush.rows), np.int64), changes.became, np.full(len(due), ENDED)])
        order = ascending(when)
        slots, by = slots[order], by[order]
        numbers = column["opener"][slots]
        return [self._tape(opener, slots[some], by[some], rush.slots[part])
                for opener, part in rush.parts for some in [numbers == opener.number]]  # fmt: skip

    def _tape(self, opener: Opener, slots: I64, by: I64, new: I64) -> Steps:
        if not opener.watched:
            return []
        scheduler: Any = opener.server.scheduler
        loads = np.where(by == ENDED, -1, by * scheduler.overhead)
        places = {dest.id: place for place, dest in enumerate(opener.server.dests)}
        born = {slot: -1 - n for n, slot in enumerate(new.tolist())}
        dests = self.machine.table.columns["dest"][slots].tolist()
        at = [
            born[slot] if slot in born else places.get(dest, GONE)
            for slot, dest in zip(slots.tolist(), dests, strict=True)
        ]
        return [(place, load) for place, load in zip(at, loads.tolist(), strict=True) if place != GONE]

    def bear(self, slot: int) -> None:
        """One connection of a rush, in its turn."""
        table = self.machine.table
        table.bear(slot)
        self.machine.lcores[table.rank[slot]].opened()

    def bear_all(self, burst: Burst, rush: Rush) -> None:
        """All of them, where nothing happens between them but ends."""
        table = self.machine.table
        table.bear_many(rush.slots)
        self.machine.tally.opened(table.columns["rank"][rush.slots], orders(burst, rush.rows))

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
        ranks = column["rank"][slots]
        machine.tally.ended(ranks, order)
        for lcore, count in zip(machine.lcores, np.bincount(ranks).tolist(), strict=False):
            lcore.pass_over(count)  # drawn for every expiry
        pairs = machine.pairs.of(column["dest"][slots], machine.index.words[2 * slots + 1, 0])
        machine.pairs.ended(pairs)
        machine.ports.give_many(machine.pairs.buckets(pairs), machine.index.ports(2 * slots + 1))
        machine.index.forget_many(slots)
        table.free_many(slots)


def orders(burst: Burst, rows: I64) -> I64:
    """The places of *rows* in the order of arming."""
    return np.asarray(itself(burst.first + rows))


def distinct_heads(burst: Burst, rows: I64) -> tuple[list[bytes], I64]:
    """The MACs (destination, source) that frames come with, each once, and each row's place among them."""
    heads = burst.macs.take(rows, 0)
    words = heads.view(np.uint32)
    if (words == words[:1]).all():
        return [heads[0].tobytes()], np.zeros(len(rows), np.int64)
    places: dict[bytes, int] = {}
    which = np.array([places.setdefault(head, len(places)) for head in heads.view("V12").ravel().tolist()])
    return list(places), which


def first_of_each(word0: Any, word1: Any) -> Bool:
    """Of rows of tuples, those that are the first of theirs.

    Rows of a tuple meet at a place of a scratch table, where the first of all that come there stays; those that met
    another tuple try again without them.
    """
    first = np.ones(len(word0), np.bool_)
    bits = (4 * len(word0)).bit_length()
    places = ((word0 ^ word1 * np.uint64(WORD0)) * np.uint64(WORD1)) >> np.uint64(64 - bits)
    scratch, rows = np.zeros(1 << bits, np.int64), np.arange(len(word0))
    while len(rows):
        scratch[places[rows[::-1]]] = rows[::-1]  # of equal places the last that is written stays
        met = scratch[places[rows]]
        same = (word0[met] == word0[rows]) & (word1[met] == word1[rows])
        first[rows[same & (met != rows)]] = False
        rows = rows[~same]
    return first
