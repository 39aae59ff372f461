"""A reader for a capture's first bytes, or a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import interface, pcap_head, section, write

from lbreplay.errors import CaptureError
from lbreplay.wire.capture.recognise import recognised
from lbreplay.wire.capture.source import Source


@pytest.mark.parametrize(
    "parts, format", [((pcap_head(),), "pcap"), ((pcap_head(">"),), "pcap"), ((section(), interface()), "pcapng")]
)
def test_formats(tmp_path: Path, parts: tuple[bytes, ...], format: str) -> None:
    """By content, never by name."""
    with Source(str(write(tmp_path, *parts, name="in.txt"))) as source:
        assert recognised(source, print).info.format == format


@pytest.mark.parametrize("content, message", [(b"", "an empty file"), (pcap_head(linktype=250), "link type 250")])
def test_refusals(tmp_path: Path, content: bytes, message: str) -> None:
    """What it is, and what would be right."""
    with Source(str(write(tmp_path, content))) as source, pytest.raises(CaptureError, match=message):
        recognised(source, print)
