"""The simulated machine: its lcores, and the little they share (D 2.1, D 4.4).

An lcore owns its services, its connections and its local ports. Shared are the redirect table, the persistence
templates, the clock of the replay, and the list of frames on their way out.
"""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I64, Made
from lbreplay.model import NANOSECOND, Service, Setup
from lbreplay.stack import Stack
from lbreplay.stack.neighbor import Addressed
from lbreplay.vs.acl import AccessControl
from lbreplay.vs.conn import INACTIVE, TEMPLATE, Conn, ConnTable
from lbreplay.vs.draws import Draws
from lbreplay.vs.index import ConnIndex, Finder
from lbreplay.vs.laddr import PortBook, SockAddrPool
from lbreplay.vs.plans import Pairs
from lbreplay.vs.protocols import Protocol, protocols
from lbreplay.vs.server import Dest, Servers
from lbreplay.vs.tally import Tally
from lbreplay.vs.timers import Timers
from lbreplay.wire.packet import TCP

if TYPE_CHECKING:
    from lbreplay.model import Endpoint
    from lbreplay.verdict import Verdict
    from lbreplay.vs.early import EarlyAnswers
    from lbreplay.vs.resolve import Resolver


class Checks(typing.Protocol):
    """What a passive check of real servers hears of (D 10.5)."""

    def moved(self, conn: Conn, old: str, new: str) -> None: ...

    def expired(self, conn: Conn, state: str) -> None: ...


TIMER_TICK = 1_000_000  # a timeout of 0 fires at the next tick of the 1000 Hz wheel (D 2.5)
NO_TABLE = 60 * NANOSECOND  # timeout of a protocol without a table (D 2.5)
ICMP_TIMEOUT = 300 * NANOSECOND  # of a packet's connection (D 9.2)
ORDERS = 256  # places in the order of arming that a frame has: timers before it take the first half, itself the second


def before(frames: Any) -> Any:
    """The first place of frames, by their numbers, in the order of arming: of timers that go off before them."""
    return frames * ORDERS


def itself(frames: Any) -> Any:
    """Their own first place."""
    return frames * ORDERS + ORDERS // 2


class Ownership(typing.Protocol):
    """Who owns which local port (nic/strategies)."""

    def ports(self, laddr: bytes, rank: int, low: int, high: int) -> Sequence[int]: ...

    def fits(self, rank: int, laddr: bytes, lport: int, peer: Endpoint, proto: int) -> bool: ...


class Watch(typing.Protocol):
    """What somebody who judges connections hears of."""

    def opened(self, conn: Conn) -> None: ...

    def closed(self, conn: Conn) -> None: ...


class Lcore:
    """One forwarding worker: what it owns and what it counted."""

    def __init__(
        self, setup: Setup, rank: int, find: Finder, ownership: Ownership, ports: PortBook, tally: Tally
    ) -> None:
        self.rank = rank
        self.find = find  # key of an arriving packet -> handle
        self.older: dict[bytes, list[int]] = {}  # handles behind those, where connections have equal tuples
        self.servers = Servers(setup, rank, len(setup.forwarding_workers))
        self._jittered = setup.conn.timer_jitter
        self._passed = 0  # draws of `_ending` that nobody needs and that are still to come
        self._opening, self._ending = Draws(setup.seed, f"{rank}:open"), Draws(setup.seed, f"{rank}:end")
        self.pools = {address: _pool(setup, ownership, address, rank, ports) for address in setup.local_addresses}
        self.created = self.expired = self.active = self.peak = 0
        self.tally = tally
        tally.lcores.append(self)
        self.counters: Counter[str] = Counter()  # the extended counters that move (D 13.3)

    def opened(self) -> None:
        """Count a new connection."""
        self.created += 1
        self.active += 1
        self.peak = max(self.peak, self.active)

    def closed(self, order: int) -> None:
        """Count an end, at its place in the order."""
        if self.tally.waits:
            self.tally.ended(np.array([self.rank]), np.array([order]))
        else:
            self.expired += 1
            self.active -= 1

    def jitter(self) -> int:
        """A fraction of a second, in ns (D 2.5); 0 where the setting takes it out."""
        return int(self._opening.one() * 1_000_000) * 1000 if self._jittered else 0

    def draws(self, count: int) -> Any:
        """What makes the next *count* fractions, see `jitters`."""
        return self._opening.many(count) if self._jittered else np.zeros(count)

    def jitter_again(self) -> int:
        """The fraction drawn anew when a timer went off (D 2.5)."""
        if self._passed:
            self._ending.many(self._passed)
            self._passed = 0
        return int(self._ending.one() * 1_000_000) * 1000 if self._jittered else 0

    def pass_over(self, count: int) -> None:
        """As many draws of `jitter_again` that nobody needs."""
        self._passed += count if self._jittered else 0


def jitters(draws: Any) -> I64:
    """The fractions of *draws*."""
    fractions: I64 = (draws * 1_000_000).astype(np.int64) * 1000
    return fractions


def _pool(setup: Setup, ownership: Ownership, address: bytes, rank: int, book: PortBook) -> SockAddrPool:
    pool = setup.sa_pool
    ports = ownership.ports(address, rank, pool.low, pool.high)
    fits = None
    if setup.flow_director.strategy == "rss-port":
        fits = partial(_fits, ownership, rank, address)
    return SockAddrPool(address, ports, pool.hash_size, fits, book)


def _fits(ownership: Ownership, rank: int, address: bytes, port: int, peer: Endpoint | None) -> bool:
    return peer is None or ownership.fits(rank, address, port, peer, TCP)


class Machine:
    """All lcores, their shared tables, the clock, and what is about to leave."""

    def __init__(self, setup: Setup, ownership: Ownership) -> None:
        self.setup = setup
        self.stack = Stack(setup)
        self.table = ConnTable()
        self.index = ConnIndex()
        self.protocols = protocols(setup.behaviour)
        self.access = AccessControl(setup.services, setup.behaviour)
        self.timers = Timers(self.table)
        shared = Finder(self.index, self.table, None) if setup.conn.table == "shared" else None
        self._anywhere = Finder(self.index, self.table, None)
        ranks = range(len(setup.forwarding_workers))
        finders = [shared or Finder(self.index, self.table, rank) for rank in ranks]
        self.ports, self.tally = PortBook(), Tally()
        self.lcores = [Lcore(setup, rank, finders[rank], ownership, self.ports, self.tally) for rank in ranks]
        self.dests: dict[int, Dest] = {}  # by id: every one that ever had a connection
        self.pairs = Pairs(self.dests)
        if shared is not None:
            for lcore in self.lcores:
                lcore.older = self.lcores[0].older
        self.redirect: dict[bytes, int] = {}  # key -> rank of the owner
        self._redirect_older: dict[bytes, list[int]] = {}
        self.templates: dict[bytes, Conn] = {}
        self.early: EarlyAnswers | None = None  # client view: answers that came too early for a SYN proxy
        self.warnings: list[str] = []
        self.checks: Checks | None = None  # the passive check of real servers, where a service asks for it
        self.resolver: Resolver | None = None  # where next hops are asked for their MACs
        self.watch: Watch | None = None
        self.listened = False  # somebody hears of every connection: each is opened by the plain path
        self.stray = False  # a connection may live on another worker than its client's ordinary packets go to
        self.first_ns = 0  # time of the first frame
        self.now = 0
        self.order = 0  # next place in the order of arming
        self.row = 0
        self.cause = 0  # frame number that what is sent now belongs to; 0: the balancer's own initiative
        self.out: list[Made] = []
        self._timeouts: dict[tuple[int, str], tuple[int, ...]] = {}
        self._limits: dict[tuple[int, str], int] = {}
        self.limits = np.full((len(setup.services) + 1, 16), NO_TABLE)  # timeouts by service and state, in ns
        self.shortest_timeout = self._fill_limits()

    def send(self, frame: bytes, length: int, worker: int, own: bool) -> Verdict | None:
        """Put a frame on its way out, at the clock's time, before what the present row sends itself. Where its next hop
        must be asked first, says what becomes of the frame."""
        if self.resolver is not None and isinstance(frame, Addressed):
            return self.resolver.send(frame, length, worker, own)
        self.out.append(Made(self.row, self.now, frame, length, self.cause, worker, own))
        return None

    def warn(self, sentence: str) -> None:
        """Say *sentence* at the end of the run, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    # --- states and timers -----------------------------------------------------------------------------------

    def _fill_limits(self) -> int:
        """Make `limits`; the shortest timeout of all."""
        for row, service in enumerate(self.setup.services):
            protocol = self.protocols.get(service.protocol)
            if protocol is not None:
                timeouts = protocol.timeout(self.setup, service)
                self.limits[row, : len(timeouts)] = timeouts
                self._limits[service.protocol, service.name] = row
        return int(self.limits.min())

    def limit_of(self, service: Service) -> int:
        """The row of `limits` that a service's connections have."""
        return self._limits.get((service.protocol, service.name), len(self.limits) - 1)

    def timeouts(self, conn: Conn) -> tuple[int, ...] | None:
        """Timeouts of a connection by state, in ns; None where its protocol has no table."""
        protocol = self.protocols.get(conn.proto)
        if protocol is None:
            return None
        key = conn.proto, conn.server.service.name
        found = self._timeouts.get(key)
        if found is None:
            found = self._timeouts[key] = protocol.timeout(self.setup, conn.server.service)
        return found

    def state_timeout(self, conn: Conn) -> int:
        """The timeout that the present state asks for, without the fraction (D 2.5)."""
        timeouts = self.timeouts(conn)
        return NO_TABLE if timeouts is None else timeouts[self.table.state[conn.slot]]

    def state_name(self, conn: Conn) -> str:
        """The present state, as the configuration spells its timeout; "" without a table."""
        protocol = self.protocols.get(conn.proto)
        state: int = self.table.state[conn.slot]
        return protocol.states[state] if protocol is not None else ""

    def changed(self, conn: Conn, old: int, new: int, protocol: Protocol) -> None:
        """Move from state *old* to *new*: its timeout, and the counts of active and inactive connections (D 5.2)."""
        slot = conn.slot
        self.table.state[slot] = new
        self.set_timeout(conn, self.state_timeout(conn))
        if self.checks is not None and conn.server.service.dest_check:
            self.checks.moved(conn, protocol.states[old], protocol.states[new])
        if "established" not in protocol.states:
            return
        active, dest = protocol.states[new] == "established", conn.dest
        if active and conn.flags & INACTIVE:
            conn.flags &= ~INACTIVE
            dest.activate(1)
        elif not active and not conn.flags & INACTIVE:
            conn.flags |= INACTIVE
            dest.activate(-1)

    def ended(self, conn: Conn) -> None:
        """A connection expires: what its state says of the real server (D 10.5)."""
        protocol = self.protocols.get(conn.proto)
        if self.checks is not None and conn.server.service.dest_check and protocol is not None:
            self.checks.expired(conn, protocol.states[self.table.state[conn.slot]])

    def set_timeout(self, conn: Conn, seconds_ns: int) -> None:
        """Change the whole seconds of a timeout; the fraction drawn at creation stays (D 2.5)."""
        self.table.timeout[conn.slot] = seconds_ns + self.table.fraction[conn.slot]

    def touch(self, conn: Conn) -> None:
        """Put a connection back after use: its timer starts anew (D 1.5)."""
        slot = conn.slot
        self.table.last_use[slot] = self.now
        self.table.armed[slot] = self.order
        self.order += 1
        self.timers.arm(slot, self.now + self.table.timeout[slot])

    def kill(self, conn: Conn) -> None:
        """Let a connection expire at the next tick."""
        self.table.timeout[conn.slot] = TIMER_TICK
        self.touch(conn)

    # --- the tables --------------------------------------------------------------------------------------------

    def known_to_any(self, key: bytes) -> bool:
        """Whether some worker has a connection of *key*: one look into the index, however many workers there are."""
        finds = [lcore.find for lcore in self.lcores if key in lcore.find.own or key in lcore.find.fresh]
        return any(key in find for find in finds) or key in self._anywhere

    def hash(self, conn: Conn) -> None:
        """Enter both sides of a connection; with equal tuples the newest is found (D 2.1)."""
        lcore = self.lcores[conn.rank]
        for side, key in enumerate((conn.in_key, conn.out_key)):
            _push(lcore.find.own, lcore.older, key, 2 * conn.slot + side)
            self.index.enter(2 * conn.slot + side, key)
        if self.watch is not None:
            self.watch.opened(conn)
        shared = self.redirect_key(conn)
        if shared is not None:
            _push(self.redirect, self._redirect_older, shared, conn.rank)

    def unhash(self, conn: Conn) -> None:
        """Take both sides out; an older connection that stood behind is found again."""
        self.index.forget(conn.slot)
        if self.watch is not None:
            self.watch.closed(conn)
        lcore = self.lcores[conn.rank]
        for side, key in enumerate((conn.in_key, conn.out_key)):
            _pull(lcore.find.own, lcore.older, key, 2 * conn.slot + side)
        shared = self.redirect_key(conn)
        if shared is not None:
            _pull(self.redirect, self._redirect_older, shared, conn.rank)

    def redirect_key(self, conn: Conn) -> bytes | None:
        """Under which key other workers find the owner (D 4.4); None where they don't."""
        if not self.setup.conn.redirect or conn.flags & TEMPLATE:
            return None
        return {"out": conn.out_key, "in": conn.in_key, "": None}[conn.mode.redirected_side]


def _push(table: dict[bytes, int], older: dict[bytes, list[int]], key: bytes, value: int) -> None:
    """Enter *value*; with equal keys the newest is found (D 2.1)."""
    beneath = table.get(key)
    if beneath is not None:
        older.setdefault(key, []).append(beneath)
    table[key] = value


def _pull(table: dict[bytes, int], older: dict[bytes, list[int]], key: bytes, value: int) -> None:
    """Take *value* out, wherever it stands among those of its key."""
    beneath = older.get(key, [])
    if table.get(key) != value:
        older[key] = beneath = [other for other in beneath if other != value]
    elif beneath:
        table[key] = beneath.pop()
    else:
        del table[key]
    if not beneath:
        older.pop(key, None)
