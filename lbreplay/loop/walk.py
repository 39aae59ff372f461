"""Finding the records of a chunk: each says where the next one begins. And reading the heads of those of a pcap.

Bounds: a number is read only where its four bytes stand before the end, and the next record begins behind this one
(every length is at least `least`, checked first), so a walk ends, and finds no more than fit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lbreplay.burst import I64, U8
from lbreplay.loop import octets

SECOND = 1_000_000_000


class Shape(NamedTuple):
    """How a record says where the next one begins: after `add` and the number at `field`, which is least to most.

    `order`: "<" or ">". A record that begins with the number `stop` ends the walk before it.
    """

    order: str
    field: int
    add: int
    least: int
    most: int
    stop: int = -1


class Walk(NamedTuple):
    """Starts of the whole records; `used`: where the first other one begins; `bad`: its number is out of bounds."""

    starts: I64
    used: int
    bad: bool


def walk(chunk: U8, at: int, end: int, shape: Shape) -> Walk:
    """The records of chunk[at:end], as far as they are whole."""
    starts = np.empty((end - at) // (shape.add + shape.least) + 1, np.int64)
    walker = Walker(chunk.data, shape)
    found = walker.run(at, end, starts.data)
    return Walk(starts[:found], walker.at, walker.bad)


class Walker:
    """A walk over one chunk, and where it stands."""

    def __init__(self, chunk: Any, shape: Shape) -> None:
        self.chunk, self.big = chunk, shape.order == ">"
        self.field, self.add, self.least, self.most, self.stop = shape[1:]
        self.at, self.bad = 0, False

    def run(self, at: int, end: int, starts: Any) -> int:
        """Note where each record begins; how many there are."""
        found = 0
        while at + self.field + 4 <= end and at + 4 <= end and octets.number(self.chunk, at, self.big) != self.stop:
            length = octets.number(self.chunk, at + self.field, self.big)
            self.bad = length < self.least or length > self.most
            if self.bad or at + self.add + length > end:
                break
            starts[found] = at
            found += 1
            at += self.add + length
        self.at = at
        return found


class Heads(NamedTuple):
    """What the heads of a pcap's records say, a column each; *odd*: some time or length is not as writers write it."""

    time_ns: I64
    caplen: I64
    length: I64
    odd: bool


def heads(chunk: U8, starts: I64, order: str, swapped: bool, unit: int) -> Heads:
    """The heads at *starts*, whole as `walk` has them: seconds, a fraction in *unit* ns, captured and whole length.

    *swapped*: the lengths stand the other way round. A length below what was captured is as much as that.
    """
    columns = np.empty((3, len(starts)), np.int64)
    reader = Reader(chunk.data, order == ">", swapped, unit)
    odd = reader.run(starts.data, columns[0].data, columns[1].data, columns[2].data)
    return Heads(columns[0], columns[1], columns[2], bool(odd))


class Reader:
    """Heads of the records of one chunk."""

    def __init__(self, chunk: Any, big: bool, swapped: bool, unit: int) -> None:
        self.chunk, self.big, self.unit, self.fractions = chunk, big, unit, SECOND // unit
        self.caplen_at, self.length_at = (12, 8) if swapped else (8, 12)

    def run(self, starts: Any, time_ns: Any, caplen: Any, length: Any) -> bool:
        """Fill the columns; whether something is odd."""
        odd = False
        for row in range(len(starts)):
            at = starts[row]
            seconds, fraction = octets.number(self.chunk, at, self.big), octets.number(self.chunk, at + 4, self.big)
            captured = octets.number(self.chunk, at + self.caplen_at, self.big)
            whole = octets.number(self.chunk, at + self.length_at, self.big)
            odd = odd or fraction >= self.fractions or whole < captured
            time_ns[row] = seconds * SECOND + fraction * self.unit
            caplen[row], length[row] = captured, max(captured, whole)
        return odd
