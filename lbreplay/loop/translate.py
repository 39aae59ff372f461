"""What ordinary rows of the kernel's balancer leave as: TTL, ends, checksums, MACs (L 9, L 10); outer headers are
those of loop/outer.py.

Checksums are carried over by the difference (RFC 1624), so that a wrong one stays wrong; a UDP checksum of 0 is
replaced by a computed one (`ipvs/nat.py`). An answer that the client's side heard becomes the real server's first, and
then the director's: that is what happened to it. Where some rows grow (an outer header) all are laid out again first.

Bounds: a row leaves in place only if it is `simple` (loop/parse.py): its headers, and all that its IP header says there
is, are in the buffer.
"""

from __future__ import annotations

from typing import Any

from lbreplay.burst import RECORD, Burst
from lbreplay.loop import octets
from lbreplay.loop.entry import Course
from lbreplay.loop.flags import NAT, OUTER4, OUTER6, TUNNEL
from lbreplay.loop.names import UDP
from lbreplay.loop.outer import Outer

ETHERNET = 14  # bytes of its header
SOURCE, DEST = 0, 2  # offset of the port


class Translator(Outer):
    """The rows of bursts that leave. *courses* by number; *lowers*: the TTL of requests too (edition `ttl`)."""

    def __init__(self, courses: list[Any], lowers: bool, modern: bool) -> None:
        super().__init__(modern)
        self.courses, self.lowers = courses, lowers
        self.room: Any = None  # of the columns that are bound

    def run(self, burst: Burst, heads: Any, mirrored: Any, derived: Any) -> None:
        """Rewrite the rows of *burst* that leave. *heads* are MACs by entry; *mirrored*: the source is the MAC that the
        row came to, or of an answer that it came from; *derived*: the other one is made of the address that the row
        goes to (interface 2)."""
        self.buffer, self.heads = burst.data, heads.ravel().data
        self.mirrored, self.derived = mirrored.view("u1").data, derived.view("u1").data
        if burst.room is not self.room:
            self.room = burst.room
            self._move_in(burst.room.flat)
        grown = self._growth(burst.size)
        if grown:
            self._spread(burst, grown)
        for row in range(burst.size):
            if self.leaving[row]:
                self._row(row)

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        self.at, self.caplen, self.sent, self.leaving = of["at"], of["caplen"], of["sent"], of["leaving"]
        self.family, self.proto, self.l3_length = of["family"], of["proto"], of["l3_length"]
        self.course, self.mac, self.answer, self.ident = of["course"], of["mac"], of["answer"], of["ident"]

    # --- what grows --------------------------------------------------------------------------------------------------

    def _outer(self, row: int) -> int:
        """The bytes of the outer header that a row is to get."""
        if not self.leaving[row] or self.course[row] & 1:
            return 0
        course: Course = self.courses[self.course[row] >> 1]
        if course.kind != TUNNEL:
            return 0
        return course.outer

    def _growth(self, size: int) -> int:
        total = 0
        for row in range(size):
            total += self._outer(row)
        return total

    def _spread(self, burst: Burst, grown: int) -> None:
        """Lay all rows out again, with room between MACs and L3 where an outer header comes: one piece for the sink."""
        made = burst.wider(grown)
        self._lay_out(made, burst.size)
        burst.data = self.buffer = made

    def _lay_out(self, made: Any, size: int) -> None:
        to = RECORD
        for row in range(size):
            at, there, outer = self.at[row], self.caplen[row], self._outer(row)
            if outer:
                octets.copy(self.buffer, at - RECORD, RECORD + ETHERNET, made, to - RECORD)
                octets.copy(self.buffer, at + ETHERNET, there - ETHERNET, made, to + ETHERNET + outer)
                there += outer
                self.caplen[row] = there
                self.l3_length[row] += outer
            else:
                octets.copy(self.buffer, at - RECORD, RECORD + there, made, to - RECORD)
            self.at[row] = to
            to += there + RECORD

    # --- a row -------------------------------------------------------------------------------------------------------

    def _row(self, row: int) -> None:
        at, side, six = self.at[row], self.course[row] & 1, self.family[row] == 6
        if self.course[row] < 0:
            self._pass(row, at, six)
            return
        course: Course = self.courses[self.course[row] >> 1]
        if course.kind == NAT:
            self._translate(row, course, side)
        if course.kind == TUNNEL and side == 0:
            inner = at + course.outer
            self._header(inner, six, self.lowers)
            self._wrap(row, course, at + ETHERNET, inner + ETHERNET, six)
        else:
            self._header(at, six, side == 1 or self.lowers)
        self._macs(row, at)
        self._trim(row, at)

    def _pass(self, row: int, at: int, six: bool) -> None:
        """A row in transit takes no course: its TTL is lowered, and its next hop is another."""
        self._header(at, six, True)
        self._macs(row, at)
        if self.derived[self.mac[row]]:
            octets.copy(self.buffer, at + (50 if six else 30), 4, self.buffer, at + 2)
        self._trim(row, at)

    def _translate(self, row: int, course: Course, side: int) -> None:
        if side == 0:
            self._end(row, DEST, course.r0, course.r1, course.rport)
            return
        if self.answer[row]:
            self._end(row, SOURCE, course.r0, course.r1, course.rport)
        self._end(row, SOURCE, course.v0, course.v1, course.vport)

    def _header(self, at: int, six: bool, lower: bool) -> None:
        """The TTL, and the checksum of an IPv4 header."""
        if six:
            self.buffer[at + 21] -= lower
            return
        self.buffer[at + 22] -= lower
        self._put_header_sum(at + ETHERNET)

    def _macs(self, row: int, at: int) -> None:
        buffer, head = self.buffer, 12 * self.mac[row]
        if self.mirrored[self.mac[row]]:
            octets.copy(buffer, at + 6 if self.answer[row] else at, 6, buffer, at + 6)
            octets.copy(self.heads, head, 6, buffer, at)
        else:
            octets.copy(self.heads, head, 12, buffer, at)

    def _trim(self, row: int, at: int) -> None:
        """Ethernet padding stays behind; the record's header says how long it is now."""
        size = self.l3_length[row] + ETHERNET
        if self.caplen[row] != size or self.sent[row] != size:
            self.caplen[row] = self.sent[row] = size
            octets.put32(self.buffer, at - 8, size)
            octets.put32(self.buffer, at - 4, size)

    # --- ends --------------------------------------------------------------------------------------------------------

    def _end(self, row: int, end: int, low: int, high: int, port: int) -> None:
        """Make an address and a port (as little-endian machines read them) the source or the destination."""
        buffer, at, six, udp = self.buffer, self.at[row], self.family[row] == 6, self.proto[row] == UDP
        l4, place, width = at + 34, at + (30 if end else 26), 4
        if six:
            l4, place, width = at + 54, at + (38 if end else 22), 16
        field, old = l4 + (6 if udp else 16), octets.total(buffer, place, width) + octets.word16(buffer, l4 + end)
        self._put_address(place, six, low, high)
        octets.put16(buffer, l4 + end, port)
        before = octets.word16(buffer, field)
        if udp and before == 0:
            self._put_udp(row, l4, field)
            return
        new = octets.total(buffer, place, width) + port
        after = octets.checksum((0xFFFF - before) + octets.checksum(old) + new)
        octets.put16(buffer, field, 0xFFFF if udp and after == 0 else after)

    def _put_udp(self, row: int, l4: int, field: int) -> None:
        """The checksum of a whole datagram that had none."""
        buffer, at, six = self.buffer, self.at[row], self.family[row] == 6
        ends = octets.total(buffer, at + 22, 32) if six else octets.total(buffer, at + 26, 8)
        self._sum_udp(field, l4, self.l3_length[row] - (OUTER6 if six else OUTER4), ends)
