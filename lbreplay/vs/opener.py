"""Ordinary new connections, opened in the ordered loop without a packet object (D 2.4).

An `Opener` stands for one full-NAT service on one worker when nothing about it needs the plain path: the order of what
it does, and every draw of chance, is that of `schedule.py`. Its connections have no `Conn` until somebody asks for one
(`revive`); their columns and keys say it all. Most never need one, and a million of them take a third of the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I64
from lbreplay.model import Endpoint
from lbreplay.verdict import Verdict
from lbreplay.vs.conn import EXPIRE_QUIESCENT, FULL_TCP, FULL_UDP, INACTIVE, Conn
from lbreplay.vs.forwarding import MODES
from lbreplay.vs.links import PLAIN
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


class Opener:
    """Opens the connections of one service on one worker."""

    def __init__(self, machine: Machine, links: Links, lcore: Lcore, server: VirtualServer) -> None:
        self.machine, self.links, self.lcore, self.server = machine, links, lcore, server
        service, setup = server.service, machine.setup
        protocol = machine.protocols[service.protocol]
        self.timeouts = protocol.timeout(setup, service)
        self.established = protocol.states.index("established") if service.protocol == TCP else -1
        column = protocol.sides("fnat")[0] * len(protocol.events)
        self.first_state = protocol.next[column][0]  # a SYN, or a datagram, from NONE
        self.kind = FULL_TCP if service.protocol == TCP else FULL_UDP
        self.delta = setup.tcp.isn_offset if service.protocol == TCP and setup.tcp.seq_adjust else 0
        self._watched, self._limit = links.watched(service), machine.limit_of(service)
        self._sighted = service.scheduler not in BLIND
        self._pool_size = setup.conn.pool_size
        self._redirect = setup.conn.redirect
        self._prefixes: dict[tuple[int, bytes], bytes] = {}
        self._slow: dict[bytes, dict[int, int] | None] = {}

    def open(self, key: bytes, now: int, order: int, head: bytes) -> int:
        """The IN handle of the connection that the packet with *key* opens, or NOT_HERE, or REFUSED - verdict."""
        machine, lcore, table = self.machine, self.lcore, self.machine.table
        slow = self._slow.get(head) or self._ways(head)
        if slow is None or len(slow) != len(self.server.dests) or table.live >= self._pool_size:
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
        slot = table.take(self, key, out_key, dest.id, lcore.rank)
        table.state[slot] = state = self.first_state
        table.fraction[slot] = fraction = lcore.jitter()
        table.timeout[slot] = timeout = self.timeouts[state] + fraction
        table.last_use[slot], table.armed[slot] = now, order
        table.delta[slot], table.full[slot] = self.delta, self.kind
        table.watched[slot], table.limit[slot] = self._watched, self._limit
        handle = 2 * slot
        table.mac[handle] = slow[dest.id]
        table.client[slot] = back = self.links.answering(head)
        at_home = not self.links.watches_answers or self.links.comes_home(slot, lcore.rank, out_key, laddr)
        table.mac[handle + 1] = back if at_home else PLAIN
        lcore.find[key], lcore.find[out_key] = handle, handle + 1
        if self._redirect:
            machine.redirect[out_key] = lcore.rank
        machine.cache.enter(slot, key, out_key)
        machine.timers.arm(slot, now + timeout)
        dest.conns += 1
        dest.inactconns += 1
        lcore.opened(1)
        return handle

    # --- many at once (bulk.py) --------------------------------------------------------------------------------

    @property
    def bulky(self) -> bool:
        """Whether the n-th of many takes the n-th of everything: round robin, and every real server may be picked."""
        vip = self.server.service.vip
        assert vip is not None, "openers have an address"
        in_turn = self.server.service.scheduler == "rr" and not self._watched
        plain = in_turn and len(vip.address) == 4 and not self._redirect
        return plain and all(dest.valid and not dest.max_conn for dest in self.server.dests)

    def has_ways(self, heads: set[bytes]) -> bool:
        """Whether what comes with any of these MACs leaves by columns."""
        return all((self._slow.get(head) or self._ways(head)) is not None for head in heads)

    def has_ports(self, count: int) -> bool:
        """Whether *count* more connections find fresh ports whomever they meet, and answers to them go one way."""
        pools = [self.lcore.pools[address] for address in self.server.laddrs.laddrs]
        if any(pool.bucket(dest.endpoint).fresh < count for pool in pools for dest in self.server.dests):
            return False
        return not self.links.watches_answers or None not in self._pool_homes()

    def _pool_homes(self) -> list[tuple[int, bool] | None]:
        rank, proto = self.lcore.rank, self.server.service.protocol
        peer = self.server.dests[0].endpoint
        low, mask = self.machine.setup.sa_pool.low, self.machine.setup.port_mask
        port = low + ((rank - low) & mask)  # the first that this worker owns
        return [self.links.pool_home(rank, proto, laddr, port, peer) for laddr in self.server.laddrs.laddrs]

    def open_many(self, at: I64, order: I64, heads: list[bytes], keys: list[bytes]) -> tuple[I64, list[bytes]]:
        """Slots and OUT keys of the connections that packets with *keys* open, at times *at*; there is room."""
        count, server, table = len(keys), self.server, self.machine.table
        picked, laddrs = np.array(server.scheduler.pick_many(count)), server.laddrs.next_many(count)  # type: ignore[attr-defined]
        out_keys = self._out_keys(picked, laddrs)
        slots = table.take_many(self, keys, out_keys)
        column = table.columns
        fractions = self.lcore.jitters(count)
        timeouts = fractions + self.timeouts[self.first_state]
        ids = np.array([dest.id for dest in server.dests])
        for name, value in (
            ("state", self.first_state), ("fraction", fractions), ("timeout", timeouts), ("last_use", at),
            ("armed", order), ("delta", self.delta), ("full", self.kind), ("limit", self._limit), ("dest", ids[picked]),
            ("rank", self.lcore.rank),
        ):  # fmt: skip
            column[name][slots] = value
        self._leave(slots, heads, picked, laddrs)
        self._count(picked, laddrs)
        self.machine.cache.enter_many(slots, keys, out_keys)
        self.machine.timers.arm_many(slots, at + timeouts)
        return slots, out_keys

    def _out_keys(self, picked: I64, laddrs: I64) -> list[bytes]:
        """Keys of the answers. Ports are slices of each bucket, which real servers may share, in connections' order."""
        pairs = [(dest, laddr) for dest in self.server.dests for laddr in self.server.laddrs.laddrs]
        at = picked * len(self.server.laddrs.laddrs) + laddrs
        prefixes = [self._prefixes.get((dest.id, laddr)) or self._prefix(dest, laddr) for dest, laddr in pairs]
        keys = np.empty((len(at), 13), np.uint8)
        keys[:, :11] = np.frombuffer(b"".join(prefixes), np.uint8).reshape(-1, 11)[at]
        buckets = [self.lcore.pools[laddr].bucket(dest.endpoint) for dest, laddr in pairs]
        distinct = {id(bucket): bucket for bucket in buckets}
        number = {key: i for i, key in enumerate(distinct)}
        of_row = np.array([number[id(bucket)] for bucket in buckets])[at]
        counts = np.bincount(of_row, minlength=len(distinct)).tolist()
        ports = [bucket.take_fresh(count) for bucket, count in zip(distinct.values(), counts, strict=True)]
        order = np.argsort(of_row, kind="stable")
        keys[order, 11:] = np.concatenate(ports).astype(">u2").view(np.uint8).reshape(-1, 2)
        made: list[bytes] = keys.view("V13").ravel().tolist()
        return made

    def _leave(self, slots: I64, heads: list[bytes], picked: I64, laddrs: I64) -> None:
        """What both sides leave with."""
        column, links = self.machine.table.columns, self.links
        known = {head: i for i, head in enumerate(set(heads))}
        head_at = np.array([known[head] for head in heads])
        back = np.array([links.answering(head) for head in known])[head_at]
        column["mac"][2 * slots] = np.array([self._ways_by_place(head) for head in known])[head_at, picked]
        column["client"][slots] = back
        if links.watches_answers:
            homes = [home for home in self._pool_homes() if home is not None]
            column["home"][slots] = np.array([entry for entry, _ in homes])[laddrs]
            back = np.where(np.array([at_home for _, at_home in homes])[laddrs], back, PLAIN)
        column["mac"][2 * slots + 1] = back

    def _ways_by_place(self, head: bytes) -> list[int]:
        ways = self._slow.get(head) or self._ways(head)
        assert ways is not None, "somebody asked has_ways"
        return [ways[dest.id] for dest in self.server.dests]

    def _count(self, picked: I64, laddrs: I64) -> None:
        dests, cursor = self.server.dests, self.server.laddrs
        for dest, count in zip(dests, np.bincount(picked, minlength=len(dests)).tolist(), strict=True):
            dest.conns += count
            dest.inactconns += count
        for laddr, count in zip(cursor.laddrs, np.bincount(laddrs, minlength=len(cursor.laddrs)).tolist(), strict=True):
            cursor.conns[laddr] += count

    def _prefix(self, dest: Dest, laddr: bytes) -> bytes:
        """What the OUT keys of this real server and local address begin with."""
        self.machine.dests[dest.id] = dest
        ends = dest.address + laddr + dest.port.to_bytes(2)
        made = self._prefixes[dest.id, laddr] = bytes((self.server.service.protocol,)) + ends
        return made

    def _ways(self, head: bytes) -> dict[int, int] | None:
        """By real server, what the first packet leaves with when frames come with the MACs of *head*."""
        ways = {dest.id: self.links.way(dest.address) for dest in self.server.dests}
        made = None if PLAIN in ways.values() else ways
        if len(self._slow) > 4096:
            self._slow.clear()
        self._slow[head] = made
        return made

    def change(self, slot: int, old: int, new: int) -> None:
        """A new state: its timeout, and the counts of active and inactive connections (D 5.2)."""
        table, timeouts = self.machine.table, self.timeouts
        table.state[slot] = new
        table.timeout[slot] = timeouts[new] + table.fraction[slot]
        if new == self.established:
            dest = self.machine.dests[table.dest[slot]]
            dest.actconns += 1
            dest.inactconns -= 1
        elif old == self.established:
            dest = self.machine.dests[table.dest[slot]]
            dest.actconns -= 1
            dest.inactconns += 1

    def end(self, slot: int) -> None:
        """The connection expires in silence: everything it took is given back (D 2.5)."""
        machine, lcore, table = self.machine, self.lcore, self.machine.table
        find, in_key, out_key = lcore.find, table.in_keys[slot], table.out_keys[slot]
        if find.get(in_key) == 2 * slot:
            del find[in_key]
        if find.get(out_key) == 2 * slot + 1:
            del find[out_key]
        if self._redirect and machine.redirect.get(out_key) == lcore.rank:
            del machine.redirect[out_key]
        machine.cache.forget(slot)
        dest = machine.dests[table.dest[slot]]
        dest.inactconns -= 1
        if dest.overload and not dest.full:
            dest.overload = False
        width = (len(out_key) - 5) // 2
        laddr = out_key[1 + width : 1 + 2 * width]
        lcore.pools[laddr].release(int.from_bytes(out_key[-2:]), dest.endpoint)
        self.server.laddrs.release(laddr)
        table.free_slot(slot)
        lcore.expired += 1
        lcore.active -= 1

    def revive(self, slot: int) -> Conn:
        """The connection as the plain path wants it."""
        machine, table, links = self.machine, self.machine.table, self.links
        in_key, out_key = table.in_keys[slot], table.out_keys[slot]
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
        self.rebuild()

    def rebuild(self) -> None:
        """Anew, after an event changed services, real servers or lists."""
        self.by_place = [
            {_place(server.service): Opener(self.machine, self.links, lcore, server) for server in self._plain(lcore)}
            for lcore in self.machine.lcores
        ]

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


def _place(service: Service) -> bytes:
    assert service.vip is not None, "only services with an address open connections here"
    return bytes((service.protocol,)) + service.vip.address + service.vip.port.to_bytes(2)
