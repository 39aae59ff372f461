"""The cookie of a SYN proxy (D 6.1), as `wire/synproxy.py` has it, for rows.

    cookie = H0 + client_seq + (minute << 24) + ((H1(minute) + data) & 0xffffff)      modulo 2^32

H is the first word of an MD5 (RFC 1321) over both ends, a count and a secret, of which all words are one number: 20
bytes of IPv4, one block; 64 of IPv6, with a block behind them that has nothing but their length. Most of what comes
back without being ours fails by its age, which takes one hash.
"""

from __future__ import annotations

from typing import Any

from lbreplay import memory
from lbreplay.loop import octets
from lbreplay.loop.md5 import BLOCK, MARK, SIZE_AT, Digest
from lbreplay.loop.names import M32, MAX_AGE, MSS_SHIFT, MSS_TABLE, NONE, UNUSED

LOW = 0xFFFFFF  # the bits that the minute leaves
INDICES = len(MSS_TABLE)
ENDS4 = 20  # bytes that are hashed, of IPv4; of IPv6 a whole block


class Cookies:
    """Cookies for the ends that `aim` was told last."""

    def __init__(self, secret: int) -> None:
        self.secret = secret & M32
        self.digest, self.block = Digest(), memory.zeros("B", BLOCK)  # what is hashed
        self.ends = memory.zeros("I", 9)  # addresses, ports
        self.padding = memory.zeros("B", BLOCK)  # the block behind a whole one
        self.padding[0] = MARK
        octets.put16(self.padding, SIZE_AT, 8 * BLOCK)
        self.six = False

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
        self.digest.begin()
        if self.six:
            self._fill6(count)
            self.digest.add(self.block)
            self.digest.add(self.padding)
        else:
            self._fill4(count)
            self.digest.add(self.block)
        return self.digest.a

    def _fill4(self, count: int) -> None:
        block, ends = self.block, self.ends
        octets.put32(block, 0, ends[0])
        octets.put32(block, 4, ends[1])
        octets.put32(block, 8, ends[8])
        octets.put32(block, 12, count)
        octets.put32(block, 16, self.secret)
        block[ENDS4] = MARK
        for at in range(ENDS4 + 1, BLOCK):
            block[at] = 0
        block[SIZE_AT] = 8 * ENDS4

    def _fill6(self, count: int) -> None:
        block, secret = self.block, self.secret
        for word in range(9):
            octets.put32(block, 4 * word, (self.ends[word] + secret) & M32)
        octets.put32(block, 36, (count + secret) & M32)
        for word in range(10, 16):
            octets.put32(block, 4 * word, secret)
