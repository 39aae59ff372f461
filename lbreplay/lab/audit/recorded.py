"""Queue and hash that a capture has beside its frames: read once, frames that say the same counted together.

Only received frames count: a card chooses no queue for what it sends. One port is one card, so of several interfaces
the one with most such frames is looked at. What is left out is counted and said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbreplay.arrays import I64, U8, Bool
from lbreplay.burst import ODD_ALGORITHM, ODD_LENGTH, Burst, Told
from lbreplay.loop.parse import parse
from lbreplay.nic.rss import WIDTH4, WIDTH6
from lbreplay.wire.capture import open_capture

MOST = 1 << 20  # frames whose settings are worked out from; the others are only held against them
SENT = 2  # `Told.direction`
ODD = np.uint64(0x9E3779B97F4A7C15)


class Rows(NamedTuple):
    """Different received packets of one width of flows (12: IPv4, 36: IPv6), in the order they came first."""

    kind: U8
    flow: U8  # [n, width]: source, destination, both ports
    queue: I64  # -1: not recorded
    hash: I64
    frames: I64  # how many say this
    n: I64  # the first of them

    def some(self, which: Bool | I64) -> Rows:
        return Rows._make(column[which] for column in self)

    @property
    def width(self) -> int:
        return int(self.flow.shape[1])

    @property
    def dest(self) -> U8:
        """Destination addresses."""
        return self.flow[:, (self.width - 4) // 2 : self.width - 4]

    @property
    def dport(self) -> I64:
        return self.flow[:, -2].astype(np.int64) << 8 | self.flow[:, -1]


@dataclass
class Recorded:
    """What a capture says of a card. `rows` by width; `queue` and `hash` count received frames that have one."""

    frames: int = 0
    queue: int = 0
    hash: int = 0
    interface: int = 0
    rows: dict[int, Rows] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)  # frames by the sentence that says why

    def __bool__(self) -> bool:
        """Whether there is anything to hold a model against."""
        return bool(self.queue or self.hash)

    def leave(self, sentence: str, frames: int) -> None:
        if frames:
            self.left_out[sentence] = self.left_out.get(sentence, 0) + frames


def received(told: Told, interface: int) -> Bool:
    """Rows that the card of *interface* says something about."""
    there: Bool = ((told.queue >= 0) | (told.hash >= 0)) & (told.direction != SENT) & (told.interface == interface)
    return there


def read(path: str, mac: bytes | None = None) -> Recorded:
    """All that *path* says, for what a port with address *mac* receives. Raises CaptureError."""
    found = Recorded()
    parts: dict[int, list[Rows]] = {WIDTH4: [], WIDTH6: []}
    found.interface = _first_busiest(path)
    with open_capture(path, telling=True) as source:
        for burst in source.bursts(4 * 4096):
            told = getattr(burst, "told", None)
            if told is not None:
                _add(found, parts, burst, told, mac)
        found.frames = source.frames
    if found.frames > MOST:
        found.leave(
            f"behind the first {MOST:,}: held against the settings, not used to work them out", found.frames - MOST
        )
    found.rows = {width: counted(joined(some)) for width, some in parts.items() if some}
    return found


def _first_busiest(path: str) -> int:
    """The busiest interface of the first chunk's frames."""
    with open_capture(path, telling=True) as source:
        burst = next(source.bursts(1 << 20), None)
    told = getattr(burst, "told", None)
    return 0 if told is None else busiest(told)


def busiest(told: Told) -> int:
    """The interface with most received frames that say a queue or a hash."""
    there = ((told.queue >= 0) | (told.hash >= 0)) & (told.direction != SENT)
    return int(np.bincount(told.interface[there], minlength=1).argmax())


def _add(found: Recorded, parts: dict[int, list[Rows]], burst: Burst, told: Told, mac: bytes | None) -> None:
    there = received(told, found.interface)
    _count(found, told, there)
    if burst.first > MOST or not there.any():
        return
    parse(burst, mac, False)
    n = burst.first + np.arange(burst.size)
    four = np.flatnonzero((burst.family == 4) & there)
    six = np.flatnonzero((burst.family == 6) & there)
    for width, rows, flow in ((WIDTH4, four, burst.flow4[four]), (WIDTH6, six, burst.wide[six])):
        if rows.size:
            one = np.ones(rows.size, np.int64)
            parts[width].append(Rows(burst.kind[rows], flow, told.queue[rows], told.hash[rows], one, n[rows]))


def _count(found: Recorded, told: Told, there: Bool) -> None:
    found.queue += int(np.count_nonzero(there & (told.queue >= 0)))
    found.hash += int(np.count_nonzero(there & (told.hash >= 0)))
    said = (told.queue >= 0) | (told.hash >= 0)
    for sentence, which in (
        ("sent, so no card chose their queue", said & (told.direction == SENT)),
        ("received on another interface", said & (told.direction != SENT) & (told.interface != found.interface)),
        ("with an option of the wrong length", (told.odd & ODD_LENGTH) > 0),
        ("with a hash that is not Toeplitz", (told.odd & ODD_ALGORITHM) > 0),
        ("with neither queue nor hash", ~said & (told.odd == 0)),
    ):
        found.leave(sentence, int(np.count_nonzero(which)))


def joined(parts: list[Rows]) -> Rows:
    """The rows of several parts."""
    return Rows._make(np.concatenate(column) for column in zip(*parts, strict=True))


def counted(rows: Rows) -> Rows:
    """Rows that say the same as one, in the order of the first."""
    _, first, place = np.unique(_mixed(rows), return_index=True, return_inverse=True)
    frames = np.bincount(place, rows.frames, len(first)).astype(np.int64)
    order = np.argsort(first)
    return rows.some(first[order])._replace(frames=frames[order])


def _mixed(rows: Rows) -> NDArray[np.uint64]:
    """A number of 64 bits for each different row."""
    words = np.ascontiguousarray(rows.flow).view("<u4").astype(np.uint64)
    mixed = rows.kind.astype(np.uint64)
    for column in (*words.T, rows.queue.astype(np.uint64), rows.hash.astype(np.uint64)):
        mixed = (mixed ^ column) * ODD
        mixed ^= mixed >> np.uint64(29)
    return mixed
