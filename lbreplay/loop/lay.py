"""Rows of a chunk into a burst: columns, times that never go back, and bytes side by side behind record headers.

Bounds: frames are in their chunk (loop/walk.py, wire/capture/pcapng.py), columns are of one length, a burst has no more
rows than its room, and `gather` has memory for what it puts there.
"""

from __future__ import annotations

from typing import Any

from lbreplay.burst import PAD, RECORD
from lbreplay.loop import octets
from lbreplay.loop.names import M32, SECOND


class Layer:
    """Lays out the bursts of one capture. *nanosecond*: what record headers count in.

    last_ns   the latest time so far
    raised    times that went back
    octets    bytes on the wire, of all rows so far
    """

    def __init__(self, nanosecond: bool) -> None:
        self.unit = 1 if nanosecond else 1000
        self.last_ns = self.raised = self.octets = 0
        self.room: Any = None

    def settle(self, time_ns: Any) -> bool:
        """A time that goes back becomes the latest before it, and so does none at all (below 0); whether one went
        back."""
        before = self.raised
        for row in range(len(time_ns)):
            if time_ns[row] < self.last_ns:
                self.raised += time_ns[row] >= 0
                time_ns[row] = self.last_ns
            self.last_ns = time_ns[row]
        return self.raised > before

    def fill(self, burst: Any, at: Any, caplen: Any, length: Any, time_ns: Any, start: int, begin: int) -> None:
        """The columns of *burst*, of rows from *start* on; its bytes begin at *begin* in the chunk."""
        if burst.room is not self.room:
            self.room = burst.room
            self._move_in(burst.room.flat)
        size = burst.size
        for row in range(size):
            self.at[row], self.caplen[row] = at[start + row] - begin, caplen[start + row]
            self.length[row] = self.sent[row] = length[start + row]
            self.time_ns[row] = time_ns[start + row]
            self.octets += length[start + row]

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        self.at, self.caplen, self.length = of["at"], of["caplen"], of["length"]
        self.sent, self.time_ns = of["sent"], of["time_ns"]

    def gather(self, burst: Any, source: Any, more: Any) -> None:
        """Copy rows that lie apart in *source*, each behind room for a record header and *more* bytes of a link header
        that is still to be written (None: none)."""
        count, size = burst.size, PAD
        for row in range(count):
            size += RECORD + self.caplen[row] + (0 if more is None else more[row])
        burst.data = burst.room.bytes(size)
        self._copy(count, source, more, burst.data)

    def _copy(self, size: int, source: Any, more: Any, data: Any) -> None:
        to = 0
        for row in range(size):
            at, there, head = self.at[row], self.caplen[row], 0 if more is None else more[row]
            to += RECORD
            octets.copy(source, at, there, data, to + head)
            self.at[row], self.caplen[row] = to, there + head
            to += there + head

    def put_heads(self, burst: Any) -> None:
        """Write the record headers of *burst* from its columns."""
        self._put_heads(burst.size, burst.data)

    def _put_heads(self, size: int, data: Any) -> None:
        for row in range(size):
            at, when = self.at[row] - RECORD, self.time_ns[row]
            octets.put32(data, at, when // SECOND & M32)
            octets.put32(data, at + 4, when % SECOND // self.unit)
            octets.put32(data, at + 8, self.caplen[row])
            octets.put32(data, at + 12, self.length[row] & M32)
