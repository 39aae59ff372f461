"""THE ordered loop: frames in capture order, each with all that becomes of it before the next one is looked at.

    for each row: timers due, look up, open, step, count; what is out of the ordinary goes to the plain path, one packet

`run` goes on until a row needs somebody else, and says why (`why`): a PLAIN packet (of loop/ways.py, `reason`), or the
CLOCK (an event is due, or a timer of a connection that must be asked about). Whoever called it does that one thing, and
calls again. Everything here is on flat records: slots (loop/slots.py), tuples (loop/table.py), openers
(loop/opener.py), and the columns of a burst.

What is ordinary: complete TCP and UDP without IP options or tags (`simple`, loop/parse.py) that belongs to a connection
both of whose sides have MACs to leave with (`mac`, dpvs/links.py), or opens one of a service that has an opener.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop.behind import Behind
from lbreplay.loop.names import (
    ACK,
    AWAY,
    BARE,
    BEHIND,
    CLOCK,
    DIRECT,
    DONE,
    FULL_TCP,
    HANDED_ON,
    LOOKED_UP,
    M32,
    MET,
    MISSED,
    NONE,
    PLAIN,
    PROXIED,
    PROXYING,
    PURE,
    RST,
    SNAT,
    STATES,
    STEPS,
    SYN,
    TCP,
    TEMPLATE,
    TRAILS,
    TUNNEL,
    UDP,
    UDP_STEP,
)
from lbreplay.loop.opener import Pair
from lbreplay.loop.syn import Proxied
from lbreplay.loop.ways import Way

# reasons, as numbers of C
UNSOUND, KERNEL, TOO_LONG, OWNED_ELSEWHERE, SYN_PROXY, POOL, ELSEWHERE, PROXY_PROTOCOL, UOA = (
    Way.UNSOUND, Way.KERNEL, Way.TOO_LONG, Way.MISSED, Way.SYN_PROXY, Way.POOL, Way.ELSEWHERE, Way.PROXY_PROTOCOL,
    Way.UOA,
)  # fmt: skip
PROXY_STARTS = (ord("P"), ord("\r"))  # first bytes of headers that clients send


FAR, NEAR = 16, 6  # rows ahead that places, and records, are fetched; FAR is a power of two


class Loop(Behind):
    """The rows of bursts."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._marks = memoryview(bytearray(8 * FAR)).cast("Q")  # of rows to come, by which `table` foresees them
        self._replies = memoryview(bytearray(FAR))  # which of them are answers of virtual addresses
        self.due = NONE  # the slot whose timer somebody must be asked about

    def rules(self, steps: Any, limits: Any) -> None:
        """New states by side, step and state; timeouts by row and state."""
        self.steps, self.limits = steps, limits

    # --- the story ----------------------------------------------------------------------------------------------------

    def run(self, row: int, stop: int, event_ns: int) -> int:
        """Take rows from *row* on; the first that is not taken. The next event is due at *event_ns*."""
        ahead = row
        while row < stop:
            while ahead < stop and ahead < row + FAR:
                self._foresee(ahead)
                ahead += 1
            self.table.bring(self._marks[(row + NEAR) & (FAR - 1)])
            now = self.time_ns[row]
            if now >= self.timers.nearest and not self._clock(now, event_ns):
                self.why = CLOCK
                return row
            self.asked, self.reason = NONE, UNSOUND
            if not (self.simple[row] and self._ordinary(row, now)):
                self.why = PLAIN
                return row
            row += 1
        self.why = DONE
        return stop

    def _foresee(self, row: int) -> None:
        """By what a row to come is looked up, and whether as an answer, is made out while those before it have their
        turn: caches fetch its place, and its record (`bring`) when it is near. It is the row at hand for a moment."""
        if self.simple[row]:
            at, proto = row & (FAR - 1), self.proto[row]
            self._read(row, proto)
            self._replies[at] = self.client_view and self._from_virtual(proto)
            if self._replies[at]:
                self._marks[at] = self.table.foresee(self._turned0(), self._turned1())
            else:
                self._marks[at] = self.table.foresee(self.word0, self.word1)

    def _clock(self, now: int, event_ns: int) -> bool:
        """Connections whose time is up end; False: somebody must be asked (about `due`), or an event is due."""
        until = now if now < event_ns else event_ns
        self.due = self.timers.due(until)
        while self.due >= 0:
            if not self.end(self.due):
                return False
            self.due = self.timers.due(until)
        return event_ns > now

    def _ordinary(self, row: int, now: int) -> bool:
        """A simple row, up to its verdict; False: it is not ordinary after all, and nothing has happened."""
        worker, proto = self.worker[row], self.proto[row]
        if worker < 0:
            return self._plain(KERNEL)
        if self.own[row]:
            return self._sent_it(row)
        if self.l3_length[row] > self.mtu:
            return self._plain(TOO_LONG)
        self._read(row, proto)
        self.marked = self._marks[row & (FAR - 1)]
        if self._replies[row & (FAR - 1)]:
            return self._answer(row, proto, now)
        if not self.ours[row]:
            return self._nobody(row, worker, proto, self._link(row), False)
        if self.proxies and proto == TCP and self._answers(row, worker):
            return True
        if self.listed and self._refused(row, proto):
            return True
        handle = self.table.at(self.marked, self.word0, self.word1, self.a, self.b, self.c, self.d)
        handle = self.table.of(handle, worker)
        if handle < 0:
            return self._missed(row, worker, proto, now)
        return self._known(row, handle, False, now)

    def _sent_it(self, row: int) -> bool:
        """The balancer's own frame, in a capture taken on it: it was not received (interface 3)."""
        self.handle[row], self.verdict[row], self.worker_index[row] = NONE, self.own_transmit, NONE
        return True

    def _from_virtual(self, proto: int) -> bool:
        """Whether the packet at hand comes from the address and port of a service."""
        return self.virtual.find(self.a, self.b, self.ports & 0xFFFF, proto, self.six) >= 0

    def _known(self, row: int, handle: int, answer: bool, now: int) -> bool:
        """A packet of a connection, unless the plain path alone knows with what it leaves."""
        slots, slot = self.slots, handle >> 1
        if slots.mac[handle] < 0:
            return self._plain(-slots.mac[handle])
        if not handle & 1:
            if not self._has_room(row, slot):
                return self._plain(TOO_LONG)
            if slots.met[slot] & (BARE | TRAILS) and self._is_told_elsewhere(slot):
                return self._plain(UOA)
            if slots.met[slot] & PROXIED and self._is_first(row, slot):
                return self._introduce(row, slot, now)
        if slots.met[slot] & BEHIND:
            return self._step_behind(row, handle, answer, now)
        self._step(row, handle, answer, now)
        return True

    def _step_behind(self, row: int, handle: int, answer: bool, now: int) -> bool:
        """Behind a SYN proxy; a new handshake is the plain path's (D 6.3, 6.4)."""
        slots, slot = self.slots, handle >> 1
        proxied: Proxied = slots.proxied[slot]
        if not self.proxies:
            return self._plain(SYN_PROXY)
        if slots.state[slot] == self.proxy.asking:
            return self._wait(row, handle, proxied, now)
        if not handle & 1 and self._begins_again(row, slot, proxied):
            return self._plain(SYN_PROXY)
        if slots.full[slot] != FULL_TCP:
            self._step(row, handle, answer, now)
            return True
        stormy = handle & 1 == 1 and self._is_stormy(row, slot, answer, proxied)
        self.moved_by = proxied.delta
        self._step(row, handle, answer, now)
        self.moved_by = 0
        self._move_numbers(row, handle, answer, stormy, proxied)
        return True

    def _is_told_elsewhere(self, slot: int) -> bool:
        """Whether the plain path counts the datagrams that tell the client's address: it has a Conn (D 7.4)."""
        slots = self.slots
        return bool(slots.full[slot] != SNAT and slots.made and slot in slots.made)

    def _is_first(self, row: int, slot: int) -> bool:
        """Whether a segment has the client's first byte, and a proxy header is due before it (D 5.8)."""
        slots = self.slots
        if self.flags[row] & (SYN | RST) or self.ack[row] != slots.fdata[slot] or not self._payload(row):
            return False
        return self.seq[row] == (slots.isn[slot] - slots.delta[slot] + 1) & M32

    def _introduce(self, row: int, slot: int, now: int) -> bool:
        """The client's first byte with a header of version 2 before it, by which sequence numbers grow; what seems to
        have a header already, and version 1, is the plain path's."""
        slots, pair = self.slots, self.all_pairs[self.slots.pair[slot]]
        growth = 0 if pair is None else pair.opener.proxy_growth
        first = self.buffer[self._inside(row) + self.l4[row] + self.header[row]]
        if not growth or first in PROXY_STARTS or self.l3_length[row] + growth > self.mtu:
            return self._plain(PROXY_PROTOCOL)
        self._step(row, 2 * slot, False, now)
        self.full[row] = PROXYING
        slots.delta[slot] = (slots.delta[slot] + growth) & M32
        if slots.made and slot in slots.made:
            slots.made[slot].delta = slots.delta[slot]
        return True

    def _has_room(self, row: int, slot: int) -> bool:
        """Whether the row may grow: the client's address goes into the datagram itself, otherwise one of its own
        precedes it (D 7.3); what an outer header makes too long is for the plain path to refuse (D 12.1)."""
        slots = self.slots
        if not slots.met[slot] & TRAILS and slots.full[slot] != TUNNEL:
            return True
        pair: Pair = self.all_pairs[slots.pair[slot]]
        return self.l3_length[row] + pair.opener.growth <= self.mtu

    # --- answers ------------------------------------------------------------------------------------------------------

    def _answer(self, row: int, proto: int, now: int) -> bool:
        """An answer of a virtual address, in a capture of clients: taken for its real server's."""
        handle = self._asked()
        if self.proxies and proto == TCP and self._is_early(row, handle):
            return self._keep(row)
        if handle < 0:
            return self._unasked(row, self.unasked)
        slots, slot = self.slots, handle >> 1
        if slots.full[slot] >= DIRECT:
            return self._unasked(row, self.direct_reply)
        if self.chancy and self._refused_answer(row, handle | 1):
            return True
        if (slots.met[slot] & AWAY or not self.table.alone(handle | 1)) and slots.mac[handle | 1] >= 0:
            found = self._found(handle | 1)
            if found < 0:
                return self._strayed(row, handle | 1, proto) and self._came_to(row, handle | 1)
            if slots.full[found >> 1] != slots.full[slot] or slots.delta[found >> 1] != slots.delta[slot]:
                return self._plain(ELSEWHERE)
            handle = found  # another connection may have the same tuple there, and gets the answer
        if not self._known(row, handle | 1, True, now):
            return False
        self._handed(row, slots.rank[handle >> 1])
        return True

    def _bring_home(self, row: int, slot: int) -> None:
        """Answers are received where the NIC steers them."""
        home = self._home(slot)
        self.queue[row], self.worker[row], self.by[row] = self.homes[home], self.homes[home + 1], self.homes[home + 2]
        self.reta[row], self.rule[row] = self.homes[home + 3], self.homes[home + 4]
        self.hash[row] = self.slots.home_hash[slot]

    def _came_to(self, row: int, handle: int) -> bool:
        """A strayed answer was received there."""
        self._bring_home(row, handle >> 1)
        self.owner[row], self.handle[row], self.answer[row] = self.worker[row], handle, 1
        return True

    # --- who has none yet ---------------------------------------------------------------------------------------------

    def _missed(self, row: int, worker: int, proto: int, now: int) -> bool:
        """A worker has no connection of a packet it received: another one has, or it opens one, or nobody cares."""
        if self.redirects:
            rank = self._owner(self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d))
            if rank >= 0 and rank != worker:
                return self._hand_on(row, rank, now)
        kind = SYN if proto == UDP else self.flags[row] & PURE
        first = kind == SYN
        number = self._service(proto) if first or kind == ACK else NONE
        if number >= 0 and not first:
            return self._proves(row, worker, number, now)
        if number >= 0:
            return self._open(row, worker, number, now) and self._begins(row)
        if first and self.spans:
            opener = self._matched(row, worker, proto)
            if opener is not None:
                return self._open_outwards(row, opener, now) and self._begins(row)
        return self._nobody(row, worker, proto, self._link(row), False)

    def _hand_on(self, row: int, rank: int, now: int) -> bool:
        """The owner's ring takes the packet through the whole receive path again (D 4.4)."""
        handle = self.table.find(self.word0, self.word1, self.a, self.b, self.c, self.d, rank)
        if handle < 0:
            return self._plain(OWNED_ELSEWHERE)
        if not self._known(row, handle, False, now):
            return False
        self._handed(row, rank)
        return True

    def _handed(self, row: int, rank: int) -> None:
        """The row was handed to its owner, where another worker received it."""
        if self.worker[row] != rank and not self.table.shared:
            self.lookup[row], self.wrong[row] = MISSED, 1
            self.redirected[row] = self.owner[row] = rank
            self.reason_of[row] = HANDED_ON

    def _begins(self, row: int) -> bool:
        """The first packet of a new connection leaves; one that was refused does not."""
        if self.begun >= 0:
            self._settle(row, self.begun, self.begun_way, 0, self.begun_kind, MISSED)
        return True

    def _proves(self, row: int, worker: int, number: int, now: int) -> bool:
        """An ACK to a service opens a connection if it has a cookie (D 6.2); in a capture of clients the real server
        has answered already, so that the ACK may leave."""
        strayed = self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d) >= 0
        if not self._prove(row, worker, number, now):
            return False
        self.wrong[row] = strayed
        if self.begun >= 0 and self.answered is not None:
            self._settle(row, self.begun, self.begun_way, self.ack[row], self.begun_kind, MISSED)
            self.verdict[row] = self.accepted
        return True

    # --- a known connection -------------------------------------------------------------------------------------------

    def _step(self, row: int, handle: int, answer: bool, now: int) -> None:
        """Steps 9 to 12 of D 1.5: state, timer, what is learned, counters; and what the row leaves with."""
        slots, slot, side = self.slots, handle >> 1, handle & 1
        entry, fdata, kind = slots.mac[handle], slots.fdata[slot], slots.full[slot]
        slots.last_use[slot], slots.armed[slot] = now, self._order(row)
        step = UDP_STEP if self.proto[row] == UDP else self.flags[row]
        old = slots.state[slot]
        table = 2 if kind >= DIRECT else 3 + side if kind == SNAT else side
        new = self.steps[(table * STEPS + step) * STATES + old]
        self.before[row] = old
        if new != old:
            self._move(slot, old, new, now)
        if side:
            if not slots.met[slot] & MET:
                self._meet(row, slot, answer)
            if kind == FULL_TCP:
                self._remember(row, slot, answer)
        elif slots.met[slot] & (BARE | TRAILS):
            if kind == SNAT:
                self._meet_remote(row, slot)
            else:
                kind = self._trail(row, slot)
        self.answer[row] = answer
        if answer:
            self._bring_home(row, slot)
        self._settle(row, handle, entry, fdata, kind, LOOKED_UP + side)

    def _remember(self, row: int, slot: int, answer: bool) -> None:
        """Where the real server's stream begins and stands (D 5.5). An IPv6 segment mostly counts 40 bytes too many."""
        slots, flags, seq, ack = self.slots, self.flags[row], self.seq[row], self.ack[row]
        if answer:
            seq, ack = (seq - self.moved_by) & M32, (ack + slots.delta[slot]) & M32
        if flags & (SYN | ACK) == SYN | ACK:
            end = (seq + 1) & M32
            self._expect(slot, (end + self.moved_by) & M32)
        else:
            head = 20
            if self.six:
                head = (self.buffer[self._inside(row) + 14] & 15) * 4
            end = (seq + self.l3_length[row] - head - self.header[row]) & M32
        last = slots.rs_ack[slot]
        if not flags & RST and not (last and (ack - last) & 0x80000000):
            slots.rs_ack[slot], slots.rs_seq[slot] = ack, end

    def _settle(self, row: int, handle: int, entry: int, fdata: int, kind: int, lookup: int) -> None:
        """Verdict, counters, and what the row leaves with."""
        slots, slot, dest = self.slots, handle >> 1, self._dest(handle >> 1)
        if entry >= self.entries:
            self.host.relink()
        self.verdict[row] = self.fast if self.is_fast[entry] else self.slow
        self.lookup[row], self.leaving[row], self.owner[row] = lookup, 1, self.worker[row]
        self.handle[row], self.mac[row], self.fdata[row] = handle, entry, fdata
        if slots.met[slot] & PROXIED:
            self.fdata[row] = (self.ack[row] + 1) & M32  # the header tells the client's address, no option does
        self.delta[row], self.full[row], self.conn[row] = slots.delta[slot], kind, slots.number[slot]
        if kind == TUNNEL:
            self._enclose(row, slot)
        dest.count(handle & 1, 1, self.l3_length[row])
        self.after[row], self.service_of[row] = slots.state[slot], slots.limit[slot]

    def _enclose(self, row: int, slot: int) -> None:
        """The ends and the identification of an outer header: columns fdata and delta of a row in a tunnel."""
        pair: Pair = self.all_pairs[self.slots.pair[slot]]
        ident: int = pair.ident[0]
        self.fdata[row], self.delta[row] = pair.outer, ident & 0xFFFF
        pair.ident[0] = ident + 1

    # --- an end ------------------------------------------------------------------------------------------------------

    def end(self, slot: int) -> bool:
        """The time of a connection, or template, is up: it ends in silence; False: not so, for somebody is told,
        or asked it for a Conn."""
        slots, number = self.slots, self.slots.pair[slot]
        if number == 0 or (slots.made and slot in slots.made):
            return False
        if slots.met[slot] & BEHIND:
            proxied: Proxied = slots.proxied[slot]
            if proxied.mss:
                return False  # it asks its real server once more
        pair: Pair = self.all_pairs[number]
        return self._end_template(slot, pair) if slots.full[slot] == TEMPLATE else self._close(slot, pair)
