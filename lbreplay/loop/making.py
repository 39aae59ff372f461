"""What a connection is made of: a slot, a local end, a place in the tables, a timer (D 2.4); and what its end gives
back (D 2.5)."""

from __future__ import annotations

from typing import Any

from lbreplay.loop import octets
from lbreplay.loop.answers import Answers
from lbreplay.loop.names import M32, MISSED, NONE, ORDERS, PROXIED, SIX, SNAT, STATES
from lbreplay.loop.opener import Opener, Pair
from lbreplay.loop.ports import Bucket, Pool
from lbreplay.loop.real import Census, Dest
from lbreplay.loop.slots import Slots
from lbreplay.loop.ways import Way

MODE, ENDING = Way.MODE, Way.ENDING


def _to(pair: Pair, port: int) -> int:
    """Word 1 of answers to a local port (loop/table.py)."""
    return octets.swapped16(port) << 16 | pair.word1


class Making(Answers):
    """Connections come into being, and end. With what the first packet of one leaves, whoever opened it says: `begun`
    is its handle, NONE where it was refused."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.begun, self.begun_way, self.begun_kind = NONE, 0, 0
        self.limits: Any = None  # timeouts by row and state
        self.template = NONE  # that chose the real server of the connection at hand
        self.listening = False  # somebody judges connections: what follows is noted, till it is cleared
        self.missed: list[int] = []  # frames that found no port at a local address
        self.clashed: list[int] = []  # frames that opened a connection whose answers are another live one's too
        self.ended: list[int] = []  # slots of connections that ended in silence

    def _bind(self, row: int, opener: Opener, dest: Dest, base: int, now: int) -> bool:
        """A local end: the first address in turn that has a port left (D 11.1)."""
        if opener.keeps:
            self._enter(row, opener, opener.pairs[base], 0, now)
            return True
        cursor, port, trials = opener.cursor, NONE, opener.width if opener.width < 16 else 16
        while trials > 0:
            trials -= 1
            pair: Pair = opener.pairs[base + cursor.next()]
            port = pair.bucket.take(dest.endpoint)
            if port >= 0:
                self._enter(row, opener, pair, port, now)
                return True
            if self.listening:
                self.missed.append(self.first + row)
        return self._refuse(row, self.no_port)

    def _enter(self, row: int, opener: Opener, pair: Pair, port: int, now: int) -> None:
        """Into the tables, with the timer and the state that the first packet gives."""
        slots, dest = self.slots, pair.dest
        slot = self._occupy(row, opener, pair, now)
        self.table.enter(2 * slot, self.word0, self.word1, self.a, self.b, self.c, self.d)
        self._enter_answers(slot, opener, pair, port)
        if self.listening:
            self._compare(row, 2 * slot + 1)
        slots.client[slot] = self._client(row) + 1
        slots.mac[2 * slot], slots.mac[2 * slot + 1] = pair.way, -MODE
        if not opener.direct:
            self._link_back(row, slot, opener, pair)
        if opener.proxied:
            slots.met[slot] |= PROXIED
            slots.isn[slot] = (self.seq[row] + opener.delta) & M32
        if opener.quiesces and dest.weight == 0:
            slots.mac[2 * slot] = slots.mac[2 * slot + 1] = -ENDING  # the first packet gets through (D 1.5, step 8)
        if not opener.keeps:
            opener.cursor.counts[pair.place] += 1
        self._count_in(row, opener, dest)
        kind = self._trail(row, slot) if opener.trail else opener.kind
        self._begin(2 * slot, pair.way, kind)

    def _compare(self, row: int, handle: int) -> None:
        """Note a new connection whose answers, those of *handle*, are another live one's too."""
        older = self.table.behind(handle)
        while older >= 0:
            if (older & 1) != (self.slots.full[older >> 1] == SNAT):
                self.clashed.append(self.first + row)
                return
            older = self.table.behind(older)

    def _begin(self, handle: int, way: int, kind: int) -> None:
        """The first packet of a connection is to leave."""
        self.begun, self.begun_way, self.begun_kind = handle, way, kind

    def _occupy(self, row: int, opener: Opener, pair: Pair, now: int) -> int:
        """A slot, with the timer and the state that the first packet gives."""
        slots = self.slots
        slot = Slots.take(slots, pair.dest.id, opener.rank)
        slots.pair[slot], slots.state[slot], slots.limit[slot] = pair.number, opener.first_state, opener.limit
        fraction = self._fraction(opener)
        slots.fraction[slot], slots.timeout[slot] = fraction, opener.first_timeout + fraction
        slots.last_use[slot], slots.armed[slot] = now, self._order(row)
        slots.delta[slot], slots.full[slot] = opener.delta, opener.kind
        if self.template >= 0:
            slots.control[slot] = self.template + 1
            slots.controlled[self.template] += 1
        self.timers.arm(slot, now + slots.timeout[slot])
        return slot

    def _fraction(self, opener: Opener) -> int:
        """What a new timeout has below a second, in ns."""
        if opener.jitter is None:
            return 0
        microseconds = int(opener.jitter.one() * 1000000)
        return microseconds * 1000

    def _move(self, slot: int, old: int, new: int, now: int) -> None:
        """A new state (D 5.2): its timeout, and who counts as active."""
        slots = self.slots
        if slots.pair[slot] == 0 or (slots.made and slot in slots.made):
            self.host.moved(slot, old, new)
        else:
            pair: Pair = self.all_pairs[slots.pair[slot]]
            slots.state[slot] = new
            slots.timeout[slot] = self.limits[slots.limit[slot] * STATES + new] + slots.fraction[slot]
            if new == pair.opener.established:
                pair.dest.activate(1)
            elif old == pair.opener.established:
                pair.dest.activate(-1)
        self.timers.arm(slot, now + slots.timeout[slot])

    def _count_in(self, row: int, opener: Opener, dest: Dest) -> None:
        """A new connection."""
        dest.conns += 1
        dest.inactconns += 1
        Census.opened(opener.census)
        self.opened[row] = 1

    def _enter_answers(self, slot: int, opener: Opener, pair: Pair, port: int) -> None:
        """By what answers are found: to the local port, or to the client where it keeps its own end."""
        word0, word1, c, d = pair.word0, _to(pair, port), pair.c, pair.d
        if not opener.keeps:
            self.table.foresee(word0, _to(pair, pair.bucket.next()))  # for the next connection of this pair
        else:
            word1 = (self.ports & 0xFFFF) << 16 | pair.word1
            if self.six:
                c, d = self.a, self.b
                word0 = self.table.mix(pair.a, pair.b, c, d)
            else:
                word0 |= self.a << 32
        self.table.enter(2 * slot + 1, word0, word1, pair.a, pair.b, c, d)

    def _refuse(self, row: int, verdict: int) -> bool:
        """No connection; the packet is lost."""
        self.begun = NONE
        self.handle[row], self.verdict[row], self.lookup[row] = NONE, verdict, MISSED
        return True

    def _order(self, row: int) -> int:
        """The place of a row in the order of arming: behind timers that go off before it."""
        return (self.first + row) * ORDERS + ORDERS // 2

    def _bucket_of(self, slot: int, pair: Pair) -> Bucket:
        """From which a connection of SNAT has its port: of its outside address, towards its remote host (D 11.3)."""
        table, handle = self.table, 2 * slot
        pool: Pool = pair.pool
        word0, word1 = table.word(handle, 0), table.word(handle, 1)
        if word1 & SIX:
            return pool.towards(table.wide_word(handle, 0), table.wide_word(handle, 1), word1 & 0xFFFF, True)
        return pool.towards(word0 & M32, 0, word1 & 0xFFFF, False)

    # --- an end ------------------------------------------------------------------------------------------------------

    def _close(self, slot: int, pair: Pair) -> bool:
        """A connection ends in silence, and gives back all it took (D 2.5); False: not so, for somebody is told."""
        slots, active = self.slots, self.slots.state[slot] == pair.opener.established
        if active and not pair.opener.direct:
            return False
        if self.listening:
            self.ended.append(slot)
        if pair.opener.jitter is not None:
            pair.opener.census.passed += 1  # drawn for every expiry
        port = (self.table.word(2 * slot + 1, 1) >> 16) & 0xFFFF
        if slots.full[slot] == SNAT:
            self._bucket_of(slot, pair).give(octets.swapped16(self.table.word(2 * slot, 1) >> 16 & 0xFFFF))
        self.table.remove(2 * slot)
        self.table.remove(2 * slot + 1)
        if active:
            pair.dest.actconns -= 1
        else:
            pair.dest.inactconns -= 1
        pair.dest.admit()
        if not pair.opener.keeps:
            pair.bucket.give(octets.swapped16(port))
            pair.opener.cursor.counts[pair.place] -= 1
        if slots.control[slot]:
            slots.controlled[slots.control[slot] - 1] -= 1
        Slots.free_slot(slots, slot)
        Census.closed(pair.opener.census)
        return True
