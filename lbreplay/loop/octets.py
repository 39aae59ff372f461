"""Reading, writing and summing bytes of a buffer. Compiled code does not call these functions: it has them inlined, as
`octets.pxd` beside says them again, one access of memory each.

A *word* is read as little-endian machines read it; only its bytes count where words are summed (RFC 1071, 2 B: sums in
either order are each other's, their bytes swapped).
"""

from __future__ import annotations

from struct import unpack_from
from typing import Any


def word16(buffer: Any, at: int) -> int:
    """Two bytes as a word."""
    low: int = buffer[at]
    return low | buffer[at + 1] << 8


def word32(buffer: Any, at: int) -> int:
    """Four bytes as a word."""
    return int.from_bytes(buffer[at : at + 4], "little")


def word64(buffer: Any, at: int) -> int:
    """Eight bytes as a word."""
    return int.from_bytes(buffer[at : at + 8], "little")


def swapped16(word: int) -> int:
    """The two bytes of *word* in the other order."""
    return (word & 0xFF) << 8 | word >> 8


def swapped64(word: int) -> int:
    """The eight bytes of *word* in the other order."""
    return swapped(word & 0xFFFFFFFF) << 32 | swapped(word >> 32)


def number(buffer: Any, at: int, big: bool) -> int:
    """Four bytes in the order of a file, big-endian or little."""
    word = word32(buffer, at)
    return swapped(word) if big else word


def put16(buffer: Any, at: int, word: int) -> None:
    """Store what `word16` reads."""
    buffer[at : at + 2] = word.to_bytes(2, "little")


def put32(buffer: Any, at: int, word: int) -> None:
    """Store what `word32` reads."""
    buffer[at : at + 4] = word.to_bytes(4, "little")


def swapped(word: int) -> int:
    """The bytes of a 32-bit word in the other order."""
    return int.from_bytes(word.to_bytes(4, "little"))


def fetch(words: Any, at: int) -> None:
    """Let a cache fetch a word that is soon read: a hint, in compiled code only."""


def copy(source: Any, at: int, size: int, target: Any, to: int) -> None:
    """*size* bytes from one buffer to another, or within one, where they may overlap."""
    target[to : to + size] = bytes(source[at : at + size])


def taken(buffer: Any, at: int, size: int) -> bytes:
    """*size* bytes as an object of their own."""
    return bytes(buffer[at : at + size])


def part(data: bytes, at: int, size: int) -> bytes:
    """*size* bytes of *data*."""
    return data[at : at + size]


def put(data: bytes, target: Any, to: int) -> None:
    """All bytes of *data* into a buffer."""
    target[to : to + len(data)] = data


def total(buffer: Any, at: int, size: int) -> int:
    """The sum of the words of *size* bytes, an odd last one padded with 0; below 2**48 for a frame."""
    data = bytes(buffer[at : at + size]) + bytes(-size % 4)
    return sum(unpack_from(f"<{len(data) // 4}I", data))


def checksum(total: int) -> int:
    """The checksum, as a word, of what sums up to *total* (below 2**48)."""
    total = (total & 0xFFFF) + (total >> 16 & 0xFFFF) + (total >> 32)
    total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - ((total & 0xFFFF) + (total >> 16))
