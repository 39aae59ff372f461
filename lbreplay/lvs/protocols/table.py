"""A protocol's state machine as bytes: written as aligned text, read at import, stepped by two look-ups.

The text has a column per old state and a row per column set and event; a cell is the new state's short name, `.` means
unchanged. No cell may be missing. The bytes serve the plain path by index and numpy by `np.frombuffer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lbreplay.model import NANOSECOND, Service, Setup


class Protocol(NamedTuple):
    """States, events and timeouts of one protocol.

    states    names by number, as the configuration spells their timeouts
    events    names by number
    sets      names of the column sets (which side, which kind of mode)
    next      next[set * len(events) + event][state] is the new state
    event     event by the byte that decides it: TCP flags, SCTP chunk type; UDP has one event
    modes     for each forwarding mode the column sets of packets IN and OUT; `sides` reads it
    lasting   states whose timeout the service's conn_timeout replaces (D 2.5)
    """

    name: str
    number: int
    states: tuple[str, ...]
    events: tuple[str, ...]
    sets: tuple[str, ...]
    next: tuple[bytes, ...]
    event: bytes
    modes: Mapping[str, tuple[int, int]]
    lasting: frozenset[str]

    def sides(self, mode: str) -> tuple[int, int]:
        """Column sets of the packets IN and OUT of a connection in forwarding *mode*."""
        return self.modes.get(mode, (0, 1))

    def step(self, columns: int, event: int, state: int) -> int:
        """The new state, by column set, event and old state."""
        return self.next[columns * len(self.events) + event][state]

    def timeout(self, setup: Setup, service: Service) -> tuple[int, ...]:
        """Nanoseconds a connection of *service* lives idle, by state."""
        seconds: Mapping[str, int] = getattr(setup, self.name).timeout
        own = service.conn_timeout
        return tuple(NANOSECOND * (own if own and s in self.lasting else seconds[s]) for s in self.states)


def numbered(states: str) -> dict[str, str]:
    """`"NO none  ES established"` as short names to names, in the order of their numbers."""
    words = states.split()
    return dict(zip(words[::2], words[1::2], strict=True))


def read(text: str, short: Mapping[str, str], sets: tuple[str, ...], events: tuple[str, ...]) -> tuple[bytes, ...]:
    """The rows of a table as bytes, one per column set and event.

    ValueError or KeyError where a row, a cell or a name is wrong, so a bad table never gets past the import.
    """
    head, *lines = (line.split() for line in text.strip().splitlines())
    if head != list(short):
        raise ValueError(f"columns {head} are not the states {list(short)}")
    rows = {(line[0], line[1]): line[2:] for line in lines}
    if len(rows) != len(lines) or set(rows) != {(s, e) for s in sets for e in events}:
        raise ValueError("each column set and event has one row")
    number = {name: at for at, name in enumerate(short)}
    return tuple(
        bytes(at if cell == "." else number[cell] for at, cell in zip(number.values(), rows[s, e], strict=True))
        for s in sets
        for e in events
    )
