"""When connections expire: at last use + timeout, in order of (deadline, rank of the worker, who was armed first).

Every packet of a connection moves its deadline, so deadlines are never kept sorted. A slot waits in the *bucket* of
some deadline it once had, never later than its real one; when the bucket's time comes, what is not due moves on
to a later bucket. Only the slots of the current bucket are in a heap, by their exact place in the order
(interface 4, "Time and order"). So arming costs a list append, and a look at the clock one comparison.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from lbreplay.burst import I64, distinct

BUCKET_BITS = 26  # nanoseconds a bucket: 67 ms
NEVER = 1 << 62

Due = tuple[int, int, int]  # (deadline in ns, rank, order of arming)


class Timers:
    """Timers of slots. *due_of* tells the present (deadline, rank, armed) of a slot, or None where it is free."""

    def __init__(self, due_of: Callable[[int], Due | None]) -> None:
        self._due_of = due_of
        self._buckets: dict[int, list[int]] = {}
        self._order: list[int] = []  # heap of the buckets' numbers
        self._soon: list[tuple[Due, int]] = []  # heap of what is in the open bucket
        self._open = -1
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
            due = self._due_of(slot)
            if due is not None:
                heapq.heappush(self._soon, (due, slot))
                self.nearest = min(self.nearest, due[0])
        else:
            self._bucket(bucket).append(slot)

    def arm_many(self, slots: I64, deadlines: I64) -> None:
        """`arm` for many slots at once."""
        if not len(slots):
            return
        self._grow(int(slots.max()))
        buckets, waiting = deadlines >> BUCKET_BITS, self._waiting[slots]
        late = (waiting > buckets) | ((waiting <= self._open) & (buckets <= self._open))
        for at in np.flatnonzero(late & (buckets <= self._open)).tolist():
            self.arm(int(slots[at]), int(deadlines[at]))
        ahead = late & (buckets > self._open)
        slots, buckets = slots[ahead], buckets[ahead]
        self._waiting[slots] = buckets
        for bucket in distinct(buckets):
            self._bucket(bucket).extend(slots[buckets == bucket].tolist())

    def _bucket(self, number: int) -> list[int]:
        """The slots that wait in a bucket still to come."""
        found = self._buckets.get(number)
        if found is None:
            found = self._buckets[number] = []
            heapq.heappush(self._order, number)
            self.nearest = min(self.nearest, number << BUCKET_BITS)
        return found

    def _grow(self, slot: int) -> None:
        """Room for *slot*."""
        if slot < len(self._waiting):
            return
        waiting = np.full(2 * slot + 1024, NEVER, np.int64)
        waiting[: len(self._waiting)] = self._waiting
        self._waiting, self._bucket_of = waiting, waiting.data

    def pop(self, now: int) -> int | None:
        """The next slot due at or before *now*; None where there is none (then `nearest` lies after *now*)."""
        while True:
            while self._soon and self._soon[0][0][0] <= now:
                due, slot = heapq.heappop(self._soon)
                real = self._due_of(slot)
                if real == due:
                    self._bucket_of[slot] = NEVER
                    return slot
                if real is not None and self._bucket_of[slot] <= self._open:
                    self._bucket_of[slot] = NEVER
                    self.arm(slot, real[0])
            if not self._order or self._order[0] << BUCKET_BITS > now:
                break
            self._open_next()
        soon = self._soon[0][0][0] if self._soon else NEVER
        self.nearest = min(soon, self._order[0] << BUCKET_BITS if self._order else NEVER, self._other)
        return None

    def _open_next(self) -> None:
        """Sort the earliest bucket: what is due in it goes to the heap, the rest to the bucket of its deadline."""
        self._open = heapq.heappop(self._order)
        for slot in self._buckets.pop(self._open):
            if self._bucket_of[slot] != self._open:
                continue  # armed for an earlier time since
            due = self._due_of(slot)
            if due is not None and due[0] >> BUCKET_BITS <= self._open:
                heapq.heappush(self._soon, (due, slot))
                continue
            self._bucket_of[slot] = NEVER
            if due is not None:
                self.arm(slot, due[0])
