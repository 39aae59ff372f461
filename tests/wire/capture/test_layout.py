"""Buffers of bursts: dense records, whatever the capture looked like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from captures import frames, pcap_head, record, write

from lbreplay.burst import PAD, RECORD
from lbreplay.wire.capture import open_capture
from lbreplay.wire.capture.layout import copy_rows


@pytest.mark.parametrize("spread", [2, 140, 300, 600, 3000, 20000])
def test_copy_rows_copies_rows_and_nothing_else(spread: int) -> None:
    """Copying too wide and in order gives what slices one by one give, at every mixture of lengths."""
    rng = np.random.default_rng(spread)
    size = rng.integers(0, spread, 300)
    size[rng.random(300) < 0.5] = 1
    gap = rng.integers(0, 50, 300)
    at, to = np.cumsum(size + gap) - size, np.cumsum(size + 16) - size
    source = rng.integers(0, 256, int(at[-1] + size[-1]) + PAD, np.uint8)
    target = np.zeros(int(to[-1] + size[-1]) + PAD, np.uint8)
    copy_rows(source, at, size, target, to)
    for row in range(300):
        got = target[to[row] : to[row] + size[row]]
        assert np.array_equal(got, source[at[row] : at[row] + size[row]])


@pytest.mark.parametrize("order", ["<", ">"])
def test_buffer_is_dense_records_and_padding(tmp_path: Path, order: str) -> None:
    """A burst's buffer is little-endian records without a gap, then PAD bytes, at every byte order of the capture."""
    some = [b"", *frames(50), b"x", b"\xff" * 3000]
    body = [record(frame, fraction=n, order=order) for n, frame in enumerate(some)]
    path = write(tmp_path, pcap_head(order), *body)
    native = b"".join(record(frame, fraction=n) for n, frame in enumerate(some))
    with open_capture(str(path)) as capture:
        (burst,) = capture.bursts(4096)
    assert burst.buffer[:-PAD].tobytes() == native
    assert np.array_equal(burst.at[1:] - RECORD, burst.at[:-1] + burst.caplen[:-1])
    assert burst.buffer.flags.writeable


def test_burst_owns_its_buffer(tmp_path: Path) -> None:
    """Writing into one burst changes neither the ones before nor those after it."""
    path = write(tmp_path, pcap_head(), *map(record, frames(30)))
    with open_capture(str(path)) as capture:
        kept = []
        for burst in capture.bursts(10):
            kept.append(burst)
            burst.buffer[:] = burst.first
    assert [int(b.buffer[0]) for b in kept] == [1, 11, 21]
    assert all((b.buffer == b.first).all() for b in kept)
