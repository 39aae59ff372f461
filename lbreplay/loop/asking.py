"""The SYN that asks a real server for a client that proved real (D 6.2), as it leaves: made from the client's ACK,
translated like any packet of the client (D 5.4), with what its cookie remembers of options. The plain path makes the
same of `wire/synproxy.syn_to_real`.

Bounds: the ACK is a `simple` row (loop/parse.py), so its headers are in the buffer; a SYN takes MOST bytes, and `made`
has them.
"""

from __future__ import annotations

from typing import Any

from lbreplay import memory
from lbreplay.loop import octets
from lbreplay.loop.names import (
    BASE,
    CLOCK,
    ETHERNET,
    M32,
    MICROSECOND,
    MSS,
    NOP,
    SACK_BIT,
    SACK_OK,
    SYN,
    SYN_WINDOW,
    TCP,
    TIMESTAMP,
    TIMESTAMP_BIT,
    TOA,
    WSCALE,
    WSCALE_SHIFT,
)
from lbreplay.loop.table import Table

MOST = 160  # bytes of a frame: MACs, tag, 40 of IPv6, 60 of TCP
HEAD, MACS, TAG = 16, 12, 4  # bytes of an entry of `heads`, of MACs, of a tag
TTL, WINDOW = 64, SYN_WINDOW
DONT_FRAGMENT, VERSION6, ECN_TOS = 0x40, 0x60, 0x1E  # bytes, as they stand; of a TOS what stays
TOA4, TOA6 = 8, 20  # bytes of the option that tells the client's address


class Asking:
    """SYNs to real servers. *table* has the tuples; *tells*: SYNs of full NAT tell the client's address (D 5.6, of old
    editions)."""

    def __init__(self, table: Table, tells: bool) -> None:
        self.table, self.tells = table, tells
        self.room: Any = None  # of the columns that are bound
        self.made = memory.zeros("B", MOST)

    def link(self, heads: Any, tags: Any, mirrored: Any) -> None:
        """With what frames leave (`Rewriter.link`)."""
        self.heads, self.tags, self.mirrored = heads, tags, mirrored

    def bind(self, burst: Any) -> None:
        """The columns of *burst*."""
        self.buffer = burst.data
        if burst.room is not self.room:
            self.room, of = burst.room, burst.room.flat
            self.at, self.time_ns, self.family = of["at"], of["time_ns"], of["family"]
            self.tag, self.l4, self.seq = of["tag"], of["l4"], of["seq"]

    def frame(self, row: int, slot: int, entry: int, delta: int, full: bool, mss: int, data: int) -> bytes:
        """The frame that leaves for the ACK of *row*, which opened the connection in *slot*, by *entry* of `heads`."""
        four, made = self.family[row] == 4, self.made
        l4 = self.at[row] + (TAG if self.tag[row] else 0) + self.l4[row]
        l3 = self._put_link(row, entry, four)
        at = l3 + (20 if four else 40)
        end = at + BASE
        if full and self.tells:
            end = self._put_client(end, l4, four)
        end = self._put_options(end, full, self.time_ns[row] // MICROSECOND % CLOCK, mss, data)
        self._put_ip(l3, l4, slot, four, end - l3)
        ends = octets.total(made, at - 8, 8) if four else octets.total(made, at - 32, 32)
        self._put_tcp(at, slot, (self.seq[row] - 1 + delta) & M32, end - at, ends)
        return octets.taken(made, 0, end)

    def _put_link(self, row: int, entry: int, four: bool) -> int:
        """MACs, tag, ethertype; where L3 begins. A MAC of the port's that nobody knows is the one that the row came
        to (interface 2)."""
        made, size = self.made, self.tags[entry]
        octets.copy(self.heads, HEAD * entry, MACS + size, made, 0)
        if self.mirrored[entry]:
            octets.copy(self.buffer, self.at[row], 6, made, 6)
        made[MACS + size], made[MACS + size + 1] = (0x08, 0) if four else (0x86, 0xDD)
        return ETHERNET + size

    def _put_client(self, at: int, l4: int, four: bool) -> int:
        """The client's address, before the other options; where they begin."""
        made, size = self.made, TOA4 if four else TOA6
        made[at], made[at + 1] = TOA, size
        octets.copy(self.buffer, l4, 2, made, at + 2)
        octets.copy(self.buffer, l4 - (8 if four else 32), size - 4, made, at + 4)
        return at + size

    def _put_options(self, at: int, full: bool, now: int, mss: int, data: int) -> int:
        """What the cookie remembers, but that full NAT never negotiates timestamps (D 5.4); where they end."""
        made, sack, stamp = self.made, data >> SACK_BIT & 1, data >> TIMESTAMP_BIT & 1
        made[at], made[at + 1], made[at + 2], made[at + 3] = MSS, 4, mss >> 8, mss & 0xFF
        at += 4
        if sack or stamp:
            made[at] = made[at + 1] = made[at + 2] = made[at + 3] = NOP
            if sack:
                place = at if stamp else at + 2
                made[place], made[place + 1] = SACK_OK, 2
            at += 4
        if stamp:
            self._put_timestamp(at - 2, full, now)
            at += 8
        scale = data >> WSCALE_SHIFT & 15
        if scale:
            made[at], made[at + 1], made[at + 2], made[at + 3] = NOP, WSCALE, 3, scale
            at += 4
        return at

    def _put_timestamp(self, at: int, full: bool, now: int) -> None:
        made = self.made
        if full:
            for byte in range(10):
                made[at + byte] = NOP
            return
        made[at], made[at + 1] = TIMESTAMP, 10
        octets.put32(made, at + 2, octets.swapped(now))
        octets.put32(made, at + 6, 0)

    def _put_ip(self, l3: int, l4: int, slot: int, four: bool, size: int) -> None:
        """DF, TTL 64, of the TOS what is left, and the ends of the other side's tuple, turned round."""
        made, other = self.made, 2 * slot + 1
        if not four:
            octets.put32(made, l3, VERSION6)
            made[l3 + 4], made[l3 + 5], made[l3 + 6], made[l3 + 7] = size - 40 >> 8, size - 40 & 0xFF, TCP, TTL
            for word in range(4):
                half = self.table.wide[4 * other + (word ^ 2)]
                octets.put32(made, l3 + 8 + 8 * word, half & M32)
                octets.put32(made, l3 + 12 + 8 * word, half >> 32)
            return
        made[l3], made[l3 + 1], made[l3 + 2], made[l3 + 3] = (
            0x45,
            self.buffer[l4 - 19] & ECN_TOS,
            size >> 8,
            size & 0xFF,
        )
        octets.put32(made, l3 + 4, DONT_FRAGMENT << 16)
        octets.put32(made, l3 + 8, TTL | TCP << 8)
        half = self.table.word(other, 0)
        octets.put32(made, l3 + 12, half >> 32)
        octets.put32(made, l3 + 16, half & M32)
        octets.put16(made, l3 + 10, octets.checksum(octets.total(made, l3, 20)))

    def _put_tcp(self, at: int, slot: int, seq: int, size: int, ends: int) -> None:
        made, ports = self.made, self.table.word(2 * slot + 1, 1)
        octets.put32(made, at, (ports >> 16 & 0xFFFF) | (ports & 0xFFFF) << 16)
        octets.put32(made, at + 4, octets.swapped(seq))
        octets.put32(made, at + 8, 0)
        made[at + 12], made[at + 13], made[at + 14], made[at + 15] = size // 4 << 4, SYN, WINDOW >> 8, WINDOW & 0xFF
        octets.put32(made, at + 16, 0)
        octets.put16(made, at + 16, octets.checksum(ends + octets.total(made, at, size) + ((size + TCP) << 8)))
