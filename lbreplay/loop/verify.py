"""Frames whose checksums are right, as far as they are ordinary: most of what leaves.

Ordinary is TCP and UDP over IPv4, no fragment, or over IPv6 without extension headers, behind one VLAN tag too. Whoever
asks judges the others, wrong ones among them, by `wire/checksum.py`, which gives these rows the same answer.

Bounds: a frame's captured bytes are `caplen` from `at` on. Nothing is read before a test that it is among them.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop import octets

TCP, UDP = 6, 17
IPV4, IPV6, TAG = 0x0008, 0xDD86, 0x0081  # ethertypes as `octets.word16` reads them
FRAGMENT = 0xFF3F  # more fragments, and the offset, read so too


class Verifier:
    """The rows of one burst, as their bytes are now."""

    def __init__(self, burst: Any) -> None:
        self.buffer: memoryview[int] = burst.data
        self.at, self.caplen = burst.at.data, burst.caplen.data

    def unsure(self, rows: list[int]) -> list[int]:
        """Those of *rows*, which are of the burst, that are not ordinary or not right."""
        found = []
        for row in rows:
            if not self._right(self.at[row], self.caplen[row]):
                found.append(row)
        return found

    def _right(self, at: int, there: int) -> int:
        if there >= 18 and octets.word16(self.buffer, at + 12) == TAG:
            at, there = at + 4, there - 4
        if there < 34:
            return 0
        ethertype, version = octets.word16(self.buffer, at + 12), self.buffer[at + 14] >> 4
        if ethertype == IPV4 and version == 4:
            return self._right_v4(at + 14, there - 14)
        return ethertype == IPV6 and version == 6 and there >= 54 and self._right_v6(at + 14, there - 14)

    def _right_v4(self, at: int, there: int) -> int:
        """*there* bytes of L3 from *at* on, at least 20."""
        header, size = (self.buffer[at] & 15) * 4, self._be16(at + 2)
        if header < 20 or size < header or size > there or octets.word16(self.buffer, at + 6) & FRAGMENT:
            return 0
        if octets.checksum(octets.total(self.buffer, at, header)):
            return 0
        return self._right_l4(at + header, size - header, self.buffer[at + 9], at + 12, 8)

    def _right_v6(self, at: int, there: int) -> int:
        """The same, of at least 40."""
        size = self._be16(at + 4)
        return size + 40 <= there and self._right_l4(at + 40, size, self.buffer[at + 6], at + 8, 32)

    def _right_l4(self, at: int, size: int, proto: int, ends: int, width: int) -> int:
        """*size* bytes of L4 from *at* on, all there; the addresses are *width* bytes from *ends* on. UDP over IPv4
        may have no checksum (RFC 768)."""
        if size < 8 or (proto != TCP and proto != UDP):
            return 0
        if proto == UDP and width == 8 and not octets.word16(self.buffer, at + 6):
            return 1
        pseudo = octets.total(self.buffer, ends, width) + ((size + proto) << 8)  # as words, like rewrite.py
        return not octets.checksum(pseudo + octets.total(self.buffer, at, size))

    def _be16(self, at: int) -> int:
        return self.buffer[at] << 8 | self.buffer[at + 1]
