"""The bench's pcapng holds the frames of the pcap it was made from."""

from __future__ import annotations

from pathlib import Path

import captures

from bench import formats, load


def test_the_same_frames_as_pcapng(tmp_path: Path) -> None:
    plain, blocks = tmp_path / "in.pcap", tmp_path / "in.pcapng"
    load.write(str(plain), "web", 500)
    blocks.write_bytes(formats.as_pcapng(plain.read_bytes()))
    assert captures.read(blocks) == captures.read(plain)
