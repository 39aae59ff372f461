"""The SYN proxy (D 6): what it remembers of connections, for both paths, and what it does to rows.

    a client's SYN          turned round in place into SYN|ACK with a cookie; nothing is remembered       (D 6.1)
    an ACK without a cookie turned round in place into RST                                              (D 5.1, D 6.2)
    an ACK with one         held, until the real server answers that loop/asking.py asks                  (D 6.2, D 6.3)
    a settled connection    the real server's numbers are moved by `delta`, its window is scaled; where it says the same
                            again and again its numbers go as they are                                  (D 5.5, D 6.5)

What is for words still is the plain path's (dpvs/synproxy.py).

Bounds: rows are `simple` (loop/parse.py): their headers are in the buffer, and options are walked no further than the
TCP header goes.
"""

from __future__ import annotations

from typing import Any

from lbreplay import memory
from lbreplay.loop import octets
from lbreplay.loop.cookie import Cookies
from lbreplay.loop.names import (
    ACK,
    BASE,
    CLOCK,
    EOL,
    ETHERNET,
    FIN,
    M32,
    MAX_AGE,
    MAX_WSCALE,
    MICROSECOND,
    MSS,
    MSS_ABSENT,
    MSS_SHIFT,
    MSS_TABLE,
    NOP,
    RST,
    SACK_BIT,
    SACK_OK,
    SYN,
    TCP,
    TIMESTAMP,
    TIMESTAMP_BIT,
    WSCALE,
    WSCALE_SHIFT,
)

TAG, PSH = 4, 8  # bytes of a tag; a flag
MINUTE = 60 * 10**9
KEPT = MAX_AGE * MINUTE  # as long as a cookie is valid
RESET_TTL = 63  # of a packet turned round into a RST (D 5.1)
SIZES: Any = memory.listed("i", MSS_TABLE)

# the extended counters that rows move (D 13.3), and each one's place
COUNTERS = (
    "SYNPROXY_SYN_CNT", "SYNPROXY_NO_DEST", "SYNPROXY_OK_ACK", "SYNPROXY_BAD_ACK", "SYNPROXY_NULL_ACK",
    "SYNPROXY_SYNSEND_QLEN", "SYNPROXY_ACK_STORM",
)  # fmt: skip
SYN_CNT, NO_DEST, OK_ACK, BAD_ACK, NULL_ACK, QLEN, STORM = range(len(COUNTERS))
KINDS = len(COUNTERS)


class Waiting:
    """A packet that waits for its turn: its frame as it came, and what the columns say of it; `head`, `tail` are its
    MACs. `ordinary`: the loop kept it, and may make use of it."""

    def __init__(self, frame: bytes, length: int, time_ns: int, n: int, worker: int, port: int) -> None:
        self.frame, self.length, self.time_ns = frame, length, time_ns
        self.n, self.worker, self.port = n, worker, port
        self.seq = self.ack = self.l3_length = self.scale = self.head = self.tail = 0
        self.ordinary = False


class Early:
    """Answers that a capture of clients shows before the balancer can have them (dpvs/early.py), by the key of the
    client's packets, the oldest first."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Waiting] = {}

    def keep(self, key: bytes, answer: Waiting) -> None:
        """Keep the answer to the client whose packets have *key*; forget what nobody asked for in time."""
        self._kept.pop(key, None)
        self._kept[key] = answer
        while True:
            oldest = next(iter(self._kept))
            if oldest == key or self._kept[oldest].time_ns + KEPT >= answer.time_ns:
                return
            del self._kept[oldest]

    def find(self, key: bytes, ack: int) -> Waiting | None:
        """The one that a client saw whose packets have *key*, and that *ack* acknowledges."""
        answer = self._kept.get(key)
        return answer if answer is not None and (answer.seq + 1) & M32 == ack else None

    def take(self, key: bytes) -> Waiting:
        """It is kept no longer."""
        return self._kept.pop(key)


class Proxied:
    """What is remembered of one connection. `isn`: the number that the client was given; `delta`: by how much the real
    server's numbers are moved; `scale_real`, `scale_told`: window scale of the real server, and of what the client was
    told, if it asked for one; `held`: packets, until the real server answers, and for as many `retries` its SYN, which
    is made of the first of them, `mss` (0: none is kept) and the cookie's `data`."""

    def __init__(self) -> None:
        self.isn = self.delta = 0
        self.scale_real = self.scale_told = 0
        self.held: list[Waiting] = []
        self.mss = self.data = self.retries = 0
        self._seq = self._ack = 0  # of what the real server said last
        self._heard = False
        self._repeats = 0

    def again(self) -> Proxied:
        """For a new handshake on the same connection: only what the real server said last is kept, its window scale
        and numbers until its new SYN|ACK gives others (recorded)."""
        fresh = Proxied()
        fresh._seq, fresh._ack, fresh._heard = self._seq, self._ack, self._heard
        fresh.scale_real, fresh.scale_told, fresh.delta = self.scale_real, self.scale_told, self.delta
        return fresh

    def repeated(self, seq: int, ack: int) -> int:
        """How often the real server said the same as now, one time after the other, before this one."""
        same = self._heard and seq == self._seq and ack == self._ack
        self._repeats = self._repeats + 1 if same else 0
        self._seq, self._ack, self._heard = seq, ack, True
        return self._repeats


class Proxy:
    """Rows of bursts. *settings* is `model.SynProxy`; *asking*: the number of the state SYN_SENT; *reuses* says of each
    state whether a connection in it is used again; *start_ns*: what its clock said when the run began, *closed*: it
    tells windows of 0, *scaled*: it scales those of real servers, *resets*: it answers ACKs without a cookie;
    *ranks* workers."""

    def __init__(
        self, settings: Any, asking: int, reuses: bytes, start_ns: int, closed: bool, scaled: bool, resets: bool,
        ranks: int,
    ) -> None:  # fmt: skip
        self.retries, self.most_held, self.defers = (
            settings.rs_syn_max_retry,
            settings.max_ack_saved,
            settings.defer_rs_syn,
        )
        self.mss, self.ttl, self.sack, self.wscale = settings.mss, settings.ttl, settings.sack, settings.wscale
        self.stamps, self.storm = settings.timestamp, settings.ack_storm_thresh
        self.asking, self.reuses, self.closed, self.scaled = asking, reuses, closed, scaled
        self.believed = settings.sack << SACK_BIT  # what a cookie would say that nobody can read (interface 3)
        self.resets = resets
        self.start_ns, self.first_ns = start_ns, 0
        self.room: Any = None  # of the columns that are bound
        self.cookies = Cookies(settings.secrets)
        self.counts = memory.zeros("q", ranks * KINDS)

    def bind(self, burst: Any) -> None:
        """The columns of *burst*."""
        self.buffer, self.first = burst.data, burst.first
        if burst.room is not self.room:
            self.room, of = burst.room, burst.room.flat
            self.at, self.time_ns, self.family, self.tag = of["at"], of["time_ns"], of["family"], of["tag"]
            self.l3_length, self.l4, self.header = of["l3_length"], of["l4"], of["header"]
            self.seq, self.ack, self.caplen, self.length = of["seq"], of["ack"], of["caplen"], of["length"]
            self.flow4, self.wide = of["flow4"], of["wide"]

    def count(self, rank: int, kind: int) -> None:
        """One of COUNTERS moves, of a worker."""
        self.counts[rank * KINDS + kind] += 1

    def minute(self, now: int) -> int:
        """The cookie's minute counter, at *now*."""
        return (now - self.first_ns + self.start_ns) // MINUTE

    def stormy(self, proxied: Proxied, rank: int, flags: int, seq: int, ack: int) -> bool:
        """Whether a packet of the real server repeats what was said too often: its numbers go as they are (D 6.5)."""
        if not flags & ACK or proxied.repeated(seq, ack) < self.storm:
            return False
        self.count(rank, STORM)
        return True

    def scales(self, proxied: Proxied) -> int:
        """The scale of a real server's window above that of what the client was told; 0: windows go as they are."""
        if not self.scaled or proxied.scale_real == proxied.scale_told:
            return 0
        return proxied.scale_real << 4 | proxied.scale_told

    def offer(self, row: int) -> int:
        """What the cookie says that an ACK brings back, or NONE."""
        self._aim(row)
        return self.cookies.check((self.seq[row] - 1) & M32, (self.ack[row] - 1) & M32, self.minute(self.time_ns[row]))

    def _aim(self, row: int) -> None:
        if self.family[row] == 4:
            self.cookies.aim4(self.flow4[3 * row], self.flow4[3 * row + 1], self.flow4[3 * row + 2])
        else:
            self.cookies.aim6(self.wide, 9 * row)

    def offered(self, data: int) -> int:
        """The MSS that the data of a cookie say."""
        return SIZES[data >> MSS_SHIFT & 15]

    def waiting(self, row: int, rank: int) -> Waiting:
        """A row that waits, on worker *rank*."""
        at, time_ns, n = self.at[row], self.time_ns[row], self.first + row
        made = Waiting(octets.taken(self.buffer, at, self.caplen[row]), self.length[row], time_ns, n, rank, 0)
        made.seq, made.ack, made.l3_length = self.seq[row], self.ack[row], self.l3_length[row]
        made.head, made.tail = octets.word64(self.buffer, at), octets.word32(self.buffer, at + 8)
        made.scale, made.ordinary = self._scale(row), not self.tag[row]
        return made

    def _scale(self, row: int) -> int:
        """The window scale among the options; 0 without one, or where it says more than 14 (recorded)."""
        buffer, at = self.buffer, self._l4(row) + BASE
        end = at + self.header[row] - BASE
        while at < end and buffer[at] != EOL:
            size = 1
            if buffer[at] != NOP:
                size = buffer[at + 1]
                if size < 2 or at + size > end:
                    return 0
                if buffer[at] == WSCALE and size == 3:
                    return buffer[at + 2] if buffer[at + 2] <= MAX_WSCALE else 0
            at += size
        return 0

    # --- turned round ------------------------------------------------------------------------------------------------

    def answer(self, row: int) -> None:
        """A SYN becomes the SYN|ACK with its cookie; options keep their room, payload stays (D 6.1)."""
        now, at = self.time_ns[row], self._l4(row)
        data = self._edit_options(at, self.header[row], now // MICROSECOND % CLOCK)
        self._aim(row)
        cookie = self.cookies.make(self.seq[row], data, self.minute(now))
        self._turn_round(row, at, self.ttl)
        octets.put32(self.buffer, at + 4, octets.swapped(cookie))
        octets.put32(self.buffer, at + 8, octets.swapped((self.seq[row] + 1) & M32))
        self.buffer[at + 13] = SYN | ACK
        if self.closed:
            octets.put16(self.buffer, at + 14, 0)
        self._sum_up(row, at)

    def refuse(self, row: int) -> None:
        """An ACK becomes RST|ACK, without its payload (D 5.1)."""
        at, payload = self._l4(row), self.l3_length[row] + ETHERNET - self.l4[row] - self.header[row]
        self._turn_round(row, at, RESET_TTL)
        octets.put32(self.buffer, at + 4, octets.swapped(self.ack[row]))
        octets.put32(self.buffer, at + 8, octets.swapped((self.seq[row] + payload) & M32))
        self.buffer[at + 13] = self.buffer[at + 13] & ~(FIN | SYN | PSH) | RST | ACK
        octets.put16(self.buffer, at + 14, 0)
        self.l3_length[row] -= payload
        self._put_length(at, self.l3_length[row], self.family[row] == 4)
        self._sum_up(row, at)

    def _l4(self, row: int) -> int:
        return self.at[row] + (TAG if self.tag[row] else 0) + self.l4[row]

    def _edit_options(self, at: int, header: int, now: int) -> int:
        """The options of the SYN at *at* become those of the SYN|ACK; what the cookie is to remember of them."""
        buffer, place, end = self.buffer, at + BASE, at + header
        mss, data = MSS_ABSENT, 0
        while place < end and buffer[place] != EOL:
            kind, size = buffer[place], 1
            if kind != NOP:
                size = buffer[place + 1]
                if size < 2 or place + size > end:
                    break
            if kind == MSS and size == 4:
                mss = self._edit_mss(place + 2, mss)
            elif kind == WSCALE and size == 3:
                data = self._edit_scale(place, data)
            elif kind == TIMESTAMP and size == 10:
                data |= self._edit_timestamp(place, now)
            elif kind == SACK_OK and size == 2:
                data |= self._edit_sack(place)
            place += size
        return data | self._index(mss) << MSS_SHIFT

    def _edit_mss(self, at: int, before: int) -> int:
        """At most the setting; what says 0 says nothing."""
        asked = self.buffer[at] << 8 | self.buffer[at + 1]
        mss = asked if asked < self.mss else self.mss
        if not asked:
            mss = before
        self.buffer[at], self.buffer[at + 1] = mss >> 8, mss & 0xFF
        return mss

    def _edit_scale(self, at: int, data: int) -> int:
        if not self.wscale:
            self._blank(at, 3)
            return data
        asked = self.buffer[at + 2]
        self.buffer[at + 2] = self.wscale
        return data & ~(15 << WSCALE_SHIFT) | (asked if asked < MAX_WSCALE else MAX_WSCALE) << WSCALE_SHIFT

    def _edit_timestamp(self, at: int, now: int) -> int:
        if not self.stamps:
            self._blank(at, 10)
            return 0
        octets.copy(self.buffer, at + 2, 4, self.buffer, at + 6)
        octets.put32(self.buffer, at + 2, octets.swapped(now))
        return 1 << TIMESTAMP_BIT

    def _edit_sack(self, at: int) -> int:
        if not self.sack:
            self._blank(at, 2)
            return 0
        return 1 << SACK_BIT

    def _blank(self, at: int, size: int) -> None:
        for byte in range(size):
            self.buffer[at + byte] = NOP

    def _index(self, mss: int) -> int:
        """Of the largest MSS of the table that is not above, or of the smallest."""
        index = len(SIZES) - 1
        while index and SIZES[index] > mss:
            index -= 1
        return index

    def _turn_round(self, row: int, at: int, ttl: int) -> None:
        """It goes back where it came from; an IPv4 TOS becomes 0, and of a tag the id stays (D 5.1, 6.1)."""
        buffer, first = self.buffer, self.at[row]
        self._swap(first, 6)
        if self.tag[row]:
            buffer[first + ETHERNET] &= 15
        self._swap(at, 2)
        if self.family[row] == 4:
            self._swap(at - 8, 4)
            buffer[at - 19], buffer[at - 12] = 0, ttl
        else:
            self._swap(at - 32, 16)
            buffer[at - 33] = ttl

    def _swap(self, at: int, size: int) -> None:
        """Two things of *size* bytes that stand side by side."""
        for byte in range(at, at + size):
            self.buffer[byte], self.buffer[byte + size] = self.buffer[byte + size], self.buffer[byte]

    def _put_length(self, at: int, length: int, four: bool) -> None:
        """What the IP header before *at* says of its length."""
        place = at - 18 if four else at - 36
        if not four:
            length -= 40
        self.buffer[place], self.buffer[place + 1] = length >> 8, length & 0xFF

    def _sum_up(self, row: int, at: int) -> None:
        """Both checksums."""
        buffer, size = self.buffer, self.l3_length[row] + ETHERNET - self.l4[row]
        if self.family[row] == 4:
            octets.put16(buffer, at - 10, 0)
            octets.put16(buffer, at - 10, octets.checksum(octets.total(buffer, at - 20, 20)))
            total = octets.total(buffer, at - 8, 8)
        else:
            total = octets.total(buffer, at - 32, 32)
        octets.put16(buffer, at + 16, 0)
        total += octets.total(buffer, at, size) + ((size + TCP) << 8)
        octets.put16(buffer, at + 16, octets.checksum(total))
