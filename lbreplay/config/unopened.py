"""Flows that nobody was seen to open: connections under way when a capture begins, and datagrams without answer.

Whose service they are of is a guess: the end with the lower port. A draft names them, so that their frames meet what
they are for and end with a reason, not as transit; that no balancer takes up a connection without its beginning is
said beside (D 5.1, `init`).
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lbreplay.config.rows import Sort
from lbreplay.model import Endpoint
from lbreplay.wire.packet import UDP

MAX_PAIRS = 1 << 14  # flows remembered with their ends


class Ends(NamedTuple):
    """The two ends of a flow as its first frame had them."""

    source: bytes
    sport: int
    dest: bytes
    dport: int
    answer: bool = False  # it accepts a connection: what opened it passed where nobody looked

    @property
    def server(self) -> Endpoint:
        """The end with the lower port; where they are alike, whom the first frame was for."""
        return Endpoint(self.source, self.sport) if self.sport < self.dport else Endpoint(self.dest, self.dport)

    @property
    def client(self) -> bytes:
        return self.dest if self.sport < self.dport else self.source

    @property
    def special(self) -> str:
        return special_of(self.dest) or special_of(self.source)


@dataclass(slots=True)
class Guess:
    """A service that flows seem to be of."""

    protocol: int
    endpoint: Endpoint
    flows: int = 0
    clients: set[bytes] = field(default_factory=set)


class Unopened:
    """Note flows at their first frame, drop those that turn out to be opened; `guesses` says what is left."""

    def __init__(self) -> None:
        self.missed = 0  # flows beyond MAX_PAIRS
        self._pairs: dict[tuple[Sort, int], Ends] = {}

    def note(self, sort: Sort, pair: int, ends: Ends) -> None:
        """The first frame of a flow, which does not open it."""
        if len(self._pairs) < MAX_PAIRS:
            self._pairs[sort, pair] = ends
        else:
            self.missed += 1

    def opened(self, sort: Sort, pair: int) -> None:
        """The flow was opened, or answered, after all."""
        self._pairs.pop((sort, pair), None)

    def guesses(self, known: Container[tuple[int, Endpoint]]) -> list[Guess]:
        """Services that are not *known*, those of most flows first."""
        found: dict[tuple[int, Endpoint], Guess] = {}
        for sort, ends in self._ordinary():
            either = (Endpoint(ends.source, ends.sport), Endpoint(ends.dest, ends.dport))
            if ends.answer or any((sort[1], end) in known for end in either) or not (ends.sport and ends.dport):
                continue
            guess = found.setdefault((sort[1], ends.server), Guess(sort[1], ends.server))
            guess.flows += 1
            guess.clients.add(ends.client)
        return sorted(found.values(), key=lambda guess: (-guess.flows, guess.protocol, guess.endpoint))

    def _ordinary(self) -> Iterator[tuple[Sort, Ends]]:
        return ((sort, ends) for (sort, _), ends in self._pairs.items() if not ends.special)

    def under_way(self) -> int:
        """Connections that were already under way."""
        return sum(sort[1] != UDP and not ends.answer for sort, ends in self._ordinary())

    def answers(self) -> int:
        """Connections of which only the other direction is there."""
        return sum(ends.answer for _, ends in self._ordinary())

    def unanswered(self) -> int:
        """Flows of datagrams in one direction alone."""
        return sum(sort[1] == UDP for sort, _ in self._ordinary())

    def special(self) -> Counter[str]:
        """Flows to or from addresses that no service has, by what these are."""
        return Counter(ends.special for ends in self._pairs.values() if ends.special)


def special_of(address: bytes) -> str:
    """What makes *address* one that no service has; nothing of one that may be balanced (RFC 6890)."""
    found = ipaddress.ip_address(address)
    if found.is_loopback:
        return "loopback"
    if found.is_link_local:
        return "link-local"
    reserved = len(address) == 4 and (address[0] == 0 or address[0] >= 240)
    return "group" if found.is_multicast or found.is_unspecified or reserved else ""
