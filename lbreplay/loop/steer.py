"""Where a card puts frames: the rules of local addresses first, RSS for the rest, queue 0 for what has no hash (S 1.4,
S 1.5, S 2.4). And which worker polls where they are in the end.

A hash is the XOR of an entry a byte of the tuple (nic/rss.py). A rule is found by its local address, the protocol and
the port: addresses by the last two bytes of theirs, one after the other where several have the same; then a table of
all ports says which rule of the address it is (nic/flow_director.py).

Bounds: a kind is one of burst.KIND_*, of which `inputs` has them all; an index into the indirection table is masked;
every queue that it, or a rule, names is in `ranks`. A frame of KIND_SCTP has 8 bytes of L4 (loop/parse.py).
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop import octets
from lbreplay.loop.names import M32, NONE

KIND_TCP, KIND_UDP, KIND_SCTP = 3, 4, 5  # as in burst.py
BY_DEFAULT, BY_RSS, BY_FLOW_DIRECTOR = 0, 1, 2
PAIR, TUPLE, TAGGED = 1, 2, 3  # what is hashed, as in nic/profiles.py
WORD = 1024  # entries of a hash's table for four bytes
WORDS4, WORDS6 = 3, 9  # of a tuple
PORTS = 1 << 16  # as in nic/flow_director.py
TAG, TAG_SIZE, VERIFICATION = 0x0081, 4, 4  # ethertype of a tag, its bytes; offset of SCTP's verification tag


class Rules:
    """The rules of one address family: see `nic.flow_director.Matcher`, which makes the columns.

    lows highs u8[n]    the halves of an address, as little-endian machines read them; of IPv4 the first half is all
    following i4[n]     the next address with the same tail
    tails i2[PORTS]     the first one with a tail
    first table i4[n * 2]    by address and then for TCP and UDP: its first rule, and the table of ports that it has
    places i4[PORTS] a table    what is behind the first rule

    NONE is none; of no addresses there are no tails either.
    """

    def __init__(self, halves: Any, following: Any, tails: Any, first: Any, table: Any, places: Any) -> None:
        self.lows, self.highs = halves
        self.following, self.tails, self.first, self.table, self.places = following, tails, first, table, places
        self.some = len(following) > 0

    def find(self, low: int, high: int, tail: int, dport: int, udp: int) -> int:
        """The rule for a destination, or NONE."""
        slot = self.tails[tail] if self.some else NONE
        while slot >= 0 and (self.lows[slot] != low or self.highs[slot] != high):
            slot = self.following[slot]
        if slot < 0 or self.table[2 * slot + udp] < 0:
            return NONE
        place = self.places[PORTS * self.table[2 * slot + udp] + dport]
        return self.first[2 * slot + udp] + place if place >= 0 else NONE


class Steerer:
    """One card: fills queue, worker, by, hash, reta and rule. *numbers* are the last four of

    hashes            the hash's entries, by byte of a tuple (and of a verification tag behind it) and value
    inputs            what of a tuple is hashed, by kind
    reta_of ranks     queue by hash; the rank that polls a queue
    queues owners     of each rule
    """

    def __init__(self, hashes: Any, inputs: Any, numbers: Any) -> None:
        self.hashes, self.inputs = hashes, inputs
        self.reta_of, self.ranks, self.queues, self.owners = numbers
        self.last = len(self.reta_of) - 1
        self.rules4: Any = None
        self.rules6: Any = None
        self.room: Any = None
        self.code = self.way = self.to = self.polled = 0  # of `one`
        self.index = self.met = NONE

    def rules(self, four: Rules, six: Rules) -> None:
        """The rules of both families."""
        self.rules4, self.rules6 = four, six

    def steer(self, burst: Any) -> None:
        """All rows of *burst*."""
        self._bind(burst)
        for row in range(burst.size):
            self._row(row)

    def steer_rows(self, burst: Any, rows: Any) -> None:
        """Some rows of *burst*."""
        self._bind(burst)
        self._some(rows)

    def _some(self, rows: Any) -> None:
        for place in range(len(rows)):
            self._row(rows[place])

    def _bind(self, burst: Any) -> None:
        self.buffer = burst.data
        if burst.room is not self.room:
            self.room, of = burst.room, burst.room.flat
            self.at, self.l4, self.kind, self.family = of["at"], of["l4"], of["kind"], of["family"]
            self.flow4, self.wide, self.queue, self.worker = of["flow4"], of["wide"], of["queue"], of["worker"]
            self.by, self.hash, self.reta, self.rule = of["by"], of["hash"], of["reta"], of["rule"]

    def _row(self, row: int) -> None:
        kind, six = self.kind[row], self.family[row] == 6
        form = self.inputs[kind]
        code = 0 if not form else self._hash6(row, form) if six else self._hash4(row, form)
        rule = NONE if kind not in (KIND_TCP, KIND_UDP) else self._rule6(row, kind) if six else self._rule4(row, kind)
        self.hash[row], self.rule[row] = code, rule
        if rule >= 0:
            self._put(row, BY_FLOW_DIRECTOR, NONE, self.queues[rule], self.owners[rule])
        elif form:
            index = code & self.last
            self._put(row, BY_RSS, index, self.reta_of[index], self.ranks[self.reta_of[index]])
        else:
            self._put(row, BY_DEFAULT, NONE, 0, self.ranks[0])

    def one(self, a: int, b: int, c: int, d: int, ports: int, udp: bool, six: bool) -> None:
        """A packet of TCP or UDP, its tuple in words as loop/rows.py has it: `met` is the rule it meets, `code` the
        hash, `index` the entry of the table that sends it to `to`, which `polled` polls; `way` is how."""
        form, self.code, self.index = self.inputs[KIND_UDP if udp else KIND_TCP], 0, NONE
        if form:
            self.code = self._halves(a, b, c, d) if six else self._entry(0, a) ^ self._entry(1, b)
        if form > PAIR:
            self.code ^= self._entry(WORDS6 - 1 if six else WORDS4 - 1, ports)
        if six:
            self.met = self.rules6.find(c, d, d >> 48, ports >> 16, udp)
        else:
            self.met = self.rules4.find(b, 0, b >> 16, ports >> 16, udp)
        if self.met >= 0:
            self.way, self.to, self.polled = BY_FLOW_DIRECTOR, self.queues[self.met], self.owners[self.met]
            return
        self.way, self.to = BY_DEFAULT, 0
        if form:
            self.index = self.code & self.last
            self.way, self.to = BY_RSS, self.reta_of[self.index]
        self.polled = self.ranks[self.to]

    def _halves(self, a: int, b: int, c: int, d: int) -> int:
        """The hash of two addresses of IPv6."""
        source = self._entry(0, a & M32) ^ self._entry(1, a >> 32) ^ self._entry(2, b & M32) ^ self._entry(3, b >> 32)
        dest = self._entry(4, c & M32) ^ self._entry(5, c >> 32) ^ self._entry(6, d & M32) ^ self._entry(7, d >> 32)
        return source ^ dest

    def _put(self, row: int, by: int, reta: int, queue: int, rank: int) -> None:
        self.by[row], self.reta[row], self.queue[row], self.worker[row] = by, reta, queue, rank

    # --- rules -------------------------------------------------------------------------------------------------------

    def _rule4(self, row: int, kind: int) -> int:
        dest, ports = self.flow4[WORDS4 * row + 1], self.flow4[WORDS4 * row + 2]
        return self.rules4.find(dest, 0, dest >> 16, ports >> 16, kind == KIND_UDP)

    def _rule6(self, row: int, kind: int) -> int:
        at = WORDS6 * row + 4
        low, high = self._half(at), self._half(at + 2)
        return self.rules6.find(low, high, high >> 48, self.wide[at + 4] >> 16, kind == KIND_UDP)

    def _half(self, at: int) -> int:
        high = self.wide[at + 1]
        return high << 32 | self.wide[at]

    # --- hashes ------------------------------------------------------------------------------------------------------

    def _hash4(self, row: int, form: int) -> int:
        at = WORDS4 * row
        code = self._entry(0, self.flow4[at]) ^ self._entry(1, self.flow4[at + 1])
        if form > PAIR:
            code ^= self._entry(2, self.flow4[at + 2])
        return code ^ self._entry(WORDS4, self._tag(row)) if form == TAGGED else code

    def _hash6(self, row: int, form: int) -> int:
        at, code = WORDS6 * row, 0
        for word in range(WORDS6 if form > PAIR else WORDS6 - 1):
            code ^= self._entry(word, self.wide[at + word])
        return code ^ self._entry(WORDS6, self._tag(row)) if form == TAGGED else code

    def _entry(self, place: int, word: int) -> int:
        """The hash of four bytes of a tuple."""
        at = WORD * place
        low = self.hashes[at + (word & 0xFF)] ^ self.hashes[at + 256 + (word >> 8 & 0xFF)]
        return low ^ self.hashes[at + 512 + (word >> 16 & 0xFF)] ^ self.hashes[at + 768 + (word >> 24)]

    def _tag(self, row: int) -> int:
        """The verification tag of SCTP."""
        at = self.at[row]
        tagged = TAG_SIZE if octets.word16(self.buffer, at + 12) == TAG else 0
        return octets.word32(self.buffer, at + tagged + self.l4[row] + VERIFICATION)


class Polls:
    """Who polls queues: *workers* by queue, the last entry of those that nobody polls."""

    def __init__(self, workers: Any) -> None:
        self.workers, self.last = workers, len(workers) - 1
        self.room: Any = None

    def number(self, burst: Any) -> None:
        """Fill `worker_index` of the rows that were received, by the queue that they are in now."""
        if burst.room is not self.room:
            self.room = burst.room
            self.queue, self.worker_index = self.room.flat["queue"], self.room.flat["worker_index"]
        self._run(burst.size)

    def _run(self, size: int) -> None:
        for row in range(size):
            if self.worker_index[row] >= 0:
                queue = self.queue[row]
                self.worker_index[row] = self.workers[queue if 0 <= queue < self.last else self.last]
