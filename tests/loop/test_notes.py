"""Blocks of annotated rows: byte for byte those that the sink makes of a frame and a note of it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from lbreplay.annotate import WORDS
from lbreplay.burst import KINDS, Burst
from lbreplay.loop.notes import Notes
from lbreplay.wire.capture.sink import ENHANCED, Note, _options, block, pack_options

SIZES = (0, 1, 2, 3, 4, 60, 255, 1514)
VERDICTS = ("v", "forwarded_fast", "lost")


def notes() -> Notes:
    """With one rule and three verdicts, of a file with nine interfaces."""
    made = Notes(None)
    made.words, made.rules = made.learn([word.encode() for word in WORDS]), made.learn([b" & 3 = 2"])
    made.verdicts, made.interfaces = made.learn([verdict.encode() for verdict in VERDICTS]), 9
    return made


def burst(frames: list[bytes], **columns: Any) -> Burst:
    """Rows that all leave, of these frames one behind the other; the other columns are 0 but for those given."""
    sizes = np.array([len(frame) for frame in frames], np.int64)
    buffer = np.frombuffer(b"".join(frames) + bytes(8), np.uint8).copy()
    made = Burst.of(7, buffer, np.cumsum(sizes) - sizes, sizes, sizes, np.zeros(len(frames), np.int64))
    columns = {"redirected": -1, "leaving": True, "sent": 0, **columns}
    for name in KINDS.keys() - {"at", "caplen", "length"}:
        getattr(made, name)[:] = columns.get(name, 0)
    made.flow4[:, 11] = 80
    return made


def told(pen: Notes, rows: Any, interface: int) -> bytes:
    size = len(rows.verdict)
    pen.begin()
    pen.bind(rows, np.arange(size, dtype=np.uint32) + 5, np.full(size, interface, np.int64))
    assert pen.tell(0, size) == size
    return bytes(pen.written())


def expected(rows: Any, row: int, frame: bytes, interface: int, comment: str) -> bytes:
    note = Note(interface, int(rows.queue[row]) & 255, row + 5, VERDICTS[rows.verdict[row]], comment)
    stamp, length = int(rows.time_ns[row]), max(int(rows.sent[row]), len(frame))
    words = (interface, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), length)
    head = b"".join(word.to_bytes(4, "little") for word in words)
    return block(ENHANCED, head + frame + bytes(-len(frame) % 4) + pack_options(_options(note)))


def test_blocks_are_those_of_the_sink() -> None:
    """Frames of any length, whole and cut, with every kind of comment."""
    frames = [random.Random(size).randbytes(size) for size in SIZES]
    rows = burst(
        frames, time_ns=[10**18 + n for n in range(8)], sent=[2000, *SIZES[1:]], verdict=[0, 1, 2, 0, 1, 2, 1, 1],
        worker_index=[-1, 0, 0, 0, 0, 0, 0, 0], worker=[0, -1, 3, 2, 2, 2, 2, 2], queue=[0, 1, 2, 3, 4, 5, 6, 0x107],
        by=[0, 0, 0, 1, 2, 0, 0, 0], hash=[0xABC] * 8, reta=[9] * 8, conn=[0, 0, 0, 0, 5, 6, 7, 123456],
        opened=[0, 0, 0, 0, 0, 1, 0, 0], handle=[-1, -1, -1, -1, 3, 4, 6, 9], redirected=[-1] * 6 + [11, -1],
        wrong_worker=[0, 0, 1, 0, 0, 0, 0, 0],
    )  # fmt: skip
    comments = [
        "#7 not received v",
        "#8 kernel worker (default queue) forwarded_fast",
        "#9 worker 3 (default queue) lost; another worker has its connection",
        "#10 worker 2 (RSS 0x00000abc, table entry 9) v",
        "#11 worker 2 (flow director, port 80 & 3 = 2) conn 5 out -> client: forwarded_fast",
        "#12 worker 2 (default queue) new conn 6 in -> real server: lost",
        "#13 worker 2 (default queue) handed to worker 11 conn 7 in -> real server: forwarded_fast",
        "#14 worker 2 (default queue) conn 123456 out -> client: forwarded_fast",
    ]
    pairs = enumerate(zip(frames, comments, strict=True))
    assert told(notes(), rows, 8) == b"".join(expected(rows, row, frame, 8, said) for row, (frame, said) in pairs)


def test_an_interface_that_the_file_lacks_is_asked_for() -> None:
    """The row whose interface is new is not written before it; rows that stay are passed over."""
    pen, rows = notes(), burst([b"a" * 60] * 4)
    rows.leaving[0] = False
    pen.begin()
    pen.bind(rows, np.zeros(4, np.uint32), np.array([30, 8, 9, 0]))
    assert pen.tell(0, 4) == 2 and len(bytes(pen.written())) > 60
    pen.interfaces = 10
    assert pen.tell(2, 4) == 4
