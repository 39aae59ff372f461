"""The simulated machine: its lcores, and the little they share (D 2.1, D 4.4).

An lcore owns its services, its connections and its local ports. Shared are the redirect table, the persistence
templates, the clock of the replay, and the list of frames on their way out.
"""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from lbreplay import memory
from lbreplay.burst import Made
from lbreplay.dpvs.acl import AccessControl
from lbreplay.dpvs.conn import INACTIVE, Conn, ConnTable, Templates
from lbreplay.dpvs.laddr import SockAddrPool
from lbreplay.dpvs.server import Servers
from lbreplay.loop.draws import Draws
from lbreplay.loop.names import ANYBODY, DIRECT, ORDERS, SNAT, STATES
from lbreplay.loop.real import Census, Dest
from lbreplay.loop.table import Table
from lbreplay.lvs.protocols import Protocol, protocols
from lbreplay.model import NANOSECOND, Service, Setup
from lbreplay.stack import Stack
from lbreplay.stack.neighbor import Addressed
from lbreplay.wire.packet import TCP

if TYPE_CHECKING:
    from lbreplay.dpvs.early import EarlyAnswers
    from lbreplay.model import Endpoint
    from lbreplay.verdict import Verdict
    from lbreplay.wire.packet import Packet


class Checks(typing.Protocol):
    """What a passive check of real servers hears of (D 10.5)."""

    def moved(self, conn: Conn, old: str, new: str) -> None: ...

    def expired(self, conn: Conn, state: str) -> None: ...


class Resolves(typing.Protocol):
    """What asks next hops for their MACs (S 4.9): frames leave through it, packets confirm what it knows."""

    def send(self, frame: Addressed, length: int, worker: int, own: bool) -> Verdict | None: ...

    def confirm(self, conn: Conn, side: int, packet: Packet) -> None: ...


TIMER_TICK = 1_000_000  # a timeout of 0 fires at the next tick of the 1000 Hz wheel (D 2.5)
NO_TABLE = 60 * NANOSECOND  # timeout of a protocol without a table (D 2.5)
ICMP_TIMEOUT = 300 * NANOSECOND  # of a packet's connection (D 9.2)


def before(frame: int) -> int:
    """The first place of a frame, by its number, in the order of arming: of timers that go off before it."""
    return frame * ORDERS


def itself(frame: int) -> int:
    """Its own first place."""
    return frame * ORDERS + ORDERS // 2


class Ownership(typing.Protocol):
    """Who owns which local port (nic/strategies)."""

    def ports(self, laddr: bytes, rank: int, low: int, high: int) -> Sequence[int]: ...

    def fits(self, rank: int, laddr: bytes, lport: int, peer: Endpoint, proto: int) -> bool: ...


class Watch(typing.Protocol):
    """What somebody who judges connections hears of: those of the plain path one by one; those that the loop ended, by
    slot, behind the burst. What the loop opens, it notes (loop/making.py)."""

    def opened(self, conn: Conn) -> None: ...

    def closed(self, conn: Conn) -> None: ...

    def ended(self, slots: list[int]) -> None: ...


class Finder:
    """One worker's connections by the key of an arriving packet."""

    def __init__(self, table: Table, rank: int) -> None:
        self._table, self._rank = table, rank

    def get(self, key: bytes) -> int | None:
        """The handle of *key*, the newest where several have it."""
        return self._table.get(key, self._rank)

    def __contains__(self, key: bytes) -> bool:
        return self.get(key) is not None


class Lcore(Census):
    """One forwarding worker: what it owns and what it counted."""

    def __init__(self, setup: Setup, rank: int, table: Table, ownership: Ownership) -> None:
        super().__init__()
        self.rank = rank
        self.find = Finder(table, rank)
        self.servers = Servers(setup, rank, len(setup.forwarding_workers))
        self._jittered = setup.conn.timer_jitter
        self.opening, self._ending = Draws(setup.seed, f"{rank}:open"), Draws(setup.seed, f"{rank}:end")
        self.pools = {address: _pool(setup, ownership, address, rank) for address in setup.local_addresses}
        self.counters: Counter[str] = Counter()  # the extended counters that move (D 13.3)

    @property
    def jitters(self) -> Draws | None:
        """What makes the fractions of new connections' timeouts; None where they are 0."""
        return self.opening if self._jittered else None

    def jitter(self) -> int:
        """A fraction of a second, in ns (D 2.5); 0 where the setting takes it out."""
        return int(self.opening.one() * 1_000_000) * 1000 if self._jittered else 0

    def jitter_again(self) -> int:
        """The fraction drawn anew when a timer went off (D 2.5)."""
        self._ending.skip(self.passed)
        self.passed = 0
        return int(self._ending.one() * 1_000_000) * 1000 if self._jittered else 0


def _pool(setup: Setup, ownership: Ownership, address: bytes, rank: int) -> SockAddrPool:
    pool = setup.sa_pool
    ports = ownership.ports(address, rank, pool.low, pool.high)
    fits = None
    if setup.flow_director.strategy == "rss-port":
        fits = partial(_fits, ownership, rank, address)
    return SockAddrPool(address, ports, pool.hash_size, fits)


def _fits(ownership: Ownership, rank: int, address: bytes, port: int, peer: Endpoint | None) -> bool:
    return peer is None or ownership.fits(rank, address, port, peer, TCP)


class Machine:
    """All lcores, their shared tables, the clock, and what is about to leave."""

    def __init__(self, setup: Setup, ownership: Ownership) -> None:
        self.setup: Setup = setup
        self.stack = Stack(setup)
        self.tuples = Table(setup.conn.table == "shared")
        self.table = ConnTable(self.tuples)
        self.timers = self.table.timers
        self.protocols = protocols(setup.behaviour)
        self.access = AccessControl(setup.services, setup.behaviour)
        self.lcores = [Lcore(setup, rank, self.tuples, ownership) for rank in range(len(setup.forwarding_workers))]
        self.dests: list[Dest | None] = []  # by id: every one that ever had a connection
        self.templates = Templates(self.table)
        self.early: EarlyAnswers | None = None  # client view: answers that came too early for a SYN proxy
        self.warnings: list[str] = []
        self.checks: Checks | None = None  # the passive check of real servers, where a service asks for it
        self.resolver: Resolves | None = None  # where next hops are asked for their MACs
        self.watches: list[Watch] = []
        self.stray = False  # a connection may live on another worker than its client's ordinary packets go to
        self.now = 0
        self.order = 0  # next place in the order of arming
        self.row = 0
        self.cause = 0  # frame number that what is sent now belongs to; 0: the balancer's own initiative
        self.out: list[Made] = []
        self._timeouts: dict[tuple[int, str], tuple[int, ...]] = {}
        self._limits: dict[tuple[int, str], int] = {}
        # timeouts by service and state, in ns
        self.limits = memory.full("q", (len(setup.services) + 1) * STATES, NO_TABLE)
        self._fill_limits()

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

    def _fill_limits(self) -> None:
        for row, service in enumerate(self.setup.services):
            protocol = self.protocols.get(service.protocol)
            if protocol is not None:
                timeouts = protocol.timeout(self.setup, service)
                self.limits[row * STATES : row * STATES + len(timeouts)] = memory.listed("q", timeouts)
                self._limits[service.protocol, service.name] = row

    def limit_of(self, service: Service) -> int:
        """The row of `limits` that a service's connections have."""
        return self._limits.get((service.protocol, service.name), len(self.setup.services))

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

    def hash(self, conn: Conn) -> None:
        """Enter both sides of a connection; with equal tuples the newest is found (D 2.1)."""
        for side, key in enumerate((conn.in_key, conn.out_key)):
            self.tuples.put(2 * conn.slot + side, key)
        for watch in self.watches:
            watch.opened(conn)

    def unhash(self, conn: Conn) -> None:
        """Take both sides out; an older connection that stood behind is found again."""
        for watch in self.watches:
            watch.closed(conn)
        for side, key in enumerate((conn.in_key, conn.out_key)):
            self.tuples.take(2 * conn.slot + side, key)

    def ended_in_silence(self, slots: list[int]) -> None:
        """The loop ended connections in a burst that is over; their slots stand yet."""
        for watch in self.watches:
            watch.ended(slots)

    def has(self, key: bytes) -> bool:
        """Whether some worker has a connection of this key."""
        return self.tuples.get(key, ANYBODY) is not None

    def owner(self, key: bytes) -> int | None:
        """The worker that the redirect table names for *key* (D 4.4): the newest whose mode enters that side: IN of
        SNAT, none of direct routing and tunnels, OUT of the others."""
        for handle in self.tuples.all(key) if self.setup.conn.redirect else ():
            full = self.table.full[handle >> 1]
            if full < DIRECT and (handle & 1) != (full == SNAT):
                rank: int = self.table.rank[handle >> 1]
                return rank
        return None

    def remember(self, dest: Dest) -> None:
        """A real server has a connection: it is found by its number."""
        self.dests += [None] * (dest.id + 1 - len(self.dests))
        self.dests[dest.id] = dest
