"""What rows leave with -> bytes, where they stand: MACs, ends, numbers, options, checksums (D 5.4-5.6, D 12.1, D 12.3).

    for each row that leaves: padding off, options edited, and its headers

Where some rows grow (the client's address in an option or in a header of its own, an outer header) all are laid out
again, once, and those get their headers there. An option that has no room is for the plain path to fit in (`odd`).
Checksums are computed from the bytes that leave, whatever came in (D 5.5).

Bounds: a row leaves in place only if it is `simple` (loop/parse.py): its headers, and all that its IP header says there
is, are in the buffer. Options are walked no further than the TCP header goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lbreplay import memory
from lbreplay.burst import RECORD, Burst
from lbreplay.loop import octets
from lbreplay.loop.names import (
    ACK,
    ANSWERED,
    BASE,
    DIRECT,
    EOL,
    ETHERNET,
    FULL_TCP,
    M32,
    MSS,
    NONE,
    NOP,
    PROXYING,
    RESET,
    RST,
    SACK,
    STORMY,
    SYN,
    TCP,
    TELLING,
    TIMESTAMP,
    TOA,
    TRANSIT,
    TUNNEL,
    UDP,
)
from lbreplay.loop.syn import Proxy
from lbreplay.loop.table import Table

BLOCKS = 0  # a length of whole blocks, of SACK
TIMESTAMP_SIZE, MSS_SIZE, BLOCK = 10, 4, 8
ALIGNED, ALIGNED_HEADER = 0x0A080101, 32  # NOP NOP timestamp, as a word; behind it no SACK is looked for (D 5.5)
TOA4, TOA6 = 8, 20  # bytes of the client-address option, by which the MSS is lowered, too
MOST_HEADER = 60
PROXY4, PROXY6, PROXY_FIXED = 28, 52, 16  # bytes of a proxy header, and of its part without ends
PROXY_HEAD = b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0"  # signature, version and command; family and length are put in
MACS, TAG, HEAD = 12, 4, 16  # bytes of MACs, of a tag, of an entry of `heads`
OPP, IPO, OPP_HEAD = 248, 31, 4  # the private protocol, the client's address in it or in an IP option; bytes before it
IPIP, IPV6_IN_IP, OUTER4, OUTER6, DONT_FRAGMENT = 4, 41, 20, 40, 0x40  # of outer headers
ENDS = 32  # bytes of an entry of `outers`


class Rewriter:
    """The rows of bursts. *table* has the tuples, *proxy* turns rows round. *toa*: segments tell the client's address,
    *toa_in_syn*: SYNs too; *opp*: datagrams tell it in a header of its own, not in an IP option; *mtu*: what an option
    must fit into. *odd* gives a frame, and where its TCP header begins, what it is with an option that has no room."""

    def __init__(
        self, table: Table, proxy: Proxy, toa: bool, toa_in_syn: bool, opp: bool, mtu: int,
        odd: Callable[[bytes, int], bytes],
    ) -> None:  # fmt: skip
        self.table, self.proxy, self.odd = table, proxy, odd
        self.toa, self.toa_in_syn, self.opp, self.mtu = toa, toa_in_syn, opp, mtu
        self.grows = False
        self.bound: Any = None  # the room of the columns below
        self.behind = False  # some rows are behind a SYN proxy
        self.room = memory.zeros("i", 0)  # by how many bytes each row grows
        self.shift = memory.zeros("i", 0)  # bytes of the tag that each row has by now
        self._odd: dict[int, bytearray] = {}

    def link(self, heads: Any, tags: Any, mirrored: Any, outers: Any) -> None:
        """MACs and a tag by entry (dpvs/links), HEAD bytes each; bytes of the tag; whether the source is the MAC that
        the row itself came to; the ends of outer headers by entry, ENDS bytes each."""
        self.heads, self.tags, self.mirrored, self.outers = heads, tags, mirrored, outers

    def bind(self, burst: Any) -> None:
        """The columns of *burst*, its own bytes among them."""
        self.buffer = burst.data
        if burst.room is not self.bound:
            self.bound = burst.room
            self._move_in(burst.room.flat)

    def _move_in(self, of: Any) -> None:
        """The columns of another room."""
        self.room, self.shift = (memory.zeros("i", len(of["at"])) for _ in range(2))
        self.at, self.caplen, self.sent = of["at"], of["caplen"], of["sent"]
        self.leaving, self.answer, self.tag = of["leaving"], of["answer"], of["tag"]
        self.family, self.proto, self.flags = of["family"], of["proto"], of["flags"]
        self.l3_length, self.l4, self.header = of["l3_length"], of["l4"], of["header"]
        self.seq, self.ack, self.fdata, self.delta = of["seq"], of["ack"], of["fdata"], of["delta"]
        self.handle, self.mac, self.full = of["handle"], of["mac"], of["full"]
        self.moved, self.scales = of["moved"], of["scales"]

    def rewrite(self, burst: Burst) -> None:
        """Rewrite the rows of *burst* that leave in place."""
        self.bind(burst)
        self.grows = False
        self._rows(burst.size)
        if self.grows:
            self._spread(burst)
            self._put_grown(burst.size)
            self._odd.clear()

    def _rows(self, size: int) -> None:
        """Every row: what does not grow is ready to leave."""
        for row in range(size):
            self.room[row] = 0
            if self.leaving[row]:
                self.shift[row] = TAG if self.tag[row] else 0
                if self.full[row] == ANSWERED or self.full[row] == RESET:
                    self._turn_round(row)
                    continue
                self._edit(row)
                if self._stays(row):
                    self._put(row)
                else:
                    self.grows = True

    def _stays(self, row: int) -> bool:
        """Whether a row leaves where it stands."""
        return self.room[row] == 0 and not (self._odd and row in self._odd)

    # --- what changes in length --------------------------------------------------------------------------------------

    def _edit(self, row: int) -> None:
        """Padding and options, and how much room the row needs."""
        self._shrink(row)
        self.room[row] = self.tags[self.mac[row]] - self.shift[row]
        if self.full[row] == FULL_TCP or self.full[row] == STORMY:
            if self.header[row] > BASE:
                self._edit_options(row)
            if self.toa and self._is_asked(row):
                self._make_room(row)
        elif self.full[row] == TELLING or self.full[row] == TUNNEL or self.full[row] == PROXYING:
            self.room[row] += self._growth(row)

    def _growth(self, row: int) -> int:
        """By how many bytes a row grows that tells the client's address (D 5.8, D 7.3), or goes through a tunnel
        (D 12.1)."""
        four = self.family[row] == 4
        if self.full[row] == PROXYING:
            return PROXY4 if four else PROXY6
        if self.full[row] == TELLING:
            return (OPP_HEAD if self.opp else 0) + (TOA4 if four else TOA6)
        return OUTER4 if four else OUTER6

    def _turn_round(self, row: int) -> None:
        """A row that a SYN proxy answers, ready to leave."""
        if self.full[row] == ANSWERED:
            self.proxy.answer(row)
        else:
            self.proxy.refuse(row)
        self._shrink(row)

    def _shrink(self, row: int) -> None:
        """Take Ethernet padding off, captured or not."""
        size = self.l3_length[row] + ETHERNET + self.shift[row]
        if self.caplen[row] != size or self.sent[row] != size:
            self._set_size(row, size)

    def _set_size(self, row: int, size: int) -> None:
        """The size of a frame, in the columns and in its record header."""
        at = self.at[row]
        self.caplen[row] = self.sent[row] = size
        octets.put32(self.buffer, at - 8, size)
        octets.put32(self.buffer, at - 4, size)

    def _edit_options(self, row: int) -> None:
        """Timestamp of a SYN, MSS of a SYN|ACK, edges of SACK (D 5.4, 5.5)."""
        first = self.flags[row] & (SYN | ACK)
        if not self.handle[row] & 1:
            if first == SYN:
                self._blank_timestamp(row)
            if self.behind and self.moved[row]:
                self._shift_sack(row, self.moved[row])
            return
        if first == SYN | ACK:
            self._lower_mss(row)
        if not self.answer[row] or self.full[row] == STORMY:
            self._shift_sack(row, self.delta[row])

    def _find(self, row: int, kind: int, length: int) -> int:
        """Where the first option of *kind* and *length* is, or NONE. A walk ends where `wire.options.walk` does."""
        at = self.at[row] + self.shift[row] + self.l4[row] + BASE
        end = at + self.header[row] - BASE
        while at < end and self.buffer[at] != EOL:
            size = 1
            if self.buffer[at] != NOP:
                size = self.buffer[at + 1]
                if size < 2 or at + size > end:
                    break
                fits = size == length if length else size > BLOCK and size % BLOCK == 2
                if fits and self.buffer[at] == kind:
                    return at
            at += size
        return NONE

    def _blank_timestamp(self, row: int) -> None:
        """Ten bytes of NOP: full NAT never negotiates it."""
        at = self._find(row, TIMESTAMP, TIMESTAMP_SIZE)
        for byte in range(TIMESTAMP_SIZE if at >= 0 else 0):
            self.buffer[at + byte] = NOP

    def _lower_mss(self, row: int) -> None:
        """By the client-address option, modulo 2^16."""
        at = self._find(row, MSS, MSS_SIZE)
        if at >= 0:
            lower = (self.buffer[at + 2] << 8) + self.buffer[at + 3] - (TOA4 if self.family[row] == 4 else TOA6)
            self.buffer[at + 2], self.buffer[at + 3] = lower >> 8 & 0xFF, lower & 0xFF

    def _shift_sack(self, row: int, by: int) -> None:
        """Its edges move with the acknowledgement."""
        at = self.at[row] + self.shift[row] + self.l4[row] + BASE
        if self.header[row] == ALIGNED_HEADER and octets.word32(self.buffer, at) == ALIGNED:
            return
        at = self._find(row, SACK, BLOCKS)
        if at >= 0:
            for edge in range(at + 2, at + self.buffer[at + 1], 4):
                self._lower(edge, by)

    def _lower(self, at: int, by: int) -> None:
        """A number of 32 bits."""
        octets.put32(self.buffer, at, octets.swapped((octets.swapped(octets.word32(self.buffer, at)) - by) & M32))

    # --- the client's address ----------------------------------------------------------------------------------------

    def _is_asked(self, row: int) -> bool:
        """Until the first answer byte is acknowledged, segments tell the client's address (D 5.6)."""
        if self.handle[row] & 1:
            return False
        if self.flags[row] & (SYN | RST) == 0 and self.ack[row] == self.fdata[row]:
            return True
        return self.toa_in_syn and self.flags[row] & (SYN | ACK) == SYN

    def _make_room(self, row: int) -> None:
        """For the option; where it has none, for what the plain path makes of the frame."""
        size = TOA4 if self.family[row] == 4 else TOA6
        if self.header[row] + size > MOST_HEADER or self.l3_length[row] + size > self.mtu:
            size = self._fit(row)
        self.room[row] += size

    def _fit(self, row: int) -> int:
        """What the plain path makes of a frame whose option has no room, tagged as it leaves; how it grew."""
        at, there, shift, tag = self.at[row], self.caplen[row], self.shift[row], self.tags[self.mac[row]]
        macs, behind = bytes(self.buffer[at : at + MACS]), bytes(self.buffer[at + MACS + shift : at + there])
        frame = self.odd(macs + behind, self.l4[row])
        self._odd[row] = bytearray(frame[:MACS] + bytes(tag) + frame[MACS:])
        return len(frame) + shift - there

    def _spread(self, burst: Burst) -> None:
        """Lay all rows out again: one piece for the sink."""
        made = burst.wider(self._growing(burst.size))
        self._old, self.buffer, burst.data = self.buffer, made, made
        self._lay_out(burst.size)

    def _growing(self, size: int) -> int:
        """By how many bytes all rows grow."""
        total = 0
        for row in range(size):
            total += self.room[row]
        return total

    def _put_grown(self, size: int) -> None:
        """Headers of the rows that grew."""
        for row in range(size):
            if not self._stays(row):
                self._put(row)

    def _lay_out(self, size: int) -> None:
        """Rows that stand side by side and stay as they are go together."""
        begin = end = to = 0
        for row in range(size):
            at, there = self.at[row], self.caplen[row]
            if at - RECORD != end:
                octets.copy(self._old, begin, end - begin, self.buffer, to)
                to += end - begin
                begin = at - RECORD
            end = at + there
            self.at[row] = to + at - begin
            if not self._stays(row):
                octets.copy(self._old, begin, at - begin, self.buffer, to)
                self._lay_out_asked(at, row)
                to, begin = self.at[row] + self.caplen[row], end
        octets.copy(self._old, begin, end - begin, self.buffer, to)

    def _lay_out_asked(self, at: int, row: int) -> None:
        """A row that grows, or has another tag; it stood *at*."""
        size, there, to = self.room[row], self.caplen[row], self.at[row]
        shift, tag = self.shift[row], self.tags[self.mac[row]]
        growth = size + shift - tag
        if self._odd and row in self._odd:
            odd = self._odd[row]
            octets.copy(odd, 0, there + size, self.buffer, to)
        else:
            octets.copy(self._old, at, MACS, self.buffer, to)
            self._lay_out_behind(at + shift, there - shift, to + tag, row, growth)
        self.shift[row] = tag
        self.l3_length[row] += growth
        self._set_size(row, there + size)

    def _lay_out_behind(self, at: int, there: int, to: int, row: int, growth: int) -> None:
        """What stands behind MACs and tag; *at* and *to* are where frames of *there* bytes would begin without it."""
        head = self._place(row) if growth else there
        octets.copy(self._old, at + MACS, head - MACS, self.buffer, to + MACS)
        if growth:
            octets.copy(self._old, at + head, there - head, self.buffer, to + head + growth)
            self._put_more(to, row, growth)

    def _place(self, row: int) -> int:
        """Where in its frame a row grows: behind the (base) TCP header, before UDP, before its IP header."""
        if self.full[row] == PROXYING:
            return self.l4[row] + self.header[row]
        if self.full[row] == TUNNEL:
            return ETHERNET
        return self.l4[row] if self.full[row] == TELLING else self.l4[row] + BASE

    def _put_more(self, to: int, row: int, size: int) -> None:
        """What a row grows by."""
        if self.full[row] == TUNNEL:
            self._put_outer(to + ETHERNET, row, size)
        elif self.full[row] == TELLING:
            self._put_telling(to, row, size)
        elif self.full[row] == PROXYING:
            self._put_proxy(to, row, size)
        else:
            self._put_toa(to, row, size)

    def _put_toa(self, to: int, row: int, size: int) -> None:
        """The option, behind the base header of the frame at *to*, and what its headers say of lengths."""
        l4, four = self.l4[row], size == TOA4
        at = to + l4 + BASE
        self._put_length(to, four, self.l3_length[row] + size)
        self.buffer[to + l4 + 12] += size // 4 << 4
        self.buffer[at], self.buffer[at + 1] = TOA, size
        octets.copy(self.buffer, to + l4, 2, self.buffer, at + 2)
        octets.copy(self.buffer, to + (26 if four else 22), size - 4, self.buffer, at + 4)

    def _put_length(self, to: int, four: bool, length: int) -> None:
        """What the IP header of the frame at *to* says of its length."""
        at = to + (16 if four else 18)
        if not four:
            length -= 40
        self.buffer[at], self.buffer[at + 1] = length >> 8, length & 0xFF

    def _put_telling(self, to: int, row: int, size: int) -> None:
        """The client's address before UDP: a header of its own, or an IP option (D 7.3)."""
        four, at = self.family[row] == 4, to + self.l4[row]
        self._put_length(to, four, self.l3_length[row] + size)
        self.l4[row] += size
        if self.opp:
            self.buffer[at], self.buffer[at + 1], self.buffer[at + 2], self.buffer[at + 3] = (
                0x10 if four else 0x20,
                UDP,
                0,
                size,
            )
            self.buffer[to + (23 if four else 20)] = OPP
            at += OPP_HEAD
        else:
            self.buffer[to + ETHERNET] += size // 4
        self.buffer[at], self.buffer[at + 1] = IPO, TOA4 if four else TOA6
        octets.copy(self.buffer, to + self.l4[row], 2, self.buffer, at + 2)
        octets.copy(self.buffer, to + (26 if four else 22), 4 if four else 16, self.buffer, at + 4)

    def _put_proxy(self, to: int, row: int, size: int) -> None:
        """A PROXY protocol header, version 2, before the client's first byte: both ends as the client has them."""
        four, at = size == PROXY4, to + self.l4[row] + self.header[row]
        ends, length = (8, 12) if four else (32, 36)
        self._put_length(to, four, self.l3_length[row] + size)
        for byte in range(PROXY_FIXED):
            self.buffer[at + byte] = PROXY_HEAD[byte]
        self.buffer[at + 13], self.buffer[at + 15] = 0x11 if four else 0x21, length
        octets.copy(self.buffer, to + (26 if four else 22), ends, self.buffer, at + PROXY_FIXED)
        octets.copy(self.buffer, to + self.l4[row], 4, self.buffer, at + PROXY_FIXED + ends)

    def _put_outer(self, at: int, row: int, size: int) -> None:
        """An outer header at *at*, with TOS, TTL and DF of the inner one behind it (D 12.1)."""
        ends, length = ENDS * self.fdata[row], self.l3_length[row]
        if size == OUTER6:
            octets.copy(self.buffer, at + size, 4, self.buffer, at)
            self.buffer[at + 4], self.buffer[at + 5], self.buffer[at + 6] = length >> 8, length & 0xFF, IPV6_IN_IP
            self.buffer[at + 7] = self.buffer[at + size + 7]
            octets.copy(self.outers, ends, 32, self.buffer, at + 8)
            return
        length += size
        self.buffer[at], self.buffer[at + 1] = 0x45, self.buffer[at + size + 1]
        self.buffer[at + 2], self.buffer[at + 3] = length >> 8, length & 0xFF
        self.buffer[at + 4], self.buffer[at + 5] = self.delta[row] >> 8 & 0xFF, self.delta[row] & 0xFF
        self.buffer[at + 6], self.buffer[at + 7] = self.buffer[at + size + 6] & DONT_FRAGMENT, 0
        self.buffer[at + 8], self.buffer[at + 9], self.buffer[at + 10], self.buffer[at + 11] = (
            self.buffer[at + size + 8],
            IPIP,
            0,
            0,
        )
        octets.copy(self.outers, ends, 8, self.buffer, at + 12)
        octets.put16(self.buffer, at + 10, octets.checksum(octets.total(self.buffer, at, size)))

    # --- headers and checksums ---------------------------------------------------------------------------------------

    def _put(self, row: int) -> None:
        """MACs, ends, numbers and checksums."""
        self._put_macs(row)
        if self.shift[row]:
            octets.copy(self.heads, HEAD * self.mac[row] + MACS, TAG, self.buffer, self.at[row] + MACS)
        if self.full[row] == TRANSIT:
            self._lower_ttl(row)
        if self.full[row] >= DIRECT:
            return  # what leaves is what came, but for its MACs and an outer header (D 12.1)
        if self.family[row] == 4:
            self._put_ipv4(row)
        else:
            self._put_ipv6(row)

    def _put_macs(self, row: int) -> None:
        at, entry = self.at[row], self.mac[row]
        if not self.mirrored[entry]:
            octets.copy(self.heads, HEAD * entry, MACS, self.buffer, at)
            return
        if not self.answer[row]:
            octets.copy(self.buffer, at, 6, self.buffer, at + 6)
        octets.copy(self.heads, HEAD * entry, 6, self.buffer, at)

    def _lower_ttl(self, row: int) -> None:
        """By one; the IPv4 checksum is updated by what changed (S 4.5, RFC 1624)."""
        at = self.at[row] + self.shift[row]
        if self.family[row] == 6:
            self.buffer[at + 21] -= 1
            return
        self.buffer[at + 22] -= 1
        total = octets.word16(self.buffer, at + 24) + 1
        octets.put16(self.buffer, at + 24, total if total < 0xFFFF else total - 0xFFFF)

    def _put_ipv4(self, row: int) -> None:
        """The ends of the other side's tuple, turned round."""
        other, at = self.handle[row] ^ 1, self.at[row] + self.shift[row]
        word = self.table.word(other, 0)
        source, dest = word >> 32, word & M32
        octets.put32(self.buffer, at + 26, source)
        octets.put32(self.buffer, at + 30, dest)
        ends = source + dest
        total = (
            ends
            + octets.word32(self.buffer, at + 14)
            + octets.word32(self.buffer, at + 18)
            + octets.word16(self.buffer, at + 22)
        )
        l4 = self.l4[row]
        if l4 > 34 and not self.opp:
            total += octets.word32(self.buffer, at + 34)  # the IP option; two words at once lose their carry in C
            total += octets.word32(self.buffer, at + 38)
        octets.put16(self.buffer, at + 24, octets.checksum(total))
        self._put_l4(row, at + l4, self.l3_length[row] + ETHERNET - l4, self.table.word(other, 1), ends)

    def _put_ipv6(self, row: int) -> None:
        other, at = self.handle[row] ^ 1, self.at[row] + self.shift[row]
        for word in range(4):
            self._put64(at + 22 + 8 * word, self.table.wide[4 * other + (word ^ 2)])
        ends = octets.total(self.buffer, at + 22, 32)
        l4 = self.l4[row]
        self._put_l4(row, at + l4, self.l3_length[row] + ETHERNET - l4, self.table.word(other, 1), ends)

    def _put64(self, at: int, word: int) -> None:
        octets.put32(self.buffer, at, word & M32)
        octets.put32(self.buffer, at + 4, word >> 32)

    def _put_l4(self, row: int, at: int, length: int, ports: int, ends: int) -> None:
        """*length* bytes of L4 from *at* on; *ports* of the other side as in a tuple, *ends* the sum of addresses. What
        is stored is not read again but in the end: a load of what was stored in parts waits for it."""
        ports = (ports >> 16 & 0xFFFF) | (ports & 0xFFFF) << 16
        octets.put32(self.buffer, at, ports)
        total = ends + ports + ((length + self.proto[row]) << 8)
        if self.proto[row] == TCP:
            if self.behind and self.scales[row]:
                self._scale_window(at, self.scales[row])
            total += self._put_numbers(row, at)
            total += octets.word32(self.buffer, at + 12) + octets.word16(self.buffer, at + 18)
            octets.put16(self.buffer, at + 16, octets.checksum(total + octets.total(self.buffer, at + 20, length - 20)))
            return
        if self.full[row] == TELLING and self.opp and self.family[row] == 4:
            octets.put16(self.buffer, at + 6, 0)  # behind the private header there is none (D 7.3)
            return
        total += octets.word16(self.buffer, at + 4) + octets.total(self.buffer, at + 8, length - 8)
        octets.put16(self.buffer, at + 6, octets.checksum(total) or 0xFFFF)  # 0 would say that there is none (RFC 768)

    def _scale_window(self, at: int, scales: int) -> None:
        """As the client's side counts it (D 5.5 c)."""
        buffer = self.buffer
        window = buffer[at + 14] << 8 | buffer[at + 15]
        window = window << (scales >> 4) >> (scales & 15)
        if window > 0xFFFF:
            window = 0xFFFF
        buffer[at + 14], buffer[at + 15] = window >> 8, window & 0xFF

    def _put_numbers(self, row: int, at: int) -> int:
        """IN: seq + delta, ack - moved. OUT: ack - delta, seq + moved; an answer that the client saw already has it
        that way. Their sum."""
        seq, ack, moved = self.seq[row], self.ack[row], self.moved[row] if self.behind else 0
        if self.full[row] == FULL_TCP or self.full[row] == PROXYING or self.full[row] == STORMY:
            if not self.handle[row] & 1:
                seq, ack = (seq + self.delta[row]) & M32, (ack - moved) & M32
            elif not self.answer[row] or self.full[row] == STORMY:
                seq, ack = (seq + moved) & M32, (ack - self.delta[row]) & M32
        first, second = octets.swapped(seq), octets.swapped(ack)
        octets.put32(self.buffer, at + 4, first)
        octets.put32(self.buffer, at + 8, second)
        return first + second
