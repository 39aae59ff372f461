"""Connections behind a SYN proxy (D 6): who is answered first, who is believed, what waits for the real server, and
what the rows of a settled connection leave with. How they become that is loop/syn.py."""

from __future__ import annotations

from typing import Any

from lbreplay.burst import Made
from lbreplay.loop.asking import Asking
from lbreplay.loop.names import (
    ACK,
    ANSWERED,
    BEHIND,
    FULL_TCP,
    LOOKED_UP,
    M32,
    MISSED,
    NONE,
    PURE,
    RESET,
    RST,
    STORMY,
    SYN,
    TCP,
    WSCALE_SHIFT,
)
from lbreplay.loop.opener import Opener, Pair
from lbreplay.loop.opening import Opening
from lbreplay.loop.syn import (
    BAD_ACK,
    NO_DEST,
    NULL_ACK,
    OK_ACK,
    QLEN,
    SYN_CNT,
    Early,
    Proxied,
    Proxy,
    Waiting,
)
from lbreplay.loop.table import reverse_key
from lbreplay.loop.ways import Way

SYN_PROXY = Way.SYN_PROXY


class Behind(Opening):
    """What a SYN proxy does before, and to, the packets of its services."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.listed = False  # some service has a black or a white list
        self.proxies = False  # some service has a SYN proxy
        self.moved_by = 0  # the real server's numbers, of the connection at hand
        self.answered: Waiting | None = None  # by whom the client at hand was answered already (client view)
        self.shielded_ends = b""  # by number in `virtual`: whether a SYN proxy answers there
        self.handshakes = False  # they are for rows: there is one port with one MTU

    def shield(self, proxy: Proxy, asking: Asking, early: Early, verdicts: tuple[int, ...]) -> None:
        """Who keeps the counters and knows cookies, who makes SYNs, whose answers came too early; what becomes of SYNs
        and of ACKs (dpvs/balancer.py)."""
        self.proxy, self.asking, self.early = proxy, asking, early
        self.no_weight, self.listed_out, self.synack, self.synack_flagged, *others = verdicts
        self.null_ack, self.bad_ack, self.accepted, self.held, self.held_full, self.no_ack = others

    def bind(self, burst: Any) -> None:
        """The columns of *burst*; what is ordinary fills them."""
        Opening.bind(self, burst)
        self.made = burst.made
        self.proxy.bind(burst)
        self.asking.bind(burst)

    def _move_in(self, of: Any) -> None:
        Opening._move_in(self, of)
        self.moved, self.scales = of["moved"], of["scales"]

    # --- the first step (D 6.1) --------------------------------------------------------------------------------------

    def _answers(self, row: int, worker: int) -> bool:
        """Whether a row is a SYN to a service that a SYN proxy answers for; then it has its verdict."""
        number = self._service(TCP) if self.flags[row] & PURE == SYN else NONE
        if number < 0:
            return False
        opener = self._opener(worker, number)
        if opener.shielded:
            self._answer_syn(row, worker, opener)
        return opener.shielded

    def _opener(self, worker: int, number: int) -> Opener:
        opener: Opener = self.openers[worker * self.places + number]
        return opener

    def _answer_syn(self, row: int, worker: int, opener: Opener) -> None:
        """It goes back as SYN|ACK with a cookie, before anything else is asked; nothing is remembered."""
        self.handle[row] = NONE
        if opener.weightless:
            self.verdict[row] = self.no_weight
            self.proxy.count(worker, NO_DEST)
        elif self.listed and self._refused(row, TCP):
            self.verdict[row] = self.listed_out
        else:
            self.proxy.count(worker, SYN_CNT)
            self.verdict[row] = self.synack if self.flags[row] == SYN else self.synack_flagged
            self.leaving[row], self.full[row], self.owner[row] = 1, ANSWERED, worker

    # --- the second step (D 6.2) -------------------------------------------------------------------------------------

    def _prove(self, row: int, worker: int, number: int, now: int) -> bool:
        """An ACK without a connection, to service *number*: with a valid cookie it opens one, of which `begun` tells;
        else it is sent back as RST. False: it is the plain path's, and nothing has happened."""
        opener = self._opener(worker, number)
        self.begun, self.answered = NONE, None
        if self.proxy.defers and not self._payload(row):
            return self._lose(row, worker, NULL_ACK, self.null_ack)
        data = self.proxy.offer(row)
        mss = self.proxy.offered(data) if data >= 0 else 0
        if data < 0 and self.client_view and opener.shielded:
            mss, data = self.proxy.mss, self.proxy.believed
        if data < 0:
            return self._send_back(row, worker)
        if opener.direct or opener.proxied or opener.quiesces or not (self.handshakes and self.proxies):
            return self._plain(SYN_PROXY)
        if self.client_view:
            self.answered = self.early.find(self.table_key(row), self.ack[row])
            if self.answered is not None and (self.proxy.closed or not self.answered.ordinary):
                return self._plain(SYN_PROXY)
        if not self._open(row, worker, number, now):
            return False
        self.proxy.count(worker, OK_ACK)
        if self.client_view and opener.shielded and not opener.believes:
            self.host.believe(opener)
        if self.begun >= 0:
            self._hold_first(row, opener, mss, data, now)
        return True

    def _lose(self, row: int, worker: int, counter: int, verdict: int) -> bool:
        """An ACK that is dropped."""
        self.proxy.count(worker, counter)
        self.handle[row], self.verdict[row], self.lookup[row] = NONE, verdict, MISSED
        return True

    def _send_back(self, row: int, worker: int) -> bool:
        """An ACK without a valid cookie is dropped, or turned round into RST (D 5.1, D 15)."""
        self._lose(row, worker, BAD_ACK, self.bad_ack)
        if self.proxy.resets:
            self.leaving[row], self.full[row], self.owner[row] = 1, RESET, worker
        return True

    def _hold_first(self, row: int, opener: Opener, mss: int, data: int, now: int) -> None:
        """The ACK waits, and a SYN goes to the real server; both count, each with the length of the ACK."""
        slots, slot = self.slots, self.begun >> 1
        pair: Pair = self.all_pairs[slots.pair[slot]]
        proxied = self._remembered(row, slot, opener, mss, data)
        self._move(slot, slots.state[slot], self.proxy.asking, now)
        self._ask(row, slot, pair, opener, proxied, now)
        self.handle[row] = self.begun
        self.verdict[row], self.lookup[row] = self.accepted, MISSED
        if self.answered is not None:
            self.early.take(self.table_key(row))
            if self._hears(slot):
                self._settle_early(slot, pair, proxied, self.answered, now)
                return
            self.answered = None
        pair.dest.count(0, 1, self.l3_length[row])
        proxied.held.append(self.proxy.waiting(row, opener.rank))
        self._note(row, slot, 0)

    def _remembered(self, row: int, slot: int, opener: Opener, mss: int, data: int) -> Proxied:
        """What the ACK that proved real tells of its connection."""
        slots, proxied = self.slots, Proxied()
        proxied.isn, proxied.mss, proxied.data = (self.ack[row] - 1) & M32, mss, data
        proxied.retries = self.proxy.retries
        proxied.scale_told = self.proxy.wscale if data >> WSCALE_SHIFT & 15 else 0
        slots.proxied[slot] = proxied
        slots.met[slot] |= BEHIND
        slots.back[slot] = 0
        slots.fdata[slot], slots.isn[slot] = self.ack[row], (self.seq[row] - 1 + opener.delta) & M32
        return proxied

    def _ask(self, row: int, slot: int, pair: Pair, opener: Opener, proxied: Proxied, now: int) -> None:
        """The SYN to the real server."""
        if pair.way >= self.entries:
            self.host.relink()
        full = self.slots.full[slot] == FULL_TCP
        frame = self.asking.frame(row, slot, pair.way, opener.delta, full, proxied.mss, proxied.data)
        self.made.append(Made(row, now, frame, len(frame), self.first + row, opener.rank, True))
        pair.dest.count(0, 1, self.l3_length[row])

    # --- the third step (D 6.3) --------------------------------------------------------------------------------------

    def _hears(self, slot: int) -> bool:
        """Whether the NIC gives the real server's answer to somebody who knows what it is about."""
        return self.redirects or self.homes[self._home(slot) + 1] == self.slots.rank[slot]

    def _settle_early(self, slot: int, pair: Pair, proxied: Proxied, answer: Waiting, now: int) -> None:
        """The SYN|ACK that the client saw comes in now: what was held is the row itself, and leaves."""
        slots, dest = self.slots, pair.dest
        proxied.delta, proxied.mss = (proxied.isn - answer.seq) & M32, 0
        proxied.scale_real = proxied.scale_told = answer.scale  # windows leave as captured
        self._move(slot, self.proxy.asking, pair.opener.established, now)
        slots.rs_seq[slot], slots.rs_ack[slot] = (answer.seq + 1) & M32, (answer.ack + slots.delta[slot]) & M32
        dest.count(1, 1, answer.l3_length)
        self._hear(slot, dest, answer.head, answer.tail, answer.frame)
        slots.server[slot], slots.mac[2 * slot] = dest.met_told + 1, dest.met_way
        if pair.opener.fast:
            slots.mac[2 * slot + 1], slots.back[slot] = slots.client[slot] - 1, slots.client[slot]
        self.begun_way = dest.met_way

    def _wait(self, row: int, handle: int, proxied: Proxied, now: int) -> bool:
        """A client's packet while the real server is asked; what that one says is the plain path's."""
        if handle & 1:
            return self._plain(SYN_PROXY)
        slots, slot = self.slots, handle >> 1
        self._dest(slot).count(0, 1, self.l3_length[row])
        self.verdict[row] = self.held
        if not self.flags[row] & ACK:
            self.verdict[row] = self.no_ack
        elif len(proxied.held) > self.proxy.most_held:
            self.proxy.count(slots.rank[slot], QLEN)
            self.verdict[row] = self.held_full
        else:
            proxied.held.append(self.proxy.waiting(row, slots.rank[slot]))
        slots.last_use[slot], slots.armed[slot] = now, self._order(row)
        self.handle[row], self.lookup[row] = handle, LOOKED_UP
        self._note(row, slot, slots.state[slot])
        return True

    def _note(self, row: int, slot: int, before: int) -> None:
        """For who looks on: whose packet waits, and in which state it came."""
        slots = self.slots
        self.conn[row], self.service_of[row], self.full[row] = slots.number[slot], slots.limit[slot], slots.full[slot]
        self.before[row], self.after[row] = before, slots.state[slot]

    def _is_early(self, row: int, handle: int) -> bool:
        """Whether an answer that the client saw, of the connection of *handle* or of none, is a handshake's SYN|ACK
        that is still to come (interface 3)."""
        if self.flags[row] & (SYN | ACK | RST) != SYN | ACK:
            return False
        if handle >= 0 and not self.proxy.reuses[self.slots.state[handle >> 1]]:
            return False
        number = self.virtual.find(self.a, self.b, self.ports & 0xFFFF, TCP, self.six)
        return self.shielded_ends[number] != 0

    def _keep(self, row: int) -> bool:
        """It is kept till then, and was not received."""
        if self.tag[row]:
            return self._plain(SYN_PROXY)
        self.early.keep(reverse_key(self.table_key(row)), self.proxy.waiting(row, self.worker[row]))
        self.handle[row], self.verdict[row], self.worker_index[row] = NONE, self.unasked, NONE
        return True

    # --- a settled connection (D 6.4, D 6.5) -------------------------------------------------------------------------

    def _begins_again(self, row: int, slot: int, proxied: Proxied) -> bool:
        """Whether a client's ACK has a cookie of its own, on a connection that is done with."""
        if self.flags[row] & PURE != ACK or not self.proxy.reuses[self.slots.state[slot]]:
            return False
        if (self.ack[row] - 1) & M32 == proxied.isn:
            return False
        if self.proxy.offer(row) >= 0:
            return True
        if self.client_view and self.early.find(self.table_key(row), self.ack[row]) is not None:
            return True
        self.proxy.count(self.slots.rank[slot], BAD_ACK)
        return False

    def _is_stormy(self, row: int, slot: int, answer: bool, proxied: Proxied) -> bool:
        """Whether the real server says the same again and again."""
        seq, ack = self.seq[row], self.ack[row]
        if answer:
            seq, ack = (seq - proxied.delta) & M32, (ack + self.slots.delta[slot]) & M32
        return self.proxy.stormy(proxied, self.slots.rank[slot], self.flags[row], seq, ack)

    def _move_numbers(self, row: int, handle: int, answer: bool, stormy: bool, proxied: Proxied) -> None:
        """What the row leaves with of numbers and windows: of a storm as the real server sent them, which of an answer
        that the client saw is to be made of what it saw."""
        self.moved[row] = proxied.delta
        if not handle & 1:
            return
        self.scales[row] = self.proxy.scales(proxied)
        if stormy:
            delta = self.slots.delta[handle >> 1]
            self.full[row] = STORMY
            self.moved[row] = -proxied.delta & M32 if answer else 0
            self.delta[row] = -delta & M32 if answer else 0
            if self.flags[row] & (SYN | ACK) == SYN | ACK:
                self._expect(handle >> 1, (self.slots.fdata[handle >> 1] - proxied.delta) & M32)

    def _expect(self, slot: int, number: int) -> None:
        """What acknowledges *number* asks for the client's address (D 5.4)."""
        self.slots.fdata[slot] = number
        if self.slots.made and slot in self.slots.made:
            self.slots.made[slot].fdata = number
