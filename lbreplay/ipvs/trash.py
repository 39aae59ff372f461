"""Where deleted real servers wait, and how long (L 1, recorded).

Their connections still find them here, and a service that takes the same address and port again gets the old one back,
with its counters. 6.1 looks at the trash every 60 s as long as something is in it: whom nobody refers to is marked at
the first look that finds it so, and freed at the first look 120 s or more after that, 120 to 180 s after the last
reference went or it was deleted (the dossier's 120 s are the second part alone). 2.6 keeps a real server only as long
as somebody refers to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.loop.clock import Timed
from lbreplay.model import NANOSECOND, Endpoint

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest, Key
    from lbreplay.loop.clock import Clock

LOOK, IDLE = 60 * NANOSECOND, 120 * NANOSECOND
NOT_IDLE = -1  # nobody saw that no one refers to it


class Trash(Timed):
    """The deleted real servers of one run, each with the key of its service; a thing of the clock."""

    def __init__(self, clock: Clock, keeps: bool) -> None:
        super().__init__()
        self._clock, self._keeps = clock, keeps
        self._entries: list[tuple[Key, Dest]] = []

    def throw(self, key: Key, dest: Dest) -> None:
        """*dest* of the service *key* was deleted."""
        if not (self._keeps or dest.wanted):
            return
        dest.idle_ns = NOT_IDLE
        if self._keeps and not self._entries:
            self._clock.arm(self, self._clock.now + LOOK)
        self._entries.append((key, dest))

    def recover(self, key: Key, endpoint: Endpoint) -> Dest | None:
        """The real server that the service *key* had at *endpoint*, no more in the trash; None: there is none."""
        if not self._keeps:
            self._entries = [entry for entry in self._entries if entry[1].wanted]
        for entry in self._entries:
            if entry[0] == key and (entry[1].address, entry[1].port) == endpoint:
                self._entries.remove(entry)
                return entry[1]
        return None

    def fire(self) -> None:
        """A minute is over."""
        self._entries = [entry for entry in self._entries if self._stays(entry[1])]
        if self._entries:
            self._clock.arm(self, self._clock.now + LOOK)

    def _stays(self, dest: Dest) -> bool:
        if dest.wanted:
            return True
        if dest.idle_ns == NOT_IDLE:
            dest.idle_ns = self._clock.now
        return self._clock.now < dest.idle_ns + IDLE
