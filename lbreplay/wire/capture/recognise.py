"""Which format a capture has, by its first bytes: its reader."""

from __future__ import annotations

from lbreplay.errors import CaptureError
from lbreplay.wire.capture.frames import ETHERNET_LINK, SECTION, Reader, Warn
from lbreplay.wire.capture.pcap import MAGICS, PcapReader
from lbreplay.wire.capture.source import Source


def recognised(source: Source, warn: Warn) -> Reader:
    """The reader of *source*. CaptureError where it is no capture, or of a link type that nobody knows."""
    head, path = source.head[:4], source.path
    if head in MAGICS:
        reader: Reader = PcapReader(source, warn)
    elif head == SECTION:
        from lbreplay.wire.capture.pcapng import PcapngReader

        reader = PcapngReader(source, warn)
    else:
        what = f"a file that begins {head.hex(' ')}" if head else "an empty file"
        raise CaptureError(f"{path}: offset 0: a pcap or pcapng capture expected, got {what}")
    if reader.info.linktype != ETHERNET_LINK:
        from lbreplay.wire.capture.link import KNOWN, LINKS

        if reader.info.linktype not in LINKS:
            raise CaptureError(f"{path}: link type {reader.info.linktype}: expected {KNOWN}")
    return reader
