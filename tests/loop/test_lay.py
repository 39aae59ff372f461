"""Bursts laid out of chunks: columns, times that never go back, records side by side."""

from __future__ import annotations

from struct import pack

import numpy as np
import pytest

from lbreplay import memory
from lbreplay.burst import PAD, RECORD, Burst, Room
from lbreplay.loop.lay import Layer

SECOND = 1_000_000_000


def burst(rows: int, data: bytes = b"") -> Burst:
    return Burst(1, memoryview(bytearray(data)), rows, Room(rows))


def filled(layer: Layer, made: Burst, columns: list[list[int]], start: int = 0, begin: int = 0) -> Burst:
    """*made* with the columns at, caplen, length, time_ns."""
    layer.fill(made, *(memory.listed("q", column) for column in columns), start, begin)
    return made


def test_columns_are_those_of_the_rows_that_are_asked_for() -> None:
    """Offsets from where the burst's bytes begin; what would leave is as long as what came; bytes add up."""
    layer = Layer(True)
    made = filled(layer, burst(2), [[16, 36, 80, 120], [4, 5, 6, 7], [40, 50, 60, 70], [1, 2, 3, 4]], 1, 20)
    for name, wanted in (
        ("at", [16, 60]),
        ("caplen", [5, 6]),
        ("length", [50, 60]),
        ("sent", [50, 60]),
        ("time_ns", [2, 3]),
    ):
        assert made.flat[name].tolist() == wanted
    assert layer.octets == 110
    filled(layer, burst(1), [[16], [1], [90], [5]])
    assert layer.octets == 200


@pytest.mark.parametrize(
    ("given", "settled", "raised"),
    [
        ([5, 5, 6], [5, 5, 6], 0),
        ([1, 7, 6, 7, 2], [3, 7, 7, 7, 7], 3),
        ([-1, 5, -1, 4], [3, 5, 5, 5], 1),
        ([], [], 0),
    ],
)
def test_times_never_go_back(given: list[int], settled: list[int], raised: int) -> None:
    """Behind an earlier chunk too; what has no time is not said to go back."""
    layer, times = Layer(True), memory.listed("q", given)
    layer.last_ns = 3
    assert layer.settle(times) == (raised > 0)
    assert (times.tolist(), layer.raised, layer.last_ns) == (settled, raised, settled[-1] if settled else 3)


@pytest.mark.parametrize("more", [0, 14])
@pytest.mark.parametrize("kind", range(4))
def test_rows_that_lie_apart_stand_side_by_side(kind: int, more: int) -> None:
    """As slices one by one have them, however long; behind room for heads."""
    rng = np.random.default_rng(kind)
    sizes = rng.integers(0, (2, 100, 600, 9000)[kind], 80).tolist()
    source, at = bytearray(), []
    for size in sizes:
        source += rng.bytes(int(rng.integers(0, 50)))
        at.append(len(source))
        source += rng.bytes(size)
    layer, room = Layer(False), [more] * len(sizes)
    made = filled(layer, burst(len(sizes)), [at, sizes, sizes, sizes])
    layer.gather(made, memoryview(source), memory.listed("q", room) if more else None)
    assert len(made.data) == sum(sizes) + (RECORD + more) * len(sizes) + PAD
    end = 0
    for row, (begin, size) in enumerate(zip(at, sizes, strict=True)):
        assert made.flat["at"][row] == end + RECORD and made.flat["caplen"][row] == size + more
        assert made.frame(row)[more:] == source[begin : begin + size]
        end = made.flat["at"][row] + made.flat["caplen"][row]


@pytest.mark.parametrize("nanosecond", [False, True])
def test_record_headers(nanosecond: bool) -> None:
    """Seconds, a fraction in the resolution of the capture, both lengths."""
    layer, made = Layer(nanosecond), burst(2, bytes(2 * RECORD + 3))
    filled(layer, made, [[16, 33], [1, 2], [9, 1 << 31], [SECOND - 1, 0xFFFFFFFF * SECOND + 2_000]])
    layer.put_heads(made)
    first, second = (999_999_999, 2000) if nanosecond else (999_999, 2)
    heads = pack("<IIII", 0, first, 1, 9), pack("<IIII", 0xFFFFFFFF, second, 2, 1 << 31)
    assert made.data.tobytes() == heads[0] + b"\0" + heads[1] + b"\0\0"
