"""The balancer: every row of a burst, on the lcore that steering chose.

THE ordered loop is here (`_ordered`). Before a row: timers due at or before its time, then events of that time
(interface 4). Most rows only step a connection of their own; they wait and are taken in waves (`columns.py`). First
packets open connections, many at once where they may (`bulk.py`), else in the loop (`opener.py`). Every other row
takes the plain path (`path.py`). With stories kept (a trace), every row does, and the bytes are the same.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import numpy as np

from lbreplay.burst import I64, Burst
from lbreplay.model import Setup
from lbreplay.verdict import Verdict
from lbreplay.vs.bulk import NOBODY, Bulk, Rush
from lbreplay.vs.columns import NONE, Columns, Reverse
from lbreplay.vs.events import Events
from lbreplay.vs.links import Links
from lbreplay.vs.machine import Machine, Ownership, before, itself
from lbreplay.vs.opener import NOT_HERE, REFUSED, Openers
from lbreplay.vs.path import PURE, Path, Story
from lbreplay.vs.view import Steer, View
from lbreplay.vs.waves import NO_CHANGES
from lbreplay.wire.packet import SYN, UDP
from lbreplay.wire.rewrite import Leaving

SHORT = 128  # rows of a segment below which columns gain nothing over one row after the other
LOOKUP = {"": 0, "in": 1, "out": 2, "miss": 3}  # codes of column `lookup`


class Balancer:
    """All virtual servers on all lcores. Who owns which local port and where answers land is the NIC's to say."""

    def __init__(self, setup: Setup, ownership: Ownership, steer: Steer, reverse: Reverse) -> None:
        self.setup = setup
        self.machine = Machine(setup, ownership)
        self.path = Path(self.machine)
        self.view = View(self.machine, steer)
        self.links = Links(self.machine, self.path.xmit, self.view)
        self.path.settled = self.links.refresh
        self.columns = Columns(self.machine, self.links, self.view, reverse)
        self.openers = Openers(self.machine, self.links)
        self.bulk = Bulk(self.machine, self.openers, self.columns)
        self.events = Events(self.machine)
        self.stories: list[Story] | None = None  # of the rows of a burst, where somebody traces
        self.plain_stories: dict[int, Story] | None = None  # of plain rows, where somebody annotates
        self._worker_of_queue = _workers_of_queues(setup)
        self._withdrawn: list[int] = []  # rows that waited, and may no longer
        self._place = 0  # of the frame before which timers went off last
        self._started = False

    def prepare(self, burst: Burst) -> None:
        """Fill what `balance` needs and nothing that happens changes. It may be done before, in another process."""
        self.columns.prepare(burst)

    def balance(self, burst: Burst) -> None:
        """Give every row its verdict; mark the rows that leave, and put what else leaves into `burst.made`."""
        if not burst.size:
            return
        if not self._started:
            self._started = True
            self.machine.first_ns = int(burst.time_ns[0])
            self.events.start(self.machine.first_ns)
        self._begin(burst)
        start = 0
        while start < burst.size:
            self._clock(burst, start, int(burst.time_ns[start]))
            stop = self._stop(burst, start)
            self._segment(burst, start, stop)
            start = stop
        burst.worker_index = np.where(burst.worker_index < 0, burst.worker_index, self._indices(burst))
        self.machine.index.flush()
        for lcore in self.machine.lcores:
            lcore.find.fresh.clear()
        if self.plain_stories is not None:
            burst.conn = self.machine.table.columns["number"][burst.handle >> 1]
        self.machine.table.recycle()

    def _stop(self, burst: Burst, start: int) -> int:
        """Where a segment ends: before the next event, and before a timeout may run out in it, if that is not soon."""
        soon = int(burst.time_ns[start]) + self.machine.shortest_timeout
        event, end = np.searchsorted(burst.time_ns, (self.events.next_ns, soon)).tolist()
        return int(event if end - start < SHORT else min(event, end))

    def _begin(self, burst: Burst) -> None:
        burst.worker_index = np.zeros(burst.size, np.int16)
        burst.lookup = np.zeros(burst.size, np.uint8)
        burst.wrong_worker = np.zeros(burst.size, np.bool_)
        burst.redirected = np.full(burst.size, -1, np.int16)
        burst.owner = burst.worker.copy()
        if not hasattr(burst, "word0"):
            self.prepare(burst)
        self.columns.start(burst)
        self.machine.out = burst.made
        if self.stories is not None:
            self.stories.clear()
        if self.plain_stories is not None:
            self.plain_stories.clear()

    def _indices(self, burst: Burst) -> Any:
        """Index into `setup.workers` of the worker that polls each row's queue."""
        return self._worker_of_queue[np.minimum(burst.queue, len(self._worker_of_queue) - 1)]

    def _segment(self, burst: Burst, start: int, stop: int) -> None:
        """Rows between two events."""
        if self.stories is None:
            rows = self.columns.claim(burst, start, stop)
            self._ordered(burst, rows)
            self.columns.flush(burst, stop)
        else:
            for row in range(start, stop):
                self._clock(burst, row, int(burst.time_ns[row]))
                self._plain(burst, row)
        self._clock(burst, stop - 1, int(burst.time_ns[stop - 1]))
        self.machine.tally.settle()
        self.columns.settle(burst, start, stop)

    def _ordered(self, burst: Burst, rows: I64) -> None:
        """What may not wait yet: many connections are opened at once, where they may; what is left goes one by one."""
        rush = self.bulk.prepare(burst, rows, self._firsts(burst, rows))
        if len(rush.rows):
            rows = self._opened(burst, rows[~burst.opened[rows]], rush)
            if not self.bulk.seen_by(burst, rows):
                self.bulk.bear_all(burst, rush)
                rush = NOBODY
        if len(rows):
            self._one_by_one(burst, np.sort(np.concatenate([rows, rush.rows])), rush)

    def _opened(self, burst: Burst, rows: I64, rush: Rush) -> I64:
        """Complete a rush; *rows* that follow may wait now, the others are given back.

        Whoever counts active connections has to know all changes before real servers are picked.
        """
        if not rush.counted:
            self.bulk.complete(burst, rush, NO_CHANGES)
            return self.columns.join(burst, rows)
        rows = self.columns.join(burst, rows, counted=True)
        self.bulk.complete(burst, rush, self.columns.change(burst))
        return rows

    def _one_by_one(self, burst: Burst, rows: I64, rush: Rush) -> None:
        """THE ordered loop: a row opens a connection, joins those that wait, steps its own, or takes the plain path."""
        machine, table, columns, timers = self.machine, self.machine.table, self.columns, self.machine.timers
        finds, alive = [lcore.find for lcore in machine.lcores], table.alive
        opening = dict(zip(rush.rows.tolist(), rush.slots.tolist(), strict=True))
        for row, now, handle, simple, first, key, worker, answer, step, head in self._read(burst, rows):
            self._catch_up(burst, row)
            if now >= timers.nearest:
                self._clock(burst, row, now)
            if row in opening:
                self.bulk.bear(opening[row])
                continue
            if simple and (handle < 0 or not alive[handle >> 1]):
                handle = finds[worker].get(key)
                handle = NONE if handle is None else handle
                if answer:
                    handle = handle | 1 if handle >= 0 else self._find_answer(key)
                elif handle < 0 and first:
                    handle = self._open(burst, row, key, worker, now, head)
                    if handle != NOT_HERE:
                        continue
            if simple and handle >= 0 and table.mac[handle] >= 0:
                if columns.may_wait(handle >> 1):
                    if table.watched[handle >> 1]:
                        columns.move(burst, row, handle, step, now)
                    columns.defer(row, handle)
                    continue
                if columns.waits(handle >> 1):
                    columns.flush(burst, row)
                burst.handle[row] = handle
                burst.mac[row], burst.fdata[row] = columns.waves.step(burst, row, handle, head)
            else:
                burst.handle[row] = NONE
                self._plain(burst, row)
        self._catch_up(burst, burst.size)

    def _catch_up(self, burst: Burst, row: int) -> None:
        """Rows before *row* that waited, and have to take the plain path after all."""
        while self._withdrawn and self._withdrawn[0] < row:
            one = self._withdrawn.pop(0)
            self._clock(burst, one, int(burst.time_ns[one]))
            burst.handle[one] = NONE
            self._plain(burst, one)

    def _open(self, burst: Burst, row: int, key: bytes, worker: int, now: int, head: bytes) -> int:
        """A first packet: the handle of its connection, or why the columns open none (opener.NOT_HERE, REFUSED)."""
        width = (len(key) - 5) // 2
        opener = self.openers.by_place[worker].get(key[:1] + key[1 + width : 1 + 2 * width] + key[-2:])
        if opener is None or self.machine.stray or self.machine.listened:
            return NOT_HERE
        handle = opener.open(key, now, itself(burst.first + row), head)
        if handle >= 0:
            burst.opened[row] = True
            burst.handle[row], burst.mac[row] = handle, self.machine.table.mac[handle]
        elif handle <= REFUSED:
            burst.handle[row] = NONE  # not what was found of it: that connection has ended
            burst.verdict[row], burst.lookup[row] = REFUSED - handle, LOOKUP["miss"]
        return handle

    def _firsts(self, burst: Burst, rows: I64) -> Any:
        """Rows that may open a connection: pure SYNs, and datagrams."""
        return (burst.proto[rows] == UDP) | (burst.flags[rows] & PURE == SYN)

    def _read(self, burst: Burst, rows: I64) -> Any:
        """What the loop reads of each row, as Python numbers."""
        return zip(
            rows.tolist(),
            burst.time_ns[rows].tolist(),
            burst.handle[rows].tolist(),
            burst.simple[rows].tolist(),
            self._firsts(burst, rows).tolist(),
            self.columns.keys(burst, rows),
            self.columns.askers(burst, rows).tolist(),
            burst.answer[rows].tolist(),
            burst.step[rows].tolist(),
            burst.macs.take(rows, 0).view("V12").ravel().tolist(),
            strict=True,
        )

    def _find_answer(self, key: bytes) -> int:
        """The handle of an answer, by its client's key, on whichever worker has it."""
        for lcore in self.machine.lcores:
            handle = lcore.find.get(key)
            if handle is not None and not handle & 1:
                return handle | 1
        return NONE

    # --- the plain path ----------------------------------------------------------------------------------------

    def _plain(self, burst: Burst, row: int) -> None:
        """One row as a packet of its own."""
        machine, n = self.machine, burst.first + row
        machine.row, machine.cause, machine.order = row, n, itself(n)
        machine.now = int(burst.time_ns[row])
        self.path.story = Story()
        neighbours = machine.stack.neighbours_version
        burst.verdict[row] = self._judge(burst, row)
        if self.stories is not None:
            self.stories.append(self.path.story)
        if self.plain_stories is not None:
            self.plain_stories[row] = self.path.story
        if machine.stack.neighbours_version != neighbours:
            self.columns.waves.forget_hops()
            self.links.refresh_all()
            self.openers.rebuild()
        if self.links.plainer:
            self.links.plainer = False
            self._withdrawn = sorted([*self._withdrawn, *self.columns.withdraw()])

    def _judge(self, burst: Burst, row: int) -> Verdict:
        packet = self.path.story.packet = self.columns.packet(burst, row)
        if self.columns.concerns(packet):
            self.columns.flush(burst, row)
        if packet.worker < 0:
            return Verdict.KERNEL_ROUTE
        seen = self.view.judge(packet)
        if isinstance(seen, Verdict):
            burst.worker_index[row] = -1
            return seen
        if seen is not packet:
            self._received_elsewhere(burst, row)
            if self.columns.concerns(seen):  # where it comes in, another connection may have its tuple
                self.columns.flush(burst, row)
        if seen.worker < 0:
            return Verdict.KERNEL_ROUTE
        verdict = self.path.handle(seen)
        story = self.path.story
        story.packet = seen
        burst.lookup[row] = LOOKUP[story.lookup]
        burst.wrong_worker[row] = story.wrong_worker
        if story.owner >= 0:
            burst.redirected[row] = burst.owner[row] = story.owner
        return verdict

    def _received_elsewhere(self, burst: Burst, row: int) -> None:
        """An answer comes in where the NIC steers it."""
        packet = self.columns.packet(burst, row)
        conn = self.view.find(packet)
        assert conn is not None, "it was turned by its connection"
        home = self.view.home(conn, packet)
        burst.queue[row], burst.worker[row], burst.by[row] = home.queue, home.rank, home.by
        burst.hash[row], burst.reta[row], burst.rule[row] = home.hash, home.reta, home.rule
        burst.owner[row] = home.rank

    # --- the clock ---------------------------------------------------------------------------------------------

    def _clock(self, burst: Burst, row: int, now: int) -> None:
        """Everything due at or before *now*, the time of *row*: timers before events of the same time."""
        while now >= self.machine.timers.nearest:
            self._timers(burst, now)
            if self.events.next_ns > now:
                break
            self.machine.now = self.events.next_ns
            self.columns.tell_servers()  # one that is removed counts no more
            self.events.apply()
            self.links.refresh_all()
            self.openers.rebuild()

    def _timers(self, burst: Burst, now: int) -> None:
        """Connections whose time is up, each before the first row that is not earlier than its deadline.

        An event stops them, for it may end a connection sooner; and a connection's end may be what puts an event off.
        """
        timers = self.machine.timers
        while len(slots := timers.due(min(now, self.events.next_ns))):
            slots = slots[: self.bulk.silent(slots) or 1]
            deadlines = self.machine.table.deadlines(slots)
            timers.take(len(slots))
            places = burst.first + np.searchsorted(burst.time_ns, deadlines)
            if len(slots) > 1:
                self.bulk.end(slots, before(places))
            else:
                self._expire(int(slots[0]), int(deadlines[0]), int(places[0]), burst)

    def _expire(self, slot: int, deadline: int, place: int, burst: Burst) -> None:
        """One connection's time is up, before the frame numbered *place*."""
        machine = self.machine
        if self.path.expiry.ends_silently(slot, before(place)):
            return
        machine.now, machine.row, machine.cause = deadline, place - burst.first, 0
        if place != self._place:
            self._place, machine.order = place, before(place)
        self.path.expiry.fire(slot)

    def leaving(self, burst: Burst) -> Leaving:
        """What the rows that took the columns leave with; of other rows it means nothing."""
        setup = self.setup
        return Leaving(
            heads=self.links.heads.view("V12")[burst.mac].view(np.uint8),
            mirrored=self.links.mirrored[burst.mac],
            ends4=self.machine.index.ends(burst.handle, 4),
            ends6=self.machine.index.ends(burst.handle[burst.rows6], 6),
            toa=setup.tcp.toa,
            toa_in_syn=setup.behaviour.toa_in_syn,
            prune=setup.behaviour.toa_prune,
            mtu=setup.device.mtu,
        )

    def connection(self, story: Story) -> dict[str, Any]:
        """What the trace tells of a packet's connection (interface 6)."""
        conn = story.conn
        if conn is None:
            return {"conn": None, "new": False, "state": None, "service": None, "real": None, "laddr": None}
        protocol = self.machine.protocols.get(conn.proto)
        states = [protocol.states[s].upper() for s in (story.before, story.after) if s >= 0] if protocol else None
        return {
            "conn": conn.number,
            "new": story.new,
            "state": states,
            "service": conn.server.service.name,
            "real": str(conn.real),
            "laddr": str(conn.local) if conn.mode.full else None,
        }

    # --- what is left at the end -----------------------------------------------------------------------------

    def gauges(self) -> dict[str, Any]:
        """Live connections, ports and the counters of services (interface 5, D 13)."""
        self.columns.tell_servers()
        return {
            "workers": [_worker(lcore) for lcore in self.machine.lcores],
            "services": [self._service(name) for name in self.machine.lcores[0].servers.by_name],
            "warnings": self.machine.warnings,
        }

    def _service(self, name: str) -> dict[str, Any]:
        servers = [lcore.servers.by_name[name] for lcore in self.machine.lcores]
        service = servers[0].service
        reals = [_real([s.dests[at] for s in servers]) for at in reversed(range(len(servers[0].dests)))]
        total = {key: sum(real[key] for real in reals) for key in COUNTED}
        laddrs = [self._laddr(servers, address) for address in service.laddr]
        return {
            "service": name,
            "scheduler": service.scheduler,
            "mode": service.mode,
            **total,
            "reals": reals,
            "laddrs": laddrs,
        }

    def _laddr(self, servers: list[Any], address: bytes) -> dict[str, Any]:
        pools = [lcore.pools[address] for lcore in self.machine.lcores]
        return {
            "address": str(ip_address(address)),
            "conns": sum(server.laddrs.conns.get(address, 0) for server in servers),
            "used": sum(pool.used for pool in pools),
            "free": sum(pool.free for pool in pools),
            "miss": sum(pool.miss for pool in pools),
        }


COUNTED = ("conns", "inpkts", "inbytes", "outpkts", "outbytes")
LIVE = ("actconns", "inactconns", "persistconns")


def _workers_of_queues(setup: Setup) -> Any:
    """Index into `setup.workers` by queue; the last entry is of those that nobody polls."""
    polled = {queue: index for index, worker in enumerate(setup.workers) for queue in worker.queues}
    table = np.zeros(max(polled, default=0) + 2, np.int16)
    table[list(polled)] = list(polled.values())
    return table


def _worker(lcore: Any) -> dict[str, Any]:
    pools = lcore.pools.values()
    return {
        "conns": {"created": lcore.created, "expired": lcore.expired, "active": lcore.active, "peak": lcore.peak},
        "sa_pool": {
            "used": sum(pool.used for pool in pools),
            "free": sum(pool.free for pool in pools),
            "miss": sum(pool.miss for pool in pools),
        },
        "counters": dict(lcore.counters),
    }


def _real(dests: list[Any]) -> dict[str, Any]:
    """A real server, summed over the workers' copies."""
    first = dests[0]
    return {
        "address": str(first.real.endpoint),
        "weight": first.weight,
        "conns": sum(d.conns for d in dests),
        **{name: sum(getattr(d, name) for d in dests) for name in LIVE},
        **{name: sum(getattr(d, name) for d in dests) for name in COUNTED[1:]},
    }
