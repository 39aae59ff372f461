"""Frames of offloads, counted: tests/wire/test_offload.py has the kinds; here are the bounds of what is looked at."""

from __future__ import annotations

from pathlib import Path

import captures
import craft
import pytest

from lbreplay.loop.look import Look
from lbreplay.loop.parse import parse
from lbreplay.wire.capture import open_capture

FRAMES = 40


@pytest.mark.parametrize("size", [1, 7, 40])
@pytest.mark.parametrize("thorough, sample, looked_at", [(8, 3, 8 + 4 * 3), (40, 1, 40), (100, 100, 40), (1, 0, 1)])
def test_the_first_and_a_sample_behind_them(
    tmp_path: Path, size: int, thorough: int, sample: int, looked_at: int
) -> None:
    """All of the first `thorough`, and then the first `sample` of as many; large frames are counted all."""
    frame = craft.udp("10.0.0.1:7", "10.0.0.2:8", bytes(100))
    path = captures.write(tmp_path, captures.pcap_head(), *[captures.record(frame)] * FRAMES)
    look = Look(len(frame) - 1, thorough, sample)
    with open_capture(str(path)) as capture:
        for burst in capture.lent(size):
            parse(burst, None, False)
            look.look(burst)
    assert (look.segments, look.headers, look.large) == (looked_at, looked_at, FRAMES)
    assert look.wrong == look.partial == 0
