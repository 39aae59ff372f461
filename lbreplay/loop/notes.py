"""Blocks of an annotated pcapng (interface 4) for rows that the loop took: the frame, and what is to know of it.

    #17 worker 2 (flow director, port 1026 & 3 = 2) conn 5 out -> client: forwarded_fast

`annotate.py` says the same in words of Python, for rows of the plain path and what was made; the form of the block is
that of `wire/capture/sink.py`.

Bounds: columns are as long as the burst, a frame's captured bytes are its own in the buffer. What indexes pieces was
written by the stages before. A comment takes a piece of each group, and some words (`longest`), for which there is room
beside the frame.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop import octets
from lbreplay.loop.pen import Pen
from lbreplay.loop.table import Table

BY_RSS, BY_FLOW_DIRECTOR = 1, 2
QUEUE, CARD = 0xFF, 8  # bits of a queue within its card, and where the card's number stands
ENHANCED = 6  # kind of block
TAIL = 4  # bytes of a block behind its options
COMMENT, HASH, NUMBER, VERDICT = 1, 3, 6, 7  # options
TOEPLITZ = 5  # kind of a hash


class Notes(Pen):
    """*table* has the ends of connections by handle; None: nothing is asked of it.

    Numbers of first pieces, and what those are by: `ports` (card, where ports are several, else below 0), `rules`,
    `verdicts`. `interfaces` of the file are known; `unit` is nanoseconds of a time stamp.
    """

    def __init__(self, table: Table | None) -> None:
        super().__init__()
        self.table: Any = table
        self.words = self.rules = self.verdicts = 0
        self.ports = -1
        self.interfaces, self.unit = 0, 1
        self.bound: Any = None  # the room of the columns below

    def bind(self, burst: Any, hash: Any, interface: Any) -> None:
        """The columns of *burst*, as they leave; the *hash* that each row came with, and the *interface* it leaves
        by."""
        self.first, self.buffer = burst.first, burst.data
        self.came_with, self.interface = hash.data, interface.data
        if burst.room is not self.bound:
            self.bound = burst.room
            self._move_in(burst.room.flat)

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        self.frames, self.caplen, self.sent, self.time_ns = of["at"], of["caplen"], of["sent"], of["time_ns"]
        self.leaving, self.family, self.flow4, self.wide = of["leaving"], of["family"], of["flow4"], of["wide"]
        self.worker_index, self.worker, self.queue = of["worker_index"], of["worker"], of["queue"]
        self.by, self.hash, self.reta, self.rule = of["by"], of["hash"], of["reta"], of["rule"]
        self.redirected, self.verdict, self.conn = of["redirected"], of["verdict"], of["conn"]
        self.opened, self.handle, self.answer, self.wrong = of["opened"], of["handle"], of["answer"], of["wrong_worker"]

    def tell(self, row: int, stop: int) -> int:
        """A block for each row that leaves, from *row* on up to *stop*; before that, the first whose interface the file
        does not know yet."""
        while row < stop:
            if self.leaving[row]:
                if self.interface[row] >= self.interfaces:
                    return row
                self.room(self.longest + self.caplen[row])
                self._block(row)
            row += 1
        return stop

    def _block(self, row: int) -> None:
        begin, size = self.at, self.caplen[row]
        stamp, length = self.time_ns[row] // self.unit, self.sent[row]
        self._word(ENHANCED)
        self._word(0)  # the size, when it is known
        self._word(self.interface[row])
        self._word(stamp >> 32)
        self._word(stamp & 0xFFFFFFFF)
        self._word(size)
        self._word(length if length > size else size)
        octets.copy(self.buffer, self.frames[row], size, self.out, self.at)
        self.at += size
        self._pad(begin)
        self._options(row)
        self._word(self.at + TAIL - begin)
        octets.put32(self.out, begin + 4, self.at - begin)

    def _options(self, row: int) -> None:
        begin = self._option(COMMENT, 0)
        self._comment(row)
        octets.put16(self.out, begin - 2, self.at - begin)
        self._pad(begin)
        self._option(HASH, 5)
        self._byte(TOEPLITZ)
        self._word(self.came_with[row])
        self._pad(self.at - 5)
        self._option(NUMBER, 4)
        self._word(self.queue[row] & QUEUE)
        begin = self._option(VERDICT, 0)
        self._byte(0)  # the balancer's, as hardware's
        self.put(self.verdicts + self.verdict[row])
        octets.put16(self.out, begin - 2, self.at - begin)
        self._pad(begin)
        self._word(0)

    def _option(self, code: int, size: int) -> int:
        """The head of an option; where its value begins."""
        self._word(code | size << 16)
        return self.at

    def _word(self, word: int) -> None:
        octets.put32(self.out, self.at, word)
        self.at += 4

    def _byte(self, byte: int) -> None:
        self.out[self.at] = byte
        self.at += 1

    def _pad(self, begin: int) -> None:
        """Zeros up to a multiple of 4 bytes from *begin* on."""
        while (self.at - begin) & 3:
            self._byte(0)

    # --- the comment -------------------------------------------------------------------------------------------------

    def _comment(self, row: int) -> None:
        self.put(self.words)  # #
        self.number(self.first + row)
        self._received(row)
        if self.redirected[row] >= 0:
            self.put(self.words + 1)  # handed to worker
            self.number(self.redirected[row])
        if self.conn[row]:
            self.put(self.words + 2 + self.opened[row])  # conn, new conn
            self.number(self.conn[row])
            self.put(self.words + 4 + (self.handle[row] & 1))  # in -> real server, out -> client
            self.put(self.verdicts + self.verdict[row])
        else:
            self.put(self.words + 6)
            self.put(self.verdicts + self.verdict[row])
            if self.wrong[row]:
                self.put(self.words + 7)  # another worker has its connection

    def _received(self, row: int) -> None:
        """By whom, and why by that one."""
        if self.worker_index[row] < 0:
            self.put(self.words + 8)  # not received
            return
        self.put(self.words + 6)
        if self.ports >= 0:
            self.put(self.ports + (self.queue[row] >> CARD))
        if self.worker[row] >= 0:
            self.put(self.words + 9)  # worker
            self.number(self.worker[row])
        else:
            self.put(self.words + 10)  # kernel worker
        by = self.by[row]
        self.put(self.words + 11 + by)  # default queue, RSS, flow director
        if by == BY_FLOW_DIRECTOR:
            self.number(octets.swapped(self._port(row)) >> 16)
            self.put(self.rules + self.rule[row])
        elif by == BY_RSS:
            self.hexadecimal(self.hash[row])
            self.put(self.words + 14)  # table entry
            self.number(self.reta[row])
        self.put(self.words + 15)  # )

    def _port(self, row: int) -> int:
        """The destination port that it came in with, as little-endian machines read it."""
        if self.answer[row] and self.table is not None:
            return self.table.word(self.handle[row] | 1, 1) >> 16 & 0xFFFF
        return (self.wide[9 * row + 8] if self.family[row] == 6 else self.flow4[3 * row + 2]) >> 16
