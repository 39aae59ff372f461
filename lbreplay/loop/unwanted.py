"""Who is not wanted: what lists drop, and packets for nobody here.

What became of a packet for nobody is remembered by where it goes and by what kind it is; the same becomes of the next
ones.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop.ends import Ends
from lbreplay.loop.hops import Hops
from lbreplay.loop.lists import Lists
from lbreplay.loop.memo import UNKNOWN_NUMBER, Memo
from lbreplay.loop.names import ACK, MISSED_BIT, NONE, PURE, SYN, TRANSIT, UDP
from lbreplay.loop.ways import Way

UNKNOWN = UNKNOWN_NUMBER
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
        self.seen: list[Seen] = []  # what became of packets
        self._passed = Memo()  # which of it, by `asked`
        self.lists: Any = None  # loop.lists.Lists

    def ends_of(self, locals_: Ends, zones: Any, wide_zones: Any) -> None:
        """Local addresses; and where, among addresses as numbers (IPv6: two of 64 bits), another zone begins: all
        addresses of one have one route, or are one local address."""
        self.locals, self.zones, self.wide_zones = locals_, zones, wide_zones
        self.forget_passed()
        self.forget_hops()

    def forget_passed(self) -> None:
        """Nothing is known of packets for nobody."""
        self.seen.clear()
        self._passed.clear()

    def remember(self, asked: int, seen: Seen) -> None:
        """What became of the row that was `asked` about."""
        self._passed.put(asked, 0, len(self.seen))
        self.seen.append(seen)

    def _refused(self, row: int, proto: int) -> bool:
        """Whether a list drops the packet (D 14.2)."""
        lists: Lists = self.lists
        verdict = lists.refusal(self.a, self.b, self.c, self.d, self.ports >> 16, proto, self.six)
        return self._dropped(row, verdict)

    def _dropped(self, row: int, verdict: int) -> bool:
        """What lists say of a row; NONE: nothing."""
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
        if self._is_local(self.a, self.b) or (self.six and self.a & 0xFFFF == LINK_LOCAL):
            return self._plain(FROM_LOCAL)
        missed = self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d) >= 0
        zone = self._zone(self.c, self.d)
        self.asked = zone | kind << 32 | proto << 40 | worker << 48 | link << 60 | missed << MISSED_BIT
        known = self._passed.get(self.asked, 0)
        if known == UNKNOWN:
            return self._plain(STRANGER)
        seen: Seen = self.seen[known]
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
