"""Lines of the trace (interface 6) of rows that the loop took: told from the columns that it filled.

    {"n": 1, "t_ns": 0, "worker": 0, "queue": 0, "steer": {"by": "default"}, "lookup": "in", "conn": 1, "new": false,
     "state": [...], "service": "web", "real": "...", "laddr": "...", "verdict": "...", "fate": "...", "out": [1],
     "why": "..."}

`trace.py` says in pieces (`pen.py`) what the setup knows, and tells rows of the plain path by their stories.

Bounds: columns are as long as the burst. What indexes pieces was written by the stages before: workers, rules, verdicts
and reasons are of the setup and its tables, states below STATES. A line takes a piece of each group, and some words.
"""

from __future__ import annotations

from typing import Any

from lbreplay import memory
from lbreplay.loop.names import FULL_TCP, FULL_UDP, PROXYING, SIX, STATES, STORMY, TELLING
from lbreplay.loop.pen import Pen
from lbreplay.loop.table import Table

UDP = 17
BY_RSS, BY_FLOW_DIRECTOR = 1, 2
QUEUE, CARD = 0xFF, 8  # bits of a queue within its card, and where the card's number stands


def numbered(numbers: Any, leaving: Any, made: list[int], written: int) -> list[int]:
    """Number what leaves, in order, behind *written* frames: rows, in *numbers* (0: it does not leave), and what is
    *made*, by the row that it stands before, ascending; the numbers of that."""
    found: list[int] = []
    for row in range(len(numbers)):
        while len(found) < len(made) and made[len(found)] <= row:
            written += 1
            found.append(written)
        written += leaving[row] != 0
        numbers[row] = written if leaving[row] else 0
    return [*found, *range(written + 1, written + 1 + len(made) - len(found))]


class Lines(Pen):
    """*table* has the ends of connections by handle; None: a piece of `ends` says all of them.

    Numbers of first pieces, and what those are by: `workers` (index + 1, the first is of none), `steers` (default, RSS,
    then rules), `lookups` (code), `cards` (number, where ports are several, else below 0), `states` (UDP, before,
    after), `verdicts`, `whys`. What grows: numbers of pieces by column `service` (`ends`), by column `reason`.
    """

    def __init__(self, table: Table | None) -> None:
        super().__init__()
        self.table: Any = table
        self.workers = self.steers = self.lookups = self.states = self.verdicts = self.whys = self.words = 0
        self.cards = -1
        self._ends: list[int] = []
        self._reasons: list[int] = []
        self.know([], [])
        self.more: dict[int, tuple[bytes, bytes]] = {}
        self.bound: Any = None  # the room of the columns below

    def know(self, ends: list[bytes], reasons: list[bytes]) -> None:
        """More pieces by columns `service` and `reason`."""
        self._ends += range(first := self.learn(ends), first + len(ends))
        self._reasons += range(first := self.learn(reasons), first + len(reasons))
        self.ends, self.reasons = memory.listed("q", [*self._ends, 0]), memory.listed("q", [*self._reasons, 0])

    def told(self) -> tuple[int, int]:
        """How many values of columns `service` and `reason` are known."""
        return len(self._ends), len(self._reasons)

    def bind(self, burst: Any, number: Any, port: Any) -> None:
        """The columns of *burst*; *number* of each row in the output, 0: it has none, below 0: `more` has its numbers
        and ports, as text; *port*: the piece of the port that each leaves by, None where there is but one."""
        self.first, self.out_number = burst.first, number
        self.several, self.out_port = port is not None, number if port is None else port
        if burst.room is not self.bound:
            self.bound = burst.room
            self._move_in(burst.room.flat)

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        self.time_ns, self.proto, self.full, self.reason = of["time_ns"], of["proto"], of["full"], of["reason"]
        self.worker_index, self.queue, self.by = of["worker_index"], of["queue"], of["by"]
        self.hash, self.reta, self.rule = of["hash"], of["reta"], of["rule"]
        self.lookup, self.redirected, self.verdict = of["lookup"], of["redirected"], of["verdict"]
        self.conn, self.opened, self.handle = of["conn"], of["opened"], of["handle"]
        self.before, self.after, self.service = of["before"], of["after"], of["service"]

    def tell(self, row: int, stop: int) -> None:
        """A line for each row from *row* on."""
        while row < stop:
            self.room(self.longest)
            self._line(row)
            row += 1

    def _line(self, row: int) -> None:
        self.put(self.words)  # {"n":
        self.number(self.first + row)
        self.put(self.words + 1)  # "t_ns":
        self.signed(self.time_ns[row])
        self._received(row)
        if self.redirected[row] >= 0:
            self.put(self.words + 2)  # "owner":
            self.number(self.redirected[row])
        self._connection(row)
        self.put(self.reasons[self.reason[row]])
        self.put(self.verdicts + self.verdict[row])
        self._sent(row)
        self.put(self.whys + self.verdict[row])

    def _received(self, row: int) -> None:
        """By whom, and why by that one."""
        self.put(self.workers + 1 + self.worker_index[row])
        if self.worker_index[row] >= 0:
            self.number(self.queue[row] & QUEUE)
            self._steer(row)
        self.put(self.lookups + self.lookup[row])
        if self.worker_index[row] >= 0 and self.cards >= 0:
            self.put(self.cards + (self.queue[row] >> CARD))

    def _steer(self, row: int) -> None:
        by = self.by[row]
        if by == BY_FLOW_DIRECTOR:
            self.put(self.steers + 2 + self.rule[row])
            return
        self.put(self.steers + by)
        if by == BY_RSS:
            self.hexadecimal(self.hash[row])
            self.put(self.words + 3)  # "reta":
            self.number(self.reta[row])
            self.put(self.words + 4)  # }

    def _connection(self, row: int) -> None:
        if not self.conn[row]:
            self.put(self.words + 5)  # "conn": null ...
            return
        self.put(self.words + 6)  # "conn":
        self.number(self.conn[row])
        self.put(self.words + 7 + self.opened[row])  # "new":
        udp = self.proto[row] == UDP
        self.put(self.states + (udp * STATES + self.before[row]) * STATES + self.after[row])
        self.put(self.ends[self.service[row]])
        if self.table is not None:
            self._put_ends(row)

    def _put_ends(self, row: int) -> None:
        """The real server's, and in full NAT the local one: of what the real server sends."""
        table, handle = self.table, self.handle[row] | 1
        word0, word1 = table.word(handle, 0), table.word(handle, 1)
        kind = self.full[row]
        full = kind in (FULL_TCP, FULL_UDP, TELLING, PROXYING, STORMY)
        if word1 & SIX == SIX:
            self.wide_end(table.wide_word(handle, 0), table.wide_word(handle, 1), word1 & 0xFFFF)
        else:
            self.end(word0 & 0xFFFFFFFF, word1 & 0xFFFF)
        self.put(self.words + 9 + full)  # "laddr":
        if full:
            if word1 & SIX == SIX:
                self.wide_end(table.wide_word(handle, 2), table.wide_word(handle, 3), word1 >> 16 & 0xFFFF)
            else:
                self.end(word0 >> 32, word1 >> 16 & 0xFFFF)
            self.put(self.words + 11)  # "

    def _sent(self, row: int) -> None:
        """The numbers of what left, and of several ports those it left by."""
        number = self.out_number[row]
        if number < 0:
            numbers, ports = self.more[row]
            self.room(self.longest + len(numbers) + len(ports))
            self.text(numbers)
        elif number:
            self.number(number)
        if self.several:
            self.put(self.words + 12)  # "out_port": [
            if number < 0:
                self.text(ports)
            elif number:
                self.put(self.out_port[row])
