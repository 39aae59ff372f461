"""Classic pcap: a file header of 24 bytes, then records of a header of 16 bytes and the frame.

The magic number tells byte order and resolution. Kuznetzov's variant (Linux of the nineties, still read by libpcap) has
24 bytes before each frame. Writers before version 2.4 swapped the two lengths. Reference: draft-ietf-opsawg-pcap.
"""

from __future__ import annotations

from struct import unpack
from typing import NamedTuple

from lbreplay.burst import RECORD, U8
from lbreplay.errors import CaptureError
from lbreplay.loop.walk import Shape, heads, walk
from lbreplay.wire.capture.frames import MAX_CAPLEN, CaptureInfo, Frames, Reader, Warn
from lbreplay.wire.capture.source import Source

FILE_HEADER = 24


class Variant(NamedTuple):
    nanosecond: bool
    header: int  # bytes before each frame


MAGIC = {
    0xA1B2C3D4: Variant(False, 16),
    0xA1B23C4D: Variant(True, 16),
    0xA1B2CD34: Variant(False, 24),  # Kuznetzov
}
MAGICS = {number.to_bytes(4, "little"): (variant, "<") for number, variant in MAGIC.items()}
MAGICS |= {number.to_bytes(4, "big"): (variant, ">") for number, variant in MAGIC.items()}


class PcapReader(Reader):
    """Records of a classic pcap."""

    def __init__(self, source: Source, warn: Warn) -> None:
        super().__init__(source, warn)
        head = source.read_exactly(FILE_HEADER)
        if len(head) < FILE_HEADER:
            raise CaptureError(f"{source.path}: offset {len(head)}: a pcap file header has 24 bytes, the file ends")
        self.variant, self.order = MAGICS[head[:4]]
        major, minor, _, _, snaplen, network = unpack(self.order + "HHIIII", head[4:])
        self.swapped = (major, minor) < (2, 3)
        self.shape = Shape(self.order, 12 if self.swapped else 8, self.variant.header, 0, MAX_CAPLEN)
        self.unit = 1 if self.variant.nanosecond else 1000
        self.offset = FILE_HEADER
        self.info = CaptureInfo(source.path, "pcap", network & 0x03FFFFFF, self.variant.nanosecond, snaplen)

    def take(self, chunk: U8, end: int) -> tuple[Frames | None, int]:
        starts, used, bad = walk(chunk, 0, end, self.shape)
        if bad:
            self.broken(used, f"a record of at most {MAX_CAPLEN} bytes expected")
        found = heads(chunk, starts, self.order, self.swapped, self.unit)
        dense = self.variant.header == RECORD and self.info.linktype == 1
        native = self.order == "<" and not self.swapped and not found.odd
        at = starts + self.variant.header
        return Frames(chunk, at, found.caplen, found.length, found.time_ns, self.info.linktype, dense, native), used
