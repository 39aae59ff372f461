"""Things with a time: connections, the second hand of defences, the look at the trash.

In order of their deadlines; of those due at the same moment who was armed last is first, as in the timer wheel of 6.1
(recorded): a template and its only connection, armed by one packet, end together, for the connection goes first. The
wheel of 2.6 was a queue (edition `same_moment`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lbreplay.loop.names import NEVER
from lbreplay.loop.timers import Timers

KINDS = {
    "alive": np.uint8, "last_use": np.int64, "timeout": np.int64, "rank": np.int16, "armed": np.int64, "look": np.int64,
}  # fmt: skip
LEAST = 64  # slots


class Timed:
    """What can be armed. `slot` is -1 while it has none, `due` in ns; `stays`: it keeps its slot when it fires."""

    def __init__(self) -> None:
        self.slot, self.due, self.stays = -1, NEVER, False

    def fire(self) -> None:
        """Its time has come; it is not armed any more."""
        raise NotImplementedError


class Clock:
    """The time of the replay. What fires sees its own deadline as `now`.

    things   by slot
    """

    def __init__(self, same_moment: str = "newest") -> None:
        self.now = 0
        self._order, self._step = 0, {"newest": -1, "oldest": 1}[same_moment]  # `Timers` takes the lower first
        self.things: list[Any] = []
        self._free: list[int] = []
        self.timers = Timers()
        self._columns: dict[str, Any] = {name: np.zeros(LEAST, kind) for name, kind in KINDS.items()}
        self._point()

    def _point(self) -> None:
        """Where the columns are now: a slot's deadline is its last use, for its timeout is 0."""
        self._alive, self._last_use = memoryview(self._columns["alive"]), memoryview(self._columns["last_use"])
        self._armed = memoryview(self._columns["armed"])
        self.timers.point(self._columns)

    def capacity(self) -> Any:
        """A column with an entry for each slot that there is room for."""
        return self._columns["rank"]

    def take(self, thing: Timed) -> None:
        """Give *thing* a slot."""
        if self._free:
            thing.slot = self._free.pop()
            self.things[thing.slot] = thing
            return
        thing.slot = len(self.things)
        self.things.append(thing)
        if len(self.things) > len(self._alive):
            self._columns = {name: np.append(column, np.zeros_like(column)) for name, column in self._columns.items()}
            self._point()

    def arm(self, thing: Timed, due: int) -> None:
        """Let *thing* fire at *due* (ns), whatever it waited for before."""
        if thing.slot < 0:
            self.take(thing)
        slot, thing.due = thing.slot, due
        self._alive[slot], self._last_use[slot], self._armed[slot] = 1, due, self._order
        self._order += self._step
        self.timers.arm(slot, due)

    def waits(self, thing: Timed) -> bool:
        """Whether *thing* is armed."""
        return thing.slot >= 0 and self._alive[thing.slot] != 0

    def rest(self, thing: Timed) -> None:
        """Let *thing* wait for nothing, and keep its slot."""
        if thing.slot >= 0:
            self._alive[thing.slot] = 0
            self.timers.drop(thing.slot)

    def disarm(self, thing: Timed) -> None:
        """Let *thing* wait for nothing; its slot is another's."""
        if thing.slot >= 0:
            self.rest(thing)
            self.things[thing.slot] = None
            self._free.append(thing.slot)
            thing.slot = -1

    def due(self, until: int) -> Any:
        """The next thing due at or before *until*, armed no more, with the time at its deadline; None: there is none"""
        if until < self.timers.nearest:
            return None
        slot = self.timers.due(until)
        if slot < 0:
            return None
        thing: Timed = self.things[slot]
        if thing.due > self.now:
            self.now = thing.due
        if thing.stays:
            self._alive[slot] = 0
        else:
            self.disarm(thing)
        return thing

    def advance(self, until: int) -> None:
        """Fire everything due at or before *until*."""
        thing = self.due(until)
        while thing is not None:
            thing.fire()
            thing = self.due(until)
