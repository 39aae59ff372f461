"""When connections expire: at last use + timeout, in order of (deadline, rank of the worker, who was armed first). The
templates of persistence, which the master keeps, come after the connections of all workers (recorded).

Every packet of a connection moves its deadline, so deadlines are never kept sorted. A slot waits in the *bucket* of
some deadline it once had, never later than its real one; when the bucket's time comes, what is not due moves on
to a later bucket. Only the slots of open buckets are sorted, by their exact place in the order (interface 4, "Time and
order"), and looked at again when their time comes. So arming costs a list append, a look at the clock one comparison,
and a bucket of any size a dozen calls.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import Any, Protocol

import numpy as np

from lbreplay.burst import I64, ascending

BUCKET_BITS = 26  # nanoseconds a bucket: 67 ms
NEVER = 1 << 62
FEW = 256  # that are looked at again at once: who fires may arm another


class Table(Protocol):
    """Columns by slot: alive (0: no), last_use and timeout in ns, rank, armed (order of last use)."""

    columns: dict[str, Any]


class Timers:
    """Timers of the slots of *table*."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._buckets: defaultdict[int, tuple[list[int], list[I64]]] = defaultdict(lambda: ([], []))
        self._order: list[int] = []  # heap of the buckets' numbers
        self._open = -1  # the last bucket that is open
        self._late: list[int] = []  # armed for an open bucket since it was sorted
        self._soon, self._deadlines, self._armed = (np.zeros(0, np.int64),) * 3  # of the open buckets, in order
        self._waiting: I64 = np.zeros(0, np.int64)  # by slot: the bucket it waits in, or NEVER
        self._bucket_of = self._waiting.data
        self.nearest = NEVER  # nothing is due before this time
        self._other = NEVER  # what somebody else waits for: `look_at`

    def look_at(self, when: int) -> None:
        """Somebody else waits for *when* (NEVER: no longer): `nearest` does not lie behind it."""
        self._other = when
        self.nearest = min(self.nearest, when)

    def arm(self, slot: int, deadline: int) -> None:
        """Make sure that *slot* is looked at by *deadline*."""
        bucket = deadline >> BUCKET_BITS
        if slot >= len(self._waiting):
            self._grow(slot)
        waiting = self._bucket_of[slot]
        if waiting <= bucket and (waiting > self._open or bucket > self._open):
            return  # looked at in time as it is
        self._bucket_of[slot] = bucket
        if bucket <= self._open:
            self._late.append(slot)
            self.nearest = min(self.nearest, deadline)
        else:
            self._bucket(bucket)[0].append(slot)

    def arm_many(self, slots: I64, deadlines: I64) -> None:
        """`arm` for many slots at once."""
        if not len(slots):
            return
        self._grow(int(slots.max()))
        buckets, waiting = deadlines >> BUCKET_BITS, self._waiting[slots]
        open_now = buckets <= self._open
        moves = (waiting > buckets) | ((waiting <= self._open) & open_now)
        slots, buckets, open_now = slots[moves], buckets[moves], open_now[moves]
        self._waiting[slots] = buckets
        if open_now.any():
            self._late += slots[open_now].tolist()
            self.nearest = min(self.nearest, int(deadlines[moves][open_now].min()))
            slots, buckets = slots[~open_now], buckets[~open_now]
        self._put(slots, buckets)

    def _put(self, slots: I64, buckets: I64) -> None:
        """Slots into their buckets, all still to come."""
        if not len(slots):
            return
        order = ascending(buckets)
        slots, buckets = slots[order], buckets[order]
        begin = np.flatnonzero(np.append(True, buckets[1:] != buckets[:-1]))
        for number, some in zip(buckets[begin].tolist(), np.split(slots, begin[1:]), strict=True):
            self._bucket(number)[1].append(some)

    def _bucket(self, number: int) -> tuple[list[int], list[I64]]:
        """The slots that wait in a bucket still to come."""
        if number not in self._buckets:
            heapq.heappush(self._order, number)
            self.nearest = min(self.nearest, number << BUCKET_BITS)
        return self._buckets[number]

    def _grow(self, slot: int) -> None:
        """Room for *slot*."""
        if slot < len(self._waiting):
            return
        waiting = np.full(2 * slot + 1024, NEVER, np.int64)
        waiting[: len(self._waiting)] = self._waiting
        self._waiting, self._bucket_of = waiting, waiting.data

    def due(self, now: int, most: int = FEW) -> I64:
        """The next slots due at or before *now*, in order, at most *most*; none: `nearest` lies after *now*.

        They stay the next until `take`.
        """
        self._open_until(now)
        while True:
            count = min(int(np.searchsorted(self._deadlines, now, "right")), most)
            if self._holds(count):
                break
            self._sort(self._soon)
        if not count:
            soon = int(self._deadlines[0]) if len(self._soon) else NEVER
            self.nearest = min(soon, self._order[0] << BUCKET_BITS if self._order else NEVER, self._other)
        return self._soon[:count]

    def take(self, count: int) -> None:
        """The first *count* that are due are somebody's who ends them, or arms them again."""
        self._waiting[self._soon[:count]] = NEVER
        self._soon, self._deadlines, self._armed = self._soon[count:], self._deadlines[count:], self._armed[count:]

    def _open_until(self, now: int) -> None:
        """Sort what is in buckets up to the one of *now*, and what was armed for them since."""
        slots = [self._soon]
        if self._late:
            slots.append(np.array(self._late))
            self._late = []
        while self._order and self._order[0] << BUCKET_BITS <= now:
            ones, many = self._buckets.pop(heapq.heappop(self._order))
            slots += [np.array(ones, np.int64), *many]
        self._open = max(self._open, now >> BUCKET_BITS)
        if len(slots) > 1:
            some = np.sort(np.concatenate(slots))
            self._sort(some[np.append(True, some[1:] != some[:-1])[: len(some)]])

    def _holds(self, count: int) -> bool:
        """Whether the first *count* are due as they were when they were sorted."""
        slots, column = self._soon[:count], self._table.columns
        same = (self._when(slots) == self._deadlines[:count]) & (column["armed"][slots] == self._armed[:count])
        return bool(same.all())

    def _when(self, slots: I64) -> I64:
        """Deadlines; NEVER of who is no more."""
        column = self._table.columns
        when: I64 = np.where(column["alive"][slots] != 0, column["last_use"][slots] + column["timeout"][slots], NEVER)
        return when

    def _sort(self, slots: I64) -> None:
        """Those of *slots* that are due in an open bucket, in order; the rest is armed anew, or no more."""
        self._soon = slots[:0]
        when, waiting = self._when(slots), self._waiting[slots]
        here, live = when >> BUCKET_BITS <= self._open, when != NEVER
        mine = waiting <= self._open  # others wait in a bucket still to come, where they were armed since
        away = slots[~here & mine]
        self._waiting[away] = NEVER
        moved = ~here & live & mine
        self.arm_many(slots[moved], when[moved])
        slots, when = slots[here], when[here]
        self._waiting[slots] = self._open
        armed = self._table.columns["armed"][slots]
        ranks = self._table.columns["rank"][slots].astype(np.uint16)  # the master's, which is -1, is the last
        order = np.lexsort((armed, ranks, when))
        self._soon, self._deadlines, self._armed = slots[order], when[order], armed[order]
