"""lblc and lblcr: a destination address keeps its real server, or its set of them, until that is overloaded (L 13).

Overloaded: more active connections than weight, while somebody has less than half of his. Then the wlc rule, with its
own weight of an active connection, chooses for the address. Every minute what nobody used is looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.loop.turn import Load
from lbreplay.model import NANOSECOND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lbreplay.ipvs.dest import Dest, Serving
    from lbreplay.lvs.flow import Flow

SWEEP = 60 * NANOSECOND
FULL_SWEEP = 30  # every so many sweeps all that was idle for `lblc_expiration` goes
MANY, IDLE = 16384, 360 * NANOSECOND  # more entries than this, and what was idle so long goes at once


class Entry:
    """What one destination address is served by, newest first; `modified` is the time its set last changed."""

    __slots__ = ("dests", "modified", "used")

    def __init__(self, now: int) -> None:
        self.dests: list[Dest] = []
        self.used = self.modified = now


class Locality:
    """lblc. `lblcr` differs in `_serving` and `_assign`."""

    expiration = "lblc_expiration"
    rule = None  # addresses and times are kept in words

    def __init__(self, service: Serving) -> None:
        self._service = service
        self._entries: dict[bytes, Entry] = {}
        self._load = Load(service.edition.overhead_lblc, service.edition.scheduling.product_bits)
        self._sweeps, self._next_sweep = 0, 0

    def changed(self, dest: Dest | None = None) -> None:
        """The table follows by itself: who is gone is not available."""

    def remembers(self, dest: Dest) -> bool:
        """Whether *dest* serves some address still, available or not."""
        return any(dest in entry.dests for entry in self._entries.values())

    def pick(self, flow: Flow) -> Dest | None:
        now = self._service.clock.now
        self._sweep(now)
        entry = self._entries.get(flow.dst)
        if entry is not None:
            entry.used = now
            dest = self._serving(entry, now)
            if dest is not None and not self._overloaded(dest):
                return dest
        dest = self._least(self._service.dests)
        if dest is not None:
            self._assign(self._entries.setdefault(flow.dst, Entry(now)), dest, now)
        return dest

    def _serving(self, entry: Entry, now: int) -> Dest | None:
        dest = entry.dests[0]
        return dest if dest.available and dest.weight > 0 else None

    def _assign(self, entry: Entry, dest: Dest, now: int) -> None:
        entry.dests = [dest]

    def _cost(self, dest: Dest) -> int:
        return self._load.overhead * dest.actconns + dest.inactconns

    def _least(self, dests: list[Dest]) -> Dest | None:
        at = self._load.pick(dests, 0, 0, 0)
        return None if at < 0 else dests[at]

    def _overloaded(self, dest: Dest) -> bool:
        return dest.actconns > dest.weight and any(2 * d.actconns < d.weight for d in self._service.dests)

    def _sweep(self, now: int) -> None:
        """The sweeps that were due since the last look; nothing was used between, so the last of each kind will do."""
        self._next_sweep = self._next_sweep or now + SWEEP
        if now < self._next_sweep:
            return
        last = self._sweeps + (now - self._next_sweep) // SWEEP + 1
        at = self._next_sweep + (last - self._sweeps - 1) * SWEEP
        if last // FULL_SWEEP > self._sweeps // FULL_SWEEP:
            idle = self._service.sysctls[self.expiration] * NANOSECOND
            self._drop_idle(at - last % FULL_SWEEP * SWEEP, idle)
        if len(self._entries) > MANY and last % FULL_SWEEP:
            self._drop_idle(at, IDLE)
        self._sweeps, self._next_sweep = last, at + SWEEP

    def _drop_idle(self, now: int, idle: int) -> None:
        self._entries = {dst: entry for dst, entry in self._entries.items() if entry.used + idle >= now}


class LocalitySets(Locality):
    """lblcr: an address is served by the least loaded of its set, of equals by its newest member (recorded); the set
    shrinks when it did not change for a day."""

    expiration = "lblcr_expiration"

    def _serving(self, entry: Entry, now: int) -> Dest | None:
        dest = self._least(entry.dests)
        settled = entry.modified + self._service.sysctls[self.expiration] * NANOSECOND
        if len(entry.dests) > 1 and now > settled:
            most = self._most(entry.dests)
            if most is not None:
                entry.dests.remove(most)
                entry.modified = now
        return dest

    def _assign(self, entry: Entry, dest: Dest, now: int) -> None:
        if dest not in entry.dests:
            entry.dests.insert(0, dest)
            entry.modified = now

    def _most(self, dests: Iterable[Dest]) -> Dest | None:
        """The most loaded for its weight, the first of equals."""
        most: Dest | None = None
        for dest in dests:
            if dest.weight > 0 and (most is None or self._cost(most) * dest.weight < self._cost(dest) * most.weight):
                most = dest
        return most
