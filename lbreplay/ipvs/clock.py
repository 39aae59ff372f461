"""Things with a time: connections, the second hand of defences, the look at the trash.

In order of their deadlines; of those due at the same moment who was armed last is first, as in the timer wheel of 6.1
(recorded): a template and its only connection, armed by one packet, end together, for the connection goes first. The
wheel of 2.6 was a queue (edition `same_moment`).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from lbreplay.vs.timers import Timers


class Timed(Protocol):
    """What can be armed. `slot` is -1 while it is not."""

    slot: int
    due: int
    armed: int

    def fire(self) -> None:
        """Its time has come; it is not armed any more."""
        ...


class Waiting:
    """Who waits for what, by slot, as `vs.timers.Timers` reads it."""

    NAMES = ("alive", "last_use", "timeout", "rank", "armed")

    def __init__(self) -> None:
        self.columns: dict[str, Any] = {name: np.zeros(64, np.int64) for name in self.NAMES}

    def put(self, slot: int, due: int, armed: int) -> None:
        """*slot* waits for *due*."""
        while slot >= len(self.columns["alive"]):
            self.columns = {name: np.append(column, np.zeros_like(column)) for name, column in self.columns.items()}
        column = self.columns
        column["alive"][slot], column["last_use"][slot], column["armed"][slot] = 1, due, armed

    def drop(self, slot: int) -> None:
        """*slot* waits for nothing."""
        self.columns["alive"][slot] = 0


class Clock:
    """The time of the replay. What fires sees its own deadline as `now`."""

    def __init__(self, same_moment: str = "newest") -> None:
        self.now = 0
        self._order, self._step = 0, {"newest": -1, "oldest": 1}[same_moment]  # `Timers` takes the lower first
        self._things: list[Timed | None] = []
        self._free: list[int] = []
        self._waiting = Waiting()
        self._timers = Timers(self._waiting)

    def arm(self, thing: Timed, due: int) -> None:
        """Let *thing* fire at *due* (ns), whatever it waited for before."""
        thing.due, thing.armed = due, self._order
        self._order += self._step
        if thing.slot < 0:
            if not self._free:
                self._free.append(len(self._things))
                self._things.append(None)
            thing.slot = self._free.pop()
            self._things[thing.slot] = thing
        self._waiting.put(thing.slot, due, thing.armed)
        self._timers.arm(thing.slot, due)

    def disarm(self, thing: Timed) -> None:
        """Let *thing* wait for nothing."""
        if thing.slot >= 0:
            self._waiting.drop(thing.slot)
            self._things[thing.slot] = None
            self._free.append(thing.slot)
            thing.slot = -1

    def advance(self, until: int) -> None:
        """Fire everything due at or before *until*."""
        if until < self._timers.nearest:
            return
        while len(slots := self._timers.due(until)):
            self._timers.take(1)
            thing = self._things[slots[0]]
            assert thing is not None, "what is due is armed"
            self.now = max(self.now, thing.due)
            self.disarm(thing)
            thing.fire()
