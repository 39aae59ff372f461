"""The lockstep walk finds what the plain walk finds."""

from __future__ import annotations

from struct import pack

import numpy as np
import pytest

from lbreplay.wire.capture.frames import MAX_CAPLEN, SLACK
from lbreplay.wire.capture.walk import Shape, walk, walk_plainly

PCAP = Shape("<", 8, 16, 0, MAX_CAPLEN)


def padded(data: bytes) -> np.ndarray:
    return np.frombuffer(data + bytes(SLACK), np.uint8).copy()


def records(seed: int, count: int, spread: int, body: str = "random") -> bytes:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, spread, count)
    out = []
    for n, size in enumerate(sizes.tolist()):
        head = pack("<IIII", 1_700_000_000 + n // 500, n % 1_000_000, size, size)
        frame = {"random": rng.bytes(size), "zero": bytes(size), "record": (head * (size // 16 + 1))[:size]}[body]
        out.append(head + frame)
    return b"".join(out)


@pytest.mark.parametrize("body", ["random", "zero", "record"])
@pytest.mark.parametrize("spread", [1, 100, 300])
def test_lockstep_is_the_plain_walk(body: str, spread: int) -> None:
    """Whatever the frames hold, even what looks like records, the starts are those of the plain walk."""
    data = records(spread, 8000, spread, body)
    chunk = padded(data)
    for end in (len(data), len(data) - 1, len(data) - 30):
        plain, fast = walk_plainly(chunk, 0, end, PCAP), walk(chunk, 0, end, PCAP)
        assert np.array_equal(plain.starts, fast.starts)
        assert plain[1:] == fast[1:]


def test_broken_record_ends_both_walks() -> None:
    """A length beyond reason in the middle ends the walk there, and everything before it is found."""
    data = bytearray(records(1, 8000, 100))
    chunk = padded(bytes(data))
    broken = int(walk_plainly(chunk, 0, len(data), PCAP).starts[5000])
    for length in (MAX_CAPLEN + 1, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF):
        data[broken + 8 : broken + 12] = length.to_bytes(4, "little")
        found = walk(padded(bytes(data)), 0, len(data), PCAP)
        assert (len(found.starts), found.used, found.bad) == (5000, broken, True)


def test_times_far_apart_are_walked_too() -> None:
    """Where no mark repeats, no start can be guessed and the walk is still right."""
    rng = np.random.default_rng(5)
    data = b"".join(pack("<IIII", int(s), 0, 40, 40) + bytes(40) for s in rng.integers(0, 1 << 32, 6000))
    found = walk(padded(data), 0, len(data), PCAP)
    assert np.array_equal(found.starts, np.arange(6000) * 56)


def test_stop_ends_the_walk_before_it() -> None:
    """A record that begins with the stop number is not walked over."""
    shape = Shape("<", 4, 0, 12, 1 << 20, (2, 5), 0x0A0D0D0A, 4, True)
    blocks = [pack("<II", 6, 32) + bytes(20) + pack("<I", 32)] * 9000
    blocks[8000] = pack("<II", 0x0A0D0D0A, 32) + bytes(24)
    data = b"".join(blocks)
    found = walk(padded(data), 0, len(data), shape)
    assert (len(found.starts), found.used, found.bad) == (8000, 8000 * 32, False)


def test_a_length_of_nothing_does_not_stand_still() -> None:
    """A block of no bytes is broken, not an endless walk, also where guesses meet it."""
    shape = Shape("<", 4, 0, 12, 1 << 20, (2, 5), 0x0A0D0D0A, 4, True)
    good = pack("<II", 6, 32) + bytes(20) + pack("<I", 32)
    data = good * 6000 + pack("<II", 6, 0) * 20000
    found = walk(padded(data), 0, len(data), shape)
    assert (len(found.starts), found.used, found.bad) == (6000, 6000 * 32, True)


def test_records_much_smaller_than_the_first_ones() -> None:
    """Too many steps from one guess to the next: the walk is right without them."""
    data = b"".join(pack("<IIII", 1_700_000_000, n, 1500, 1500) + bytes(1500) for n in range(70))
    data += b"".join(pack("<IIII", 1_700_000_000, n, 0, 0) for n in range(100_000))
    data += b"".join(pack("<IIII", 1_700_000_000, n, 1500, 1500) + bytes(1500) for n in range(4000))
    chunk = padded(data)
    plain, fast = walk_plainly(chunk, 0, len(data), PCAP), walk(chunk, 0, len(data), PCAP)
    assert np.array_equal(plain.starts, fast.starts) and plain[1:] == fast[1:]
