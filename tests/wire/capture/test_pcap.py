"""Classic pcap: byte orders, resolutions, old variants, and files that end or lie."""

from __future__ import annotations

from pathlib import Path
from struct import pack

import pytest
from captures import T0, drain, frames, pcap_head, read, record, write

from lbreplay.errors import CaptureError
from lbreplay.wire.capture import open_capture, open_sink


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic, unit", [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_orders_and_resolutions(tmp_path: Path, order: str, magic: int, unit: int) -> None:
    """Both byte orders and both resolutions give frames, lengths and integer nanoseconds."""
    some = frames(3)
    body = [record(frame, fraction=7 + n, length=1500, order=order) for n, frame in enumerate(some)]
    path = write(tmp_path, pcap_head(order, magic, snaplen=96), *body)
    assert read(path) == [(T0 * 10**9 + (7 + n) * unit, frame, 1500) for n, frame in enumerate(some)]
    with open_capture(str(path)) as capture:
        assert (capture.info.nanosecond, capture.info.snaplen, capture.info.linktype) == (unit == 1, 96, 1)


def test_kuznetzovs_variant(tmp_path: Path) -> None:
    """The patched libpcap of the nineties has eight bytes more before each frame."""
    body = [record(f)[:16] + pack("<IHBB", 2, 8, 0, 0) + f for f in frames(3)]
    path = write(tmp_path, pcap_head(magic=0xA1B2CD34), *body)
    assert [seen.frame for seen in read(path)] == frames(3)


def test_swapped_lengths_of_old_versions(tmp_path: Path) -> None:
    """Before version 2.3 the length on the wire stood first."""
    head = pack("<IHHIIII", 0xA1B2C3D4, 2, 2, 0, 0, 96, 1)
    path = write(tmp_path, head, pack("<IIII", T0, 0, 1500, 60), frames(1)[0])
    assert read(path) == [(T0 * 10**9, frames(1)[0], 1500)]


def test_link_type_without_the_bits_beside_it(tmp_path: Path) -> None:
    """The upper bits of the link type tell of frame check sequences and are not part of it."""
    path = write(tmp_path, pcap_head(linktype=1 | 0x5400_0000), record(frames(1)[0]))
    with open_capture(str(path)) as capture:
        assert capture.info.linktype == 1


def test_empty_frames_are_rows(tmp_path: Path) -> None:
    """A record of no bytes is a frame, with its length on the wire."""
    path = write(tmp_path, pcap_head(), record(b"", length=60), record(b""), record(frames(1)[0]))
    assert [(len(s.frame), s.length) for s in read(path)] == [(0, 60), (0, 0), (60, 60)]


def test_length_below_the_captured_one(tmp_path: Path) -> None:
    """A frame is at least as long on the wire as what was captured of it."""
    path = write(tmp_path, pcap_head(), record(frames(1)[0], length=0))
    assert read(path)[0].length == 60


def test_fraction_beyond_a_second_leaves_as_a_time(tmp_path: Path) -> None:
    """A fraction of more than a second is time like any other, and leaves as a record that says so."""
    path, out = write(tmp_path, pcap_head(), record(frames(1)[0], fraction=2_500_000)), tmp_path / "out.pcap"
    with open_capture(str(path)) as capture, open_sink(str(out), capture.info) as sink:
        for burst in capture.bursts(8):
            burst.leaving[:] = True
            sink.write(burst)
    assert out.read_bytes() == pcap_head() + record(frames(1)[0], T0 + 2, 500_000)


@pytest.mark.parametrize("cut", [1, 8, 15, 16, 40, 75])
def test_cut_in_a_record(tmp_path: Path, cut: int) -> None:
    """A capture that ends inside a record is read up to there, with a warning."""
    whole = [record(frame) for frame in frames(3)]
    path = write(tmp_path, pcap_head(), whole[0], whole[1], whole[2][:cut])
    with open_capture(str(path)) as capture:
        assert [seen.frame for seen in drain(capture)] == frames(2)
    assert capture.warnings == ["the capture ends inside a record (offset 176), which is left out"]
    assert capture.damage is None


@pytest.mark.parametrize("caplen", [262_145, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF])
def test_length_beyond_reason(tmp_path: Path, caplen: int) -> None:
    """What was good before a record that cannot be is delivered; then the capture is damaged, with the offset."""
    path = write(tmp_path, pcap_head(), *map(record, frames(3)), pack("<IIII", T0, 0, caplen, caplen), bytes(300))
    with open_capture(str(path)) as capture:
        assert [seen.frame for seen in drain(capture)] == frames(3)
    assert isinstance(capture.damage, CaptureError)
    assert str(capture.damage) == f"{path}: offset 252: a record of at most 262144 bytes expected"
    assert capture.warnings == [str(capture.damage)]


@pytest.mark.parametrize("size", [4, 10, 23])
def test_file_header_cut(tmp_path: Path, size: int) -> None:
    """A file that ends inside its header is no capture."""
    path = write(tmp_path, pcap_head()[:size])
    with pytest.raises(CaptureError, match=f"offset {size}: a pcap file header has 24 bytes"):
        open_capture(str(path))


def test_largest_record(tmp_path: Path) -> None:
    """A frame as large as libpcap allows is one, whatever the snap length says."""
    path = write(tmp_path, pcap_head(snaplen=96), record(bytes(262_144)), record(frames(1)[0]))
    assert [len(seen.frame) for seen in read(path)] == [262_144, 60]
