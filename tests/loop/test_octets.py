"""Octets: read, written, summed and copied, as the compiled modules have them inlined too (see their tests)."""

from __future__ import annotations

import random

import pytest

from lbreplay.loop import octets
from lbreplay.wire import checksum


def test_words_are_little_endian() -> None:
    """At any offset."""
    buffer = memoryview(bytearray(b"\1\2\3\4\5\6"))
    assert (octets.word16(buffer, 1), octets.word32(buffer, 1)) == (0x0302, 0x05040302)
    octets.put16(buffer, 0, 0xABCD)
    octets.put32(buffer, 2, octets.swapped(0xABCD0102))
    assert bytes(buffer) == b"\xcd\xab\xab\xcd\1\2"


def test_numbers_are_in_the_order_of_their_file() -> None:
    """Big-endian or little, all 32 bits."""
    buffer = memoryview(bytearray(b"\0\xff\1\2\3"))
    assert (octets.number(buffer, 1, True), octets.number(buffer, 1, False)) == (0xFF010203, 0x030201FF)


def test_copies_may_overlap() -> None:
    """Within one buffer, and nothing is copied where nothing is asked for."""
    buffer = memoryview(bytearray(b"abcdef"))
    octets.copy(buffer, 0, 4, buffer, 1)
    octets.copy(buffer, 0, 0, buffer, 3)
    assert bytes(buffer) == b"aabcdf"


def test_bytes_come_and_go() -> None:
    """Out of a buffer, out of other bytes, and back; none where none are asked for."""
    buffer = memoryview(bytearray(b"abcdef"))
    assert (octets.taken(buffer, 1, 3), octets.taken(buffer, 6, 0)) == (b"bcd", b"")
    assert (octets.part(b"abcdef", 4, 2), octets.part(b"", 0, 0)) == (b"ef", b"")
    octets.put(b"", buffer, 6)
    octets.put(b"xy", buffer, 4)
    assert bytes(buffer) == b"abcdxy"


@pytest.mark.parametrize("size", [*range(9), 1400, 1401])
def test_checksums_are_those_of_the_plain_path(size: int) -> None:
    """Of any length, an odd last byte padded; the word is what stands in the packet."""
    data = random.Random(size).randbytes(size)
    word = octets.checksum(octets.total(memoryview(data), 0, size))
    assert int.from_bytes(word.to_bytes(2, "little")) == checksum.fold(checksum.ones_sum(data))


def test_sums_are_folded_to_the_end() -> None:
    """Carries of carries too."""
    assert [octets.checksum(total) for total in (0, 0xFFFF, 0xFFFF_FFFF_FFFF, 0x1_FFFF)] == [0xFFFF, 0, 0, 0xFFFE]


def test_words_turned_about() -> None:
    """Of two bytes and of eight."""
    assert (octets.swapped16(0x0102), octets.swapped64(0x0102030405060708)) == (0x0201, 0x0807060504030201)
