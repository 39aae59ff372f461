"""What is nobody's business here: packets of no connection that open none, which the kernel's balancer lets go.

What became of one of them is remembered by where it goes and by what kind it is (`Fate`); the same becomes of the next
ones. Where it went on to somebody else, they do, with the MACs of its zone.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop import octets
from lbreplay.loop.ends import Ends
from lbreplay.loop.memo import UNKNOWN_NUMBER, Memo
from lbreplay.loop.names import M32, NONE, UDP
from lbreplay.loop.rows import Rows
from lbreplay.loop.ways import Way

UNKNOWN = UNKNOWN_NUMBER
IN_TRANSIT = -1  # `course` of what takes none
# reasons, as numbers of C
STRANGER, LAST_HOP, TOO_LONG, UNSOUND, OTHER_HOST = (
    Way.STRANGER, Way.LAST_HOP, Way.TOO_LONG, Way.UNSOUND, Way.OTHER_HOST,
)  # fmt: skip


class Fate:
    """What became of a packet: its verdict, the look-up, what is told beside (column `reason`), and the MACs that it
    left with, below 0: it did not."""

    def __init__(self, verdict: int, lookup: int, reason: int, entry: int) -> None:
        self.verdict, self.lookup, self.reason, self.entry = verdict, lookup, reason, entry


class Passing(Rows):
    """Rows of the kernel's balancer, and those that pass. *verdicts* are numbers."""

    def __init__(self, host: Any, table: Any, view: str, verdicts: Any) -> None:
        super().__init__(host, table)
        self.client_view, self.own_view = view == "client", view == "lb"
        self.answered, self.direct_reply, self.unasked, self.own = verdicts
        self.version = 0  # of what is known about routes and neighbours
        self.longest = 0  # packet that every route takes
        self.port_mac = b""  # of the device, b"": any is ours
        self.first: Any = bytes(256)  # by flags of TCP: whether they are those of a first segment
        self.passing = True  # what becomes of who passes may be remembered
        self.asked = NONE  # by what the row may be remembered that comes next
        self.fates: list[Fate] = []
        self._passed = Memo()  # which of them, by `asked`
        self._ways_back = Memo()  # entries of answers by the zone of the client and its MAC

    def know(self, virtual: Ends, services: Ends, starters: list[Any]) -> None:
        """Who answers, and who opens: *starters* by number in *services*."""
        self.virtual, self.services, self.starters = virtual, services, starters

    def place(self, locals_: Ends, zones: Any, wide_zones: Any) -> None:
        """What is local; and where, among addresses as numbers (IPv6: two of 64 bits), another zone begins: what goes
        to the addresses of one zone takes one route, and ends in one way."""
        self.locals, self.zones, self.wide_zones = locals_, zones, wide_zones
        self.version += 1
        self._ways_back.clear()
        self.forget()

    def forget(self) -> None:
        """Nothing is known of packets that pass."""
        self.fates.clear()
        self._passed.clear()

    def remember(self, asked: int, fate: Fate) -> None:
        """What became of the row that was `asked` about."""
        self._passed.put(asked, 0, len(self.fates))
        self.fates.append(fate)

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        Rows._move_in(self, of)
        self.course = of["course"]

    # --- the story ---------------------------------------------------------------------------------------------------

    def _pass(self, row: int) -> bool:
        """A packet that IPVS lets go: once it is known what becomes of its kind, the same becomes of it."""
        if (self.own_view or self.client_view) and self._is_answer(row):
            return self._ignored(row, self.own if self.own_view else self.unasked)
        from_here = self._is_local(self.a, self.b)
        if not self._is_sound(row):
            return False
        proto, zone = self.proto[row], self._zone(self.c, self.d)
        kind = proto == UDP or self.first[self.flags[row]] != 0
        self.asked = zone | proto << 32 | kind << 40 | from_here << 41 | self._link(row) << 42
        known = self._passed.get(self.asked, 0)
        if known == UNKNOWN:
            return self._plain(STRANGER)
        return self._fare(row, self.fates[known])

    def _is_sound(self, row: int) -> bool:
        """Whether nothing about the packet itself is odd: a source that nobody has, a TTL, or a length."""
        if not self.passing:
            return self._plain(STRANGER)
        if not self.six and (self._odd_source() or not self._is_summed(row)):
            return self._plain(UNSOUND)
        if self._ttl(row) <= 1:
            return self._plain(LAST_HOP)
        return self.l3_length[row] <= self.longest or self._plain(TOO_LONG)

    def _fare(self, row: int, fate: Fate) -> bool:
        """The row ends as another did."""
        if fate.entry >= 0:
            if not self.port_mac and not self._named(self.at[row]):
                return self._plain(OTHER_HOST)
            self.leaving[row], self.mac[row], self.course[row] = 1, fate.entry, IN_TRANSIT
        self.verdict[row], self.lookup[row], self.reason_of[row] = fate.verdict, fate.lookup, fate.reason
        return True

    def _ignored(self, row: int, verdict: int) -> bool:
        """It was not received (interface 3)."""
        self.verdict[row], self.worker_index[row] = verdict, NONE
        return True

    # --- what is asked of a row --------------------------------------------------------------------------------------

    def _is_answer(self, row: int) -> bool:
        """Whether the row comes from the address, and port, of a service."""
        proto = self.proto[row]
        if self.virtual.find(self.a, self.b, self.ports & 0xFFFF, proto, self.six) >= 0:
            return True
        return self.virtual.find(self.a, self.b, 0, proto, self.six) >= 0

    def _is_local(self, low: int, high: int) -> bool:
        """Whether a local address stands in two words."""
        return self.locals.find(low, high, 0, 0, self.six) >= 0

    def _link(self, row: int) -> int:
        """By its MAC a row is ours, another's, a group's."""
        return 0 if self.ours[row] else 1 + (self.buffer[self.at[row]] & 1)

    def _named(self, at: int) -> bool:
        """Whether the MAC at *at* is one host's, and not blank: what leaves has it as its source."""
        buffer = self.buffer
        some = buffer[at] | buffer[at + 1] | buffer[at + 2] | buffer[at + 3] | buffer[at + 4] | buffer[at + 5]
        return not buffer[at] & 1 and some != 0

    def _is_summed(self, row: int) -> bool:
        """Whether the checksum of an IPv4 header is right."""
        return octets.checksum(octets.total(self.buffer, self.at[row] + 14, 20)) == 0

    def _ttl(self, row: int) -> int:
        return self.buffer[self.at[row] + (21 if self.six else 22)]

    def _odd_source(self) -> bool:
        """Whether the source is of this network, loopback, a group, or everybody (ipvs/addresses.py)."""
        first = self.a & 0xFF
        return first == 0 or first == 127 or (first & 0xF0) == 0xE0 or self.a == M32
