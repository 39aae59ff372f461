"""Captures of several ports as one: by time, equal times by file, whatever their formats, chunks and damage."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from captures import T0, drain, enhanced, frames, interface, pcap_head, read, record, section, write

from lbreplay.wire.capture import Merged, open_capture
from lbreplay.wire.capture import frames as reading


def merged(*paths: Path) -> Merged:
    return Merged([(f"dpdk{n}", str(path)) for n, path in enumerate(paths)])


def pcap(folder: Path, name: str, times: list[int], made: list[bytes]) -> Path:
    """A pcap of frames at microseconds after T0."""
    parts = [record(frame, T0 + us // 10**6, us % 10**6) for us, frame in zip(times, made, strict=True)]
    return write(folder, pcap_head(), *parts, name=name)


@pytest.mark.parametrize("chunk", [4096, 1 << 16])
def test_by_time_then_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """As one sorts them with all in hand, however small the pieces that are read; each knows its file."""
    monkeypatch.setattr(reading, "CHUNK", chunk)
    chance, made = random.Random(20), frames(900)
    owner = [chance.randrange(3) for _ in made]
    times = sorted(chance.randrange(300) for _ in made)  # many are equal
    paths = []
    for file in range(3):
        mine = [n for n in range(900) if owner[n] == file]
        paths.append(pcap(tmp_path, f"{file}.pcap", [times[n] for n in mine], [made[n] for n in mine]))
    wanted = [made[n] for n in sorted(range(900), key=lambda n: (times[n], owner[n]))]
    with open_capture(merged(*paths)) as source:
        assert source.names == ["dpdk0", "dpdk1", "dpdk2"]
        bursts = list(source.bursts(64))
    assert [burst.frame(row) for burst in bursts for row in range(burst.size)] == wanted
    told = [int(number) for burst in bursts for number in burst.interface]
    assert told == [owner[made.index(frame)] for frame in wanted]
    assert [burst.first for burst in bursts][:2] == [1, bursts[0].size + 1]


def test_formats_of_their_own(tmp_path: Path) -> None:
    """A pcap and a pcapng; resolution and link type are each file's."""
    one = pcap(tmp_path, "one.pcap", [0, 2], frames(2))
    two = write(tmp_path, section(), interface(101), enhanced(b"\x45" + bytes(39), T0 * 10**6 + 1), name="two.pcapng")
    seen = read(merged(one, two))
    assert [(frame.time_ns - T0 * 10**9) // 1000 for frame in seen] == [0, 1, 2]
    assert seen[1].frame[14:] == b"\x45" + bytes(39)


def test_times_that_go_back(tmp_path: Path) -> None:
    """Such a frame counts as at the latest time of its file, and one sentence says so."""
    one, two = pcap(tmp_path, "one.pcap", [5, 3], frames(2)), pcap(tmp_path, "two.pcap", [4, 6], frames(4)[2:])
    with open_capture(merged(one, two)) as source:
        seen = drain(source)
        assert [frame.frame for frame in seen] == [frames(4)[n] for n in (2, 0, 1, 3)]
        assert any("times go back" in warning for warning in source.warnings)


def test_damage_of_one(tmp_path: Path) -> None:
    """What was good of all files is delivered first."""
    one = pcap(tmp_path, "one.pcap", [0, 2], frames(2))
    two = write(tmp_path, pcap_head(), record(frames(3)[2], T0, 1), b"\xff" * 40, name="two.pcap")
    with open_capture(merged(one, two)) as source:
        assert len(drain(source)) == 3
        assert source.damage is not None and "two.pcap" in str(source.damage)
