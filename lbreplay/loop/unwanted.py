"""Who is not wanted: what lists drop, answers that nobody asked for, and packets for nobody here.

What became of one is remembered, by client and service, or by where it goes and by what kind it is; the same becomes of
the next ones.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop.ends import Ends
from lbreplay.loop.hops import Hops
from lbreplay.loop.names import ACK, MISSED_BIT, MOST, NONE, PURE, SYN, TRANSIT, UDP
from lbreplay.loop.ways import Way

LINK_LOCAL = 0x80FE  # the first two bytes, as little-endian machines read them
# reasons, as numbers of C
STRANGER, MATCHED, LAST_HOP, UNINVITED, FROM_LOCAL, TAGGED, ROUTE = (
    Way.STRANGER, Way.MATCHED, Way.LAST_HOP, Way.UNINVITED, Way.FROM_LOCAL, Way.TAGGED, Way.ROUTE,
)  # fmt: skip


class Seen:
    """What became of a packet that nobody here wants, of which nothing leaves, and why, as column `reason` says it;
    `count`: of how many more since."""

    def __init__(self, verdict: int, lookup: int, moved: Any, reason: int) -> None:
        self.verdict, self.lookup, self.count, self.reason = verdict, lookup, 0, reason
        self.moved = moved  # counters that it moves: (counter, name, by)


class Unwanted(Hops):
    """Rows that nobody here takes."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.chancy = False  # a white list may shut out packets of others than a service's
        self.strays = False  # answers that nobody asked for are no more than that (client view)
        self.passing = False  # what becomes of packets for nobody here may be remembered
        self.asked = NONE  # what the last row may be remembered by
        self.passed: dict[int, Seen] = {}
        self.judged: dict[Any, int] = {}  # what lists say of a client and a service

    def ends_of(self, locals_: Ends, zones: Any, wide_zones: Any) -> None:
        """Local addresses; and where, among addresses as numbers (IPv6: two of 64 bits), another zone begins: all
        addresses of one have one route, or are one local address."""
        self.locals, self.zones, self.wide_zones = locals_, zones, wide_zones
        self.passed.clear()
        self.forget_hops()

    def forget_hops(self) -> None:
        """A neighbour's MAC, or anything else that an event can, has changed."""
        self.judged.clear()
        self._forget_ways()

    def _refused(self, row: int, proto: int) -> bool:
        """Whether a list drops the packet (D 14.2), which is remembered by client and service."""
        if not self.chancy and self._service(proto) < 0:
            return False
        return self._judged(row, self.table_key(row) if self.six else None, self.word0, self.ports >> 16, proto)

    def _judged(self, row: int, key: Any, word0: int, port: int, proto: int) -> bool:
        """Whether lists drop the packet with *key*, None: the row's own."""
        ends = key[: len(key) - 4] if self.six else word0
        place = (ends, port << 8 | proto)
        verdict = self.judged.get(place)
        if verdict is None:
            if len(self.judged) >= MOST:
                self.judged.clear()
            verdict = self.judged[place] = self.host.refusal(key or self.table_key(row))
        if verdict < 0:
            return False
        self.handle[row], self.verdict[row] = NONE, verdict
        return True

    def _nobody(self, row: int, worker: int, proto: int, link: int, turned: bool) -> bool:
        """A packet that goes to no service and belongs to no connection of its worker: once it is known what becomes of
        those that go where it goes (and that nothing leaves), the same becomes of it. *turned*: the tuple at hand is
        its real server's, the bytes are still those that the client saw, and none leave."""
        kind = SYN if proto == UDP else self.flags[row] & PURE
        if self.tag[row]:
            return self._plain(TAGGED)
        if not self.passing:
            return self._plain(MATCHED)
        if self.buffer[self._inside(row) + (21 if self.six else 22)] < 2:
            return self._plain(LAST_HOP)
        if kind in (SYN, ACK) and self._service(proto) >= 0:
            return self._plain(UNINVITED)
        if self._is_local(self.a, self.source1) or (self.six and self.a & 0xFFFF == LINK_LOCAL):
            return self._plain(FROM_LOCAL)
        missed = self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d) >= 0
        zone = self._zone(self.dest0, self.dest1)
        self.asked = zone | kind << 32 | proto << 40 | worker << 48 | link << 60 | missed << MISSED_BIT
        seen: Seen | None = self.passed.get(self.asked)
        if seen is None:
            return self._plain(STRANGER)
        if seen.verdict == self.forwarded_plain and (turned or not self._forward(row, worker)):
            return self._plain(ROUTE)
        seen.count += 1
        self.handle[row], self.verdict[row], self.lookup[row] = NONE, seen.verdict, seen.lookup
        self.wrong[row] = missed
        self.reason_of[row] = seen.reason
        return True

    def _forward(self, row: int, worker: int) -> bool:
        """The router function: a row in transit leaves by its route (S 4.5); False: not by one that the loop knows."""
        entry = self._way_on(row)
        if entry < 0:
            return False
        if entry >= self.entries:
            self.host.relink()
        self.leaving[row], self.mac[row], self.full[row], self.owner[row] = 1, entry, TRANSIT, worker
        return True

    def _link(self, row: int) -> int:
        """By its MAC a row is ours, another's, a group's."""
        return 0 if self.ours[row] else 1 + (self.buffer[self.at[row]] & 1)
