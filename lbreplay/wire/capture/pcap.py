"""Classic pcap: a file header of 24 bytes, then records of a header of 16 bytes and the frame.

The magic number tells byte order and resolution. Kuznetzov's variant (Linux of the nineties, still read by libpcap) has
24 bytes before each frame. Writers before version 2.4 swapped the two lengths. Reference: draft-ietf-opsawg-pcap.
"""

from __future__ import annotations

from struct import unpack
from typing import NamedTuple

from lbreplay.burst import RECORD
from lbreplay.errors import CaptureError
from lbreplay.loop.walk import Heads, Shape, Walker
from lbreplay.wire.capture.frames import ETHERNET_LINK, MAX_CAPLEN, CaptureInfo, Frames, Reader, Warn
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
        swapped, header = (major, minor) < (2, 3), self.variant.header
        self.walker = Walker(Shape(self.order, 12 if swapped else 8, header, 0, MAX_CAPLEN))
        self.heads = Heads(self.order, header, swapped, 1 if self.variant.nanosecond else 1000)
        self.offset = FILE_HEADER
        self.info = CaptureInfo(source.path, "pcap", network & 0x03FFFFFF, self.variant.nanosecond, snaplen)
        self.dense = header == RECORD and self.info.linktype == ETHERNET_LINK
        self.native = self.order == "<" and not swapped

    def take(self, chunk: memoryview, end: int) -> tuple[Frames | None, int]:
        found, heads = self.walker.run(chunk, 0, end), self.heads
        if self.walker.bad:
            self.broken(self.walker.at, f"a record of at most {MAX_CAPLEN} bytes expected")
        heads.read(chunk, self.walker.starts, found)
        at, caplen, length, time_ns = (
            memoryview(column)[:found] for column in (heads.at, heads.caplen, heads.length, heads.time_ns)
        )
        native = self.native and not heads.odd
        return Frames(chunk, at, caplen, length, time_ns, self.info.linktype, self.dense, native), self.walker.at
