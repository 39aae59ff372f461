"""Lines of rows that the loop took: as `json.dumps` would write them, whatever numbers and ends they have."""

from __future__ import annotations

import json
import random
from struct import unpack
from typing import Any

import numpy as np
import pytest

from lbreplay import memory
from lbreplay.burst import KINDS, Burst
from lbreplay.loop.lines import Lines, numbered
from lbreplay.loop.names import FULL_TCP, OTHER, SIX
from lbreplay.loop.table import Table
from lbreplay.model import Endpoint
from lbreplay.trace import LOOKUPS, STEERS, WORDS

NUMBERS = (0, 1, 9, 10, 99, 100, 2**31, 10**18, 2**63 - 1)


def lines(table: Table | None) -> Lines:
    """With one worker, one rule, one verdict and one service."""
    made = Lines(table)

    def learn(pieces: Any) -> int:
        return made.learn([piece.encode() for piece in pieces])

    made.words, made.steers = learn(WORDS), learn([*STEERS, ', "steer": {"by": "rule"}'])
    made.workers = learn([', "worker": null', ', "worker": 3, "queue": '])
    made.lookups = learn(f', "lookup": {json.dumps(lookup)}' for lookup in LOOKUPS)
    made.states = learn(json.dumps([udp, old, new]) for udp in range(2) for old in range(16) for new in range(16))
    made.verdicts, made.whys = learn([', "verdict": "v", "out": [']), learn(['], "why": "w"}\n'])
    made.know([b', "service": "s", "real": "'], [b"", b', "reason": ["redirected"]'])
    return made


def burst(size: int, **columns: Any) -> Burst:
    """Columns of zeros, but for those that are given."""
    nothing = np.zeros(size, np.int64)
    made = Burst.of(1, np.zeros(0, np.uint8), nothing, nothing, nothing, nothing)
    for name in KINDS:
        getattr(made, name)[:] = columns.get(name, -1 if name == "redirected" else 0)
    return made


def told(pen: Lines, rows: Any, number: list[int]) -> list[dict[str, Any]]:
    pen.begin()
    pen.bind(rows, np.array(number, np.int64), None)
    pen.tell(0, len(number))
    return [json.loads(line) for line in bytes(pen.written()).splitlines()]


def test_numbers_of_any_length() -> None:
    """Times below 0 too; the hash has eight digits, whatever they are."""
    times, hashes = [*NUMBERS, -1, -(10**17)], [0, 1, 0xABC, 0xFFFFFFFF, *range(1000, 1007)]
    rows = burst(len(times), time_ns=times, hash=hashes, by=[1] * len(times), reta=range(len(times)), lookup=[3] * 11)
    found = told(lines(None), rows, [*NUMBERS[1:], 5, 6, 7])
    assert [line["t_ns"] for line in found] == times and [line["n"] for line in found] == list(range(1, 12))
    assert [line["steer"] for line in found] == [
        {"by": "rss", "hash": f"0x{hash:08x}", "reta": reta} for reta, hash in enumerate(hashes)
    ]
    assert [line["out"] for line in found] == [[n] for n in (*NUMBERS[1:], 5, 6, 7)]
    assert all(line["conn"] is None and line["lookup"] == "miss" for line in found)


@pytest.mark.parametrize("width", [4, 16])
@pytest.mark.parametrize("kind", [FULL_TCP, OTHER])
def test_ends_are_written_as_endpoints_are(width: int, kind: int) -> None:
    """Of what the real server sends: its own end, and in full NAT the local one."""
    chance, table = random.Random(width), Table(shared=True)
    ends = [[Endpoint(chance.choice([bytes(width), chance.randbytes(width)]), chance.choice([0, 80, 65535]))
             for _ in range(2)] for _ in range(20)]  # fmt: skip
    table.point(np.zeros(len(ends), np.int16))
    for slot, (real, local) in enumerate(ends):
        enter(table, 2 * slot + 1, real, local)
    rows = burst(
        len(ends), conn=range(1, 21), handle=range(0, 40, 2), full=[kind] * 20, proto=[17] * 20, before=[3] * 20
    )
    for line, (real, local) in zip(told(lines(table), rows, [0] * 20), ends, strict=True):
        assert line["real"] == str(real) and line["laddr"] == (str(local) if kind == FULL_TCP else None)
        assert line["state"] == [1, 3, 0] and line["out"] == [] and line["new"] is False


def enter(table: Table, handle: int, source: Endpoint, dest: Endpoint) -> None:
    ports = unpack("<I", source.port.to_bytes(2) + dest.port.to_bytes(2))[0]
    if len(source.address) == 4:
        table.enter(handle, unpack("<Q", source.address + dest.address)[0], 6 << 32 | ports, 0, 0, 0, 0)
    else:
        words = unpack("<4Q", source.address + dest.address)
        table.enter(handle, table.mix(*words), 6 << 32 | ports | SIX, *words)


def test_what_was_handed_on_or_left_more_than_once() -> None:
    """The owner and the reason; numbers that others say."""
    pen, rows = lines(None), burst(2, redirected=[2, -1], reason=[1, 0], worker_index=[0, -1])
    pen.more[1] = b"4, 5", b""
    handed, several = told(pen, rows, [3, -1])
    assert (handed["owner"], handed["reason"], handed["out"]) == (2, ["redirected"], [3])
    assert "reason" not in several and several["worker"] is None and several["out"] == [4, 5]


@pytest.mark.parametrize("made", [[], [0], [0, 0, 3], [1, 4, 4], [2, 3, 4]])
def test_what_leaves_is_numbered_in_order(made: list[int]) -> None:
    """What is made stands before its row, or behind the last one."""
    numbers, leaving = memory.zeros("q", 4), memory.listed("B", [1, 0, 1, 1])
    order = sorted([(row, 0, at) for at, row in enumerate(made)] + [(row, 1, row) for row in range(4) if leaving[row]])
    place = {one[1:]: 8 + at for at, one in enumerate(order)}
    assert numbered(numbers, leaving, made, 7) == [place[0, at] for at in range(len(made))]
    assert numbers.tolist() == [place.get((1, row), 0) for row in range(4)]
