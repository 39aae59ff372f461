"""Things with a time: connections, the second hand of defences, the look at the trash.

In order of their deadlines; of those due at the same moment who was armed last is first, as in the timer wheel of 6.1
(recorded): a template and its only connection, armed by one packet, end together, for the connection goes first. The
wheel of 2.6 was a queue (edition `same_moment`).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from lbreplay.loop.timers import Timers


class Timed(Protocol):
    """What can be armed. `slot` is -1 while it is not."""

    slot: int
    due: int
    armed: int

    def fire(self) -> None:
        """Its time has come; it is not armed any more."""
        ...


class Waiting:
    """Who waits for what, by slot, as `loop.timers.Timers` reads it."""

    KINDS = {"alive": np.uint8, "last_use": np.int64, "timeout": np.int64, "rank": np.int16, "armed": np.int64}

    def __init__(self) -> None:
        self.columns: dict[str, Any] = {name: np.zeros(64, kind) for name, kind in self.KINDS.items()}
        self.timers = Timers()
        self.timers.point(self.columns)

    def put(self, slot: int, due: int, armed: int) -> None:
        """*slot* waits for *due*."""
        while slot >= len(self.columns["alive"]):
            self.columns = {name: np.append(column, np.zeros_like(column)) for name, column in self.columns.items()}
            self.timers.point(self.columns)
        column = self.columns
        column["alive"][slot], column["last_use"][slot], column["armed"][slot] = 1, due, armed
        self.timers.arm(slot, due)

    def drop(self, slot: int) -> None:
        """*slot* waits for nothing."""
        self.columns["alive"][slot] = 0
        self.timers.drop(slot)


class Clock:
    """The time of the replay. What fires sees its own deadline as `now`."""

    def __init__(self, same_moment: str = "newest") -> None:
        self.now = 0
        self._order, self._step = 0, {"newest": -1, "oldest": 1}[same_moment]  # `Timers` takes the lower first
        self._things: list[Timed | None] = []
        self._free: list[int] = []
        self._waiting = Waiting()

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

    def disarm(self, thing: Timed) -> None:
        """Let *thing* wait for nothing."""
        if thing.slot >= 0:
            self._waiting.drop(thing.slot)
            self._things[thing.slot] = None
            self._free.append(thing.slot)
            thing.slot = -1

    def advance(self, until: int) -> None:
        """Fire everything due at or before *until*."""
        timers = self._waiting.timers
        if until < timers.nearest:
            return
        while (slot := timers.due(until)) >= 0:
            thing = self._things[slot]
            assert thing is not None, "what is due is armed"
            self.now = max(self.now, thing.due)
            self.disarm(thing)
            thing.fire()
