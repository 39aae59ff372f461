"""Captures: recognised by content, counted, cut into bursts of any size, times never decreasing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from captures import T0, drain, enhanced, frames, interface, pcap_head, read, record, section, write

from lbreplay.burst import PAD
from lbreplay.errors import CaptureError
from lbreplay.wire.capture import frames as chunking
from lbreplay.wire.capture import open_capture

COPY = """if True:
    import sys
    from lbreplay.wire.capture import PipeClosed, open_capture, open_sink
    try:
        with open_capture("-") as capture, open_sink("-", capture.info) as sink:
            for burst in capture.bursts(4096):
                burst.leaving[:] = True
                sink.write(burst)
    except PipeClosed:
        sys.exit(7)
"""


def copying(**kind: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    return subprocess.Popen([sys.executable, "-c", COPY], env=environment, **kind)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "data, what",
    [
        (b"", "an empty file"),
        (b"\x7fELF" + bytes(40), "a file that begins 7f 45 4c 46"),
        (b"x", "a file that begins 78"),
        (b"\xa1\xb2", "a file that begins a1 b2"),
    ],
)
def test_not_a_capture(tmp_path: Path, data: bytes, what: str) -> None:
    """What is no capture is refused in one line that says what it is."""
    path = write(tmp_path, data)
    with pytest.raises(CaptureError) as caught:
        open_capture(str(path))
    assert str(caught.value) == f"{path}: offset 0: a pcap or pcapng capture expected, got {what}"


@pytest.mark.parametrize("size", [1, 7, 256, 4096])
@pytest.mark.parametrize("chunk", [300_000, 4 << 20])
def test_bursts_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, chunk: int) -> None:
    """Neither the size of bursts nor that of chunks changes what is read; numbers count on."""
    monkeypatch.setattr(chunking, "CHUNK", chunk)
    rng = np.random.default_rng(1)
    some = [rng.bytes(n) for n in rng.integers(0, 400, 3000).tolist()] + [bytes(200_000)] * 3
    path = write(tmp_path, pcap_head(), *[record(f, T0 + n // 50) for n, f in enumerate(some)])
    with open_capture(str(path)) as capture:
        first, seen = [], []
        for burst in capture.bursts(size):
            first.append(burst.first)
            assert burst.size <= size
            seen += [burst.frame(row) for row in range(burst.size)]
    assert seen == some
    assert first[0] == 1 and (size > 1 or first == list(range(1, len(some) + 1)))
    assert (capture.frames, capture.bytes) == (len(some), sum(map(len, some)))
    assert (capture.first_ns, capture.last_ns) == (T0 * 10**9, (T0 + (len(some) - 1) // 50) * 10**9)


def test_lent_bursts_follow_each_other_in_one_room(tmp_path: Path) -> None:
    """They have the frames of those that are one's own, and their rows begin anew each time."""
    path = write(tmp_path, pcap_head(), *map(record, frames(37)))
    with open_capture(str(path)) as capture, open_capture(str(path)) as other:
        rooms = []
        for lent, own in zip(capture.lent(5), other.bursts(5), strict=True):
            assert [lent.frame(row) for row in range(lent.size)] == [own.frame(row) for row in range(own.size)]
            assert lent.sent.tolist() == own.length.tolist() and not lent.leaving.any() and not lent.mac.any()
            lent.leaving[:], lent.mac[:], lent.sent[:], lent.buffer[:-PAD] = True, 5, 6, 7
            rooms.append(lent.room)
    assert len(rooms) == 8 and all(room is rooms[0] for room in rooms)


@pytest.mark.parametrize("size", [1, 4096])
def test_times_never_decrease(tmp_path: Path, size: int) -> None:
    """A frame that is older than the one before it counts as at its time, in the record too, and is warned of once."""
    path = write(tmp_path, pcap_head(), *[record(f, T0 + s) for f, s in zip(frames(5), (3, 1, 2, 4, 0), strict=True)])
    with open_capture(str(path)) as capture:
        bursts = list(capture.bursts(size))
    assert [int(t) - T0 * 10**9 for b in bursts for t in b.time_ns] == [s * 10**9 for s in (3, 3, 3, 4, 4)]
    stamps = [int.from_bytes(b.buffer[at - 16 : at - 12].tobytes(), "little") - T0 for b in bursts for at in b.at]
    assert stamps == [3, 3, 3, 4, 4]
    assert capture.warnings == ["times go back 3 times: such a frame counts as at the time of the one before it"]
    assert capture.first_ns == (T0 + 3) * 10**9


def test_a_frame_without_a_time(tmp_path: Path) -> None:
    """A frame whose block has no time is at that of the frame before it, and no warning is due."""
    from captures import simple

    path = write(tmp_path, section(), interface(), enhanced(b"one", T0 * 10**6), simple(b"two"), simple(b"three"))
    with open_capture(str(path)) as capture:
        assert {seen.time_ns for seen in drain(capture)} == {T0 * 10**9}
    assert capture.warnings == []


def test_standard_input_and_output() -> None:
    """A capture streams through as it is, from standard input to standard output."""
    data = pcap_head() + b"".join(map(record, frames(3000)))
    with copying(stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        out, _ = run.communicate(data)
    assert out == data and run.returncode == 0


def test_a_live_stream_comes_through_frame_by_frame() -> None:
    """What comes in goes out while the other side waits for it: no frame is kept until more arrive."""
    with copying(stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as run:
        assert run.stdin is not None and run.stdout is not None
        run.stdin.write(pcap_head())
        for frame in frames(3):
            run.stdin.write(record(frame))
            want = record(frame) if frame != frames(3)[0] else pcap_head() + record(frame)
            got = b""
            while len(got) < len(want):
                got += run.stdout.read(len(want) - len(got))
            assert got == want
        run.stdin.close()


def test_a_pipe_closed_behind_it_ends_quietly() -> None:
    """A reader that has seen enough ends the writer with PipeClosed, and nothing on standard error."""
    with copying(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as run:
        assert run.stdin and run.stdout and run.stderr
        run.stdin.write(pcap_head() + record(frames(1)[0]))
        run.stdout.read(10)
        run.stdout.close()
        run.stdin.write(record(frames(1)[0]))
        run.stdin.close()
        assert run.stderr.read() == b"" and run.wait() == 7


def test_memory_does_not_grow_with_the_capture(tmp_path: Path) -> None:
    """Reading twenty chunks takes no more memory than reading two."""
    import tracemalloc

    peaks = []
    for count in (6000, 60_000):
        path = write(tmp_path, pcap_head(), *map(record, [bytes(1400)] * count))
        tracemalloc.start()
        with open_capture(str(path)) as capture:
            for _ in capture.bursts(4096):
                pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2


def test_hostile_heads_cost_nothing(tmp_path: Path) -> None:
    """Snap lengths and sizes in a file make nobody allocate."""
    path = write(tmp_path, pcap_head(snaplen=0xFFFFFFFF), record(frames(1)[0], length=0xFFFFFFFF))
    assert [(len(s.frame), s.length) for s in read(path)] == [(60, 0xFFFFFFFF)]
