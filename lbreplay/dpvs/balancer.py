"""The balancer: every row of a burst, on the lcore that steering chose.

THE ordered loop is loop/loop.py. It takes ordinary rows by itself and comes back with what needs words: a packet for
the plain path (`path.py`), a timer of a connection that somebody must be told about, an event (interface 4, "Time and
order"). Who looks on (a trace, an annotated capture) has the rows of the loop told by columns, and those of the plain
path by their stories. `plainly`, every row takes the plain path, and the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from lbreplay import memory
from lbreplay.burst import QUEUE_BITS, Burst
from lbreplay.dpvs.conn import IN
from lbreplay.dpvs.events import Events
from lbreplay.dpvs.links import Links
from lbreplay.dpvs.machine import Machine, Ownership, before, itself
from lbreplay.dpvs.opener import Openers, ends_of
from lbreplay.dpvs.path import Path
from lbreplay.dpvs.story import Story
from lbreplay.dpvs.view import Steer, View
from lbreplay.loop.asking import Asking
from lbreplay.loop.ends import Ends
from lbreplay.loop.loop import Loop
from lbreplay.loop.names import CLOCK, MISSED_BIT, NONE, SIDES, SIX, STATES, STEPS, UDP_STEP
from lbreplay.loop.rewrite import Rewriter
from lbreplay.loop.steer import Polls, Steerer
from lbreplay.loop.syn import COUNTERS, Early
from lbreplay.loop.unwanted import Seen
from lbreplay.loop.ways import Way
from lbreplay.lvs.detour import Detours
from lbreplay.model import Setup
from lbreplay.verdict import Verdict
from lbreplay.wire.options import client_of, insert_toa
from lbreplay.wire.packet import TCP, UDP, Packet

if TYPE_CHECKING:
    from lbreplay.arrays import I64, U8
    from lbreplay.lvs.protocols.table import Protocol

ETHERNET = 14  # bytes of its header
MOST = 1 << 16  # kinds of packets for nobody that are remembered at once
LOOKUP = {"": 0, "in": 1, "out": 2, "miss": 3}  # codes of column `lookup`
REFUSALS = (
    Verdict.NO_DEST, Verdict.DEST_MAX_CONN, Verdict.LADDR_PORT_EXHAUSTED, Verdict.TEMPLATE_CONN_FAILED,
    Verdict.FORWARDED_FAST, Verdict.FORWARDED_SLOW, Verdict.REPLY_WITHOUT_CONN, Verdict.DIRECT_REPLY,
    Verdict.OWN_TRANSMIT, Verdict.FORWARDED_PLAIN, Verdict.SNAT_PORT_EXHAUSTED, Verdict.SNAT_ADDR_WITHOUT_POOL,
)  # fmt: skip
BEHIND = (
    Verdict.SYNPROXY_NO_DEST, Verdict.SYNPROXY_ACL, Verdict.SYNPROXY_SYNACK, Verdict.SYNPROXY_SYNACK_FLAGGED,
    Verdict.SYNPROXY_NULL_ACK, Verdict.TCP_BAD_ACK_RST, Verdict.SYNPROXY_ACK_ACCEPTED, Verdict.SYNPROXY_HELD,
    Verdict.SYNPROXY_HOLD_FULL, Verdict.SYNPROXY_NOT_ACK,
)  # fmt: skip
BAD_ACK = Verdict.TCP_BAD_ACK_RST
SHORT = 160  # an MTU that a SYN to a real server may not fit into


class Balancer:
    """All virtual servers on all lcores. Who owns which local port and where answers land is the NIC's to say."""

    def __init__(self, setup: Setup, ownership: Ownership, steer: Steer, card: Steerer | None = None) -> None:
        self.setup = setup
        self.machine = Machine(setup, ownership)
        self.path = Path(self.machine)
        self.view = View(self.machine, steer)
        self.links = Links(self.machine, self.path.xmit, self.view)
        self.path.settled = self.links.refresh
        self.events = Events(self.machine)
        self._hops: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = {}
        self.proxy = self.path.synproxies.rows
        self.loop = self._loop()
        self.loop.card, self.loop.hands_on = card, self.links.hands_on
        self.ends_table = self.machine.tuples  # where the ends of connections stand, by handle
        self.plainly = False  # every row takes the plain path
        self.stories: dict[int, Story] | None = None  # of the plain rows of a burst, where somebody looks on
        self.reasons: list[list[str]] = [[], ["redirected"]]  # by number, as column `reason` has them (loop/names.py)
        self.rewriter = Rewriter(
            self.machine.tuples,
            self.proxy,
            setup.tcp.toa,
            setup.behaviour.toa_in_syn,
            setup.udp.uoa_mode == "opp",
            setup.device.mtu,
            self._with_odd_toa,
        )
        self.rewriter.behind = self.loop.proxies
        self.polls, self._port_of_queue = Polls(_workers_of_queues(setup)), _ports_of_queues(setup)
        self.detours = Detours()
        self._place = 0  # of the frame before which timers went off last
        self._started = False

    def _loop(self) -> Loop:
        """The loop with the records it reads."""
        machine, view = self.machine, self.view
        loop = Loop(
            self,
            machine.table,
            machine.tuples,
            view.name == "client",
            self.links.shortest_mtu,
            tuple(map(int, REFUSALS)),
        )
        loop.templates, loop.master = machine.templates.table, machine.lcores[0]
        loop.pool_size, loop.dests = self.setup.conn.pool_size, machine.dests
        self._shield(loop)
        loop.rules(_steps(machine), machine.limits)
        loop.redirects, loop.proxies = self.setup.conn.redirect, any(map(self.setup.shields, self.setup.services))
        loop.strays = not loop.proxies  # else it may be the answer that a SYN proxy is still to ask for
        self.openers = Openers(machine, self.links, loop, Ends(list(view.virtual)))
        machine.table.revive, self.links.quiesces = self.openers.revive, self.openers.quiesces
        return loop

    def _shield(self, loop: Loop) -> None:
        """Tell it what SYN proxies need (D 6)."""
        setup, machine = self.setup, self.machine
        verdicts = [Verdict.TCP_BAD_ACK_DROP if v is BAD_ACK and not self.proxy.resets else v for v in BEHIND]
        asking = Asking(machine.tuples, setup.tcp.toa and setup.behaviour.toa_in_syn)
        early = machine.early.kept if machine.early is not None else Early()
        loop.shield(self.proxy, asking, early, tuple(map(int, verdicts)))
        loop.shielded_ends = bytes(map(setup.shields, self.view.virtual.values()))
        loop.handshakes = not setup.several and self.links.shortest_mtu >= SHORT and not setup.resolves

    def balance(self, burst: Burst) -> None:
        """Give every row its verdict; mark the rows that leave, and put what else leaves into `burst.made`."""
        if not burst.size:
            return
        if not self._started:
            self._started = True
            self.proxy.first_ns = burst.flat["time_ns"][0]
            self.events.start(self.proxy.first_ns)
        self.machine.table.recycle()
        self._begin(burst)
        row, times = self._next(burst, 0), burst.flat["time_ns"]
        while row < burst.size:
            if self.loop.why == CLOCK:
                self._clock(burst, row, times[row], self.loop.due)
            else:
                self._plain(burst, row)
                row += 1
            row = self._next(burst, row)
        self._clock(burst, burst.size, times[burst.size - 1])
        self.polls.number(burst)
        if self.loop.ended:
            self.machine.ended_in_silence(self.loop.ended.copy())
        self._count_seen()

    def _next(self, burst: Burst, row: int) -> int:
        """The next row from *row* on that the loop does not take."""
        if not self.plainly:
            self.loop.barred = Way.STRAYED if self.machine.stray else Way.LOOP
            self.loop.passing = self.openers.passing and not self.setup.several
            return self.loop.run(row, burst.size, self.events.next_ns)
        if row < burst.size:
            self._clock(burst, row, burst.flat["time_ns"][row])
            self.loop.reason = Way.TOLD
        return row

    def _begin(self, burst: Burst) -> None:
        burst.flat["owner"][: burst.size] = burst.flat["worker"][: burst.size]
        if self.view.name == "lb":
            burst.own[:] = self.view.own(burst)
        self.loop.bind(burst)
        self.loop.listening = bool(self.machine.watches)
        for heard in (self.loop.missed, self.loop.clashed, self.loop.ended):
            heard.clear()
        self.relink()
        self.machine.out = burst.made
        if self.stories is not None:
            self.stories.clear()

    # --- what the loop asks ------------------------------------------------------------------------------------

    def relink(self) -> None:
        """There are more entries of MACs, or of where answers come in."""
        links = self.links
        self.loop.link(links.fast, links.homes)
        self.loop.asking.link(links.heads, links.tags, links.mirrored)

    def ready(self, opener: Any) -> None:
        """See `Openers.ready`."""
        self.openers.ready(opener)

    def leaves_by(self, key: bytes, vlan: int) -> int:
        """See `Openers.leaves_by`."""
        return self.openers.leaves_by(key, vlan)

    def remote(self, key: bytes) -> Any:
        """Where a packet with *key* goes."""
        return ends_of(key)[1]

    def lend(self, opener: Any, owner: Any) -> Any:
        """See `Openers.lend`."""
        return self.openers.lend(opener, owner)

    def believe(self, opener: Any) -> None:
        """Say that a service's clients are believed without a cookie (interface 3)."""
        opener.believes = True
        self.path.synproxies.believe(self.openers.server(opener))

    def answering(self, macs: bytes) -> int:
        """With what goes back to where frames with these MACs came from."""
        return self.links.answering(macs)

    def home_of(self, *home: int) -> int:
        """The entry of where answers come in: queue, rank, by, reta, rule."""
        return self.links.home_id(home)

    def comes_home(self, slot: int) -> bool:
        """Whether the answers to a new connection come in on its worker."""
        key = self.machine.tuples.key(2 * slot + 1)
        return self.links.comes_home(slot, self.machine.table.rank[slot], key, ends_of(key)[1].address)

    def moved(self, slot: int, old: int, new: int) -> None:
        """A connection with a Conn has a new state."""
        conn = self.machine.table.conns[slot]
        assert conn is not None, "it has a packet"
        self.machine.changed(conn, old, new, self.machine.protocols[conn.proto])

    def meet(self, slot: int, macs: bytes, answer: bool) -> None:
        """The first packet of the real server's side of a connection with a Conn."""
        conn, told = self.machine.table.conns[slot], self._macs_towards(slot, macs, answer)
        assert conn is not None, "it has a packet"
        conn.in_seen = conn.in_seen or (told[0], told[1][:6])
        if self.links.may_be_fast(conn):
            conn.in_macs = conn.in_macs or told
        self.links.refresh(conn)

    def meet_remote(self, slot: int, macs: bytes) -> None:
        """The first packet from outside of a connection of SNAT with a Conn."""
        conn = self.machine.table.conns[slot]
        assert conn is not None, "it has a packet"
        conn.out_seen = conn.out_seen or (macs[6:12], macs[0:6])
        self.links.refresh(conn)

    def towards(self, slot: int, macs: bytes, answer: bool) -> int:
        """With what packets leave to the real server from which a frame with these MACs came."""
        return self.links.told(self._macs_towards(slot, macs, answer))

    def way(self, slot: int, told: int) -> int:
        """With what packets leave to the real server by its route, from which a frame with entry *told* came."""
        return self.links.way(self.links.dest(slot).address, told)

    def way_back(self, key: bytes, told: int) -> int:
        """The same to the source of a packet with *key*."""
        return self.links.way(ends_of(key)[0].address, told)

    def transit(self, key: bytes) -> int:
        """With what a packet with *key* leaves that is for somebody else."""
        return self.links.way(ends_of(key)[1].address)

    def _macs_towards(self, slot: int, macs: bytes, answer: bool) -> tuple[bytes, bytes]:
        """As its frames tell them; of an answer that the client saw, as they would have told."""
        if not answer:
            return macs[6:12], macs[0:6] + macs[12:]
        key = self.links.dest(slot).address, macs[6:12]
        if key not in self._hops:
            port, hop = self.view.macs(*key)
            self._hops[key] = hop, port
        return self._hops[key]

    # --- the plain path ----------------------------------------------------------------------------------------

    def _plain(self, burst: Burst, row: int) -> None:
        """One row as a packet of its own."""
        machine, n, of = self.machine, burst.first + row, burst.flat
        self.detours.note(burst, row, self.loop.reason)
        machine.row, machine.cause, machine.order = row, n, itself(n)
        machine.now = of["time_ns"][row]
        self.path.story = Story()
        neighbours, asked = machine.stack.neighbours_version, self.loop.asked
        before = self._tallied(burst, row) if asked >= 0 else None
        of["verdict"][row] = self._judge(burst, row)
        if before is not None:
            self._remember(burst, row, asked, before)
        if self.stories is not None:
            self.stories[row] = self.path.story
        if machine.stack.neighbours_version != neighbours:
            self._hops.clear()
            self.loop.forget_hops()
            self.links.refresh_all()
            self.openers.rebuild()

    def _tallied(self, burst: Burst, row: int) -> Any:
        """What a packet for nobody may move: frames on their way, and counters."""
        counters = self.machine.stack.counters, *(lcore.counters for lcore in self.machine.lcores)
        return len(burst.made), [(counter, dict(counter)) for counter in counters]

    def _remember(self, burst: Burst, row: int, asked: int, before: Any) -> None:
        """What became of a packet for nobody, if nothing left: the loop does the same with the next of its kind."""
        story, made, of = self.path.story, len(burst.made) != before[0], burst.flat
        missed = asked >> MISSED_BIT != 0
        forwarded = of["verdict"][row] == Verdict.FORWARDED_PLAIN and len(burst.made) == before[0] + 1
        if (made and not forwarded) or story.conn is not None or story.owner >= 0 or of["worker_index"][row] < 0:
            return
        if bool(of["wrong_worker"][row]) != missed:
            return
        moved = [
            (counter, name, counter[name] - was.get(name, 0))
            for counter, was in before[1]
            for name in counter
            if counter[name] != was.get(name, 0)
        ]
        if len(self.loop.seen) >= MOST:
            self._count_seen()
            self.loop.forget_passed()
        reason = self._reason(story.reasons)
        self.loop.remember(asked, Seen(of["verdict"][row], of["lookup"][row], moved, reason))

    def _reason(self, reasons: list[str]) -> int:
        """The number of what is told beside a verdict."""
        if reasons not in self.reasons:
            self.reasons.append(reasons)
        return self.reasons.index(reasons)

    def _count_seen(self) -> None:
        """Move the counters for all packets that the loop passed over."""
        for seen in self.loop.seen:
            for counter, name, by in seen.moved if seen.count else ():
                counter[name] += by * seen.count
            seen.count = 0
        self._count_proxied()

    def _count_proxied(self) -> None:
        """Move the counters of SYN proxies for all rows of the loop."""
        counts = self.proxy.counts
        for place, moved in enumerate(counts):
            if moved:
                rank, kind = divmod(place, len(COUNTERS))
                self.machine.lcores[rank].counters[COUNTERS[kind]] += moved
                counts[place] = 0

    def _judge(self, burst: Burst, row: int) -> Verdict:
        packet, of = _packet(burst, row, self._port_of(burst, row)), burst.flat
        self.path.story.packet = packet
        if packet.port < 0:
            of["worker_index"][row] = -1
            return Verdict.PORT_UNTOLD
        if packet.worker < 0:
            return Verdict.KERNEL_ROUTE
        seen = self.view.judge(packet)
        if isinstance(seen, Verdict):
            of["worker_index"][row] = -1
            return seen
        if seen is not packet:
            self._received_elsewhere(burst, row)
        if seen.worker < 0:
            return Verdict.KERNEL_ROUTE
        verdict = self.path.handle(seen)
        story = self.path.story
        story.packet = seen
        of["lookup"][row], of["wrong_worker"][row] = LOOKUP[story.lookup], story.wrong_worker
        if story.owner >= 0:
            of["redirected"][row] = of["owner"][row] = story.owner
        return verdict

    def _port_of(self, burst: Burst, row: int) -> int:
        """The device that a row came in by, -1 where no way tells."""
        return self._port_of_queue[burst.flat["queue"][row]] if self.setup.several else 0

    def _received_elsewhere(self, burst: Burst, row: int) -> None:
        """An answer comes in where the NIC steers it."""
        packet = _packet(burst, row, self._port_of(burst, row)).within()
        conn = self.view.find(packet)
        assert conn is not None, "it was turned by its connection"
        home, of = self.view.home(conn, packet), burst.flat
        of["queue"][row], of["worker"][row], of["by"][row] = home.queue, home.rank, home.by
        of["hash"][row], of["reta"][row], of["rule"][row] = home.hash, home.reta, home.rule
        of["owner"][row] = home.rank

    # --- the clock ---------------------------------------------------------------------------------------------

    def _clock(self, burst: Burst, row: int, now: int, due: int = NONE) -> None:
        """Everything due at or before *now*, before *row*: timers before events of the same time. *due*: the slot that
        the loop took from the timers already."""
        timers = self.machine.timers
        while due >= 0 or now >= timers.nearest:
            until = min(now, self.events.next_ns)
            due = due if due >= 0 else timers.due(until)
            while due >= 0:
                self._expire(burst, row, due)
                due = timers.due(until)
            if self.events.next_ns > now:
                break
            self.machine.now = self.events.next_ns
            self._count_seen()
            self.events.apply()
            self.loop.forget_hops()
            self.links.refresh_all()
            self.openers.rebuild()

    def _expire(self, burst: Burst, row: int, slot: int) -> None:
        """One connection's time is up, before *row*, or the first one that is not earlier than its deadline."""
        machine, table = self.machine, self.machine.table
        if self.loop.end(slot):
            return
        deadline = table.last_use[slot] + table.timeout[slot]
        times = burst.flat["time_ns"]
        while row and times[row - 1] >= deadline:
            row -= 1
        machine.now, machine.row, machine.cause = deadline, row, 0
        if burst.first + row != self._place:
            self._place, machine.order = burst.first + row, before(burst.first + row)
        self.path.expiry.fire(slot)

    def rewrite(self, burst: Burst) -> None:
        """Rewrite the rows that leave in place."""
        links = self.links
        self.rewriter.link(links.heads, links.tags, links.mirrored, links.outers)
        self.rewriter.rewrite(burst)

    def _with_odd_toa(self, frame: bytes, l4: int) -> bytes:
        """A frame whose options have no room for the client's address, or that would be longer than the MTU."""
        prune, mtu = self.setup.behaviour.toa_prune, self.setup.device.mtu
        l3, l4_at = frame[ETHERNET:], l4 - ETHERNET
        made, _ = insert_toa(l3, l4_at, client_of(l3, l4_at), mtu, prune=prune)
        return frame[:ETHERNET] + made

    def came_as(self, handle: int) -> bytes:
        """The key (wire.packet.flow_key) of the packets of *handle*."""
        return self.machine.tuples.key(handle)

    def came_as_rows(self, handles: Any) -> Iterator[tuple[I64, U8]]:
        """The same of many: places in *handles* of each family, with source, destination and both ports of each."""
        import numpy as np

        tuples = self.machine.tuples
        words = np.asarray(tuples.words).reshape(-1, tuples.step)[handles, :2]
        six = words[:, 1] & np.uint64(SIX) != 0
        for wide, ends in ((False, words[:, :1]), (True, None)):
            rows = np.flatnonzero(six == wide)
            if len(rows):
                ends = words[rows, :1] if not wide else np.asarray(tuples.wide).reshape(-1, 4)[handles[rows]]
                ports = words[rows, 1].astype("<u4")[:, None]
                yield rows, np.hstack((ends.view(np.uint8), ports.view(np.uint8)))

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

    def states(self) -> Iterator[list[str]]:
        """What the trace tells of states: of TCP and of UDP, by the one before and the one behind."""
        for number in (TCP, UDP):
            names = [name.upper() for name in self.machine.protocols[number].states]
            names += [""] * (STATES - len(names))
            yield from ([before, after] for before in names for after in names)

    def ends(self, known: int) -> list[tuple[str, str | None]]:
        """The service of connections by column `service`, from the *known*-th on; real servers' ends stand in the
        table."""
        return [(service.name, None) for service in self.setup.services[known:]]

    def party(self, burst: Burst, row: int) -> tuple[str, str]:
        """The service and the real server of a row that the loop took, where it notes them."""
        real = ends_of(self.came_as(int(burst.handle[row]) | 1))[0]
        return self.setup.services[burst.service[row]].name, str(real)

    # --- what is left at the end -----------------------------------------------------------------------------

    def gauges(self) -> dict[str, Any]:
        """Live connections, ports and the counters of services (interface 5, D 13)."""
        return {
            "workers": [_worker(lcore) for lcore in self.machine.lcores],
            "services": [self._service(name) for name in self.machine.lcores[0].servers.by_name],
            "warnings": self.machine.warnings,
            "plain": self.detours.table(),
        }

    def _service(self, name: str) -> dict[str, Any]:
        servers = [lcore.servers.by_name[name] for lcore in self.machine.lcores]
        service = servers[0].service
        reals = [_real([s.dests[at] for s in servers]) for at in reversed(range(len(servers[0].dests)))]
        total = {key: sum(real[key] for real in reals) for key in COUNTED}
        laddrs = [self._laddr(servers, address) for address in servers[0].laddrs.conns]
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


def _packet(burst: Burst, row: int, port: int) -> Packet:
    """*row* for the plain path."""
    of = burst.flat
    return Packet(
        burst.frame(row), of["length"][row], of["time_ns"][row], burst.first + row, row, of["worker"][row], port
    )


def _steps(machine: Machine) -> bytearray:
    """New states by side, step and state: of modes whose answers pass here, IN of those whose do not, and of SNAT."""
    table = bytearray()
    for side in range(SIDES):
        for number, steps in ((TCP, range(UDP_STEP)), (UDP, range(UDP_STEP, STEPS))):
            rows, event = _rows(machine.protocols[number], side), machine.protocols[number].event
            table += b"".join(rows[event[step & 0xFF]] for step in steps)
    return table


def _rows(protocol: Protocol, side: int) -> list[bytes]:
    """New states by event, each by the state before."""
    sides = (*protocol.sides("fnat"), protocol.sides("dr")[IN], *protocol.sides("snat"))
    first = sides[side] * len(protocol.events)
    return [row.ljust(STATES, b"\0") for row in protocol.next[first : first + len(protocol.events)]]


def _workers_of_queues(setup: Setup) -> memoryview:
    """Index into `setup.workers` by queue; the last entry is of those that nobody polls."""
    polled = {
        card << QUEUE_BITS | queue: index
        for card, port in enumerate(_cards(setup))
        for index, worker in enumerate(setup.workers)
        for queue in worker.polls(port)
    }
    return memory.listed("h", [polled.get(queue, 0) for queue in range(max(polled, default=0) + 2)])


def _ports_of_queues(setup: Setup) -> list[int]:
    """The device of each queue, numbered as the column has it; the last entry is of -1, a frame of no queue."""
    return [card for card in _cards(setup) for _ in range(1 << QUEUE_BITS)] + [-1]


def _cards(setup: Setup) -> list[int]:
    """The device of each card, in the order in which the NIC numbers them (nic/ports.py)."""
    return [port for port, device in enumerate(setup.devices) for _ in device.cards]


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
