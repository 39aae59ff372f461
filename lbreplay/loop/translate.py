"""What ordinary rows of the kernel's balancer leave as: TTL, ends, checksums, outer headers, MACs (L 9, L 10).

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
from lbreplay.loop.flags import NAT, TUNNEL

UDP, IPIP, IPV6_IN_IP = 17, 4, 41
ETHERNET = 14  # bytes of its header
M32 = 0xFFFFFFFF
SOURCE, DEST = 0, 2  # offset of the port
OUTER4, OUTER6 = 20, 40  # bytes of an outer header
ECN, CONGESTION, ECT_0 = 3, 3, 2  # the last bits of a TOS, and two of their values
DONT_FRAGMENT = 0x0040  # in the fragment word as a little-endian machine reads it


class Translator:
    """The rows of bursts that leave. *courses* by number; *lowers*: the TTL of requests too (edition `ttl`); *modern*:
    an outer header says neither that the way is congested, nor more of fragments than DF (edition `tunnel`)."""

    def __init__(self, courses: list[Any], lowers: bool, modern: bool) -> None:
        self.courses, self.lowers, self.modern = courses, lowers, modern
        self.discovers = True  # DF of an outer header is that of the inner one (`pmtu_disc`)
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
        return OUTER6 if course.six else OUTER4

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
            inner = at + (OUTER6 if six else OUTER4)
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

    def _put_header_sum(self, l3: int) -> None:
        octets.put16(self.buffer, l3 + 10, 0)
        octets.put16(self.buffer, l3 + 10, octets.checksum(octets.total(self.buffer, l3, 20)))

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

    def _put_address(self, at: int, six: bool, low: int, high: int) -> None:
        octets.put32(self.buffer, at, low & M32)
        if six:
            octets.put32(self.buffer, at + 4, low >> 32)
            octets.put32(self.buffer, at + 8, high & M32)
            octets.put32(self.buffer, at + 12, high >> 32)

    def _put_udp(self, row: int, l4: int, field: int) -> None:
        """The checksum of a whole datagram that had none."""
        buffer, at, six = self.buffer, self.at[row], self.family[row] == 6
        length = self.l3_length[row] - (40 if six else 20)
        ends = octets.total(buffer, at + 22, 32) if six else octets.total(buffer, at + 26, 8)
        after = octets.checksum(ends + self._word(length) + self._word(UDP) + octets.total(buffer, l4, length))
        octets.put16(buffer, field, after if after else 0xFFFF)

    def _word(self, number: int) -> int:
        """A number of 16 bits as it is read from a packet."""
        return (number & 0xFF) << 8 | number >> 8 & 0xFF

    # --- tunnels -----------------------------------------------------------------------------------------------------

    def _wrap(self, row: int, course: Course, outer: int, inner: int, six: bool) -> None:
        """The outer header of IP in IP (L 9): TOS, TTL and fragment word from the inner one."""
        buffer = self.buffer
        if six:
            self._wrap6(row, course, outer, inner)
            return
        tos, word = buffer[inner + 1], octets.word16(buffer, inner + 6)
        if self.modern:
            word = word & DONT_FRAGMENT if self.discovers else 0
        buffer[outer], buffer[outer + 1] = 0x45, self._tos(tos)
        octets.put16(buffer, outer + 2, self._word(self.l3_length[row]))
        octets.put16(buffer, outer + 4, 0 if word & DONT_FRAGMENT else self._word(self.ident[row]))
        octets.put16(buffer, outer + 6, word)
        buffer[outer + 8], buffer[outer + 9] = buffer[inner + 8], IPIP
        self._put_address(outer + 12, False, course.s0, 0)
        self._put_address(outer + 16, False, course.r0, 0)
        self._put_header_sum(outer)

    def _wrap6(self, row: int, course: Course, outer: int, inner: int) -> None:
        buffer = self.buffer
        tos = self._tos((buffer[inner] & 15) << 4 | buffer[inner + 1] >> 4)
        buffer[outer], buffer[outer + 1] = 0x60 | tos >> 4, (tos & 15) << 4
        octets.put16(buffer, outer + 2, 0)
        octets.put16(buffer, outer + 4, self._word(self.l3_length[row] - OUTER6))
        buffer[outer + 6], buffer[outer + 7] = IPV6_IN_IP, buffer[inner + 7]
        self._put_address(outer + 8, True, course.s0, course.s1)
        self._put_address(outer + 24, True, course.r0, course.r1)

    def _tos(self, tos: int) -> int:
        return tos & ~ECN | ECT_0 if self.modern and tos & ECN == CONGESTION else tos
