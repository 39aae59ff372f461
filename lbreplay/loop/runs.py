"""What leaves of a burst, as runs of records that stand side by side, and what was made between them: for the sink,
which writes one piece.

Bounds: the records of rows that leave are in the buffer (loop/rewrite.py, loop/translate.py); they are copied into
memory for `size` bytes, which `look` counted of the same rows, and for the records of what was made.
"""

from __future__ import annotations

from typing import Any

from lbreplay.burst import RECORD
from lbreplay.loop import octets
from lbreplay.model import NANOSECOND as SECOND


class Runs:
    """Of one burst after another: `runs` of them, of `size` bytes in all; the last stands from `begin` to `end`."""

    def __init__(self) -> None:
        self.room: Any = None
        self.runs = self.size = self.begin = self.end = 0

    def look(self, burst: Any) -> None:
        """Find those of *burst*."""
        self.buffer = burst.data
        if burst.room is not self.room:
            self.room = burst.room
            self._move_in(burst.room.flat)
        self._look(burst.size)

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        self.at, self.caplen, self.leaving = of["at"], of["caplen"], of["leaving"]

    def _look(self, size: int) -> None:
        self.runs = self.size = self.begin = self.end = 0
        for row in range(size):
            if self.leaving[row]:
                begin = self.at[row] - RECORD
                if begin != self.end or not self.runs:
                    self.runs += 1
                    self.begin = begin
                self.end = self.at[row] + self.caplen[row]
                self.size += self.end - begin

    def gather(self, burst: Any, unit: int, target: Any) -> int:
        """All of it in order, made frames before their row; time stamps count *unit* ns. Where it ends."""
        row = to = 0
        for one in burst.made:
            to = self._put(one.frame, one.length, one.time_ns, unit, target, self._copy(row, one.row, target, to))
            row = one.row
        return self._copy(row, burst.size, target, to)

    def _put(self, frame: bytes, length: int, time_ns: int, unit: int, target: Any, to: int) -> int:
        """The record of a frame that was made; its end."""
        size = len(frame)
        octets.put32(target, to, time_ns // SECOND)
        octets.put32(target, to + 4, time_ns % SECOND // unit)
        octets.put32(target, to + 8, size)
        octets.put32(target, to + 12, length if length > size else size)
        octets.put(frame, target, to + RECORD)
        return to + RECORD + size

    def _copy(self, row: int, stop: int, target: Any, to: int) -> int:
        """Put the records of rows from *row* to *stop* one behind the other into *target* from *to* on; their end."""
        begin = end = 0
        while row < stop:
            if self.leaving[row]:
                if self.at[row] - RECORD != end:
                    octets.copy(self.buffer, begin, end - begin, target, to)
                    to += end - begin
                    begin = self.at[row] - RECORD
                end = self.at[row] + self.caplen[row]
            row += 1
        octets.copy(self.buffer, begin, end - begin, target, to)
        return to + end - begin
