"""Captures made byte by byte, for tests of what reads them."""

from __future__ import annotations

from pathlib import Path
from struct import pack
from typing import NamedTuple

from lbreplay.wire.capture import Capture, open_capture

T0 = 1_700_000_000


class Seen(NamedTuple):
    """A frame as it came out of a reader."""

    time_ns: int
    frame: bytes
    length: int


def pcap_head(order: str = "<", magic: int = 0xA1B2C3D4, linktype: int = 1, snaplen: int = 65535) -> bytes:
    return pack(order + "IHHIIII", magic, 2, 4, 0, 0, snaplen, linktype)


def record(frame: bytes, seconds: int = T0, fraction: int = 0, length: int | None = None, order: str = "<") -> bytes:
    return pack(order + "IIII", seconds, fraction, len(frame), len(frame) if length is None else length) + frame


def frames(count: int, size: int = 60) -> list[bytes]:
    """Frames that differ from each other."""
    return [bytes([2] * 12 + [8, 0]) + n.to_bytes(4) + bytes([n % 251]) * (size - 18) for n in range(count)]


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return pack(order + "II", kind, size) + body + pack(order + "I", size)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def interface(linktype: int = 1, snaplen: int = 0, options: bytes = b"", order: str = "<") -> bytes:
    return block(1, pack(order + "HHI", linktype, 0, snaplen) + options, order)


def enhanced(frame: bytes, stamp: int, which: int = 0, length: int | None = None, order: str = "<") -> bytes:
    length = len(frame) if length is None else length
    head = pack(order + "IIIII", which, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), length)
    return block(6, head + frame, order)


def simple(frame: bytes, length: int | None = None, order: str = "<") -> bytes:
    return block(3, pack(order + "I", len(frame) if length is None else length) + frame, order)


def drain(capture: Capture, size: int = 4096) -> list[Seen]:
    """Every frame of *capture*, in bursts of *size*."""
    seen = []
    for burst in capture.bursts(size):
        for row in range(burst.size):
            seen.append(Seen(int(burst.time_ns[row]), burst.frame(row), int(burst.length[row])))
    return seen


def read(path: Path | str, size: int = 4096) -> list[Seen]:
    with open_capture(str(path)) as capture:
        return drain(capture, size)


def write(folder: Path, *parts: bytes, name: str = "in.pcap") -> Path:
    path = folder / name
    path.write_bytes(b"".join(parts))
    return path
