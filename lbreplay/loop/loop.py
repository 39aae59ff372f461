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

from struct import pack
from typing import Any

from lbreplay.loop.names import (
    AWAY,
    BARE,
    BY_LOAD,
    BY_TURN,
    CLOCK,
    DIRECT,
    DONE,
    FULL_TCP,
    FULL_UDP,
    LOOKED_UP,
    MET,
    MISSED,
    MISSED_BIT,
    NONE,
    ORDERS,
    PLAIN,
    PROXIED,
    PROXYING,
    SIX,
    SNAT,
    STATES,
    STEPS,
    TELLING,
    TEMPLATE,
    TRAILS,
    TRANSIT,
    TUNNEL,
    UDP_STEP,
)
from lbreplay.loop.opener import Opener, Pair
from lbreplay.loop.real import Dest
from lbreplay.loop.slots import Slots
from lbreplay.loop.table import Table
from lbreplay.loop.ways import Way

MOST = 1 << 18  # answers of lists, and packets for nobody, that are remembered at once
# reasons, as numbers of C
UNSOUND, KERNEL, TOO_LONG, STRANGER, MATCHED, LAST_HOP, UNINVITED, FROM_LOCAL = (
    Way.UNSOUND, Way.KERNEL, Way.TOO_LONG, Way.STRANGER, Way.MATCHED, Way.LAST_HOP,
    Way.UNINVITED, Way.FROM_LOCAL,
)  # fmt: skip
OWNED_ELSEWHERE, UNASKED, SYN_PROXY, POOL, ELSEWHERE, MODE, PERSISTENT, ENDING, TAGGED, ROUTE, PROXY_PROTOCOL, UOA = (
    Way.MISSED, Way.UNASKED, Way.SYN_PROXY, Way.POOL, Way.ELSEWHERE, Way.MODE,
    Way.PERSISTENT, Way.ENDING, Way.TAGGED, Way.ROUTE, Way.PROXY_PROTOCOL, Way.UOA,
)  # fmt: skip
TCP, UDP = 6, 17
FIN, SYN, RST, ACK = 1, 2, 4, 16
PURE = SYN | ACK | FIN | RST  # the flags that tell a first packet (D 5.1)
M32 = 0xFFFFFFFF
PROXY_STARTS = (ord("P"), ord("\r"))  # first bytes of headers that clients send
ETHERNET = 14  # bytes of its header
ETH_VLAN, TAG_SIZE = 0x8100, 4  # ethertype and bytes of a tag
LINK_LOCAL = 0x80FE  # the first two bytes, as little-endian machines read them
HOME = 5  # queue, rank, by, reta, rule


def _big(word: int) -> int:
    """The bytes of a 64-bit word in the other order."""
    turned = 0
    for _ in range(8):
        turned, word = turned << 8 | word & 0xFF, word >> 8
    return turned


class Places:
    """Addresses and ports of services, by number: IPv4 in places of an open table, IPv6 in a dict of bytes."""

    def __init__(self, ends: Any) -> None:
        import numpy as np

        bits = max(6, (4 * len(ends)).bit_length())
        self._last = (1 << bits) - 1
        self._ends, self._numbers = np.zeros(1 << bits, np.uint64).data, np.full(1 << bits, NONE, np.int32).data
        self.wide: dict[bytes, int] = {}
        for number, (proto, address, port) in enumerate(ends):
            if len(address) == 16:
                self.wide[bytes((proto,)) + address + port.to_bytes(2)] = number
            else:
                self._put(int.from_bytes(address + port.to_bytes(2), "little") | proto << 48, number)

    def _put(self, end: int, number: int) -> None:
        at = self._home(end)
        while self._numbers[at] >= 0:
            at = (at + 1) & self._last
        self._ends[at], self._numbers[at] = end, number

    def _home(self, end: int) -> int:
        return (end ^ (end >> 17) ^ (end >> 40)) & self._last

    def find(self, address: int, port: int, proto: int) -> int:
        """The number of an IPv4 end, address and port as little-endian machines read them, or NONE."""
        end = port << 32 | proto << 48 | address
        at = self._home(end)
        while self._numbers[at] >= 0:
            if self._ends[at] == end:
                return self._numbers[at]
            at = (at + 1) & self._last
        return NONE


class Seen:
    """What became of a packet that nobody here wants, of which nothing leaves; `count`: of how many more since."""

    def __init__(self, verdict: int, lookup: int, moved: Any) -> None:
        self.verdict, self.lookup, self.count = verdict, lookup, 0
        self.moved = moved  # counters that it moves: (counter, name, by)


class Loop:
    """The rows of bursts. *host* is the balancer, for what needs words: see its methods `moved`, `meet`, `towards`,
    `answering`, `comes_home`, `pick`."""

    def __init__(self, host: Any, slots: Slots, table: Table, client_view: bool, mtu: int, refusals: Any) -> None:
        self.host, self.slots, self.table, self.timers = host, slots, table, slots.timers
        self.client_view, self.mtu = client_view, mtu
        self.no_dest, self.max_conn, self.no_port, self.no_template, *others = refusals
        self.fast, self.slow, self.unasked, self.direct_reply, self.own_transmit, *others = others
        self.forwarded_plain, self.no_outside_port, self.no_outside_pool = others
        self.why, self.reason, self.due = DONE, 0, NONE
        self.word0 = self.word1 = self.a = self.b = self.c = self.d = self.ports = 0  # the tuple at hand
        self.barred = 0  # reason for which connections are opened by the plain path alone
        self.redirects = False  # a worker that misses hands on to the owner (D 4.4)
        self.listed = False  # some service has a black or a white list
        self.chancy = False  # and a white list may shut out packets of others
        self.proxies = False  # some service has a SYN proxy
        self.strays = False  # answers that nobody asked for are no more than that (client view)
        self.passing = False  # what becomes of packets for nobody here may be remembered
        self.asked = NONE  # what the last row may be remembered by
        self.passed: dict[int, Seen] = {}
        self.judged: dict[Any, int] = {}  # what lists say of a client and a service
        self.ways_back: dict[int, int] = {}  # entries by zone and entry that was told, `_way_back`
        self.transits: dict[Any, int] = {}  # entries of MACs by the address that packets in transit go to
        self.matching = False  # some service is found by ranges (SNAT)
        self.alike = False  # all of a zone have one way
        self.pool_size = 0
        self.templates: Any = None  # loop.table.Table of their slots
        self.master: Any = None  # the census that draws for templates
        self.template = NONE  # that chose the real server of the connection at hand
        self.version = 0  # of what is known about next hops
        self.dests: list[Any] = []  # by id
        self.all_pairs: list[Any] = []  # by number
        self._head, self._tail, self._tag, self._client_entry = (
            0,
            0,
            0,
            NONE,
        )  # the MACs that came last, and their entry

    # --- what is read ------------------------------------------------------------------------------------------------

    def know(self, virtual: Places, services: Places, openers: list[Any], places: int) -> None:
        """Who answers, and who opens: *openers* by worker and number in *services*, of which there are *places*."""
        self.virtual, self.services, self.openers, self.places = virtual, services, openers, places

    def ends_of(self, locals_: Places, zones: Any, wide_zones: Any) -> None:
        """Local addresses; and where, among addresses as numbers (IPv6: two of 64 bits), another zone begins: all
        addresses of one have one route, or are one local address."""
        self.locals, self.zones, self.wide_zones = locals_, zones, wide_zones
        self.passed.clear()
        self.judged.clear()
        self.ways_back.clear()
        self.transits.clear()

    def rules(self, steps: Any, limits: Any) -> None:
        """New states by side, step and state; timeouts by row and state."""
        self.steps, self.limits = steps, limits

    def link(self, fast: Any, homes: Any) -> None:
        """Whether entries of MACs are of the fast path; where answers come in, HOME numbers each."""
        self.is_fast, self.homes = fast, homes
        self.entries, self.home_entries = len(fast), len(homes) // HOME

    def forget_hops(self) -> None:
        """A neighbour's MAC, or anything else that an event can, has changed."""
        self.version += 1
        self.judged.clear()
        self.ways_back.clear()
        self.transits.clear()
        self._client_entry = NONE

    def bind(self, burst: Any) -> None:
        """The columns of *burst*; what is ordinary fills them."""
        self.first = burst.first
        self.buffer, self.at, self.time_ns = burst.buffer.data, burst.at.data, burst.time_ns.data
        self.family, self.proto, self.flags = burst.family.data, burst.proto.data, burst.flags.data
        self.simple, self.ours = burst.simple.view("u1").data, burst.ours.view("u1").data
        self.own = burst.own.view("u1").data
        self.l4 = burst.l4.data
        self.l3_length, self.header, self.tag = burst.l3_length.data, burst.header.data, burst.tag.data
        self.seq, self.ack = burst.seq.data, burst.ack.data
        self.flow4, self.wide = burst.flow4.view("u4").ravel().data, burst.wide.view("u4").ravel().data
        self.queue, self.worker, self.by = burst.queue.data, burst.worker.data, burst.by.data
        self.hash, self.reta, self.rule = burst.hash.data, burst.reta.data, burst.rule.data
        self.answer, self.opened = burst.answer.view("u1").data, burst.opened.view("u1").data
        self.verdict, self.lookup, self.owner = burst.verdict.data, burst.lookup.data, burst.owner.data
        self.redirected, self.wrong = burst.redirected.data, burst.wrong_worker.view("u1").data
        self.worker_index = burst.worker_index.data
        self.leaving, self.handle, self.mac = burst.leaving.view("u1").data, burst.handle.data, burst.mac.data
        self.fdata, self.delta, self.full = burst.fdata.data, burst.delta.data, burst.full.data
        self.conn = burst.conn.data

    # --- the story ---------------------------------------------------------------------------------------------------

    def run(self, row: int, stop: int, event_ns: int) -> int:
        """Take rows from *row* on; the first that is not taken. The next event is due at *event_ns*."""
        while row < stop:
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

    def _plain(self, reason: int) -> bool:
        """The row takes the plain path, for *reason*."""
        self.reason = reason
        return False

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
        if self.client_view and self._from_virtual(row, proto):
            return self._answer(row, proto, now)
        if not self.ours[row]:
            return self._nobody(row, worker, proto, self._link(row), False)
        if self.listed:
            if self.proxies and proto == TCP and self.flags[row] & PURE == SYN:
                return self._plain(SYN_PROXY)  # it comes before lists (D 6.1)
            if self._refused(row, proto):
                return True
        handle = self.table.find(self.word0, self.word1, self.a, self.b, self.c, self.d, worker)
        if handle < 0:
            return self._missed(row, worker, proto, now)
        return self._known(row, handle, False, now)

    def _sent_it(self, row: int) -> bool:
        """The balancer's own frame, in a capture taken on it: it was not received (interface 3)."""
        self.handle[row], self.verdict[row], self.worker_index[row] = NONE, self.own_transmit, NONE
        return True

    def _known(self, row: int, handle: int, answer: bool, now: int) -> bool:
        """A packet of a connection, unless the plain path alone knows with what it leaves."""
        if self.slots.mac[handle] < 0:
            return self._plain(-self.slots.mac[handle])
        if not handle & 1 and not self._has_room(row, handle >> 1):
            return self._plain(TOO_LONG)
        if not handle & 1 and self._is_told_elsewhere(handle >> 1):
            return self._plain(UOA)
        if self.slots.met[handle >> 1] & PROXIED and not handle & 1 and self._is_first(row, handle >> 1):
            return self._introduce(row, handle >> 1, now)
        self._step(row, handle, answer, now)
        return True

    def _is_told_elsewhere(self, slot: int) -> bool:
        """Whether the plain path counts the datagrams that tell the client's address: it has a Conn (D 7.4)."""
        slots = self.slots
        waits = slots.met[slot] & (BARE | TRAILS) and slots.full[slot] != SNAT
        return bool(waits and slots.made and slot in slots.made)

    def _is_first(self, row: int, slot: int) -> bool:
        """Whether a segment has the client's first byte, and a proxy header is due before it (D 5.8)."""
        slots = self.slots
        if self.flags[row] & (SYN | RST) or self.ack[row] != slots.fdata[slot] or not self._payload(row):
            return False
        return self.seq[row] == (slots.isn[slot] - slots.delta[slot] + 1) & M32

    def _payload(self, row: int) -> int:
        """Bytes behind the TCP header."""
        return self.l3_length[row] + ETHERNET - self.l4[row] - self.header[row]

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

    def _answer(self, row: int, proto: int, now: int) -> bool:
        """An answer of a virtual address, in a capture of clients: taken for its real server's."""
        handle = self._asked()
        if handle < 0:
            return self._unasked(row, self.unasked)
        slots, slot = self.slots, handle >> 1
        if slots.full[slot] >= DIRECT:
            return self._unasked(row, self.direct_reply)
        if self.chancy and self._refused_answer(row, handle | 1):
            return True
        if slots.met[slot] & AWAY and slots.mac[handle | 1] >= 0:
            found = self._found(handle | 1)
            if found < 0:
                return self._strayed(row, handle | 1, proto)
            if slots.full[found >> 1] != slots.full[slot] or slots.delta[found >> 1] != slots.delta[slot]:
                return self._plain(ELSEWHERE)
            handle = found  # another connection may have the same tuple there, and gets the answer
        if not self._known(row, handle | 1, True, now):
            return False
        self._handed(row, slots.rank[handle >> 1])
        return True

    def _found(self, handle: int) -> int:
        """What the worker that answers of *handle* come in on finds for them, itself or by their owner (D 4.4)."""
        if self.slots.home[handle >> 1] >= self.home_entries:
            self.host.relink()
        home = self.homes[HOME * self.slots.home[handle >> 1] + 1]
        found = self.table.found(handle, home) if home >= 0 else NONE
        if found < 0 and home >= 0 and self.redirects:
            rank = self._owner(self.table.newest(handle))
            if rank >= 0 and rank != home:
                found = self.table.found(handle, rank)
        return found

    def _strayed(self, row: int, handle: int, proto: int) -> bool:
        """An answer that comes in on a worker that knows nothing of its connection: it is for nobody here."""
        table, slot = self.table, handle >> 1
        home = self.homes[HOME * self.slots.home[slot] + 1]
        if home < 0 or self.ports >> 16 == 0:
            return self._plain(KERNEL)
        self.word0, self.word1 = table.word(handle, 0), table.word(handle, 1)
        self.ports = self.word1 & M32
        if self.six:
            self.a, self.b, self.c, self.d = (table.wide_word(handle, word) for word in range(4))
        else:
            self.a, self.b = self.word0 & M32, self.word0 >> 32
        if not self._nobody(row, home, proto, 0, True):
            return False
        self._bring_home(row, slot)
        self.owner[row] = home
        return True

    def _missed(self, row: int, worker: int, proto: int, now: int) -> bool:
        """A worker has no connection of a packet it received: another one has, or it opens one, or nobody cares."""
        if self.redirects:
            rank = self._owner(self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d))
            if rank >= 0 and rank != worker:
                return self._hand_on(row, rank, now)
        first = proto == UDP or self.flags[row] & PURE == SYN
        number = self._service(row, proto) if first else NONE
        if number >= 0:
            return self._open(row, worker, number, now)
        if first and self.matching:
            opener = self.host.match(worker, self.table_key(row), self.tag[row] - 1)
            if opener is not None:
                return self._open_outwards(row, opener, now)
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

    def _owner(self, handle: int) -> int:
        """The worker that the redirect table names for a tuple, *handle* the newest that has it, or NONE: whose mode
        enters that side of its connections."""
        while handle >= 0:
            full = self.slots.full[handle >> 1]
            if full < DIRECT and (handle & 1) != (full == SNAT):
                return self.slots.rank[handle >> 1]
            handle = self.table.behind(handle)
        return NONE

    def _handed(self, row: int, rank: int) -> None:
        """The row was handed to its owner, where another worker received it."""
        if self.worker[row] != rank and not self.table.shared:
            self.lookup[row], self.wrong[row] = MISSED, 1
            self.redirected[row] = self.owner[row] = rank

    # --- who is not wanted -------------------------------------------------------------------------------------------

    def _unasked(self, row: int, verdict: int) -> bool:
        """An answer that belongs to no connection, or does not pass here: it was not received (interface 3)."""
        if not self.strays or self._is_local(self.c if self.six else self.b, self.d):
            return self._plain(UNASKED)
        self.handle[row], self.verdict[row], self.worker_index[row] = NONE, verdict, NONE
        return True

    def _refused(self, row: int, proto: int) -> bool:
        """Whether a list drops the packet (D 14.2), which is remembered by client and service."""
        if not self.chancy and self._service(row, proto) < 0:
            return False
        return self._judged(row, self.table_key(row) if self.six else None, self.word0, self.ports >> 16, proto)

    def _refused_answer(self, row: int, handle: int) -> bool:
        """The same of an answer, as its real server sends it: a white list may shut out packets to any place."""
        key = self.table.key(handle)
        return self._judged(row, key, self.table.word(handle, 0), self.table.word(handle, 1) >> 16 & 0xFFFF, key[0])

    def _judged(self, row: int, key: Any, word0: int, port: int, proto: int) -> bool:
        """Whether lists drop the packet with *key*, None: the row's own."""
        ends = key[: len(key) - 4] if self.six else word0
        place = (ends, port << 8 | proto)
        verdict = self.judged.get(place)
        if verdict is None:
            if len(self.judged) >= MOST:
                self.judged.clear()
            verdict = self.judged[place] = self.host.refusal(key or self.table_key(row))
        if verdict < 0:
            return False
        self.handle[row], self.verdict[row] = NONE, verdict
        return True

    def _nobody(self, row: int, worker: int, proto: int, link: int, turned: bool) -> bool:
        """A packet that goes to no service and belongs to no connection of its worker: once it is known what becomes of
        those that go where it goes (and that nothing leaves), the same becomes of it. *turned*: the tuple at hand is
        its real server's, the bytes are still those that the client saw, and none leave."""
        kind = SYN if proto == UDP else self.flags[row] & PURE
        if self.tag[row]:
            return self._plain(TAGGED)
        if not self.passing:
            return self._plain(MATCHED)
        if self.buffer[self._inside(row) + (21 if self.six else 22)] < 2:
            return self._plain(LAST_HOP)
        if kind in (SYN, ACK) and self._goes_to_service(proto):
            return self._plain(UNINVITED)
        if self._is_local(self.a, self.b) or (self.six and self.a & 0xFFFF == LINK_LOCAL):
            return self._plain(FROM_LOCAL)
        missed = self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d) >= 0
        zone = 1 << 31 | self._wide_zone() if self.six else self._zone(self.b)
        self.asked = zone | kind << 32 | proto << 40 | worker << 48 | link << 60 | missed << MISSED_BIT
        seen: Seen | None = self.passed.get(self.asked)
        if seen is None:
            return self._plain(STRANGER)
        if seen.verdict == self.forwarded_plain and (turned or not self._forward(row, worker)):
            return self._plain(ROUTE)
        seen.count += 1
        self.handle[row], self.verdict[row], self.lookup[row] = NONE, seen.verdict, seen.lookup
        self.wrong[row] = missed
        return True

    def _forward(self, row: int, worker: int) -> bool:
        """The router function: a row in transit leaves by its route (S 4.5); False: not by one that the loop knows."""
        entry = self._way_on(row)
        if entry < 0:
            return False
        if entry >= self.entries:
            self.host.relink()
        self.leaving[row], self.mac[row], self.full[row], self.owner[row] = 1, entry, TRANSIT, worker
        return True

    def _way_on(self, row: int) -> int:
        """With what leaves by the route to where a row goes, of whom nothing is known."""
        place: object = self.b
        if self.six:
            place = self.c, self.d
        entry = self.transits.get(place)
        if entry is None:
            if len(self.transits) >= MOST:
                self.transits.clear()
            entry = self.transits[place] = self.host.transit(self.table_key(row))
        return entry

    def _link(self, row: int) -> int:
        """By its MAC a row is ours, another's, a group's."""
        return 0 if self.ours[row] else 1 + (self.buffer[self.at[row]] & 1)

    def _goes_to_service(self, proto: int) -> bool:
        if not self.six:
            return self.services.find(self.b, self.ports >> 16, proto) >= 0
        return (
            bool(self.services.wide) and self._wide_end(self.c, self.d, self.ports >> 16, proto) in self.services.wide
        )

    def _is_local(self, address: int, more: int) -> bool:
        """Whether a local address stands in a word, of IPv6 in two."""
        if not self.six:
            return self.locals.find(address, 0, 0) >= 0
        return bool(self.locals.wide) and self._wide_end(address, more, 0, 0) in self.locals.wide

    def _wide_end(self, address: int, more: int, port: int, proto: int) -> bytes:
        """An end as `Places.wide` has it: IPv6, *port* as little-endian machines read it."""
        return bytes((proto,)) + pack("<QQH", address, more, port)

    def _zone(self, address: int) -> int:
        """The number of the zone of an IPv4 address, as little-endian machines read it."""
        address = (address & 0xFF) << 24 | (address & 0xFF00) << 8 | (address >> 8 & 0xFF00) | address >> 24
        low, high = 0, len(self.zones)
        while low < high:
            middle = (low + high) >> 1
            if self.zones[middle] <= address:
                low = middle + 1
            else:
                high = middle
        return low

    def _wide_zone(self) -> int:
        """The same of the IPv6 address that the row goes to."""
        first, second = _big(self.c), _big(self.d)
        low, high = 0, len(self.wide_zones) >> 1
        while low < high:
            middle = (low + high) >> 1
            begin = self.wide_zones[2 * middle]
            if begin < first or (begin == first and self.wide_zones[2 * middle + 1] <= second):
                low = middle + 1
            else:
                high = middle
        return low

    # --- look up -----------------------------------------------------------------------------------------------------

    def _read(self, row: int, proto: int) -> None:
        """The tuple of a row, as loop/table.py has it."""
        self.six = self.family[row] == 6
        word1 = proto
        if not self.six:
            source, dest, at = self.flow4[3 * row], self.flow4[3 * row + 1], 0
            self.a, self.b = source, dest
            self.word0, self.ports = dest, self.flow4[3 * row + 2]
            self.word0 = self.word0 << 32 | source
            self.word1 = word1 << 32 | self.ports
            return
        at = 9 * row
        self.a, self.b, self.c, self.d = self._wide(at), self._wide(at + 2), self._wide(at + 4), self._wide(at + 6)
        self.ports = self.wide[at + 8]
        self.word0, self.word1 = self.table.mix(self.a, self.b, self.c, self.d), word1 << 32 | self.ports | SIX

    def _wide(self, at: int) -> int:
        high = self.wide[at + 1]
        return high << 32 | self.wide[at]

    def _from_virtual(self, row: int, proto: int) -> bool:
        """Whether the row comes from the address and port of a service."""
        if self.six:
            at = self._inside(row) + 22
            if not self.virtual.wide:
                return False
            end = bytes((proto,)) + bytes(self.buffer[at : at + 16]) + bytes(self.buffer[at + 32 : at + 34])
            return end in self.virtual.wide
        return self.virtual.find(self.a, self.ports & 0xFFFF, proto) >= 0

    def _asked(self) -> int:
        """The handle, IN, of the client that an answer goes to: of the first worker that has one (dpvs/view.py)."""
        ports = self.ports >> 16 | (self.ports & 0xFFFF) << 16
        word1 = (self.word1 >> 32) << 32 | ports
        if self.six:
            word0 = self.table.mix(self.c, self.d, self.a, self.b)
        else:
            word0 = self.word0 >> 32 | (self.word0 & M32) << 32
        handle = self.table.first(word0, word1, self.c, self.d, self.a, self.b)
        if handle >= 0 and self.table.behind(handle) >= 0:
            return self._asked_of_many(handle)
        return NONE if handle & 1 else handle

    def _asked_of_many(self, handle: int) -> int:
        """Each worker is asked for its newest; of a shared table all give the same."""
        newest: dict[int, int] = {}
        while handle >= 0:
            newest.setdefault(0 if self.table.shared else self.slots.rank[handle >> 1], handle)
            handle = self.table.behind(handle)
        for rank in sorted(newest):
            if not newest[rank] & 1:
                return newest[rank]
        return NONE

    # --- a known connection ------------------------------------------------------------------------------------------

    def _step(self, row: int, handle: int, answer: bool, now: int) -> None:
        """Steps 9 to 12 of D 1.5: state, timer, what is learned, counters; and what the row leaves with."""
        slots, slot, side = self.slots, handle >> 1, handle & 1
        entry, fdata, kind = slots.mac[handle], slots.fdata[slot], slots.full[slot]
        slots.last_use[slot], slots.armed[slot] = now, self._order(row)
        step = UDP_STEP if self.proto[row] == UDP else self.flags[row]
        old = slots.state[slot]
        table = 2 if kind >= DIRECT else 3 + side if kind == SNAT else side
        new = self.steps[(table * STEPS + step) * STATES + old]
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

    def _meet_remote(self, row: int, slot: int) -> None:
        """The first answer from outside tells where packets of SNAT go (interface 2)."""
        slots = self.slots
        slots.met[slot] &= ~BARE
        if slots.made and slot in slots.made:
            self.host.meet_remote(slot, self._macs(row))
            return
        slots.client[slot] = self._client(row) + 1
        slots.mac[2 * slot + 1] = self._way_back(row, slots.client[slot] - 1)

    def _trail(self, row: int, slot: int) -> int:
        """The first datagrams of a client tell its address (D 7.4); the one after the last may be the last slow one,
        and the next one the first that tells its MACs."""
        slots = self.slots
        if slots.met[slot] & BARE:
            slots.mac[2 * slot + 1] = self._client(row)
            slots.back[slot] = slots.mac[2 * slot + 1] + 1
            slots.met[slot] &= ~BARE
            return FULL_UDP
        pair: Pair = self.all_pairs[slots.pair[slot]]
        slots.trail[slot] -= 1
        if slots.trail[slot]:
            return TELLING if pair.opener.growth else FULL_UDP
        slots.met[slot] &= ~TRAILS
        if pair.opener.fast:
            slots.met[slot] = slots.met[slot] & AWAY | BARE
        return FULL_UDP

    def _order(self, row: int) -> int:
        """The place of a row in the order of arming: behind timers that go off before it."""
        return (self.first + row) * ORDERS + ORDERS // 2

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

    def _meet(self, row: int, slot: int, answer: bool) -> None:
        """The first packet of the real server's side: its MACs are those the client's packets leave with (D 12.3)."""
        slots = self.slots
        if slots.pair[slot] == 0 or (slots.made and slot in slots.made):
            self.host.meet(slot, self._macs(row), answer)
            return
        at, dest, pair = self.at[row], self._dest(slot), self.all_pairs[slots.pair[slot]]
        head, tail = self._u64(at), self._u32(at + 8)
        version = (2 * self.version + answer) << 13 | self.tag[row]
        if dest.met_version != version or dest.met_head != head or dest.met_tail != tail:
            dest.met_told = self.host.towards(slot, self._macs(row), answer)
            dest.met_way = self.host.way(slot, dest.met_told) if dest.met_told >= 0 else dest.met_told
            dest.met_version, dest.met_head, dest.met_tail = version, head, tail
        if dest.met_told < 0:
            self.host.meet(slot, self._macs(row), answer)
            return
        first = not slots.server[slot]
        if first:
            slots.server[slot] = dest.met_told + 1
        if pair.opener.fast and not slots.met[slot] & TRAILS:
            slots.mac[2 * slot], slots.forth[slot] = dest.met_told, dest.met_told + 1
        elif first:
            slots.mac[2 * slot] = dest.met_way
        slots.met[slot] |= MET

    def _macs(self, row: int) -> bytes:
        """Of a frame, with its tag as the MACs that are learned have it (dpvs/xmit.py)."""
        at, tag = self.at[row], self.tag[row]
        macs = bytes(self.buffer[at : at + 12])
        return macs + pack(">HH", ETH_VLAN, tag - 1) if tag else macs

    def _inside(self, row: int) -> int:
        """Where a frame would begin if it had no tag."""
        return self.at[row] + (TAG_SIZE if self.tag[row] else 0)

    def _u64(self, at: int) -> int:
        high = self._u32(at + 4)
        return high << 32 | self._u32(at)

    def _u32(self, at: int) -> int:
        high = self.buffer[at + 3] << 8 | self.buffer[at + 2]
        return high << 16 | self.buffer[at + 1] << 8 | self.buffer[at]

    def _remember(self, row: int, slot: int, answer: bool) -> None:
        """Where the real server's stream begins and stands (D 5.5). An IPv6 segment mostly counts 40 bytes too many."""
        slots, flags, ack = self.slots, self.flags[row], self.ack[row]
        if answer:
            ack = (ack + slots.delta[slot]) & M32
        if flags & (SYN | ACK) == SYN | ACK:
            end = (self.seq[row] + 1) & M32
            slots.fdata[slot] = end
            if slots.made and slot in slots.made:
                slots.made[slot].fdata = end
        else:
            head = 20
            if self.six:
                head = (self.buffer[self._inside(row) + 14] & 15) * 4
            end = (self.seq[row] + self.l3_length[row] - head - self.header[row]) & M32
        last = slots.rs_ack[slot]
        if not flags & RST and not (last and (ack - last) & 0x80000000):
            slots.rs_ack[slot], slots.rs_seq[slot] = ack, end

    def _bring_home(self, row: int, slot: int) -> None:
        """Answers are received where the NIC steers them."""
        home = HOME * self.slots.home[slot]
        if self.slots.home[slot] >= self.home_entries:
            self.host.relink()
        self.queue[row], self.worker[row], self.by[row] = self.homes[home], self.homes[home + 1], self.homes[home + 2]
        self.reta[row], self.rule[row] = self.homes[home + 3], self.homes[home + 4]
        self.hash[row] = self.slots.home_hash[slot]

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

    def _enclose(self, row: int, slot: int) -> None:
        """The ends and the identification of an outer header: columns fdata and delta of a row in a tunnel."""
        pair: Pair = self.all_pairs[self.slots.pair[slot]]
        ident: int = pair.ident[0]
        self.fdata[row], self.delta[row] = pair.outer, ident & 0xFFFF
        pair.ident[0] = ident + 1

    def _dest(self, slot: int) -> Dest:
        dest: Dest = self.dests[self.slots.dest[slot]]
        return dest

    # --- a new connection --------------------------------------------------------------------------------------------

    def _open(self, row: int, worker: int, number: int, now: int) -> bool:
        """A first packet of service *number* (D 2.4)."""
        opener: Opener = self.openers[worker * self.places + number]
        if not opener.ready:
            self.host.ready(opener)
        if opener.why or self.barred:
            return self._plain(opener.why or self.barred)
        if self.slots.live >= self.pool_size:
            return self._plain(POOL)
        if self.l3_length[row] + opener.growth > self.mtu:
            return self._plain(TOO_LONG)
        if opener.persistent:
            return self._open_by_template(row, opener, now)
        at = self._pick(row, opener)
        if at < 0:
            return self._refuse(row, self.no_dest)
        dest: Dest = opener.dests[at]
        if dest.is_full():
            dest.overload = True
            return self._refuse(row, self.max_conn)
        return self._bind(row, opener, dest, at * opener.width, now)

    # --- SNAT --------------------------------------------------------------------------------------------------------

    def _open_outwards(self, row: int, opener: Opener, now: int) -> bool:
        """An inside host's first packet takes a port of an outside address, towards the remote host (D 2.2, D 11.3)."""
        if not opener.ready:
            self.host.ready(opener)
        if opener.why or self.barred or opener.persistent:
            return self._plain(opener.why or self.barred or PERSISTENT)
        if self.slots.live >= self.pool_size:
            return self._plain(POOL)
        way = self._way_on(row)
        if way < 0:
            return self._plain(-way)
        at = self._pick(row, opener)
        if at < 0:
            return self._refuse(row, self.no_dest)
        dest: Dest = opener.dests[at]
        if dest.is_full():
            return self._plain(POOL)  # a port is taken first, and given back
        port: int = self.host.fetch(opener, dest, self.table_key(row))
        if port < 0:
            return self._refuse(row, self.no_outside_port if port == NONE else self.no_outside_pool)
        strayed = self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d) >= 0
        self._enter_outwards(row, opener, opener.pairs[at], way, port, now)
        self.wrong[row] = strayed  # it is an answer to another worker's client
        return True

    def _enter_outwards(self, row: int, opener: Opener, pair: Pair, way: int, port: int, now: int) -> None:
        """It goes out, so its own tuple is the real server's side; answers come to the outside address and port."""
        slot = self._occupy(row, opener, pair, now)
        slots, told = self.slots, self._client(row)
        self.table.enter(2 * slot + 1, self.word0, self.word1, self.a, self.b, self.c, self.d)
        word0, word1 = self.b, self.word1 >> 32
        ports = self.ports >> 16 | (port >> 8 | (port & 0xFF) << 8) << 16
        if self.six:
            word0 = self.table.mix(self.c, self.d, pair.a, pair.b)
            self.table.enter(2 * slot, word0, word1 << 32 | ports, self.c, self.d, pair.a, pair.b)
        else:
            self.table.enter(2 * slot, pair.word0 << 32 | word0, word1 << 32 | ports, 0, 0, 0, 0)
        slots.server[slot], slots.met[slot] = told + 1, MET | BARE
        slots.mac[2 * slot], slots.mac[2 * slot + 1] = self._way_back(row, told), way
        self._count_in(row, opener, pair.dest)
        self._settle(row, 2 * slot + 1, way, 0, SNAT, MISSED)

    # --- a template (D 2.7) ------------------------------------------------------------------------------------------

    def _open_by_template(self, row: int, opener: Opener, now: int) -> bool:
        """A connection to the real server that the client's template names; templates are of all workers, their real
        servers of the one that made them."""
        slot = self._template(row, opener)
        if slot >= 0 and self.slots.pair[slot] == 0:
            return self._plain(PERSISTENT)
        if slot < 0 and not self._make_template(row, opener, now):
            return True
        if slot >= 0:
            self._touch(slot, row, now)
        slot = self._template(row, opener)
        pair: Pair = self.all_pairs[self.slots.pair[slot]]
        if pair.opener is not opener:
            opener = opener.lent.get(pair.opener.rank) or self.host.lend(opener, pair.opener)
        if not opener.ready:
            self.host.ready(opener)
        if pair.dest.is_full():
            pair.dest.overload = True
            return self._refuse(row, self.max_conn)
        self.template = slot
        done = self._bind(row, opener, pair.dest, pair.dest.place * opener.width, now)
        self.template = NONE
        return done

    def _template(self, row: int, opener: Opener) -> int:
        """The slot of the client's template, if it may be used, or NONE."""
        word0, word1, a, b = self._client_words(opener)
        slot = self.templates.first(word0, word1, a, b, self.c, self.d)
        if slot >= 0:
            dest = self._dest(slot)
            if not dest.available or not (opener.lenient or dest.weight):
                return NONE
        return slot

    def _client_words(self, opener: Opener) -> tuple[int, int, int, int]:
        """The words of a template's key, as loop/table.py has tuples: its clients' network without a port."""
        word1 = (self.word1 >> 16) << 16
        if self.six:
            a, b = self.a & opener.mask, self.b & opener.wide_mask
            return self.templates.mix(a, b, self.c, self.d), word1, a, b
        word0 = self.b
        return word0 << 32 | self.a & opener.mask, word1, 0, 0

    def _make_template(self, row: int, opener: Opener, now: int) -> bool:
        """A template for a client that has none; False: there is none, and the packet is lost."""
        at = self._pick(row, opener)
        if at < 0:
            self._refuse(row, self.no_dest)
            return False
        dest: Dest = opener.dests[at]
        if dest.is_full():
            dest.overload = True
            self._refuse(row, self.no_template)
            return False
        slots, pair = self.slots, self.all_pairs[opener.pairs[at * opener.width].number]
        slot = slots.take(dest.id, NONE)
        fraction = 0
        if opener.jitter is not None:
            fraction = int(opener.jitter.one() * 1000000) * 1000
        slots.pair[slot], slots.full[slot], slots.fraction[slot] = pair.number, TEMPLATE, fraction
        slots.timeout[slot] = opener.template_timeout + fraction
        dest.persistconns += 1
        self._enter_template(slot, opener)
        self._touch(slot, row, now)
        return True

    def _enter_template(self, slot: int, opener: Opener) -> None:
        """What was found by its key before is found no more."""
        word0, word1, a, b = self._client_words(opener)
        older = self.templates.first(word0, word1, a, b, self.c, self.d)
        if older >= 0:
            self.templates.remove(older)
            self.slots.control[older] = -1
        self.templates.reach(slot)
        self.templates.enter(slot, word0, word1, a, b, self.c, self.d)

    def _touch(self, slot: int, row: int, now: int) -> None:
        """It is used: its timer starts anew."""
        self.slots.last_use[slot], self.slots.armed[slot] = now, self._order(row)
        self.timers.arm(slot, now + self.slots.timeout[slot])

    def _end_template(self, slot: int, pair: Pair) -> bool:
        """Its time is up; False: it has connections still, and lives on."""
        if self.slots.controlled[slot]:
            return False
        if pair.opener.jitter is not None:
            self.master.passed += 1
        if not self.slots.control[slot]:
            self.templates.remove(slot)
        pair.dest.persistconns -= 1
        pair.dest.admit()
        self.slots.free_slot(slot)
        return True

    # --- what a connection is made of --------------------------------------------------------------------------------

    def _service(self, row: int, proto: int) -> int:
        """The number of the service that a row is for, or NONE."""
        if not self.six:
            return self.services.find(self.b, self.ports >> 16, proto)
        if not self.services.wide:
            return NONE
        at = self._inside(row) + 38
        end = bytes((proto,)) + bytes(self.buffer[at : at + 16]) + bytes(self.buffer[at + 18 : at + 20])
        number: int = self.services.wide.get(end, NONE)
        return number

    def _pick(self, row: int, opener: Opener) -> int:
        """The position of the real server that is picked, or NONE."""
        if opener.by == BY_TURN:
            return self._by_turn(opener)
        if opener.by == BY_LOAD:
            return self._by_load(opener)
        place: int = self.host.pick(opener, self.table_key(row))
        return place

    def _by_turn(self, opener: Opener) -> int:
        turn = opener.turn
        return turn.next(opener.dests)

    def _by_load(self, opener: Opener) -> int:
        load = opener.turn
        return load.least(opener.dests)

    def table_key(self, row: int) -> bytes:
        """The key of a row, as the plain path has it (wire.packet.flow_key)."""
        at, width = self._inside(row) + (22 if self.six else 26), 36 if self.six else 12
        return bytes((self.proto[row],)) + bytes(self.buffer[at : at + width])

    def _refuse(self, row: int, verdict: int) -> bool:
        """No connection; the packet is lost."""
        self.handle[row], self.verdict[row], self.lookup[row] = NONE, verdict, MISSED
        return True

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
        return self._refuse(row, self.no_port)

    def _enter(self, row: int, opener: Opener, pair: Pair, port: int, now: int) -> None:
        """Into the tables, with the timer and the state that the first packet gives."""
        slots, dest = self.slots, pair.dest
        slot = self._occupy(row, opener, pair, now)
        self.table.enter(2 * slot, self.word0, self.word1, self.a, self.b, self.c, self.d)
        self._enter_answers(slot, opener, pair, port)
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
        self._settle(row, 2 * slot, pair.way, 0, kind, MISSED)

    def _occupy(self, row: int, opener: Opener, pair: Pair, now: int) -> int:
        """A slot, with the timer and the state that the first packet gives."""
        slots = self.slots
        slot = slots.take(pair.dest.id, opener.rank)
        slots.pair[slot], slots.state[slot], slots.limit[slot] = pair.number, opener.first_state, opener.limit
        fraction = 0
        if opener.jitter is not None:
            fraction = int(opener.jitter.one() * 1000000) * 1000
        slots.fraction[slot], slots.timeout[slot] = fraction, opener.first_timeout + fraction
        slots.last_use[slot], slots.armed[slot] = now, self._order(row)
        slots.delta[slot], slots.full[slot] = opener.delta, opener.kind
        if self.template >= 0:
            slots.control[slot] = self.template + 1
            slots.controlled[self.template] += 1
        self.timers.arm(slot, now + slots.timeout[slot])
        return slot

    def _count_in(self, row: int, opener: Opener, dest: Dest) -> None:
        """A new connection."""
        dest.conns += 1
        dest.inactconns += 1
        opener.census.opened()
        self.opened[row] = 1

    def _link_back(self, row: int, slot: int, opener: Opener, pair: Pair) -> None:
        """With what answers leave: with the MACs that the client's frame told, or on the slow path by their route."""
        slots, told = self.slots, self.slots.client[slot] - 1
        if not self._at_home(slot, pair):
            slots.met[slot] = AWAY
        if opener.fast and not opener.trail:
            slots.mac[2 * slot + 1], slots.back[slot] = told, told + 1
            return
        slots.mac[2 * slot + 1] = self._way_back(row, told)
        if opener.trail:
            slots.met[slot] |= TRAILS
            slots.trail[slot] = opener.trail

    def _way_back(self, row: int, told: int) -> int:
        """By route and neighbour towards the row's source: the same for all of a zone that came with these MACs, unless
        each is a next hop of its own, with a MAC that somebody knows."""
        place = NONE if self.six else self._zone(self.a) << 32 | told
        way = self.ways_back.get(place)
        if way is None:
            found: int = self.host.way_back(self.table_key(row), told)
            if place >= 0 and self.alike:
                self.ways_back[place] = found
            return found
        return way

    def _enter_answers(self, slot: int, opener: Opener, pair: Pair, port: int) -> None:
        """By what answers are found: to the local port, or to the client where it keeps its own end."""
        word0, word1, c, d = pair.word0, self.ports & 0xFFFF, pair.c, pair.d
        if not opener.keeps:
            word1 = port >> 8 | (port & 0xFF) << 8
        elif self.six:
            c, d = self.a, self.b
            word0 = self.table.mix(pair.a, pair.b, c, d)
        else:
            word0 |= self.a << 32
        word1 = word1 << 16 | pair.word1
        self.table.enter(2 * slot + 1, word0, word1, pair.a, pair.b, c, d)

    def _client(self, row: int) -> int:
        """With what goes back to where the row came from: most come from the same."""
        at = self.at[row]
        head, tail = self._u64(at), self._u32(at + 8)
        if self._client_entry < 0 or head != self._head or tail != self._tail or self.tag[row] != self._tag:
            self._head, self._tail, self._tag = head, tail, self.tag[row]
            self._client_entry = self.host.answering(self._macs(row))
        return self._client_entry

    def _at_home(self, slot: int, pair: Pair) -> bool:
        """Whether answers come in on the worker that has the connection; where, is remembered."""
        if not self.client_view:
            return True
        if pair.home < 0:
            home: bool = self.host.comes_home(slot)
            return home
        self.slots.home[slot] = pair.home
        return pair.at_home

    # --- an end ------------------------------------------------------------------------------------------------------

    def end(self, slot: int) -> bool:
        """The connection's time is up: it ends in silence, and gives back all it took (D 2.5); False: not so, for
        somebody is told, or asked it for a Conn."""
        slots, number = self.slots, self.slots.pair[slot]
        if number == 0 or (slots.made and slot in slots.made):
            return False
        pair: Pair = self.all_pairs[number]
        if slots.full[slot] == TEMPLATE:
            return self._end_template(slot, pair)
        active = slots.state[slot] == pair.opener.established
        if active and not pair.opener.direct:
            return False
        if pair.opener.jitter is not None:
            pair.opener.census.passed += 1  # drawn for every expiry
        port = (self.table.word(2 * slot + 1, 1) >> 16) & 0xFFFF
        if slots.full[slot] == SNAT:
            self.host.release(slot)
        self.table.remove(2 * slot)
        self.table.remove(2 * slot + 1)
        if active:
            pair.dest.actconns -= 1
        else:
            pair.dest.inactconns -= 1
        pair.dest.admit()
        if not pair.opener.keeps:
            pair.bucket.give((port & 0xFF) << 8 | port >> 8)
            pair.opener.cursor.counts[pair.place] -= 1
        if slots.control[slot]:
            slots.controlled[slots.control[slot] - 1] -= 1
        slots.free_slot(slot)
        pair.opener.census.closed()
        return True
