"""The chunk loop: what a chunk's end cuts is carried over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from captures import write

from lbreplay.wire.capture import frames as module
from lbreplay.wire.capture.frames import Frames, Reader
from lbreplay.wire.capture.source import Source


class Words(Reader):
    """Records of a byte that says how long they are, itself included; 255 means 20 that nobody needs."""

    def take(self, chunk: memoryview, end: int) -> tuple[Frames | None, int]:
        at, found = 0, []
        while at < end and (size := chunk[at]) and (size == 255 or at + size <= end):
            if size < 255:
                found.append(at)
            at += min(size, 20)
        if at < end and chunk[at] == 0:
            self.broken(at, "no length")
        column = np.array(found, np.int64)
        return Frames.of(chunk, column, np.asarray(chunk)[column].astype(np.int64), column, column, 1), at


@pytest.mark.parametrize(
    "data, found, warned, damage",
    [
        ([3, 9, 9, 2, 9] * 30, [3, 2] * 30, 0, None),
        ([3, 9, 9, 2], [3], 1, None),
        ([2, 9, 0, 2, 9], [2], 0, "in: offset 2: no length"),
        ([2, 9, 255, *[7] * 19, 2, 9], [2, 2], 0, None),
        ([2, 9, 255, *[7] * 12], [2], 1, None),
    ],
)
def test_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: list[int], found: list[int], warned: int, damage: str | None
) -> None:
    """At every size of chunk the records are the same, and so is what is said of the end."""
    write(tmp_path, bytes(data), name="in")
    monkeypatch.chdir(tmp_path)
    for size in range(8, 40):
        monkeypatch.setattr(module, "CHUNK", size)
        warnings: list[str] = []
        with Source("in") as source:
            reader = Words(source, warnings.append)
            assert [int(n) for frames in reader.chunks() for n in frames.caplen] == found
        assert len(warnings) == warned
        assert (str(reader.damage) if reader.damage else None) == damage
