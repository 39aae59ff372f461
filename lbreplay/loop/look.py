"""Frames that an offload of the capturing host made what they are, counted (wire/offload.py says what that means).

Large frames are counted all. Of ordinary rows checksums are summed, but behind the first `thorough` frames of `sample`
in as many only, chosen by number and so the same at any burst size.

Bounds: the headers of a `simple` row are in the buffer (loop/parse.py).
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop import octets

TCP, UDP = 6, 17
ETHERNET, TAG = 14, 4  # bytes


class Look:
    """Counts over a whole capture.

    large               frames of more than *most* bytes
    headers wrong       IPv4 headers summed; those whose checksum is wrong
    segments partial    TCP and UDP summed; those that have the sum of their pseudo header for a checksum
    """

    def __init__(self, most: int, thorough: int, sample: int) -> None:
        self.most, self.thorough, self.sample = most, thorough, sample
        self.large = self.headers = self.wrong = self.segments = self.partial = 0
        self.room: Any = None

    def look(self, burst: Any) -> None:
        """Count the rows of a parsed burst."""
        self.buffer = burst.data
        if burst.room is not self.room:
            self.room = burst.room
            self._move_in(burst.room.flat)
        self._run(burst.first - 1, burst.size)

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        self.at, self.length, self.tag, self.simple = of["at"], of["length"], of["tag"], of["simple"]
        self.family, self.proto, self.l4, self.l3_length = of["family"], of["proto"], of["l4"], of["l3_length"]

    def _run(self, before: int, size: int) -> None:
        """*before*: how many frames came before the first."""
        for row in range(size):
            self.large += self.length[row] > self.most
        row = 0
        while row < size:
            place = (before + row) % self.thorough
            if place >= self.sample and before + row >= self.thorough:
                row += self.thorough - place  # where the next ones are that are looked at
                continue
            if self.simple[row]:
                self._sum(row)
            row += 1

    def _sum(self, row: int) -> None:
        at, l4, four = self.at[row] + (TAG if self.tag[row] else 0), self.l4[row], self.family[row] == 4
        if four:
            self.headers += 1
            self.wrong += octets.checksum(octets.total(self.buffer, at + ETHERNET, 20)) != 0
        ends = octets.total(self.buffer, at + 26, 8) if four else octets.total(self.buffer, at + 22, 32)
        pseudo = ends + ((self.l3_length[row] + ETHERNET - l4 + self.proto[row]) << 8)  # as words, like rewrite.py
        given = octets.word16(self.buffer, at + l4 + (16 if self.proto[row] == TCP else 6))
        self.segments += 1
        self.partial += given == 0xFFFF - octets.checksum(pseudo)
