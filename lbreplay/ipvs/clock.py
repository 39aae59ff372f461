"""Things with a time: connections, and the second hand of defences. In order of (deadline, who was armed first)."""

from __future__ import annotations

from typing import Protocol

from lbreplay.vs.timers import Timers


class Timed(Protocol):
    """What can be armed. `slot` is -1 while it is not."""

    slot: int
    due: int
    armed: int

    def fire(self) -> None:
        """Its time has come; it is not armed any more."""
        ...


class Clock:
    """The time of the replay. What fires sees its own deadline as `now`."""

    def __init__(self) -> None:
        self.now = 0
        self._order = 0
        self._things: list[Timed | None] = []
        self._free: list[int] = []
        self._timers = Timers(self._due)

    def _due(self, slot: int) -> tuple[int, int, int] | None:
        thing = self._things[slot]
        return None if thing is None else (thing.due, 0, thing.armed)

    def arm(self, thing: Timed, due: int) -> None:
        """Let *thing* fire at *due* (ns), whatever it waited for before."""
        thing.due, thing.armed = due, self._order
        self._order += 1
        if thing.slot < 0:
            if not self._free:
                self._free.append(len(self._things))
                self._things.append(None)
            thing.slot = self._free.pop()
            self._things[thing.slot] = thing
        self._timers.arm(thing.slot, due)

    def disarm(self, thing: Timed) -> None:
        """Let *thing* wait for nothing."""
        if thing.slot >= 0:
            self._things[thing.slot] = None
            self._free.append(thing.slot)
            thing.slot = -1

    def advance(self, until: int) -> None:
        """Fire everything due at or before *until*."""
        if until < self._timers.nearest:
            return
        while (slot := self._timers.pop(until)) is not None:
            thing = self._things[slot]
            assert thing is not None, "what is popped is armed"
            self.now = max(self.now, thing.due)
            self.disarm(thing)
            thing.fire()
