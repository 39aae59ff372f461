"""Finding the records of a chunk: each says where the next one begins. And reading the heads of those of a pcap.

Bounds: a number is read only where its four bytes stand before the end, and the next record begins behind this one
(every length is at least `least`, checked first), so a walk ends, and finds no more than fit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lbreplay import memory
from lbreplay.loop import octets
from lbreplay.loop.names import SECOND


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

    starts: Any
    used: int
    bad: bool


def walk(chunk: Any, at: int, end: int, shape: Shape) -> Walk:
    """The records of chunk[at:end], as far as they are whole."""
    walker = Walker(shape)
    found = walker.run(chunk, at, end)
    return Walk(memoryview(walker.starts)[:found], walker.at, walker.bad)


class Walker:
    """A walk over one chunk after another, and where it stands. `starts` has where records begin."""

    def __init__(self, shape: Shape) -> None:
        self.big = shape.order == ">"
        self.field, self.add, self.least, self.most, self.stop = shape[1:]
        self.at, self.bad = 0, False
        self.starts = memory.zeros("q", 0)

    def run(self, chunk: Any, at: int, end: int) -> int:
        """Find the records of chunk[at:end]; how many there are."""
        fit = (end - at) // (self.add + self.least) + 1
        if fit > len(self.starts):
            self.starts = memory.zeros("q", fit)
        return self._walk(chunk, at, end)

    def _walk(self, chunk: Any, at: int, end: int) -> int:
        found = 0
        while at + self.field + 4 <= end and at + 4 <= end and octets.number(chunk, at, self.big) != self.stop:
            length = octets.number(chunk, at + self.field, self.big)
            self.bad = length < self.least or length > self.most
            if self.bad or at + self.add + length > end:
                break
            self.starts[found] = at
            found += 1
            at += self.add + length
        self.at = at
        return found


class Heads:
    """What the heads of a pcap's records say, a column each, chunk by chunk: seconds, a fraction in *unit* ns, captured
    and whole length. *size*: bytes of a head; *swapped*: the lengths stand the other way round. A length below what was
    captured is as much as that. `odd`: some time or length is not as writers write it."""

    def __init__(self, order: str, size: int, swapped: bool, unit: int) -> None:
        self.big, self.size, self.unit, self.fractions = order == ">", size, unit, SECOND // unit
        self.caplen_at, self.length_at = (12, 8) if swapped else (8, 12)
        self.odd = False
        self.at = self.caplen = self.length = self.time_ns = memory.zeros("q", 0)

    def read(self, chunk: Any, starts: Any, found: int) -> None:
        """The heads at the first of *starts*, whole as a walk has them; `at`: where the frames begin."""
        if found > len(self.at):
            self.at, self.caplen = memory.zeros("q", 2 * found), memory.zeros("q", 2 * found)
            self.length, self.time_ns = memory.zeros("q", 2 * found), memory.zeros("q", 2 * found)
        self._read(chunk, starts, found)

    def _read(self, chunk: Any, starts: Any, found: int) -> None:
        self.odd = False
        for row in range(found):
            at = starts[row]
            seconds, fraction = octets.number(chunk, at, self.big), octets.number(chunk, at + 4, self.big)
            captured = octets.number(chunk, at + self.caplen_at, self.big)
            whole = octets.number(chunk, at + self.length_at, self.big)
            self.odd = self.odd or fraction >= self.fractions or whole < captured
            self.time_ns[row] = seconds * SECOND + fraction * self.unit
            self.at[row], self.caplen[row], self.length[row] = at + self.size, captured, max(captured, whole)
