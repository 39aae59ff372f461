"""Records of a chunk, found one behind the other, and what their heads say."""

from __future__ import annotations

from struct import pack, unpack_from

import numpy as np
import pytest

from lbreplay import memory
from lbreplay.loop.walk import Heads, Shape, Walk, Walker, walk
from lbreplay.wire.capture.frames import MAX_CAPLEN, SLACK

SECOND = 1_000_000_000
PCAP = Shape("<", 8, 16, 0, MAX_CAPLEN)


def plainly(data: bytes, end: int) -> Walk:
    """The same by the standard library, for a pcap."""
    starts, at = [], 0
    while at + 12 <= end and at + 16 + unpack_from("<I", data, at + 8)[0] <= end:
        starts.append(at)
        at += 16 + unpack_from("<I", data, at + 8)[0]
    return Walk(np.array(starts, np.int64), at, False)


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
def test_it_finds_what_the_standard_library_finds(body: str, spread: int) -> None:
    """Whatever the frames hold, even what looks like records; what the end cuts is left."""
    data = records(spread, 8000, spread, body)
    chunk = padded(data)
    for end in (len(data), len(data) - 1, len(data) - 30):
        plain, fast = plainly(data, end), walk(chunk, 0, end, PCAP)
        assert np.array_equal(plain.starts, fast.starts)
        assert plain[1:] == fast[1:]


def test_a_broken_record_ends_the_walk() -> None:
    """A length beyond reason in the middle ends the walk there, and everything before it is found."""
    data = bytearray(records(1, 8000, 100))
    broken = int(plainly(bytes(data), len(data)).starts[5000])
    for length in (MAX_CAPLEN + 1, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF):
        data[broken + 8 : broken + 12] = length.to_bytes(4, "little")
        found = walk(padded(bytes(data)), 0, len(data), PCAP)
        assert (len(found.starts), found.used, found.bad) == (5000, broken, True)


def test_stop_ends_the_walk_before_it() -> None:
    """A record that begins with the stop number is not walked over."""
    shape = Shape("<", 4, 0, 12, 1 << 20, 0x0A0D0D0A)
    blocks = [pack("<II", 6, 32) + bytes(20) + pack("<I", 32)] * 9000
    blocks[8000] = pack("<II", 0x0A0D0D0A, 32) + bytes(24)
    data = b"".join(blocks)
    found = walk(padded(data), 0, len(data), shape)
    assert (len(found.starts), found.used, found.bad) == (8000, 8000 * 32, False)


def test_a_length_of_nothing_does_not_stand_still() -> None:
    """A block of no bytes is broken, not an endless walk."""
    shape = Shape("<", 4, 0, 12, 1 << 20, 0x0A0D0D0A)
    good = pack("<II", 6, 32) + bytes(20) + pack("<I", 32)
    data = good * 6000 + pack("<II", 6, 0) * 20000
    found = walk(padded(data), 0, len(data), shape)
    assert (len(found.starts), found.used, found.bad) == (6000, 6000 * 32, True)


def read(data: bytes, count: int, order: str = "<", swapped: bool = False) -> tuple[Heads, list[list[int]]]:
    """The heads of *count* records of as many bytes each: time, captured, whole length, begin of the frame."""
    made = Heads(order, 16, swapped, 1000)
    made.read(padded(data), memory.listed("q", range(0, len(data), len(data) // count)), count)
    columns = (made.time_ns, made.caplen, made.length, made.at)
    return made, [memoryview(column)[:count].tolist() for column in columns]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("swapped", [False, True])
def test_heads(order: str, swapped: bool) -> None:
    """Times in nanoseconds, lengths in either order of bytes and of the two."""
    lengths = (90, 60) if swapped else (60, 90)
    heads = [pack(f"{order}IIII", seconds, part, *lengths) for seconds, part in ((7, 999_999), (0xFFFFFFFF, 0))]
    made, found = read(b"".join(head + bytes(60) for head in heads), 2, order, swapped)
    assert found == [[7 * SECOND + 999_999_000, 0xFFFFFFFF * SECOND], [60, 60], [90, 90], [16, 92]]
    assert not made.odd


@pytest.mark.parametrize(
    ("head", "length"),
    [((1, 1_000_000, 60, 60), 60), ((1, 0, 60, 59), 60), ((1, 0xFFFFFFFF, 60, 0), 60)],
)
def test_odd_heads(head: tuple[int, ...], length: int) -> None:
    """A fraction of a second or more, a whole shorter than what was captured: taken, and told."""
    made, found = read(pack("<IIII", *head), 1)
    assert made.odd and found == [[head[0] * SECOND + head[1] * 1000], [60], [length], [16]]


def test_one_chunk_after_another() -> None:
    """Memory grows with the largest; what a small one leaves in it is not read."""
    walker, made = Walker(PCAP), Heads("<", 16, False, 1000)
    for count in (3, 4000, 2, 9000):
        data = records(count, count, 90)
        found = walker.run(padded(data), 0, len(data))
        made.read(padded(data), walker.starts, found)
        assert found == count and memoryview(made.at)[0] == 16
        assert sum(memoryview(made.caplen)[:count]) == len(data) - 16 * count
