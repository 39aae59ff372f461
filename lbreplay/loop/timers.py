"""When connections expire: at last use + timeout, in order of (deadline, rank of the worker, who was armed first). The
templates of persistence, which the master keeps, come after the connections of all workers (recorded).

Every packet of a connection moves its deadline, so deadlines are never kept sorted. A slot waits in the *bucket* of
some deadline it once had, never later than its real one; when the bucket's time comes, what is not due moves on to a
later one. What is due in an open bucket stands in a heap, by its exact place in the order (interface 4, "Time and
order"), and is looked at again when its time comes. So a packet costs nothing here, arming a slot a few stores, and a
look at the clock one comparison.

A column says by when a slot is looked at (`look`). A bucket is a list of notes, each a slot; who is to be looked at
earlier gets another note, and the old one says nothing any more, for `look` says otherwise. So nobody is ever taken out
of the middle of a list. Buckets stand in a ring of RING; whoever is due behind the ring's end waits in its last bucket,
and moves on from there.
"""

from __future__ import annotations

from typing import Any

from lbreplay import memory
from lbreplay.loop.names import NEVER, NONE

BUCKET_BITS = 26  # nanoseconds a bucket: 67 ms
RING = 4096  # buckets: 275 s
SLOT = 0xFFFFFFFF  # the part of an entry of the heap that has it


class Timers:
    """Timers of slots. `point` says where their columns are: alive (0: no), last_use and timeout in ns, rank, armed
    (order of last use); and the timers' own: look (1 + the time by which a slot is looked at, 0: it waits for nothing).
    `nearest`: nothing is due before this time."""

    def __init__(self) -> None:
        self.nearest = NEVER
        self._other = NEVER  # what somebody else waits for: `look_at`
        self._open = -1  # the last bucket that is open
        self._ringed = 0  # notes in buckets
        self._heads = memory.full("i", RING, NONE)
        self._notes, self._spare = 0, NONE  # that were ever used; the first of those that are free again
        self._slot = self._after = memory.zeros("i", 0)
        self._when = self._order = self._who = memory.zeros("q", 0)
        self._size = 0  # of the heap
        self._heap(1024)

    def point(self, columns: dict[str, Any]) -> None:
        """Where the columns of the slots are now."""
        self._alive, self._rank = memoryview(columns["alive"]), memoryview(columns["rank"])
        self._last_use, self._timeout = memoryview(columns["last_use"]), memoryview(columns["timeout"])
        self._armed, self._look = memoryview(columns["armed"]), memoryview(columns["look"])

    def _room(self) -> None:
        """Room for twice the notes."""
        size = max(1024, 2 * self._notes)
        self._slot, self._after = memory.grown(self._slot, size), memory.grown(self._after, size)

    def _heap(self, size: int) -> None:
        """Room for *size* entries of the heap."""
        self._when, self._order = memory.grown(self._when, size), memory.grown(self._order, size)
        self._who = memory.grown(self._who, size)

    def look_at(self, when: int) -> None:
        """Somebody else waits for *when* (NEVER: no longer): `nearest` does not lie behind it."""
        self._other = when
        if when < self.nearest:
            self.nearest = when

    def arm(self, slot: int, deadline: int) -> None:
        """Make sure that *slot* is looked at by *deadline*."""
        look = self._look[slot]
        if look and look <= deadline + 1:
            return  # as it is
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
        at, note = bucket & (RING - 1), self._note()
        self._slot[note], self._after[note], self._heads[at] = slot, self._heads[at], note
        self._look[slot] = (bucket << BUCKET_BITS) + 1
        self._ringed += 1
        if (self._open + 1) << BUCKET_BITS < self.nearest:
            self.nearest = (self._open + 1) << BUCKET_BITS

    def _note(self) -> int:
        """A note that is free."""
        note = self._spare
        if note >= 0:
            self._spare = self._after[note]
            return note
        if self._notes == len(self._slot):
            self._room()
        self._notes += 1
        return self._notes - 1

    def drop(self, slot: int) -> None:
        """*slot* waits for nothing."""
        self._look[slot] = 0

    def due(self, now: int) -> int:
        """The next slot due at or before *now*, which is armed no more; NONE: `nearest` lies after *now*."""
        if now >> BUCKET_BITS > self._open:
            self._open_until(now >> BUCKET_BITS)
        while self._size and self._when[0] <= now:
            when, order, slot = self._when[0], self._order[0], self._who[0] & SLOT
            self._pop()
            if self._look[slot] != when + 1:
                continue  # it waits elsewhere by now
            self._look[slot] = 0
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
            note, self._heads[self._open & (RING - 1)] = self._heads[self._open & (RING - 1)], NONE
            while note >= 0:
                note = self._read(note, (self._open << BUCKET_BITS) + 1)
        if self._open < bucket:
            self._open = bucket

    def _read(self, note: int, look: int) -> int:
        """A note is taken out of its bucket, of those that are looked at by now; the next one there."""
        slot, after = self._slot[note], self._after[note]
        self._after[note], self._spare = self._spare, note
        self._ringed -= 1
        if self._look[slot] == look:
            self._look[slot] = 0
            if self._alive[slot]:
                self.arm(slot, self._last_use[slot] + self._timeout[slot])
        return after

    # --- the heap: by (when, rank, order, slot) --------------------------------------------------------------------

    def _push(self, when: int, slot: int) -> None:
        if self._size == len(self._when):
            self._heap(2 * self._size)
        order, who = self._armed[slot], self._rank[slot] & 0xFFFF  # the master's, which is -1, is the last
        who = who << 32 | slot
        self._look[slot] = when + 1
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
