"""What leaves: rows in place, made frames between them, in every form of output."""

from __future__ import annotations

import gzip
import itertools
import lzma
from pathlib import Path
from struct import pack

import dpkt
import numpy as np
import pytest
from captures import T0, frames, pcap_head, read, record, write

from lbreplay.burst import Burst, Made
from lbreplay.wire.capture import Note, open_capture, open_sink

MADE = b"made" * 20


def made(row: int, fraction: int = 0, frame: bytes = MADE, length: int = 80) -> Made:
    return Made(row, T0 * 10**9 + fraction * 1000, frame, length, 0, 0, True)


@pytest.mark.parametrize("leaving", list(itertools.product([False, True], repeat=4)))
def test_runs_and_made_frames(tmp_path: Path, leaving: tuple[bool, ...]) -> None:
    """Whichever rows leave, and wherever made frames go between them, the output is them in order."""
    some = frames(4)
    path = write(tmp_path, pcap_head(), *map(record, some))
    for rows in [(), (0,), (0, 0), (2,), (1, 3, 3), (4,), (0, 1, 2, 3, 4)]:
        out = tmp_path / "out.pcap"
        with open_capture(str(path)) as capture, open_sink(str(out), capture.info) as sink:
            for burst in capture.bursts(8):
                burst.leaving[:] = leaving
                burst.made = [made(row, n) for n, row in enumerate(rows)]
                sink.write(burst)
        want = pcap_head()
        for row in range(5):
            want += b"".join(record(MADE, fraction=n) for n, r in enumerate(rows) if r == row)
            want += record(some[row]) if row < 4 and leaving[row] else b""
        assert out.read_bytes() == want


@pytest.mark.parametrize("chance", range(6))
def test_any_mixture(tmp_path: Path, chance: int) -> None:
    """Frames of any length, rows that leave or do not, made frames anywhere: what is written is them in order."""
    rng = np.random.default_rng(chance)
    some = [rng.bytes(size) for size in rng.choice([0, 14, 60, 130, 600, 1500, 5000], 300).tolist()]
    leaving = rng.random(300) < rng.random()
    rows = np.sort(rng.integers(0, 300, 40)).tolist()
    extra = [made(row, n, rng.bytes(n * 60), n * 61) for n, row in enumerate(rows)]
    path, out = write(tmp_path, pcap_head(), *map(record, some)), tmp_path / "out.pcap"
    with open_capture(str(path)) as capture, open_sink(str(out), capture.info) as sink:
        for burst in capture.bursts(300):
            burst.leaving[:], burst.made = leaving, extra
            sink.write(burst)
    want = pcap_head()
    for row in range(300):
        want += b"".join(record(m.frame, fraction=n, length=n * 61) for n, m in enumerate(extra) if m.row == row)
        want += record(some[row]) if leaving[row] else b""
    assert out.read_bytes() == want


def test_rows_that_lie_apart(tmp_path: Path) -> None:
    """A buffer with gaps between its records is written without them."""
    data = np.frombuffer(record(frames(2)[0]) + b"gap" + record(frames(2)[1]) + bytes(256), np.uint8).copy()
    columns = [np.array(c, np.int64) for c in ([16, 95], [60, 60], [60, 60], [T0 * 10**9] * 2)]
    burst = Burst.of(1, data, *columns)
    burst.leaving[:] = True
    path = write(tmp_path, pcap_head())
    with open_capture(str(path)) as capture, open_sink(str(tmp_path / "out.pcap"), capture.info) as sink:
        sink.write(burst)
    assert (tmp_path / "out.pcap").read_bytes() == pcap_head() + b"".join(map(record, frames(2)))


def test_made_frames_keep_both_lengths_and_nanoseconds(tmp_path: Path) -> None:
    """A made frame that the capture cut keeps its length on the wire, and its time as far as the output goes."""
    for magic, fraction in ((0xA1B23C4D, 123_456_789), (0xA1B2C3D4, 123_456)):
        path, out = write(tmp_path, pcap_head(magic=magic), record(frames(1)[0])), tmp_path / "out.pcap"
        with open_capture(str(path)) as capture, open_sink(str(out), capture.info) as sink:
            for burst in capture.bursts(8):
                burst.made = [Made(0, T0 * 10**9 + 123_456_789, MADE, 1500, 0, 0, True)]
                sink.write(burst)
        assert out.read_bytes() == pcap_head(magic=magic) + record(MADE, fraction=fraction, length=1500)


UNPACK = {".gz": gzip.decompress, ".xz": lzma.decompress, "": bytes}


@pytest.mark.parametrize("suffix", sorted(UNPACK))
def test_compressed_by_suffix(tmp_path: Path, suffix: str) -> None:
    """The suffix decides about compression, and the same frames are the same bytes each time."""
    path, out = write(tmp_path, pcap_head(), *map(record, frames(500))), tmp_path / f"out.pcap{suffix}"
    written = []
    for _ in range(2):
        with open_capture(str(path)) as capture, open_sink(str(out), capture.info) as sink:
            for burst in capture.bursts(64):
                burst.leaving[:] = True
                sink.write(burst)
        written.append(out.read_bytes())
    assert UNPACK[suffix](written[0]) == path.read_bytes()
    assert written[0] == written[1]


def test_zstd_by_suffix(tmp_path: Path) -> None:
    """`.zst` is zstd, where its library is there."""
    zstandard = pytest.importorskip("zstandard")
    path, out = write(tmp_path, pcap_head(), record(frames(1)[0])), tmp_path / "out.pcap.zst"
    with open_capture(str(path)) as capture, open_sink(str(out), capture.info) as sink:
        for burst in capture.bursts(64):
            burst.leaving[:] = True
            sink.write(burst)
    assert zstandard.ZstdDecompressor().decompressobj().decompress(out.read_bytes()) == path.read_bytes()


@pytest.mark.parametrize("magic, unit, resolution", [(0xA1B2C3D4, 1000, 6), (0xA1B23C4D, 1, 9)])
def test_pcapng(tmp_path: Path, magic: int, unit: int, resolution: int) -> None:
    """A pcapng holds the same frames, with the resolution and snap length of the capture; dpkt reads it."""
    path = write(tmp_path, pcap_head(magic=magic, snaplen=96), *[record(f, fraction=7, length=99) for f in frames(5)])
    out = tmp_path / "out.pcapng"
    with open_capture(str(path)) as capture, open_sink(str(out), capture.info) as sink:
        for burst in capture.bursts(2):
            burst.leaving[:] = True
            sink.write(burst)
    assert read(out) == [(T0 * 10**9 + 7 * unit, frame, 99) for frame in frames(5)]
    with open_capture(str(out)) as again:
        assert (again.info.snaplen, again.info.linktype) == (96, 1)
    with out.open("rb") as file:
        reader = dpkt.pcapng.Reader(file)
        assert [data for _, data in reader] == frames(5)
        assert reader.idb.snaplen == 96


def test_pcapng_annotated(tmp_path: Path) -> None:
    """An interface per worker, and queue, hash, verdict and comment beside each frame."""
    path, out = write(tmp_path, pcap_head(), *map(record, frames(2))), tmp_path / "out.pcapng"

    def annotate(burst: Burst, what: int | Made) -> Note | tuple[int, int, int, str, str]:
        return Note(0, comment="from nothing") if isinstance(what, Made) else (2, 5, 0x51CCC178, "fast", f"row {what}")

    with open_capture(str(path)) as capture, open_sink(str(out), capture.info, annotate) as sink:
        for burst in capture.bursts(8):
            burst.leaving[:] = [True, False]
            burst.made = [made(1)]
            sink.write(burst)
    data = out.read_bytes()
    assert [data.count(b"worker%d" % worker) for worker in range(4)] == [1, 1, 1, 0]
    options = pack("<HH", 1, 5) + b"row 0\0\0\0" + pack("<HHBI", 3, 5, 5, 0x51CCC178) + bytes(3)
    options += pack("<HHI", 6, 4, 5) + pack("<HH", 7, 5) + b"\0fast\0\0\0" + bytes(4)
    assert data.count(options) == 1 and data.count(b"from nothing") == 1
    assert [seen.frame for seen in read(out)] == [frames(2)[0], MADE]


def test_an_exception_leaves_no_file(tmp_path: Path) -> None:
    """A run that breaks off leaves neither a half file nor a changed one."""
    path, out = write(tmp_path, pcap_head(), record(frames(1)[0])), write(tmp_path, b"old", name="out.pcap")
    with open_capture(str(path)) as capture, pytest.raises(KeyboardInterrupt), open_sink(str(out), capture.info):
        raise KeyboardInterrupt
    assert out.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 2


def test_an_empty_run_is_an_empty_capture(tmp_path: Path) -> None:
    """Where nothing leaves the outputs are captures of no frames."""
    path = write(tmp_path, pcap_head(snaplen=99))
    for name in ("out.pcap", "out.pcapng"):
        with open_capture(str(path)) as capture, open_sink(str(tmp_path / name), capture.info) as sink:
            for burst in capture.bursts(8):
                sink.write(burst)
        assert read(tmp_path / name) == []
    assert (tmp_path / "out.pcap").read_bytes() == pcap_head(snaplen=99)
