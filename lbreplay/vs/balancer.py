"""The balancer: every row of a burst, in capture order, on the lcore that steering chose.

THE ordered loop is here. Before a row: timers due at or before its time, then events of that time (interface 4). Then
the row itself, by the plain path (`path.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import numpy as np

from lbreplay.burst import Burst
from lbreplay.model import Setup
from lbreplay.verdict import Verdict
from lbreplay.vs.conn import ConnTable
from lbreplay.vs.events import Events
from lbreplay.vs.machine import ORDERS, Machine, Ownership
from lbreplay.vs.path import Path, Story
from lbreplay.vs.view import Steer, View
from lbreplay.wire.packet import Packet

LOOKUP = {"": 0, "in": 1, "out": 2, "miss": 3}  # codes of column `lookup`

Tell = Callable[[int, Packet | None, Story | None], None]


class Balancer:
    """All virtual servers on all lcores. Who owns which local port and where answers land is the NIC's to say."""

    def __init__(self, setup: Setup, ownership: Ownership, steer: Steer) -> None:
        self.setup = setup
        self.machine = Machine(setup, ownership)
        self.path = Path(self.machine)
        self.view = View(self.machine, steer)
        self.events = Events(self.machine)
        self.stories: list[Story] | None = None  # of the rows of a burst, where somebody traces
        self._worker_of_queue = {q: i for i, w in enumerate(setup.workers) for q in w.queues}
        self._index_of_rank = {w.rank: i for i, w in enumerate(setup.workers) if w.kind == "forward"}
        self._started = False

    @property
    def table(self) -> ConnTable:
        return self.machine.table

    def balance(self, burst: Burst) -> None:
        """Give every row its verdict, and put what leaves into `burst.made`."""
        if not self._started and burst.size:
            self._started = True
            self.machine.first_ns = int(burst.time_ns[0])
            self.events.start(self.machine.first_ns)
        self._columns(burst)
        if self.stories is not None:
            self.stories.clear()
        self.machine.out = burst.made
        for row in range(burst.size):
            self._row(burst, row)

    def _columns(self, burst: Burst) -> None:
        burst.worker_index = self._indices(burst)
        burst.lookup = np.zeros(burst.size, np.uint8)
        burst.wrong_worker = np.zeros(burst.size, np.bool_)
        burst.redirected = np.full(burst.size, -1, np.int16)
        burst.owner = burst.worker.copy()

    def _indices(self, burst: Burst) -> Any:
        """Index into `setup.workers` of the worker that polls each row's queue."""
        table = np.full(max(self._worker_of_queue, default=0) + 2, 0, np.int16)
        for queue, index in self._worker_of_queue.items():
            table[queue] = index
        return table[np.minimum(burst.queue, len(table) - 1)]

    def _row(self, burst: Burst, row: int) -> None:
        machine = self.machine
        now, n = int(burst.time_ns[row]), burst.first + row
        machine.row, machine.cause, machine.order = row, 0, n * ORDERS
        self._clock(now)
        machine.now, machine.cause, machine.order = now, n, n * ORDERS + ORDERS // 2
        packet = Packet(burst.frame(row), int(burst.length[row]), now, n, row, int(burst.worker[row]))
        verdict = self._judge(burst, row, packet)
        burst.verdict[row] = verdict

    def _judge(self, burst: Burst, row: int, packet: Packet) -> Verdict:
        self.path.story = story = Story()
        if packet.worker < 0:
            self._tell(packet, story)
            return Verdict.KERNEL_ROUTE
        seen = self.view.judge(packet)
        if isinstance(seen, Verdict):
            burst.worker_index[row] = -1
            self._tell(packet, story)
            return seen
        if seen is not packet:
            self._received_elsewhere(burst, row, seen)
        worker = seen.worker
        if worker < 0:
            self._tell(seen, story)
            return Verdict.KERNEL_ROUTE
        verdict = self.path.handle(seen)
        story = self.path.story
        burst.lookup[row] = LOOKUP[story.lookup]
        burst.wrong_worker[row] = story.wrong_worker
        if story.owner >= 0:
            burst.redirected[row] = burst.owner[row] = story.owner
        self._tell(seen, story)
        return verdict

    def _received_elsewhere(self, burst: Burst, row: int, turned: Packet) -> None:
        """An answer comes in where the NIC steers it."""
        conn = self.view.find(Packet(burst.frame(row), int(burst.length[row])))
        assert conn is not None, "it was turned by its connection"
        home = self.view.home(conn)
        burst.queue[row], burst.worker[row], burst.by[row] = home.queue, home.rank, home.by
        burst.hash[row], burst.reta[row], burst.rule[row] = home.hash, home.reta, home.rule
        burst.worker_index[row] = self._worker_of_queue.get(home.queue, 0)
        burst.owner[row] = home.rank

    def _tell(self, packet: Packet, story: Story) -> None:
        if self.stories is not None:
            story.packet = packet
            self.stories.append(story)

    # --- the clock -------------------------------------------------------------------------------------------

    def _clock(self, now: int) -> None:
        """Everything due at or before *now*, in order: timers before events of the same time."""
        while self.events.next_ns <= now:
            at = self.events.next_ns
            self._timers(at)
            self.machine.now = max(self.machine.now, at)
            self.events.apply()
        if now >= self.machine.timers.nearest:
            self._timers(now)

    def _timers(self, now: int) -> None:
        machine = self.machine
        while (slot := machine.timers.pop(now)) is not None:
            machine.now = max(machine.now, machine.table.last_use[slot] + machine.table.timeout[slot])
            self.path.expiry.fire(slot)

    # --- what is left at the end -----------------------------------------------------------------------------

    def gauges(self) -> dict[str, Any]:
        """Live connections, ports and the counters of services (interface 5, D 13)."""
        return {
            "workers": [_worker(lcore) for lcore in self.machine.lcores],
            "services": [self._service(name) for name in self.machine.lcores[0].servers.by_name],
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
