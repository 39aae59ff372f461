"""Many ordinary connections at once: what a flood of first packets opens, in columns (D 2.4, D 11).

Whoever opens a connection takes the next real server, the next local address and the next port, so the n-th of a
segment takes the n-th of each: cursors advance by n, and ports are slices of what was never used. That holds while
nothing else on the worker opens connections between them, every real server may be picked, and the fresh ports last;
`prepare` sees to it before anything moves, and leaves the rows to the ordered loop where it is not so. The loop still
enters each key in its turn, so that a row finds a connection only behind the row that opened it.

Measured: half the time of a run of nothing but first packets, a sixth of one of short connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lbreplay.burst import I64, Burst, distinct
from lbreplay.vs.machine import ORDERS
from lbreplay.wire.fields import overlay

if TYPE_CHECKING:
    from lbreplay.vs.columns import Columns
    from lbreplay.vs.machine import Lcore, Machine
    from lbreplay.vs.opener import Opener, Openers

FEW = 16  # rows of a worker below which the loop is as fast


class Batch(NamedTuple):
    """Connections of one service that have their slots already; what is left is to enter their keys."""

    lcore: Lcore
    rows: I64
    slots: I64
    in_keys: list[bytes]
    out_keys: list[bytes]


class Opening(NamedTuple):
    """One connection of a batch."""

    lcore: Lcore
    slot: int
    in_key: bytes
    out_key: bytes


class Bulk:
    """Opens the connections of a segment's first packets, worker by worker."""

    def __init__(self, machine: Machine, openers: Openers, columns: Columns) -> None:
        self.machine, self.openers, self.columns = machine, openers, columns

    def prepare(self, burst: Burst, rows: I64, first: Any, keys: list[bytes]) -> list[Batch]:
        """Those first packets among the ordered loop's *rows* that may be taken at once, opened but for their keys."""
        at = np.flatnonzero(first & burst.simple[rows] & ~burst.answer[rows])
        handles = burst.handle[rows[at]]
        at, known = at[handles < 0], handles[handles >= 0]
        if len(at) < FEW or self.machine.stray or self.machine.listened or self.columns.long or not self._stay(known):
            return []
        if (~burst.simple[rows] & (burst.family[rows] != 0)).any():
            return []  # an odd packet may open connections too
        if self.machine.table.live + len(at) >= self.machine.setup.conn.pool_size:
            return []
        batches = []
        workers = burst.worker[rows[at]]
        for worker in distinct(workers):
            here = at[workers == worker]
            for opener, group in self._groups(burst, rows, here, keys, worker).items():
                batch = self._open(burst, rows[group], [keys[i] for i in group.tolist()], opener)
                batches += [batch] if batch is not None else []
        return batches

    def _groups(self, burst: Burst, rows: I64, at: I64, keys: list[bytes], worker: int) -> dict[Opener, I64]:
        """First packets of one worker by service; none where one of them has to be opened in order."""
        find, places = self.machine.lcores[worker].find, self.openers.by_place[worker]
        mine = [keys[i] for i in at.tolist()]
        if len(set(mine)) != len(mine) or not find.keys().isdisjoint(mine):
            at = self._unknown(at, keys, find)  # retransmissions, and connections the cache did not know
        place = np.empty((len(at), 8), np.uint8)
        place[:, :4], place[:, 4:6] = burst.flow4[rows[at], 4:8], burst.flow4[rows[at], 10:12]
        place[:, 6], place[:, 7] = burst.proto[rows[at]], burst.family[rows[at]]
        _, first, group = np.unique(place.view(np.uint64).ravel(), return_index=True, return_inverse=True)
        groups = {places.get(_place(keys[int(at[i])])): at[group == number] for number, i in enumerate(first)}
        return groups if self._good(groups, len(at)) else {}  # type: ignore[return-value]

    def _unknown(self, at: I64, keys: list[bytes], find: dict[bytes, int]) -> I64:
        """The first row of each key that nobody has; none where somebody has one only for a while."""
        known = [find[keys[i]] for i in at.tolist() if keys[i] in find]
        if not self._stay(np.array(known, np.int64)):
            return at[:0]
        by_key: dict[bytes, int] = {}
        for i in at.tolist():
            if keys[i] not in find:
                by_key.setdefault(keys[i], i)
        return np.array(list(by_key.values()), np.int64)

    def _stay(self, handles: Any) -> bool:
        """Whether no row of these connections can end up opening another: none ends before the segment does."""
        column, slots = self.machine.table.columns, handles >> 1
        outlives = column["last_use"][slots] + column["timeout"][slots] > self.columns.end_ns
        return bool((outlives & (column["mac"][handles] >= 0)).all())

    def _good(self, openers: dict[Opener | None, I64], count: int) -> bool:
        """Whether all may be opened at once: by openers that can, with ports and pools of their own."""
        if count < FEW:
            return False
        laddrs: list[bytes] = []
        for opener in openers:
            if opener is None or not opener.bulky or not opener.has_ports(count):
                return False
            laddrs += opener.server.laddrs.laddrs
        return len(laddrs) == len(set(laddrs)) or len(openers) == 1

    def _open(self, burst: Burst, rows: I64, keys: list[bytes], opener: Opener) -> Batch | None:
        heads = overlay(burst.buffer, 12)[burst.at[rows]].tolist()
        if not opener.has_ways(set(heads)):
            return None
        order = (burst.first + rows) * ORDERS + ORDERS // 2
        slots, out_keys = opener.open_many(burst.time_ns[rows], order, heads, keys)
        burst.opened[rows] = True
        burst.handle[rows], burst.mac[rows] = 2 * slots, self.machine.table.columns["mac"][2 * slots]
        return Batch(opener.lcore, rows, slots, keys, out_keys)

    def openings(self, batches: list[Batch]) -> dict[int, Opening]:
        """The connections by row, to enter one by one."""
        made: dict[int, Opening] = {}
        for lcore, rows, slots, in_keys, out_keys in batches:
            each = map(Opening, [lcore] * len(rows), slots.tolist(), in_keys, out_keys)
            made |= zip(rows.tolist(), each, strict=True)
        return made

    def enter(self, opening: Opening) -> None:
        """Enter one connection, in its turn."""
        lcore, slot, in_key, out_key = opening
        lcore.find[in_key], lcore.find[out_key] = 2 * slot, 2 * slot + 1
        self.machine.table.number_slot(slot)
        lcore.opened(1)

    def enter_all(self, batches: list[Batch]) -> None:
        """Enter them all, where nothing happens between them."""
        table = self.machine.table
        rows, slots = np.concatenate([b.rows for b in batches]), np.concatenate([b.slots for b in batches])
        numbers = np.arange(table.created + 1, table.created + 1 + len(rows))
        table.columns["number"][slots[np.argsort(rows)]] = numbers
        table.created += len(rows)
        for lcore, _, own, in_keys, out_keys in batches:
            lcore.find.update(zip(in_keys, (2 * own).tolist(), strict=True))
            lcore.find.update(zip(out_keys, (2 * own + 1).tolist(), strict=True))
            lcore.opened(len(own))


def _place(key: bytes) -> bytes:
    """The part of a key that tells the service."""
    width = (len(key) - 5) // 2
    return key[:1] + key[1 + width : 1 + 2 * width] + key[-2:]
