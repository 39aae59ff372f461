"""From hashes and queues to the redirection table: queue by the low bits of the hash (S 1.5).

Every size explains every record if it is large enough. So a table is judged by what it takes to write it down, in bits:
a queue for each entry that was seen, and each record that contradicts its entry again, at a price. The cheapest one is
taken, the smallest of equals. Most tables repeat some queues in turn; such a table is as cheap as what it repeats, and
says entries that nobody saw.
"""

from __future__ import annotations

from math import log2
from typing import NamedTuple

import numpy as np

from lbreplay.arrays import I64, U32

LARGEST = 4096  # entries (interface 2)
SPARSE = 4  # entries a record, beyond which a larger table is not tried
PERIODS = 64  # queues in turn that are tried at most: from as many as there are queues to twice as many
WRONG = 8.0  # bits that a record costs which contradicts, beside its queue
REPEATING = 6.0  # bits that say how many queues repeat
USUAL = 128  # entries where a table that repeats cannot tell how often (S 1.5)


class Table(NamedTuple):
    """`queues` by entry, -1: never seen; `period`: after so many they repeat; `wrong` records contradict it."""

    queues: tuple[int, ...]
    period: int
    wrong: int
    cost: float

    @property
    def size(self) -> int:
        return len(self.queues)

    def look_up(self, code: U32 | I64) -> I64:
        """The queue of each hash, -1 where the entry was never seen."""
        index = code.astype(np.int64) & (self.size - 1)
        return np.array(self.queues, np.int64).take(index)

    def sized(self, size: int) -> Table:
        """The same with *size* entries, where it repeats."""
        return self._replace(queues=tuple(self.queues[i % self.period] for i in range(size)))


NOTHING = Table((-1,), 1, 0, 0.0)


def fit(code: U32 | I64, queue: I64, smallest: int = 1) -> Table:
    """The table that is the cheapest way to say the *queue* of each *code*; at least *smallest* entries."""
    if not len(code):
        return NOTHING
    queues = int(queue.max()) + 1
    different = len(np.unique(queue))
    spread = max(log2(different), 0.01)
    largest = min(LARGEST, max(USUAL, smallest, 1 << (SPARSE * len(code) - 1).bit_length()))
    index = code.astype(np.int64) & (largest - 1)
    seen = np.bincount(index * queues + queue, minlength=largest * queues).reshape(largest, queues)
    best = None
    while len(seen) >= smallest:
        for period in _periods(len(seen), different):
            table = _judged(seen, period, spread)
            if best is None or table.cost <= best.cost:
                best = table
        seen = seen[: len(seen) // 2] + seen[len(seen) // 2 :] if len(seen) > 1 else seen[:0]
    assert best is not None, "one size at least was tried"
    return best


def _periods(size: int, queues: int) -> list[int]:
    """After how many entries a table of *size* may repeat: all *queues* are in it. Powers of two: a smaller table."""
    return [p for p in range(queues, min(2 * queues, PERIODS, size)) if p & (p - 1)] + [size]


def _judged(seen: I64, period: int, spread: float) -> Table:
    """The table of as many entries as *seen* has, which repeat after *period*."""
    size = len(seen)
    turns = -(-size // period)
    folded = np.zeros((turns * period, seen.shape[1]), np.int64)
    folded[:size] = seen
    folded = folded.reshape(turns, period, -1).sum(0)
    most, every = folded.max(1), folded.sum(1)
    queue = np.where(every > 0, folded.argmax(1), -1)
    wrong = int((every - most).sum())
    cost = spread * np.count_nonzero(every) + (spread + WRONG) * wrong + (REPEATING if period < size else 0)
    return Table(tuple(np.resize(queue, size).tolist()), period, wrong, float(cost))


def usual(table: Table, size: int = USUAL) -> Table:
    """A table whose size cannot be told, for it repeats in powers of two, with as many entries as is usual."""
    tells = table.period & (table.period - 1) or table.period > PERIODS
    return table if tells or table.size > size else table.sized(size)
