"""Buffers of bursts: dense records, whatever the capture looked like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from captures import frames, pcap_head, record, write

from lbreplay.burst import PAD, RECORD
from lbreplay.wire.capture import open_capture


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
