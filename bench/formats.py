"""What reading pcapng and gzip costs beside the same frames in plain pcap, the decompression itself set aside.

Bursts are read and let go in one process; its own time counts, not the clock's.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from struct import pack, unpack_from
from time import process_time

from bench.measure import MIB, Figure, capture

BURST, ROUNDS = 4096, 5


def figures(quick: bool) -> Iterator[Figure]:
    plain = capture("web", 100_000 if quick else 1_000_000)
    yield Figure("reading pcapng", "reading pcap", partial(_pcapng, plain), 2, less=True)
    yield Figure("reading gzip", "reading pcap", partial(_gzip, plain), 2, less=True)


def _pcapng(plain: str) -> float:
    path = _made(plain, ".pcapng", as_pcapng)
    return median(_took(_read, path) / _took(_read, plain) for _ in range(ROUNDS))


def _gzip(plain: str) -> float:
    path = _made(plain, ".pcap.gz", partial(gzip.compress, compresslevel=1))
    unpacked = [(_took(_read, path) - _took(_unpack, path)) / _took(_read, plain) for _ in range(ROUNDS)]
    return median(unpacked)


def _took(what: Callable[[str], None], path: str) -> float:
    start = process_time()
    what(path)
    return process_time() - start


def _read(path: str) -> None:
    from lbreplay.wire.capture import open_capture

    with open_capture(path) as source:
        for _ in source.bursts(BURST):
            pass


def _unpack(path: str) -> None:
    unpacker = zlib.decompressobj(31)
    with open(path, "rb") as file:
        while data := file.read(MIB):
            while data:
                unpacker.decompress(data, MIB)
                data = unpacker.unconsumed_tail


def _made(plain: str, suffix: str, turn: Callable[[bytes], bytes]) -> str:
    path = Path(plain).with_suffix(suffix)
    if not path.exists():
        path.write_bytes(turn(Path(plain).read_bytes()))
    return str(path)


def as_pcapng(data: bytes) -> bytes:
    """The records of a little-endian pcap of microseconds as enhanced packet blocks of one interface."""
    blocks = [_block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), _block(1, pack("<HHI", 1, 0, 0))]
    at = 24
    while at < len(data):
        second, micro, caplen, length = unpack_from("<4I", data, at)
        time = second * 1_000_000 + micro
        frame = data[at + 16 : at + 16 + caplen]
        head = pack("<5I", 0, time >> 32, time & 0xFFFFFFFF, caplen, length)
        blocks.append(_block(6, head + frame + bytes(-caplen % 4)))
        at += 16 + caplen
    return b"".join(blocks)


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return pack("<II", kind, size) + body + pack("<I", size)
