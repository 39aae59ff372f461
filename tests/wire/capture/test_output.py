"""The file behind a sink: compressed by its suffix, never the capture that is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from captures import write

from lbreplay.errors import CaptureError, OutputError
from lbreplay.wire.capture import CaptureInfo
from lbreplay.wire.capture.output import PackedOutput

INFO = CaptureInfo("-", "pcap", 1, False, 65535)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_same_as_input(tmp_path: Path) -> None:
    """The capture that is read is no output, by whatever name; it stays as it is."""
    path = write(tmp_path, b"capture")
    link = tmp_path / "other.pcap"
    os.link(path, link)
    for name in (path, link):
        with pytest.raises(OutputError, match="another file than the capture that is read expected"):
            PackedOutput(str(name), CaptureInfo(str(path), "pcap", 1, False, 65535))
    assert path.read_bytes() == b"capture" and names(tmp_path) == ["in.pcap", "other.pcap"]


@pytest.mark.parametrize("suffix", ["lz4", "bz2"])
def test_a_compression_that_is_only_read(tmp_path: Path, suffix: str) -> None:
    """A plain capture under its name would mislead."""
    with pytest.raises(
        CaptureError, match=r"out\.pcap\.\w+: a plain capture or one behind \.gz, \.zst or \.xz expected"
    ):
        PackedOutput(str(tmp_path / f"out.pcap.{suffix}"), INFO)
    assert names(tmp_path) == []
