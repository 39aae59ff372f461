"""Ordinary new connections, opened in the ordered loop without a packet object (D 2.4).

An `Opener` stands for one full-NAT service on one worker when nothing about it needs the plain path: the order of what
it does, and every draw of chance, is that of `schedule.py`. Its connections have no `Conn` until somebody asks for one
(`revive`); their columns and keys say it all. Most never need one, and a million of them take a third of the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I64, U8, Bool, Burst
from lbreplay.model import Endpoint
from lbreplay.verdict import Verdict
from lbreplay.vs.conn import EXPIRE_QUIESCENT, FULL_TCP, FULL_UDP, INACTIVE, Conn
from lbreplay.vs.forwarding import MODES
from lbreplay.vs.index import endpoint, endpoints
from lbreplay.vs.links import PLAIN
from lbreplay.vs.plans import AT_HOME, NO_PLAN, Plans, left
from lbreplay.vs.server import Flow
from lbreplay.wire.packet import TCP, UDP

if TYPE_CHECKING:
    from lbreplay.model import Service
    from lbreplay.vs.links import Links
    from lbreplay.vs.machine import Lcore, Machine
    from lbreplay.vs.server import Dest, VirtualServer

NOT_HERE = -1  # the plain path has to open this one
REFUSED = -2  # minus a verdict: no connection, and that is the packet's end
NO_FLOW = Flow(b"", 0, b"", 0, 0)
BLIND = ("rr", "wrr", "wlc", "fo")  # schedulers that do not look at the packet


Steps = list[tuple[int, int]]  # see `WeightedLeastConnection.pick_among`


class Opener:
    """Opens the connections of one service on one worker."""

    def __init__(self, machine: Machine, links: Links, lcore: Lcore, server: VirtualServer) -> None:
        self.machine, self.links, self.lcore, self.server = machine, links, lcore, server
        self.number = len(machine.table.openers)
        machine.table.openers.append(self)
        service, setup = server.service, machine.setup
        protocol = machine.protocols[service.protocol]
        self.timeouts = protocol.timeout(setup, service)
        self.established = protocol.states.index("established") if service.protocol == TCP else -1
        column = protocol.sides("fnat")[0] * len(protocol.events)
        self.first_state = protocol.next[column][0]  # a SYN, or a datagram, from NONE
        self.kind = FULL_TCP if service.protocol == TCP else FULL_UDP
        self.delta = setup.tcp.isn_offset if service.protocol == TCP and setup.tcp.seq_adjust else 0
        self.watched, self.limit = links.watched(service), machine.limit_of(service)
        self._sighted = service.scheduler not in BLIND
        self._pool_size = setup.conn.pool_size
        self._redirect = setup.conn.redirect
        self.renew()

    def renew(self) -> None:
        """Real servers, local addresses or ways to them may have changed."""
        self._prefixes: dict[tuple[int, bytes], bytes] = {}
        self._slow: dict[int, int] | None = None
        self._plan: I64 | None = None

    def open(self, key: bytes, now: int, order: int, head: bytes) -> int:
        """The IN handle of the connection that the packet with *key* opens, or NOT_HERE, or REFUSED - verdict."""
        machine, lcore, table = self.machine, self.lcore, self.machine.table
        slow = self._slow if self._slow is not None else self._ways()
        if len(slow) != len(self.server.dests) or table.live >= self._pool_size:
            return NOT_HERE
        dest = self.server.scheduler.pick(_flow(key) if self._sighted else NO_FLOW)
        if dest is None:
            return REFUSED - Verdict.NO_DEST
        if dest.max_conn and dest.full:
            dest.overload = True
            return REFUSED - Verdict.DEST_MAX_CONN
        bound = self.server.laddrs.bind(lcore.pools, dest.endpoint)
        if bound is None:
            return REFUSED - Verdict.LADDR_PORT_EXHAUSTED
        laddr, lport = bound
        out_key = (self._prefixes.get((dest.id, laddr)) or self._prefix(dest, laddr)) + lport.to_bytes(2)
        slot = table.take(dest.id, lcore.rank)
        table.opener[slot] = self.number
        table.state[slot] = state = self.first_state
        table.fraction[slot] = fraction = lcore.jitter()
        table.timeout[slot] = timeout = self.timeouts[state] + fraction
        table.last_use[slot], table.armed[slot] = now, order
        table.delta[slot], table.full[slot] = self.delta, self.kind
        table.watched[slot], table.limit[slot] = self.watched, self.limit
        handle = 2 * slot
        table.mac[handle] = slow[dest.id]
        table.client[slot] = back = self.links.answering(head)
        at_home = not self.links.watches_answers or self.links.comes_home(slot, lcore.rank, out_key, laddr)
        table.mac[handle + 1] = back if at_home else PLAIN
        lcore.find.fresh[key], lcore.find.fresh[out_key] = handle, handle + 1
        if self._redirect:
            machine.redirect[out_key] = lcore.rank
        machine.index.enter(handle, key)
        machine.index.enter(handle + 1, out_key)
        machine.timers.arm(slot, now + timeout)
        dest.conns += 1
        dest.inactconns += 1
        lcore.opened()
        return handle

    # --- many at once (bulk.py) --------------------------------------------------------------------------------

    @property
    def answers_come_home(self) -> bool:
        """Whether answers to any of its local addresses do."""
        return bool(self.plan[AT_HOME].all())

    @property
    def plan(self) -> I64:
        """What many connections are made of: columns of its pairs. None of them where many may not be opened at once:
        then some real server may not be picked, or does not leave by columns, or answers go several ways."""
        self._plan = self._planned() if self._plan is None else self._plan
        return self._plan

    def _planned(self) -> I64:
        server, laddrs, ways = self.server, self.server.laddrs.laddrs, self._ways()
        if not self._bulky() or len(ways) != len(server.dests):
            return NO_PLAN
        homes = self._pool_homes() if self.links.watches_answers else [(0, True)] * len(laddrs)
        found = [(dest, laddr, home) for dest in server.dests for laddr, home in zip(laddrs, homes, strict=True)]
        made = [(self._pair(dest, laddr), ways[dest.id], *home) for dest, laddr, home in found if home is not None]
        return np.array(made, np.int64).T if len(made) == len(found) else NO_PLAN

    def _bulky(self) -> bool:
        """Whether every real server may be picked, however often, and there is nobody to tell."""
        vip = self.server.service.vip
        assert vip is not None, "openers have an address"
        plain = len(vip.address) == 4 and not self._redirect and bool(self.server.dests)
        return plain and all(dest.valid and not dest.max_conn for dest in self.server.dests)

    def _pool_homes(self) -> list[tuple[int, bool] | None]:
        rank, proto = self.lcore.rank, self.server.service.protocol
        peer = self.server.dests[0].endpoint
        low, mask = self.machine.setup.sa_pool.low, self.machine.setup.port_mask
        port = low + ((rank - low) & mask)  # the first that this worker owns
        return [self.links.pool_home(rank, proto, laddr, port, peer) for laddr in self.server.laddrs.laddrs]

    def pick_many(self, keys: Callable[[], list[bytes]], count: int, tape: Steps) -> I64:
        """Positions of the real servers that *count* packets are sent to. Who looks at them asks for their *keys*, who
        counts connections reads the *tape* of what changes between them."""
        scheduler: Any = self.server.scheduler
        if self.watched:
            return np.array(scheduler.pick_among(tape), np.int64)
        if self.server.service.scheduler == "rr":
            return np.asarray(scheduler.pick_many(count))
        flows = map(_flow, keys()) if self._sighted else [NO_FLOW] * count
        places = {dest: place for place, dest in enumerate(self.server.dests)}
        return np.array([places[scheduler.pick(flow)] for flow in flows])

    def _pair(self, dest: Dest, laddr: bytes) -> int:
        bucket = self.lcore.pools[laddr].bucket(dest.endpoint)
        return self.machine.pairs.enter(self.server, dest, laddr, bucket.number)

    def _prefix(self, dest: Dest, laddr: bytes) -> bytes:
        """What the OUT keys of this real server and local address begin with."""
        self.machine.dests[dest.id] = dest
        if len(laddr) == 4:
            self._pair(dest, laddr)  # whose connections may end many at once
        ends = dest.address + laddr + dest.port.to_bytes(2)
        made = self._prefixes[dest.id, laddr] = bytes((self.server.service.protocol,)) + ends
        return made

    def _ways(self) -> dict[int, int]:
        """What the first packets to real servers leave with, of those to whom they leave by columns."""
        ways = [(dest.id, self.links.way(dest.address)) for dest in self.server.dests]
        self._slow = {dest: way for dest, way in ways if way != PLAIN}
        return self._slow

    def change(self, slot: int, old: int, new: int) -> None:
        """A new state: its timeout, and the counts of active and inactive connections (D 5.2)."""
        table, timeouts = self.machine.table, self.timeouts
        table.state[slot] = new
        table.timeout[slot] = timeouts[new] + table.fraction[slot]
        if self.established in (old, new):
            self.machine.dests[table.dest[slot]].activate(1 if new == self.established else -1)

    def end(self, slot: int, order: int) -> None:
        """The connection expires in silence, at this place in the order: all it took is given back (D 2.5)."""
        machine, lcore, table = self.machine, self.lcore, self.machine.table
        out_key = machine.index.key(2 * slot + 1)
        if self._redirect and machine.redirect.get(out_key) == lcore.rank:
            del machine.redirect[out_key]
        machine.index.forget(slot)
        dest = machine.dests[table.dest[slot]]
        left(dest, 1)
        width = (len(out_key) - 5) // 2
        laddr = out_key[1 + width : 1 + 2 * width]
        lcore.pools[laddr].release(int.from_bytes(out_key[-2:]), dest.endpoint)
        self.server.laddrs.release(laddr)
        table.free_slot(slot)
        lcore.closed(order)

    def revive(self, slot: int) -> Conn:
        """The connection as the plain path wants it."""
        machine, table, links = self.machine, self.machine.table, self.links
        in_key, out_key = machine.index.key(2 * slot), machine.index.key(2 * slot + 1)
        service = self.server.service
        conn = Conn(service.protocol, self.lcore.rank, self.server, machine.dests[table.dest[slot]], MODES["fnat"], 0)
        conn.slot, conn.number = slot, table.number[slot]
        conn.in_key, conn.out_key = in_key, out_key
        conn.client, conn.virtual = _ends(in_key)
        conn.real, conn.local = _ends(out_key)
        conn.delta, conn.fdata, conn.has_isn = self.delta, table.fdata[slot], self.kind == FULL_TCP
        active = table.state[slot] == self.established
        conn.flags = (0 if active else INACTIVE) | (EXPIRE_QUIESCENT if service.expire_quiescent else 0)
        conn.out_macs = conn.out_seen = links.macs_of(table.client[slot])
        if table.met[slot]:
            conn.in_macs = conn.in_seen = links.macs_of(table.mac[2 * slot])
        return conn


def _flow(key: bytes) -> Flow:
    source, dest = _ends(key)
    return Flow(source.address, source.port, dest.address, dest.port, key[0])


def _ends(key: bytes) -> tuple[Endpoint, Endpoint]:
    """Source and destination of a key."""
    width = (len(key) - 5) // 2
    source = Endpoint(key[1 : 1 + width], int.from_bytes(key[-4:-2]))
    return source, Endpoint(key[1 + width : 1 + 2 * width], int.from_bytes(key[-2:]))


class Openers:
    """The openers of a machine, found by worker and by protocol, address and port of the packet."""

    def __init__(self, machine: Machine, links: Links) -> None:
        self.machine, self.links = machine, links
        self.by_place: list[dict[bytes, Opener]] = []
        self._known: dict[tuple[int, VirtualServer], Opener] = {}
        self._ours: set[bytes] = set()  # addresses that services ever had
        self.rebuild()

    def rebuild(self) -> None:
        """Anew, after an event changed services, real servers or lists."""
        self.by_place = [
            {_place(server.service): self._opener(lcore, server) for server in self._plain(lcore)}
            for lcore in self.machine.lcores
        ]
        self._places, self._numbers = self._numbered()
        services = [server.service for lcore in self.machine.lcores for server in lcore.servers.by_name.values()]
        self._ours |= {
            address
            for service in services
            for address in (*service.laddr, service.vip and service.vip.address)
            if address
        }
        self._ours4 = np.frombuffer(b"".join(address for address in self._ours if len(address) == 4), np.uint32)
        self._by_address = all(service.vip is not None for service in services)
        table = self.machine.table
        self.plans = Plans(table.openers, self.machine.pairs, self.machine.ports)
        self.columns = _constants(table.openers)

    def ours(self, burst: Burst, rows: I64) -> Bool:
        """Which of some rows of IP come from or go to an address of a service: others open no connection and have none.

        A capture from a real network has packets of others in every burst.
        """
        if not self._by_address:
            return np.ones(len(rows), np.bool_)
        ends = burst.flow4.take(rows, 0).view(np.uint32)[:, :2]
        mine = np.asarray(np.isin(ends, self._ours4).any(1))
        for at in np.flatnonzero(burst.family[rows] == 6).tolist():
            flow = burst.flow6[np.searchsorted(burst.rows6, rows[at])].tobytes()
            mine[at] = flow[:16] in self._ours or flow[16:32] in self._ours
        return mine

    def _opener(self, lcore: Lcore, server: VirtualServer) -> Opener:
        """The one there was, that its connections know, or a new one."""
        known = self._known.get((lcore.rank, server))
        if known is None:
            known = self._known[lcore.rank, server] = Opener(self.machine, self.links, lcore, server)
        known.renew()
        return known

    def _numbered(self) -> tuple[Any, I64]:
        """IPv4 places as sorted numbers, and by worker and place the number of the opener, 0: none."""
        places = sorted({_number(key) for keys in self.by_place for key in keys if len(key) == 7})
        numbers = np.zeros((len(self.by_place), len(places) + 1), np.int64)
        for rank, openers in enumerate(self.by_place):
            for key, opener in openers.items():
                if len(key) == 7:
                    numbers[rank, places.index(_number(key))] = opener.number
        return np.array(places, np.uint64), numbers

    def numbers(self, flow4: U8, proto: U8, workers: Any) -> I64:
        """By row, the number of the opener of IPv4 packets, 0: none."""
        words = flow4.view(np.uint32)
        place = endpoints(words[:, 1], words[:, 2] >> 16, proto)
        at = np.searchsorted(self._places, place)
        there = np.append(self._places, np.uint64(0xFFFFFFFFFFFFFFFF))[at] == place
        return np.where(there, self._numbers[workers, at], 0)

    def _plain(self, lcore: Lcore) -> list[VirtualServer]:
        return [server for server in lcore.servers.by_name.values() if self._ordinary(server)]

    def _ordinary(self, server: VirtualServer) -> bool:
        """Whether new connections of a service are made of columns alone."""
        setup, service = self.machine.setup, server.service
        odd: Any = service.persistent or service.synproxy or service.one_packet or service.quic or service.dest_check
        odd = odd or service.proxy_protocol != "off" or 0 < service.limit_proportion < 100 or self.machine.access
        odd = odd or (setup.behaviour.mh_port_is_synproxy and service.mh_port) or service.hash_target != "source"
        addresses = [*service.laddr, *(dest.address for dest in server.dests)]
        return (
            not odd
            and service.vip is not None
            and bool(service.laddr)
            and service.mode == "fnat"
            and service.protocol in (TCP, UDP)
            and not (service.protocol == UDP and setup.udp.uoa_max_trail)
            and all(len(address) == len(service.vip.address) for address in addresses)
            and setup.conn.fast_xmit
            and not setup.conn.xmit_ttl
            and not setup.device.resolve
            and not self.links.overlapping
            and not (setup.conn.redirect and setup.flow_director.strategy == "off")  # equal keys have two owners
        )


def _constants(openers: list[Opener | None]) -> dict[str, I64]:
    """What columns of new connections begin with, by the number of their opener."""
    rows = [
        (one.kind, one.lcore.rank, one.delta, one.limit, one.watched, one.first_state, one.timeouts[one.first_state])
        for one in filter(None, openers)
    ]
    names = "full", "rank", "delta", "limit", "watched", "state", "timeout"
    columns = np.array([(0,) * len(names), *rows], np.int64).T  # 0 is nobody's number
    return dict(zip(names, columns, strict=True))


def _place(service: Service) -> bytes:
    assert service.vip is not None, "only services with an address open connections here"
    return bytes((service.protocol,)) + service.vip.address + service.vip.port.to_bytes(2)


def _number(place: bytes) -> int:
    """An IPv4 place as one number: address, port, protocol."""
    return endpoint(place[0], place[1:5], int.from_bytes(place[5:]))
