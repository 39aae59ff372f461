"""What stands before a packet in a tunnel (L 9): an IP header, and of GUE and GRE their own behind it.

Bounds: there is room for `Course.outer` bytes between the MACs and the packet's own header, see `Translator._spread`.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop import octets
from lbreplay.loop.entry import Course
from lbreplay.loop.flags import GRE, GUE, OUTER4, OUTER6
from lbreplay.loop.jenkins import Jenkins
from lbreplay.loop.names import M32, UDP

IPIP, IPV6_IN_IP = 4, 41
ECN, CONGESTION, ECT_0 = 3, 3, 2  # the last bits of a TOS, and two of their values
# as a little-endian machine reads them: DF in the fragment word, GRE's flag of a checksum, ethertypes
DONT_FRAGMENT, SUMMED, IPV4, IPV6 = 0x0040, 0x0080, 0x0008, 0xDD86
EPHEMERAL, EPHEMERAL_PORTS = 32768, 28232  # net.ipv4.ip_local_port_range


class Outer:
    """*modern*: an outer header says neither that the way is congested, nor more of fragments than DF (edition
    `tunnel`)."""

    def __init__(self, modern: bool) -> None:
        self.modern = modern
        self.discovers = True  # DF of an outer header is that of the inner one (`pmtu_disc`)
        self._hash = Jenkins()
        self.buffer: Any = None
        self.l3_length: Any = None
        self.ident: Any = None

    def _wrap(self, row: int, course: Course, outer: int, inner: int, six: bool) -> None:
        """All headers from *outer* to *inner*."""
        size = OUTER6 if six else OUTER4
        if six:
            self._wrap6(row, course, outer, inner)
        else:
            self._wrap4(row, course, outer, inner)
        if course.wrap == GUE:
            self._gue(course, outer, outer + size, self.l3_length[row] - size, inner, six)
        elif course.wrap == GRE:
            self._gre(course, outer + size, self.l3_length[row] - size, six)

    # --- IP ----------------------------------------------------------------------------------------------------------

    def _wrap4(self, row: int, course: Course, outer: int, inner: int) -> None:
        """TOS, TTL and fragment word from the inner header."""
        buffer = self.buffer
        tos, word = buffer[inner + 1], octets.word16(buffer, inner + 6)
        if self.modern:
            word = word & DONT_FRAGMENT if self.discovers else 0
        buffer[outer], buffer[outer + 1] = 0x45, self._tos(tos)
        octets.put16(buffer, outer + 2, self._word(self.l3_length[row]))
        octets.put16(buffer, outer + 4, 0 if word & DONT_FRAGMENT else self._word(self.ident[row]))
        octets.put16(buffer, outer + 6, word)
        buffer[outer + 8], buffer[outer + 9] = buffer[inner + 8], course.outer_proto
        self._put_address(outer + 12, False, course.s0, 0)
        self._put_address(outer + 16, False, course.r0, 0)
        self._put_header_sum(outer)

    def _wrap6(self, row: int, course: Course, outer: int, inner: int) -> None:
        buffer = self.buffer
        tos = self._tos((buffer[inner] & 15) << 4 | buffer[inner + 1] >> 4)
        buffer[outer], buffer[outer + 1] = 0x60 | tos >> 4, (tos & 15) << 4
        octets.put16(buffer, outer + 2, 0)
        octets.put16(buffer, outer + 4, self._word(self.l3_length[row] - OUTER6))
        buffer[outer + 6], buffer[outer + 7] = course.outer_proto, buffer[inner + 7]
        self._put_address(outer + 8, True, course.s0, course.s1)
        self._put_address(outer + 24, True, course.r0, course.r1)

    def _tos(self, tos: int) -> int:
        return tos & ~ECN | ECT_0 if self.modern and tos & ECN == CONGESTION else tos

    # --- behind it ---------------------------------------------------------------------------------------------------

    def _gue(self, course: Course, outer: int, at: int, size: int, inner: int, six: bool) -> None:
        """UDP, *size* bytes of it at *at*, and a GUE header; the source port tells flows apart."""
        buffer = self.buffer
        octets.put16(buffer, at, self._word(self._flow_port(inner, six)))
        octets.put16(buffer, at + 2, course.outer_port)
        octets.put16(buffer, at + 4, self._word(size))
        octets.put16(buffer, at + 6, 0)
        buffer[at + 8], buffer[at + 9] = 0, IPV6_IN_IP if six else IPIP
        octets.put16(buffer, at + 10, 0)
        if course.summed:
            self._sum_udp(at + 6, at, size, octets.total(buffer, outer + (8 if six else 12), 32 if six else 8))

    def _sum_udp(self, field: int, at: int, size: int, ends: int) -> None:
        """The checksum of a whole datagram between *ends*, whose field is 0."""
        total = ends + self._word(size) + self._word(UDP) + octets.total(self.buffer, at, size)
        after = octets.checksum(total)
        octets.put16(self.buffer, field, after if after else 0xFFFF)

    def _flow_port(self, inner: int, six: bool) -> int:
        """Of the packet's ends: words of addresses as they stand, ports as numbers."""
        buffer, words = self.buffer, self._hash
        at, l4 = inner + (8 if six else 12), inner + (OUTER6 if six else OUTER4)
        sport = octets.swapped16(octets.word16(buffer, l4))
        words.start(10 if six else 4)
        if six:
            words.mix(octets.word32(buffer, at), octets.word32(buffer, at + 4), octets.word32(buffer, at + 8))
            words.mix(octets.word32(buffer, at + 12), octets.word32(buffer, at + 16), octets.word32(buffer, at + 20))
            words.mix(octets.word32(buffer, at + 24), octets.word32(buffer, at + 28), sport)
        else:
            words.mix(octets.word32(buffer, at), octets.word32(buffer, at + 4), sport)
        return EPHEMERAL + words.end(octets.swapped16(octets.word16(buffer, l4 + 2))) % EPHEMERAL_PORTS

    def _gre(self, course: Course, at: int, size: int, six: bool) -> None:
        """Its checksum is that of all behind the IP header."""
        octets.put16(self.buffer, at, SUMMED if course.summed else 0)
        octets.put16(self.buffer, at + 2, IPV6 if six else IPV4)
        if course.summed:
            octets.put32(self.buffer, at + 4, 0)
            octets.put16(self.buffer, at + 4, octets.checksum(octets.total(self.buffer, at, size)))

    # --- octets ------------------------------------------------------------------------------------------------------

    def _put_header_sum(self, l3: int) -> None:
        octets.put16(self.buffer, l3 + 10, 0)
        octets.put16(self.buffer, l3 + 10, octets.checksum(octets.total(self.buffer, l3, 20)))

    def _put_address(self, at: int, six: bool, low: int, high: int) -> None:
        octets.put32(self.buffer, at, low & M32)
        if six:
            octets.put32(self.buffer, at + 4, low >> 32)
            octets.put32(self.buffer, at + 8, high & M32)
            octets.put32(self.buffer, at + 12, high >> 32)

    def _word(self, number: int) -> int:
        """A number of 16 bits as it is read from a packet."""
        return octets.swapped16(number & 0xFFFF)
