"""The rows of a burst into the tables of statistics (interface 5): one pass over what the stages before found.

Bounds: the columns of a room are of one length, and no burst in it is longer; a verdict fits CODES, `by` and `lookup`
are codes of their tables, and workers and ranks are of the setup, for the stages before wrote them.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop.names import CODES


class Count:
    """Counts into tables with a row a worker, the last for frames without one.

    verdicts steered lookups    by worker and code
    ibytes opackets obytes wrong moved_in moved_out    by worker
    of_rank    the worker of a rank; the last entry: that of no rank
    """

    def __init__(self, verdicts: Any, steered: Any, lookups: Any, sums: Any, of_rank: Any) -> None:
        workers = len(sums[0])
        self.last, self.ways, self.looks = workers - 1, len(steered) // workers, len(lookups) // workers
        self.verdicts, self.steered, self.lookups = verdicts, steered, lookups
        self.ibytes, self.opackets, self.obytes, self.wrong, self.moved_in, self.moved_out = sums
        self.of_rank, self.nobody = of_rank, len(of_rank) - 1
        self.first_wrong = -1  # row of the last burst
        self.room: Any = None

    def add(self, burst: Any) -> None:
        """Count every row of *burst*."""
        if burst.room is not self.room:
            self.room = burst.room
            self._move_in(burst.room.flat)
        self.first_wrong = -1
        self.run(burst.size)

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        self.verdict, self.by, self.lookup = of["verdict"], of["by"], of["lookup"]
        self.wrong_worker, self.leaving, self.length, self.sent = (
            of["wrong_worker"], of["leaving"], of["length"], of["sent"],
        )  # fmt: skip
        self.worker_index, self.redirected, self.owner = of["worker_index"], of["redirected"], of["owner"]

    def run(self, size: int) -> None:
        """The rows, one after the other."""
        for row in range(size):
            worker = self.worker_index[row]
            if worker < 0:
                worker = self.last
            self.verdicts[worker * CODES + self.verdict[row]] += 1
            self.steered[worker * self.ways + self.by[row]] += 1
            self.lookups[worker * self.looks + self.lookup[row]] += 1
            self.ibytes[worker] += self.length[row]
            if self.wrong_worker[row]:
                self._stray(row, worker)
            if self.redirected[row] >= 0:
                self.moved_out[worker] += 1
                self.moved_in[self.of_rank[self.redirected[row]]] += 1
            if self.leaving[row]:
                self._leave(row)

    def _stray(self, row: int, worker: int) -> None:
        if self.first_wrong < 0:
            self.first_wrong = row
        self.wrong[worker] += 1

    def _leave(self, row: int) -> None:
        rank = self.owner[row]
        sender = self.of_rank[rank if rank >= 0 else self.nobody]
        self.opackets[sender] += 1
        self.obytes[sender] += self.sent[row]
