"""A replay that stops before a frame, to look at the tables just before and just after it is handled.

Everything up to the frame goes the ordinary way. The frame then travels in a burst of its own, with its story told, so
that stopping never changes a result. Tables, candidates and ports are looked at in the dpvs profile only.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from lbreplay.burst import PAD, RECORD, Burst
from lbreplay.dpvs.conn import ONE_PACKET
from lbreplay.dpvs.server import VirtualServer
from lbreplay.dpvs.story import Story
from lbreplay.errors import CaptureError
from lbreplay.journey import Replay
from lbreplay.model import Setup
from lbreplay.trace import Told
from lbreplay.wire import icmp
from lbreplay.wire.capture import open_capture
from lbreplay.wire.packet import ICMP, ICMPV6, Packet


def part(burst: Burst, start: int, stop: int) -> Burst:
    """Rows *start* to *stop* as a burst of their own; the bytes are shared."""
    rows = slice(start, stop)
    some = Burst.of(
        burst.first + start, burst.buffer, burst.at[rows], burst.caplen[rows], burst.length[rows], burst.time_ns[rows]
    )
    if "interface" in vars(burst):
        some.interface = burst.interface[rows]
    return some


def lone(frame: bytes, n: int, time_ns: int) -> Burst:
    """A burst of one frame, numbered *n*."""
    buffer = np.frombuffer(bytes(RECORD) + frame + bytes(PAD), np.uint8).copy()
    size = np.array([len(frame)])
    return Burst.of(n, buffer, np.array([RECORD]), size, size.copy(), np.array([time_ns]))


class Before(NamedTuple):
    """What stood in the tables before a packet was handled."""

    tables: list[dict[str, Any]]  # by worker: conn (number or None), side
    redirect: int | None  # rank that the redirect table names
    deadline_ns: int | None  # of the connection that has it
    state: int  # of that connection, -1: none
    scheduling: dict[str, tuple[dict[str, int], list[dict[str, Any]]]]  # by service: scheduler's numbers, candidates
    free: dict[bytes, int]  # local address -> ports its worker has free, over all buckets


class Left(NamedTuple):
    """A frame that left because of another one; `n` is its number in OUT."""

    n: int
    frame: bytes
    worker: int
    own: bool


class Shot(NamedTuple):
    """One frame handled: `burst` has it as its only row. `packet` is what the balancer received."""

    burst: Burst
    frame: bytes  # as captured
    packet: Packet
    story: Story
    before: Before | None  # None: no worker saw it
    trials: list[tuple[bytes, int | None]]  # local address, port or None
    left: list[Left]


class Probe:
    """A replay of *path* under *setup*. A context manager."""

    def __init__(self, setup: Setup, path: str) -> None:
        self.path = path
        self._source = open_capture(path, setup.several)
        self.run = Replay(setup, self._source, None, None)
        self._bursts = self._source.lent(setup.burst_size)
        self._rest: Burst | None = None
        self._written = 0
        self._looking = setup.profile == "dpvs"
        self._before: Before | None = None
        self._packet: Packet | None = None

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._source.__exit__(kind, error, _)

    def shoot(self, n: int) -> Shot:
        """Go on to frame *n* and handle it. CaptureError where there is none."""
        return self._handle(self._seek(n))

    def _handle(self, burst: Burst) -> Shot:
        """The only row of *burst*, with its story."""
        n, frame, written = burst.first, burst.frame(0), self._written
        trials = self._listen()
        self._journey(burst)
        self._last = burst
        story = self._stories[0]
        self._deafen()
        packet = self._packet or story.packet or Packet(frame, int(burst.length[0]), int(burst.time_ns[0]), n)
        return Shot(burst, frame, packet, story, self._before, trials, _left(burst, n, written))

    def pass_by(self, n: int) -> tuple[Burst, Any]:
        """Go on to frame *n* and handle it, looking at nothing else: the burst of it alone, and its story."""
        burst = self._seek(n)
        stories = self._told()
        self._journey(burst)
        self._untold()
        return burst, stories[0]

    def tell(self, n: int) -> tuple[bytes, Any, dict[str, Any]]:
        """Go on to frame *n* and handle it: its bytes as captured, its story, and its line of the trace."""
        burst = self._seek(n)
        frame, told = burst.frame(0), Told(self.run.setup, self._written)
        stories = self._told()
        self._journey(burst)
        *_, line = told.lines(burst, self.run.balancer, self.run.nic)
        self._untold()
        return frame, stories[0], line

    def shoot_made(self, frame: bytes, after_ns: int) -> Shot:
        """Handle a frame that nobody captured, *after_ns* behind the last one. No frame of the capture may follow."""
        last = self._last
        return self._handle(lone(frame, last.first + 1, int(last.time_ns[-1]) + after_ns))

    def _seek(self, n: int) -> Burst:
        """Frame *n* alone; all before it are handled."""
        while (burst := self._next()) is not None:
            row = n - burst.first
            if row < 0:
                break
            if row >= burst.size:
                self._journey(burst)
                continue
            burst = burst.copy()  # its parts are looked at when others have been lent its memory
            if row:
                self._journey(part(burst, 0, row))
            self._rest = part(burst, row + 1, burst.size) if row + 1 < burst.size else None
            return part(burst, row, row + 1)
        raise CaptureError(f"{self.path}: frame {n}: 1 to {self._source.frames} expected")

    def _next(self) -> Burst | None:
        rest, self._rest = self._rest, None
        return rest if rest is not None else next(self._bursts, None)

    def _journey(self, burst: Burst) -> None:
        self.run.journey(burst)
        self._written += len(burst.made) + int(np.count_nonzero(burst.leaving))

    def _listen(self) -> list[tuple[bytes, int | None]]:
        """Have the next story told; the trials of local addresses come into the list."""
        trials: list[tuple[bytes, int | None]] = []
        self._before = self._packet = None
        self._stories = self._told()
        if self._looking:
            self.run.balancer.path.watch = self._look
            self._hear(lambda laddr, port: trials.append((laddr, port)))
        return trials

    def _told(self) -> dict[int, Any]:
        """The stories of the rows of the next burst, which all take the plain path."""
        stories: dict[int, Any] = {}
        self.run.balancer.stories, self.run.balancer.plainly = stories, True
        return stories

    def _untold(self) -> None:
        self.run.balancer.stories, self.run.balancer.plainly = None, False

    def _deafen(self) -> None:
        self._untold()
        if self._looking:
            self.run.balancer.path.watch = None
            self._hear(None)

    def _hear(self, heard: Callable[[bytes, int | None], None] | None) -> None:
        for lcore in self.run.balancer.machine.lcores:
            for server in lcore.servers.by_name.values():
                server.laddrs.heard = heard

    # --- of either profile -------------------------------------------------------------------------------------

    @property
    def first_ns(self) -> int:
        """Time of the first frame."""
        return self._source.first_ns

    def is_alive(self, conn: Any) -> bool:
        """Whether a connection is still found."""
        if self._looking:
            return self.run.balancer.machine.table.conns[conn.slot] is conn and not conn.flags & ONE_PACKET
        return bool(conn.hashed)

    def due_ns(self, conn: Any) -> int:
        """When it ends, if nothing comes."""
        if not self._looking:
            return int(conn.due)
        table = self.run.balancer.machine.table
        return int(table.last_use[conn.slot] + table.timeout[conn.slot])

    def states(self, story: Any) -> tuple[str, str]:
        """Names of the states of its connection before and after a frame, "" where there is none."""
        if not self._looking:
            return str(story.before or ""), str(story.after or "")
        protocol = self.run.balancer.machine.protocols.get(story.conn.proto) if story.conn is not None else None
        names = protocol.states if protocol is not None else ()
        before, after = (names[s].upper() if 0 <= s < len(names) else "" for s in (story.before, story.after))
        return before, after

    def tell_ends(self, ended: dict[int, int]) -> None:
        """Put the time into *ended*, by number, when a connection ends: of the kernel's, which may end early."""
        if self._looking:
            return
        parts = self.run.balancer.parts

        def told(conn: Any) -> None:
            ended[conn.number] = parts.clock.now

        parts.conns.listen(told)

    # --- what stands in the tables ---------------------------------------------------------------------------

    def _look(self, packet: Packet) -> None:
        """Called when *packet* is about to be handled."""
        machine = self.run.balancer.machine
        self._packet = Packet(packet.frame, packet.length, packet.time_ns, packet.n, 0, packet.worker)
        self._packet.port = packet.port
        self._packet = self._packet.within()
        key = looked_up(self._packet)
        holders = {x.rank: handle for x in machine.lcores if (handle := x.find.get(key)) is not None}
        slot = next(iter(holders.values())) >> 1 if holders else -1
        lcore = machine.lcores[packet.worker]
        self._before = Before(
            [self._holding(x.rank, holders.get(x.rank)) for x in machine.lcores],
            machine.owner(key),
            machine.table.last_use[slot] + machine.table.timeout[slot] if holders else None,
            machine.table.state[slot] if holders else -1,
            {name: (numbers(s.scheduler), candidates(s)) for name, s in lcore.servers.by_name.items()},
            {laddr: pool.free for laddr, pool in lcore.pools.items()},
        )

    def _holding(self, rank: int, handle: int | None) -> dict[str, Any]:
        if handle is None:
            return {"worker": rank, "conn": None, "side": None}
        conn = self.run.balancer.machine.table.conns[handle >> 1]
        assert conn is not None, "what is found is live"
        return {"worker": rank, "conn": conn.number, "side": ("in", "out")[handle & 1]}


def _left(burst: Burst, n: int, written: int) -> list[Left]:
    """What left because of frame *n*, the only row of *burst*; *written* frames left before it."""
    made = enumerate(burst.made, written + 1)
    left = [Left(number, one.frame, one.worker, one.own) for number, one in made if one.cause == n]
    if burst.leaving[0]:
        left.append(Left(written + len(burst.made) + 1, burst.frame(0), int(burst.owner[0]), False))
    return left


def looked_up(packet: Packet) -> bytes:
    """The key a worker's table is asked for: an ICMP error's is the one of the packet it quotes, turned round, also
    where the quote is too short for the balancer."""
    if packet.proto in (ICMP, ICMPV6) and packet.l4_there:
        quoted = icmp.quoted_key(packet.l3, packet.l4_at)
        if quoted is not None:
            return quoted
        ports = icmp.flow_ports(packet.proto, packet.l3[packet.l4_at :])
        if ports is not None:
            key = packet.key
            return key[:-4] + ports[0].to_bytes(2) + ports[1].to_bytes(2)
    return packet.key


def numbers(scheduler: object) -> dict[str, int]:
    """A scheduler's own numbers: cursor, threshold and the like, by name."""
    own = {name.strip("_"): value for name, value in vars(scheduler).items() if type(value) is int}
    return getattr(scheduler, "numbers", {}) | own


def candidates(server: VirtualServer) -> list[dict[str, Any]]:
    """The real servers of one worker's copy of a service, in the order of its list."""
    return [
        {
            "real": str(dest.real),
            "weight": dest.weight,
            "actconns": dest.actconns,
            "inactconns": dest.inactconns,
            "conns": dest.conns,
            "max_conn": dest.max_conn,
            "valid": dest.valid,
        }
        for dest in server.dests
    ]
