"""The cookie of a SYN proxy (D 6.1), as `wire/synproxy.py` has it, for rows.

    cookie = H0 + client_seq + (minute << 24) + ((H1(minute) + data) & 0xffffff)      modulo 2^32

H is the first word of an MD5 (RFC 1321) over both ends, a count and a secret, of which all words are one number: 20
bytes of IPv4, one block; 64 of IPv6, with a block behind them that has nothing but their length. Most of what comes
back without being ours fails by its age, which takes one hash.
"""

from __future__ import annotations

from math import floor, sin
from typing import Any

from lbreplay import memory
from lbreplay.loop.names import NONE

M32 = 0xFFFFFFFF
LOW = 0xFFFFFF  # the bits that the minute leaves
MAX_AGE, INDICES, UNUSED = 4, 10, 0xFFF  # minutes; MSS values that have a number; bits of the data that say nothing
MSS_SHIFT = 12
ENDS4, BLOCK = 20, 64  # bytes that are hashed, of IPv4, of IPv6
MARK = 0x80  # behind what is hashed (RFC 1321, 3.1)

ROUNDS = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))  # rotations (RFC 1321, 3.4)
PLACES = ((1, 0), (5, 1), (3, 5), (7, 0))  # which word a step takes: factor, and first
TURNS: Any = memory.listed("I", [ROUNDS[step >> 4][step & 3] for step in range(64)])
WORDS: Any = memory.listed("i", [(PLACES[step >> 4][0] * step + PLACES[step >> 4][1]) % 16 for step in range(64)])
SINES: Any = memory.listed("I", [floor(abs(sin(step + 1)) * 2**32) for step in range(64)])


class Cookies:
    """Cookies for the ends that `aim` was told last."""

    def __init__(self, secret: int) -> None:
        self.secret = secret & M32
        self.block = memory.zeros("I", 16)  # what is hashed
        self.ends = memory.zeros("I", 9)  # addresses, ports
        self.padding = memory.zeros("I", 16)  # the block behind 64 bytes
        self.padding[0], self.padding[14] = MARK, 8 * BLOCK
        self.six = False
        self.a = self.b = self.c = self.d = 0

    def aim4(self, source: int, dest: int, ports: int) -> None:
        """Addresses, and the word of both ports, as little-endian machines read them from the packet."""
        self.six = False
        self.ends[0], self.ends[1], self.ends[8] = source, dest, self._turned(ports)

    def aim6(self, flow: Any, at: int) -> None:
        """The same of IPv6: nine words of *flow* from *at* on."""
        self.six = True
        for word in range(8):
            self.ends[word] = flow[at + word]
        self.ends[8] = self._turned(flow[at + 8])

    def _turned(self, ports: int) -> int:
        """The source port above: (sport << 16) + dport, each as it stands in the packet."""
        return (ports & 0xFFFF) << 16 | ports >> 16

    def make(self, seq: int, data: int, minute: int) -> int:
        """The sequence number that answers a SYN with *seq*."""
        first, second = self._hash(0), self._hash(minute & M32)
        return (first + seq + (minute << 24) + ((second + data) & LOW)) & M32

    def check(self, seq: int, cookie: int, minute: int) -> int:
        """The data of a valid cookie for *seq*, or NONE."""
        rest = (cookie - self._hash(0) - seq) & M32
        age = (minute - (rest >> 24)) & 0xFF
        if age >= MAX_AGE:
            return NONE
        data = (rest - self._hash((minute - age) & M32)) & LOW
        if (data >> MSS_SHIFT & 15) >= INDICES or data & UNUSED:
            return NONE
        return data

    def _hash(self, count: int) -> int:
        """The first word; IPv6 adds the secret to every word, IPv4 puts it behind (D 6.1)."""
        block, secret = self.block, self.secret
        self.a, self.b, self.c, self.d = 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476
        if not self.six:
            block[0], block[1], block[2], block[3], block[4] = self.ends[0], self.ends[1], self.ends[8], count, secret
            block[5], block[14] = MARK, 8 * ENDS4
            for word in range(6, 14):
                block[word] = 0
            block[15] = 0
            self._add(block)
            return self.a
        for word in range(9):
            block[word] = (self.ends[word] + secret) & M32
        block[9] = (count + secret) & M32
        for word in range(10, 16):
            block[word] = secret
        self._add(block)
        self._add(self.padding)
        return self.a

    def _add(self, block: Any) -> None:
        """One block (RFC 1321, 3.4)."""
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
            mixed = (mixed + a + SINES[step] + block[WORDS[step]]) & M32
            a, d, c = d, c, b
            b = (b + ((mixed << TURNS[step]) | (mixed >> (32 - TURNS[step])))) & M32
        self.a, self.b = (self.a + a) & M32, (self.b + b) & M32
        self.c, self.d = (self.c + c) & M32, (self.d + d) & M32
