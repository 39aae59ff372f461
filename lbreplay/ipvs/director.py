"""The director: every row of a burst, in capture order, through the kernel's IPVS. The shape of `dpvs/balancer.py`.

The loop (loop/kernel.py) takes ordinary rows by itself, and comes back with what needs words: a packet for the plain
path (`path.py`), or an event. Before a row: timers due at or before its time, then events of that time. Who looks on
(a trace, an annotated capture) has the rows of the loop told by columns, and those of the plain path by their stories.
`plainly`, every row takes the plain path, and the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lbreplay.burst import Burst
from lbreplay.ipvs.compile import Compiler
from lbreplay.ipvs.dest import Dest
from lbreplay.ipvs.events import Events
from lbreplay.ipvs.listing import listing
from lbreplay.ipvs.parts import Parts, Story
from lbreplay.ipvs.path import Path
from lbreplay.ipvs.service import VirtualService
from lbreplay.ipvs.states import NAMES
from lbreplay.ipvs.view import View
from lbreplay.loop.names import CLOCK, NONE, PLAIN, STATES
from lbreplay.loop.passing import Fate
from lbreplay.loop.ways import Way
from lbreplay.lvs.detour import Detours
from lbreplay.model import Setup
from lbreplay.verdict import Verdict
from lbreplay.wire.packet import TCP, UDP, Packet

LOOKUP = {"": 0, "in": 1, "out": 2, "miss": 3}  # codes of column `lookup`
TAKEN_AS_TRACKED = (
    "connection tracking is taken as in use because ipvs.conntrack = 1, as firewall rules of that age had it; "
    "ipvs.tracking = false if none looks at it"
)
MOST = 1 << 16  # kinds of packets that pass, remembered at once
COUNTED = ("conns", "inpkts", "inbytes", "outpkts", "outbytes")  # in the order of interface 5
LIVE = ("actconns", "inactconns", "persistconns")


class Director:
    """One kernel with its services, for one run."""

    def __init__(self, setup: Setup) -> None:
        self.parts = Parts(setup)
        for service in setup.services:
            self.parts.services.add(service)
        self.path = Path(self.parts)
        self.view = View(self.parts)
        self.events = Events(self.parts)
        self.compiler = Compiler(self.parts, self.view.virtual)
        self.loop, self.detours = self.compiler.loop, Detours()
        self.ends_table = None  # of ends of connections: courses have them
        self.plainly = False  # every row takes the plain path
        self.stories: dict[int, Story] | None = None  # of the plain rows of a burst, where somebody looks on
        self.reasons: list[list[str]] = [[]]  # by number, as column `reason` has them
        self._started = False

    def balance(self, burst: Burst) -> None:
        """Give every row its verdict, and put what leaves into `burst.made`."""
        if not self._started and burst.size:
            self._started = True
            self.start(int(burst.time_ns[0]))
        burst.worker.fill(0)
        burst.owner.fill(0)
        if self.stories is not None:
            self.stories.clear()
        self.parts.net.out = burst.made
        self.loop.bind(burst)
        row = self._next(burst, 0)
        while row < burst.size:
            if self.loop.why == CLOCK:
                self.parts.net.row, self.parts.net.cause = row, 0
                self.advance(int(burst.time_ns[row]))
            else:
                self._plain(burst, row)
                row += 1
            row = self._next(burst, row)

    def _next(self, burst: Burst, row: int) -> int:
        """The next row from *row* on that the loop does not take."""
        if not self.plainly:
            return self.loop.run(row, burst.size, min(self.events.next_ns, self.parts.estimator.next_ns))
        self.loop.why, self.loop.reason = PLAIN, Way.TOLD
        return row

    def start(self, first_ns: int) -> None:
        """The first frame comes at *first_ns*: events before it happen, the second hand starts."""
        self.parts.clock.now = first_ns
        self.events.start(first_ns)
        self.parts.defence.start()
        self.parts.estimator.start(first_ns)

    def _plain(self, burst: Burst, row: int) -> None:
        """One row as a packet of its own."""
        self.detours.note(burst, row, self.loop.reason)
        now, n = int(burst.time_ns[row]), burst.first + row
        net = self.parts.net
        net.row, net.cause = row, 0
        self.advance(now)
        net.cause = n
        asked, made = self.loop.asked, len(burst.made)
        story = self.parts.story = Story()
        story.packet = Packet(burst.frame(row), int(burst.length[row]), now, n, row)
        seen = self.view.judge(story.packet)
        if isinstance(seen, Verdict):
            burst.worker_index[row] = -1
            burst.verdict[row] = seen
        else:
            burst.verdict[row] = self.path.handle(seen)
            burst.lookup[row] = LOOKUP[story.lookup]
        if self.stories is not None:
            self.stories[row] = story
        if asked >= 0:
            self._remember(burst, row, asked, len(burst.made) - made)
        self.compiler.learned()

    def _remember(self, burst: Burst, row: int, asked: int, left: int) -> None:
        """What became of a packet that passed, if nothing *left* but itself: the loop does the same with the next."""
        story, verdict, entry = self.parts.story, int(burst.verdict[row]), NONE
        assert story.packet is not None, "it was judged"
        if verdict == Verdict.FORWARDED_PLAIN and left == 1:
            entry = self.compiler.transit(story.packet.dst)
        if left != (entry >= 0) or story.conn is not None or burst.worker_index[row] < 0:
            return
        if len(self.loop.fates) >= MOST:
            self.loop.forget()
        self.loop.remember(asked, Fate(verdict, LOOKUP[story.lookup], self._reason(story.reasons), entry))

    def _reason(self, reasons: list[str]) -> int:
        """The number of what is told beside a verdict."""
        if reasons not in self.reasons:
            self.reasons.append(reasons)
        return self.reasons.index(reasons)

    def advance(self, now: int) -> None:
        """Everything due at or before *now*, in order: timers before events of the same time."""
        clock, estimator = self.parts.clock, self.parts.estimator
        if now >= estimator.next_ns:
            estimator.reach(now)
        while self.events.next_ns <= now:
            at = self.events.next_ns
            clock.advance(at)
            clock.now = max(clock.now, at)
            self.events.apply()
            self.compiler.rebuild()
        clock.advance(now)
        clock.now = max(clock.now, now)

    # --- what is left at the end -----------------------------------------------------------------------------

    def gauges(self) -> dict[str, Any]:
        """Connections, and the counters of services (interface 5, L 16)."""
        conns = self.parts.conns
        live = {"created": conns.created, "expired": conns.expired, "active": len(conns), "peak": conns.peak}
        return {
            "workers": [{"conns": live}],
            "services": [_service(service) for service in self.parts.services.by_name.values()],
            "kernel": self._figures(),
            "warnings": [TAKEN_AS_TRACKED] if self.parts.tracking.taken_for_granted else [],
            "plain": self.detours.table(),
            "listing": lambda: listing(self.parts),
        }

    def _figures(self) -> dict[str, Any]:
        """The connection table, its locks and its longest chain; what defences took; what a backup would be sent."""
        conns = self.parts.conns
        chains = np.bincount(conns.buckets())
        return {
            "edition": self.parts.edition.name,
            "table": {
                "buckets": conns.size,
                "used": int(np.count_nonzero(chains)),
                "longest": int(chains.max(initial=0)),
                "locks": self.parts.edition.locks,
            },
            "dropped_entries": self.parts.defence.dropped_entries,
            "sync": self.parts.sync.counters,
        }

    def rewrite(self, burst: Burst) -> None:
        """Rewrite the rows that leave in place."""
        self.compiler.rewrite(burst)

    def states(self) -> Iterator[list[str]]:
        """What the trace tells of states: of TCP and of UDP, by the one before and the one behind."""
        for proto in (TCP, UDP):
            names = [*NAMES[proto], *[""] * (STATES - len(NAMES[proto]))]
            yield from ([before, after] for before in names for after in names)

    def ends(self, known: int) -> list[tuple[str, str | None]]:
        """The service and the real server of connections by column `service`, from the *known*-th on."""
        return [(course.service.service.name, str(course.real)) for course in self.compiler.courses[known:]]

    def party(self, burst: Burst, row: int) -> tuple[str, str]:
        """The service and the real server of a row that the loop took, where it notes them."""
        course = self.compiler.courses[burst.service[row]]
        return course.service.service.name, str(course.real)

    def connection(self, story: Story) -> dict[str, Any]:
        """What the trace tells of a packet's connection."""
        conn = story.conn
        if conn is None:
            return {"conn": None, "new": False, "state": None, "service": None, "real": None, "laddr": None}
        return {
            "conn": conn.number,
            "new": story.new,
            "state": [story.before, story.after] if story.before else None,
            "service": conn.service.service.name if conn.service is not None else None,
            "real": str(conn.real),
            "laddr": None,
        }


def _service(service: VirtualService) -> dict[str, Any]:
    return {
        "service": service.service.name,
        "scheduler": service.service.scheduler,
        "mode": service.service.mode,
        **{name: getattr(service.counts, name) for name in COUNTED},
        "reals": [_real(dest) for dest in reversed(service.dests)],
        "laddrs": [],
    }


def _real(dest: Dest) -> dict[str, Any]:
    return {
        "address": str(dest.real.endpoint),
        "weight": dest.weight,
        "conns": dest.conns,
        **{name: getattr(dest, name) for name in LIVE},
        **{name: getattr(dest, name) for name in COUNTED[1:]},
    }
