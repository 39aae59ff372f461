"""Writing by the row: bytes put together of *pieces*, which are known before and have numbers, and of what a row says.

The trace (`lines.py`) and annotated captures (`notes.py`) are written so, a burst in one buffer.

Bounds: `room` stands before everything that is put; whoever calls it says how much may follow. A piece has a number
below that of the pieces.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from lbreplay import memory
from lbreplay.loop import octets

MOST = 1 << 16  # texts of IPv6 addresses that are remembered at once
FIXED = 1024  # bytes for numbers and ends, and for pieces that are put more often than once


class Pen:
    """What is written: `out` up to `at`."""

    def __init__(self) -> None:
        self.at, self.size = 0, 0
        self.out: Any = memory.zeros("B", 0)
        self.known = 0  # pieces
        self.longest = FIXED  # bytes that one of each group of pieces, and what a row says, may take
        self.texts: dict[Any, bytes] = {}  # of IPv6 addresses, by their two words
        self._store, self._starts = b"", [0]
        self.learn([])

    # --- what is known before ----------------------------------------------------------------------------------------

    def learn(self, pieces: list[bytes]) -> int:
        """More pieces; the number of the first."""
        first = self.known
        self._store += b"".join(pieces)
        end = self._starts[first]
        for piece in pieces:
            end += len(piece)
            self._starts.append(end)
        self.known += len(pieces)
        self.longest += max(map(len, pieces), default=0)
        self.store = memory.listed("B", self._store or b"\0")
        self.starts = memory.listed("q", self._starts)
        return first

    # --- the buffer --------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Nothing is written."""
        self.at = 0

    def written(self) -> Any:
        """What is written, a view that holds until more is."""
        return self.out[: self.at]

    def room(self, more: int) -> None:
        """There is room for so many bytes more."""
        if self.at + more > self.size:
            self._grow(more)

    def _grow(self, more: int) -> None:
        self.size = max(2 * self.size, self.at + more, 1 << 16)
        self.out = memory.grown(self.out, self.size)

    def write(self, data: bytes) -> None:
        """Bytes of any length."""
        self.room(len(data))
        self.text(data)

    # --- what is put, where there is room ----------------------------------------------------------------------------

    def text(self, data: bytes) -> None:
        """Bytes."""
        for at in range(len(data)):
            self.out[self.at + at] = data[at]
        self.at += len(data)

    def put(self, piece: int) -> None:
        """A piece."""
        start = self.starts[piece]
        size = self.starts[piece + 1] - start
        octets.copy(self.store, start, size, self.out, self.at)
        self.at += size

    def number(self, value: int) -> None:
        """A number from 0 on, in decimal."""
        size, rest = 1, value // 10
        while rest:
            rest, size = rest // 10, size + 1
        self.at += size
        at = self.at
        while size:
            rest, at, size = value // 10, at - 1, size - 1
            self.out[at] = 48 + (value - 10 * rest)
            value = rest

    def signed(self, value: int) -> None:
        """A number, in decimal."""
        if value < 0:
            self.out[self.at] = ord("-")
            self.at, value = self.at + 1, -value
        self.number(value)

    def hexadecimal(self, word: int) -> None:
        """32 bits, in eight digits."""
        for at in range(8):
            digit = word >> (28 - 4 * at) & 15
            self.out[self.at + at] = digit + (48 if digit < 10 else 87)
        self.at += 8

    def end(self, word: int, port: int) -> None:
        """An IPv4 address and a port, as little-endian machines read them: `10.0.0.1:80`."""
        for byte in range(4):
            self.number(word >> 8 * byte & 0xFF)
            self.out[self.at] = ord(":") if byte == 3 else ord(".")
            self.at += 1
        self.number(port >> 8 | (port & 0xFF) << 8)

    def wide_end(self, low: int, high: int, port: int) -> None:
        """The same of IPv6, in two words: `[2001:db8::1]:80`."""
        text = self.texts.get((low, high))
        if text is None:
            if len(self.texts) >= MOST:
                self.texts.clear()
            address = low.to_bytes(8, "little") + high.to_bytes(8, "little")
            text = self.texts[low, high] = f"[{ip_address(address)}]:".encode()
        self.text(text)
        self.number(port >> 8 | (port & 0xFF) << 8)
