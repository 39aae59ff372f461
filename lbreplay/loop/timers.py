"""When connections expire: at last use + timeout, in order of (deadline, rank of the worker, who was armed first). The
templates of persistence, which the master keeps, come after the connections of all workers (recorded).

Every packet of a connection moves its deadline, so deadlines are never kept sorted. A slot waits in the *bucket* of
some deadline it once had, never later than its real one; when the bucket's time comes, what is not due moves on to a
later one. What is due in an open bucket stands in a heap, by its exact place in the order (interface 4, "Time and
order"), and is looked at again when its time comes. So a packet costs nothing here, arming a slot a few stores, and a
look at the clock one comparison.

Buckets are lists through the slots (`_after`, `_ahead`), in a ring of RING buckets; whoever is due behind the ring's
end waits in its last bucket, and moves on from there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lbreplay.loop.names import NEVER, NONE

BUCKET_BITS = 26  # nanoseconds a bucket: 67 ms
RING = 4096  # buckets: 275 s
NOWHERE, HEAP = -1, -2  # where a slot waits, that is in no bucket


class Timers:
    """Timers of slots. `point` says where their columns are: alive (0: no), last_use and timeout in ns, rank, armed
    (order of last use). `nearest`: nothing is due before this time."""

    def __init__(self) -> None:
        self.nearest = NEVER
        self._other = NEVER  # what somebody else waits for: `look_at`
        self._open = -1  # the last bucket that is open
        self._ringed = 0  # slots that wait in buckets
        self._heads = np.full(RING, NONE, np.int32).data
        self._slots = 0
        self._memory: Any = None
        self._entries: Any = None
        self._room(1024)
        self._size = 0  # of the heap
        self._heap(1024)

    def point(self, columns: dict[str, Any]) -> None:
        """Where the columns of the slots are now."""
        self._alive, self._rank = memoryview(columns["alive"]), memoryview(columns["rank"])
        self._last_use, self._timeout = memoryview(columns["last_use"]), memoryview(columns["timeout"])
        self._armed = memoryview(columns["armed"])
        self._room(len(columns["alive"]))

    def _room(self, slots: int) -> None:
        """Room for *slots* slots."""
        before = self._slots
        if slots <= before:
            return
        links, look = np.full(3 * slots, NONE, np.int32).reshape(3, -1), np.full(slots, NEVER, np.int64)
        if before:
            links[:, :before], look[:before] = self._memory
        self._slots, self._memory = slots, (links, look)
        self._after, self._ahead, self._where, self._look = links[0].data, links[1].data, links[2].data, look.data

    def _heap(self, size: int) -> None:
        """Room for *size* entries of the heap."""
        memory = np.zeros((3, size), np.int64)
        if self._size:
            memory[:, : self._size] = self._entries[:, : self._size]
        self._entries = memory
        self._when, self._order, self._who = memory[0].data, memory[1].data, memory[2].data

    def look_at(self, when: int) -> None:
        """Somebody else waits for *when* (NEVER: no longer): `nearest` does not lie behind it."""
        self._other = when
        if when < self.nearest:
            self.nearest = when

    def arm(self, slot: int, deadline: int) -> None:
        """Make sure that *slot* is looked at by *deadline*."""
        if self._look[slot] <= deadline:
            return  # as it is
        self.drop(slot)
        bucket = deadline >> BUCKET_BITS
        if not self._ringed and bucket - RING >= self._open:
            self._open = bucket - RING + 1  # nobody waits before it
        if bucket <= self._open:
            self._push(deadline, slot)
        else:
            self._hang(slot, bucket)

    def _hang(self, slot: int, bucket: int) -> None:
        """Into a bucket still to come."""
        if bucket >= self._open + RING:
            bucket = self._open + RING - 1
        at = bucket & (RING - 1)
        head = self._heads[at]
        self._after[slot], self._ahead[slot], self._where[slot] = head, NONE, at
        if head >= 0:
            self._ahead[head] = slot
        self._heads[at] = slot
        self._look[slot] = bucket << BUCKET_BITS
        self._ringed += 1
        if (self._open + 1) << BUCKET_BITS < self.nearest:
            self.nearest = (self._open + 1) << BUCKET_BITS

    def drop(self, slot: int) -> None:
        """*slot* waits for nothing."""
        at = self._where[slot]
        if at >= 0:
            after, ahead = self._after[slot], self._ahead[slot]
            if after >= 0:
                self._ahead[after] = ahead
            if ahead >= 0:
                self._after[ahead] = after
            else:
                self._heads[at] = after
            self._ringed -= 1
        self._where[slot], self._look[slot] = NOWHERE, NEVER

    def due(self, now: int) -> int:
        """The next slot due at or before *now*, which is armed no more; NONE: `nearest` lies after *now*."""
        if now >> BUCKET_BITS > self._open:
            self._open_until(now >> BUCKET_BITS)
        while self._size and self._when[0] <= now:
            when, order, slot = self._when[0], self._order[0], self._who[0] & 0xFFFFFFFF
            self._pop()
            if self._where[slot] != HEAP or self._look[slot] != when:
                continue  # it waits elsewhere by now
            self.drop(slot)
            if not self._alive[slot]:
                continue
            deadline = self._last_use[slot] + self._timeout[slot]
            if deadline == when and self._armed[slot] == order:
                return slot
            self.arm(slot, deadline)
        self._tell()
        return NONE

    def _tell(self) -> None:
        """Say what is nearest."""
        nearest = self._other
        if self._ringed and (self._open + 1) << BUCKET_BITS < nearest:
            nearest = (self._open + 1) << BUCKET_BITS
        if self._size and self._when[0] < nearest:
            nearest = self._when[0]
        self.nearest = nearest

    def _open_until(self, bucket: int) -> None:
        """Open the buckets up to *bucket*: what is due in them goes into the heap, what is not moves on."""
        while self._ringed and self._open < bucket:
            self._open += 1
            at = self._open & (RING - 1)
            while self._heads[at] >= 0:
                slot = self._heads[at]
                self.drop(slot)
                if self._alive[slot]:
                    self.arm(slot, self._last_use[slot] + self._timeout[slot])
        if self._open < bucket:
            self._open = bucket

    # --- the heap: by (when, rank, order, slot) --------------------------------------------------------------------

    def _push(self, when: int, slot: int) -> None:
        if self._size == len(self._when):
            self._heap(2 * self._size)
        order, who = self._armed[slot], self._rank[slot] & 0xFFFF  # the master's, which is -1, is the last
        who = who << 32 | slot
        self._where[slot], self._look[slot] = HEAP, when
        at = self._size
        self._size += 1
        while at and self._before(when, order, who, (at - 1) >> 1):
            self._copy((at - 1) >> 1, at)
            at = (at - 1) >> 1
        self._when[at], self._order[at], self._who[at] = when, order, who
        if when < self.nearest:
            self.nearest = when

    def _pop(self) -> None:
        """The first one leaves."""
        self._size -= 1
        last, at = self._size, 0
        when, order, who = self._when[last], self._order[last], self._who[last]
        while 2 * at + 1 < last:
            child = 2 * at + 1
            if child + 1 < last and self._before(
                self._when[child + 1], self._order[child + 1], self._who[child + 1], child
            ):
                child += 1
            if self._before(when, order, who, child):
                break
            self._copy(child, at)
            at = child
        self._when[at], self._order[at], self._who[at] = when, order, who

    def _copy(self, source: int, to: int) -> None:
        self._when[to], self._order[to], self._who[to] = self._when[source], self._order[source], self._who[source]

    def _before(self, when: int, order: int, who: int, other: int) -> bool:
        """Whether something comes before entry *other*."""
        if when != self._when[other]:
            return when < self._when[other]
        if who >> 32 != self._who[other] >> 32:
            return who >> 32 < self._who[other] >> 32
        if order != self._order[other]:
            return order < self._order[other]
        return who < self._who[other]
