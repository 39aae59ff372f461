"""Chunks of a capture as rows: what every format's reader gives, and how a burst's buffer is laid out from it.

A reader knows its format's blocks and answers one question a chunk: where the frames are, how long, and when. It never
copies a frame. `Reader.chunks` is the loop around it: read, find, keep what a chunk's end cut for the next one.
A capture that ends in the middle of a record is read up to there, with a warning; a record that cannot be is `damage`:
what was good before it is delivered first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lbreplay.burst import I64, PAD, U8
from lbreplay.errors import CaptureError
from lbreplay.wire.capture.source import Source

CHUNK = 4 << 20  # bytes read at once; nothing in a file makes more of it
MAX_CAPLEN = 262_144  # as libpcap judges: a longer record is not a record

Warn = Callable[[str], None]


@dataclass
class CaptureInfo:
    """What stands at the head of a capture. `snaplen` in bytes; `path` is `-` for standard input."""

    path: str
    format: str  # "pcap" or "pcapng"
    linktype: int
    nanosecond: bool
    snaplen: int


class Frames(NamedTuple):
    """Rows of a chunk. `buffer` is the chunk, valid until the next one is read; times are as the capture has them.

    `in_place`: each frame has a little-endian record header of the output's resolution before it, and nothing between.
    """

    buffer: U8
    at: I64
    caplen: I64
    length: I64
    time_ns: I64
    linktype: I64 | int
    in_place: bool


class Reader:
    """Base of the formats: the chunk loop. A format sets `info` and has `take`."""

    info: CaptureInfo
    record = "record"  # the format's word for what a chunk's end may cut

    def __init__(self, source: Source, warn: Warn) -> None:
        self.source = source
        self.warn = warn
        self.offset = 0  # in the file (unpacked), of the chunk's first byte
        self.damage: CaptureError | None = None

    def take(self, chunk: U8, end: int) -> tuple[Frames | None, int]:
        """The frames of the whole records in chunk[:end], and where the first record that is not whole begins."""
        raise NotImplementedError

    def broken(self, at: int, what: str) -> None:
        """Say that the record at *at* in the chunk cannot be; nothing behind it is read."""
        self.damage = CaptureError(f"{self.source.path}: offset {self.offset + at}: {what}")

    def chunks(self) -> Iterator[Frames]:
        """Rows chunk by chunk, until the end or `damage`."""
        chunk = np.zeros(CHUNK + PAD, np.uint8)
        room, held, got = chunk.data[:CHUNK], 0, 1
        while got and not self.damage:
            try:
                got = self.source.fill(room[held:])
            except CaptureError as error:
                self.damage, got = error, 0
            frames, used = self.take(chunk, held + got) if got else (None, 0)
            if frames is not None and len(frames.at):
                yield frames
            held += got - used
            chunk[:held] = chunk[used : used + held]
            self.offset += used
        if held and not self.damage:
            self.warn(f"the capture ends inside a {self.record} (offset {self.offset}): {held} bytes left out")
