"""Addresses and ports by number, of both families: of services, of virtual addresses, of local ones.

Open addressing: an end stands in the place that it hashes to, or in one of the next ones before an empty place. Who
stands there is the configuration's to say, so the hash needs no key; three of four places are empty at least.

    an end is three words: the first 8 bytes of its address, the last 8 (IPv4: its 4, and 0), as a little-endian machine
    reads them, and port (read so too) | protocol << 16 | IPv6 << 24
"""

from __future__ import annotations

from typing import Any

from lbreplay import memory
from lbreplay.loop.names import NONE

FULL = 0xFFFFFFFFFFFFFFFF
LOW, HIGH, END = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9  # odd, and of bits without a pattern
LEAST = 6  # bits that number the places, at least


def words(address: bytes) -> tuple[int, int]:
    """An address as a little-endian machine reads it: its first 8 bytes, and its last; of IPv4 its 4, and 0."""
    return int.from_bytes(address[:8], "little"), int.from_bytes(address[8:], "little")


class Ends:
    """*ends* are (protocol, address, port) each, numbered as they come."""

    def __init__(self, ends: Any) -> None:
        bits = max(LEAST, (4 * len(ends)).bit_length())
        self._last, self._shift = (1 << bits) - 1, 64 - bits
        self._words, self._numbers = memory.zeros("Q", 3 << bits), memory.full("i", 1 << bits, NONE)
        for number, (proto, address, port) in enumerate(ends):
            low, high = words(address)
            read = int.from_bytes(port.to_bytes(2), "little")
            self._put(low, high, read | proto << 16 | (len(address) == 16) << 24, number)

    def _put(self, low: int, high: int, end: int, number: int) -> None:
        at = self._home(low, high, end)
        while self._numbers[at] >= 0:
            at = (at + 1) & self._last
        self._words[3 * at], self._words[3 * at + 1], self._words[3 * at + 2] = low, high, end
        self._numbers[at] = number

    def _home(self, low: int, high: int, end: int) -> int:
        return ((low * LOW + high * HIGH + end * END) & FULL) >> self._shift

    def find(self, low: int, high: int, port: int, proto: int, six: bool) -> int:
        """The number of an end, address (IPv4: *high* is 0) and port as little-endian machines read them, or NONE."""
        end = port | proto << 16 | six << 24
        at = self._home(low, high, end)
        while self._numbers[at] >= 0:
            place = 3 * at
            if self._words[place] == low and self._words[place + 1] == high and self._words[place + 2] == end:
                return self._numbers[at]
            at = (at + 1) & self._last
        return NONE
