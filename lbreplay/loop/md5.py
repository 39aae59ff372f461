"""MD5 (RFC 1321, 3.4), block by block: of cookies (loop/cookie.py) and of places on a ring (loop/hashed.py).

A step mixes three of the four words, adds to the fourth, and turns what came of it; four rounds of sixteen steps mix
each in another way.
"""

from __future__ import annotations

from math import sin
from typing import Any

from lbreplay import memory
from lbreplay.loop import octets
from lbreplay.loop.names import M32

BLOCK = 64  # bytes
MARK, SIZE_AT = 0x80, 56  # padding: behind the message, and where its size in bits stands
START = 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476
A, B, C, D = START
# by round: how far its steps turn in turn; which word of the block they take (step times the first plus the second)
_TURNS = (7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21)
_WORDS = (1, 0), (5, 1), (3, 5), (7, 0)
# by step: what is added, how far it turns, where its word stands
ADDED: Any = memory.listed("I", [int(abs(sin(step + 1)) * 2**32) for step in range(64)])
TURNS: Any = memory.listed("B", [_TURNS[step >> 4][step & 3] for step in range(64)])
WORDS: Any = memory.listed("B", [4 * ((step * _WORDS[step >> 4][0] + _WORDS[step >> 4][1]) % 16) for step in range(64)])


class Digest:
    """The four words, of the blocks since `begin`."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Another message."""
        self.a, self.b, self.c, self.d = A, B, C, D

    def add(self, block: Any) -> None:
        """64 bytes more; the last ones are padded by who knows the message."""
        a, b, c, d = self.a, self.b, self.c, self.d
        for step in range(64):
            if step < 16:
                mixed = d ^ (b & (c ^ d))
            elif step < 32:
                mixed = c ^ (d & (b ^ c))
            elif step < 48:
                mixed = b ^ c ^ d
            else:
                mixed = c ^ (b | (d ^ M32))
            mixed = (mixed + a + ADDED[step] + octets.word32(block, WORDS[step])) & M32
            a, d, c = d, c, b
            b = (b + (mixed << TURNS[step] | mixed >> 32 - TURNS[step])) & M32
        self.a, self.b = (self.a + a) & M32, (self.b + b) & M32
        self.c, self.d = (self.c + c) & M32, (self.d + d) & M32
