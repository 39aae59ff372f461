"""Who opens connections in the loop: services and their real servers, made into records (loop/opener.py).

A service whose new connections need nothing but a real server, a local end and a place in the tables (D 2.4) has an
opener on each worker that opens them; ODD, below, is the table of all others. What an opener needs to know of its real
servers is made when its first packet comes, and again after whatever may have changed it: an event, a neighbour.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack
from typing import TYPE_CHECKING, Any

from lbreplay import memory
from lbreplay.dpvs.conn import EXPIRE_QUIESCENT, IN, INACTIVE, NOFASTXMIT, OUT, SYNPROXY, Conn, Macs
from lbreplay.dpvs.conn import TEMPLATE as TEMPLATE_FLAG
from lbreplay.dpvs.modes import MODES
from lbreplay.dpvs.server import VirtualServer
from lbreplay.loop.ends import Ends
from lbreplay.loop.loop import Loop
from lbreplay.loop.names import (
    ANY,
    DIRECT,
    FULL_TCP,
    FULL_UDP,
    NONE,
    SIX,
    SNAT,
    TEMPLATE,
    TRAILS,
    TUNNEL,
    UNKNOWN,
)
from lbreplay.loop.opener import Opener, Pair
from lbreplay.loop.ports import Bucket
from lbreplay.loop.spans import EVERYWHERE, Span
from lbreplay.loop.ways import Way
from lbreplay.model import NANOSECOND, AddressRange, Endpoint, On, Service
from lbreplay.wire import uoa
from lbreplay.wire.packet import SYN, TCP, UDP
from lbreplay.wire.proxy_protocol import V2_SIZE

if TYPE_CHECKING:
    from lbreplay.dpvs.links import Links
    from lbreplay.dpvs.machine import Lcore, Machine
    from lbreplay.loop.real import Dest

VLANS = 1 << 12  # ids


class Openers:
    """The openers of a machine; they are the loop's."""

    def __init__(self, machine: Machine, links: Links, loop: Loop, virtual: Ends) -> None:
        self.machine, self.links, self.loop, self._virtual = machine, links, loop, virtual
        self.readdressed: set[str] = {event.path[1] for event in machine.setup.events if event.path[-1:] == ("laddr",)}
        self._lent: list[Opener] = []
        self._known: dict[VirtualServer, Opener] = {}
        self._servers: dict[Opener, tuple[Lcore, VirtualServer]] = {}
        self._pairs: dict[tuple[int, int, bytes], Pair] = {}
        loop.all_pairs.append(None)  # 0 is nobody's number
        self._devices: dict[str, int] = {}  # by name
        self._port_mask = machine.setup.port_mask
        self.passing = False  # packets for nobody here have no chance to be for somebody
        self.rebuild()

    def rebuild(self) -> None:
        """Anew, after an event changed services, real servers or lists."""
        found = [lcore.servers.found() for lcore in self.machine.lcores]
        ends = list(found[0])
        openers = [
            self._opener(lcore, servers[end]) for lcore, servers in zip(self.machine.lcores, found, strict=True)
            for end in ends
        ]  # fmt: skip
        for opener in self._lent:
            opener.ready, opener.why = False, 0
        self.loop.know(self._virtual, Ends(ends), openers, len(ends))
        self.loop.spans = self._spans()
        self._tell_ends()

    def _tell_ends(self) -> None:
        """Which addresses are local, where others go, and which lists there are."""
        machine = self.machine
        laddrs = [(0, address, 0) for address in machine.setup.local_addresses]
        wide = [half for zone in machine.stack.zones(6) for half in (zone >> 64, zone & (1 << 64) - 1)]
        zones = memory.listed("q", machine.stack.zones(4)), memory.listed("Q", wide)
        self.loop.ends_of(Ends(laddrs), *zones)
        self.loop.listed, self.loop.chancy = bool(machine.access), machine.access.by_chance
        self.loop.lists = machine.access.lists
        self.loop.alike = self.links.alike
        self.loop.devices.clear()
        self.passing = machine.resolver is None

    def _why(self, server: VirtualServer) -> int:
        """The reason for which new connections of a service are the plain path's; 0: they are the loop's."""
        return next((int(way) for way, asks in ODD if asks(self, server)), 0)

    def _local_ends(self, service: Service) -> bool:
        """Whether connections leave from a local address, or keep the client's end."""
        if service.mode == "fnat":
            return bool(service.laddr)
        return service.mode in ("nat", "dr", "tunnel", "snat")

    def _opener(self, lcore: Lcore, server: VirtualServer) -> Opener:
        """The one there was, that its connections know, or a new one; it is made ready when it is needed."""
        opener = self._known.get(server)
        if opener is None:
            opener = self._known[server] = self._made(lcore, server)
        opener.ready, opener.why = False, self._why(server)
        opener.weightless = not any(dest.weight for dest in server.dests)
        return opener

    def _made(self, lcore: Lcore, server: VirtualServer) -> Opener:
        opener = Opener(lcore, server.laddrs, lcore.jitters)
        self._servers[opener] = lcore, server
        self._describe(opener, lcore, server)
        return opener

    def leaves_by(self, key: bytes, vlan: int) -> int:
        """The number of the device that a packet with *key* is routed out of, NONE where there is no route, or it leads
        here (D 10.1); *vlan* -1: it had no tag."""
        machine = self.machine
        route = machine.stack.way_in(ends_of(key)[1].address, None if vlan < 0 else vlan)
        if route is None or route.local:
            return NONE
        return self._device(machine.setup.name(On(route.port, route.vlan)))

    def _device(self, name: str) -> int:
        return self._devices.setdefault(name, len(self._devices))

    def _spans(self) -> list[Span]:
        """The match services, newest first, as all workers have them. A rule that names no output device spoils that
        test for all rules after it: none of those that do is looked at any more (`Servers.match`)."""
        spans: list[Span] = []
        spoiled = False
        for servers in zip(*(lcore.servers.matching for lcore in self.machine.lcores), strict=True):
            match = servers[0].service.match
            spoiled = spoiled or not match.oif
            if (match.oif and spoiled) or match.protocol not in (TCP, UDP):
                continue
            openers = [self._opener(lcore, server) for lcore, server in zip(self.machine.lcores, servers, strict=True)]
            way = self._device(match.oif) if match.oif else ANY
            ranges = _range(match.source), _range(match.dest)
            spans.append(Span(match.protocol, match.family == 6, *ranges, self._tag(match.iif), way, openers))
        return spans

    def _tag(self, name: str | None) -> int:
        """Column `tag` of what a device received; ANY where none is named, and a tag that no frame has where there is
        no device of that name."""
        if not name:
            return ANY
        names = [self.machine.setup.name(On(0, vlan)) for vlan in (None, *range(VLANS))]
        return names.index(name) if name in names else len(names)

    def lend(self, opener: Opener, owner: Opener) -> Opener:
        """The opener of a worker with the real servers of *owner*'s: of clients whose template that one made."""
        lent = opener.lent[owner.rank] = self._made(self._servers[opener][0], self._servers[owner][1])
        self._lent.append(lent)
        return lent

    def _describe(self, opener: Opener, lcore: Lcore, server: VirtualServer) -> None:
        """What never changes: how a real server is picked, and the first state."""
        setup, service = self.machine.setup, server.service
        protocol = self.machine.protocols[service.protocol]
        timeouts = protocol.timeout(setup, service)
        event = protocol.event[SYN] if service.protocol == TCP else 0
        mode = MODES[service.mode]
        opener.shielded = service.protocol == TCP and self.machine.setup.shields(service)
        opener.rank, opener.direct, opener.keeps = lcore.rank, not mode.rewrites, not mode.full
        if opener.keeps:
            opener.kind = mode.kind
        else:
            opener.kind = FULL_TCP if service.protocol == TCP else FULL_UDP
            opener.width = len(service.laddr)
        opener.delta = setup.tcp.isn_offset if opener.kind == FULL_TCP and setup.tcp.seq_adjust else 0
        opener.limit = self.machine.limit_of(service)
        opener.fast = setup.conn.fast_xmit and (4 if _within(service) == 4 else 6) in MODES[service.mode].fast
        opener.proxied = opener.kind == FULL_TCP and service.proxy_protocol != "off"
        if opener.proxied and service.proxy_protocol.startswith("v2"):
            opener.proxy_growth = V2_SIZE[1 if _within(service) == 4 else 2]
        if opener.kind == FULL_UDP and setup.udp.uoa_max_trail:
            opener.trail = setup.udp.uoa_max_trail + 1
            opener.growth = uoa.size_of(setup.udp.uoa_mode, Endpoint(bytes(_within(service)), 0))
        if opener.kind == TUNNEL:
            opener.growth = 20 if _within(service) == 4 else 40  # an outer header of the inner one's family
        side = OUT if opener.kind == SNAT else IN
        opener.first_state = protocol.step(protocol.sides(service.mode)[side], event, 0)
        opener.first_timeout = timeouts[opener.first_state]
        opener.established = protocol.states.index("established") if "established" in protocol.states else -1
        opener.quiesces = self._quiesces(service)
        if service.persistent is not None:
            self._describe_templates(opener, service)

    def _describe_templates(self, opener: Opener, service: Service) -> None:
        """Whose clients are one to templates, and how long these live (D 2.7)."""
        persistent, width = service.persistent, 8 * _within(service)
        assert persistent is not None, "the caller saw it"
        prefix = width if persistent.netmask is None else persistent.netmask
        mask = ((1 << width) - (1 << width - prefix)).to_bytes(width // 8)
        opener.mask, opener.wide_mask = int.from_bytes(mask[:8], "little"), int.from_bytes(mask[8:], "little")
        opener.persistent, opener.template_timeout = True, persistent.timeout * NANOSECOND
        opener.lenient = not self.machine.setup.conn.expire_quiescent_template

    def _quiesces(self, service: Service) -> bool:
        """Whether a service's connections end with their real server (D 1.5, step 8; D 2.7)."""
        if service.mode == "snat":
            return False
        kept = service.persistent is not None and self.machine.setup.behaviour.quiescent == "conn"
        return service.expire_quiescent or kept

    def ready(self, opener: Opener) -> None:
        """What may have changed: its real servers, with what their packets leave, where their answers come in."""
        lcore, server = self._servers[opener]
        way = self.links.direct_way if opener.kind == DIRECT else self.links.way
        ways = {dest.id: 0 if opener.kind == SNAT else way(dest.address) for dest in server.dests}
        opener.ready, opener.dests, opener.choice = True, server.dests, server.scheduler.rule
        opener.why = opener.why or -min([0, *ways.values()])
        opener.pairs = [
            self._pair(opener, lcore, dest, at, ways[dest.id])
            for dest in server.dests
            for at in range(opener.width)
            if not opener.why
        ]
        for place, dest in enumerate(server.dests):
            dest.place = place

    def _pair(self, opener: Opener, lcore: Lcore, dest: Dest, at: int, way: int) -> Pair:
        laddr = b"" if opener.keeps else opener.cursor.laddrs[at]
        pair = self._pairs.get((lcore.rank, dest.id, laddr))
        if pair is None:
            words = _answers(self.loop, self._servers[opener][1].service.protocol, dest, laddr)
            bucket = Bucket(()) if opener.keeps else lcore.pools[laddr].bucket(dest.endpoint)
            pair = self._pairs[lcore.rank, dest.id, laddr] = Pair(
                len(self.loop.all_pairs), opener, dest, at, bucket, words
            )
            self.loop.all_pairs.append(pair)
            self.machine.remember(dest)
        pair.way, pair.home, pair.at_home = way, UNKNOWN, False
        pair.pool = lcore.pools.get(dest.address) if opener.kind == SNAT else None
        if opener.kind == TUNNEL:
            pair.outer, pair.ident = self.links.outer(dest.address, _within(self._servers[opener][1].service))
        if self.links.watches_answers and not opener.keeps:
            pair.home, pair.at_home = self._home(lcore, opener, dest, laddr)
        return pair

    def _home(self, lcore: Lcore, opener: Opener, dest: Dest, laddr: bytes) -> tuple[int, bool]:
        """Where the answers to all ports of a pool come in, and whether that is this worker; UNKNOWN: ports differ."""
        setup = self.machine.setup
        low = setup.sa_pool.low
        port = low + ((lcore.rank - low) & self._port_mask)  # the first that this worker owns
        if port > setup.sa_pool.high:
            return UNKNOWN, False
        protocol = TCP if opener.kind == FULL_TCP else UDP
        return self.links.pool_home(lcore.rank, protocol, laddr, port, dest.endpoint) or (UNKNOWN, False)

    def server(self, opener: Opener) -> VirtualServer:
        """Whose connections it opens."""
        return self._servers[opener][1]

    def quiesces(self, slot: int) -> bool:
        """Whether a connection that the loop opened may end with its real server (D 1.5, step 8)."""
        pair = self.loop.all_pairs[self.machine.table.pair[slot]]
        return pair is not None and self._quiesces(self._servers[pair.opener][1].service)

    def revive(self, slot: int) -> Conn:
        """A connection that the loop opened, as the plain path wants it."""
        machine, table = self.machine, self.machine.table
        pair = self.loop.all_pairs[table.pair[slot]]
        lcore, server = self._servers[pair.opener]
        if table.full[slot] == TEMPLATE:
            return self._template(slot, pair, server)
        in_key, out_key = machine.tuples.key(2 * slot), machine.tuples.key(2 * slot + 1)
        service = server.service
        conn = Conn(service.protocol, lcore.rank, server, pair.dest, MODES[service.mode], 0)
        conn.slot, conn.number = slot, table.number[slot]
        conn.in_key, conn.out_key = in_key, out_key
        conn.client, conn.virtual = ends_of(in_key)
        conn.real, conn.local = ends_of(out_key)
        conn.delta, conn.fdata, conn.isn = table.delta[slot], table.fdata[slot], table.isn[slot]
        conn.control = table.control[slot] > 0
        conn.proxy = table.proxied.get(slot)
        conn.has_isn = pair.opener.kind == FULL_TCP
        active = table.state[slot] == pair.opener.established
        conn.flags = SYNPROXY if conn.proxy is not None else 0
        conn.flags |= (0 if active else INACTIVE) | (EXPIRE_QUIESCENT if self._quiesces(service) else 0)
        conn.out_seen, conn.in_seen = (
            _untagged(self._told(table.client[slot])),
            _untagged(self._told(table.server[slot])),
        )
        conn.out_macs, conn.in_macs = self._told(table.back[slot]), self._told(table.forth[slot])
        if table.met[slot] & TRAILS:
            conn.flags |= NOFASTXMIT
            conn.uoa_left = table.trail[slot] - 1
        return conn

    def _template(self, slot: int, pair: Pair, server: VirtualServer) -> Conn:
        """A template that the loop made."""
        service, key = server.service, self.machine.templates.table.key(slot)
        conn = Conn(service.protocol, -1, server, pair.dest, MODES[service.mode], 0)
        conn.flags, conn.slot, conn.number, conn.in_key = TEMPLATE_FLAG, slot, self.machine.table.number[slot], key
        conn.client, conn.virtual = ends_of(key)
        conn.real = Endpoint(pair.dest.address, 0)
        return conn

    def _told(self, entry: int) -> Macs | None:
        """The MACs of 1 + an entry, 0: none."""
        return self.links.macs_of(entry - 1) if entry else None


def _answers(loop: Loop, protocol: int, dest: Dest, laddr: bytes) -> tuple[int, ...]:
    """The tuple of answers of *dest* to *laddr* (b"": the client is put in later), without the port, as loop/table.py
    has it."""
    word1 = int.from_bytes(dest.port.to_bytes(2), "little") | protocol << 32
    if len(dest.address) == 4:
        return int.from_bytes(dest.address + laddr, "little"), word1, 0, 0, 0, 0
    a, b, c, d = unpack("<4Q", dest.address + (laddr or bytes(16)))
    return loop.table.mix(a, b, c, d), word1 | SIX, a, b, c, d


def ends_of(key: bytes) -> tuple[Endpoint, Endpoint]:
    """Source and destination of a key."""
    width = (len(key) - 5) // 2
    source = Endpoint(key[1 : 1 + width], int.from_bytes(key[-4:-2]))
    return source, Endpoint(key[1 + width : 1 + 2 * width], int.from_bytes(key[-2:]))


def _range(span: AddressRange | None) -> tuple[int, int, int, int]:
    """A range in numbers; a maximum of zero: all of them (D 10.1)."""
    if span is None:
        return EVERYWHERE
    low, high, first, last = EVERYWHERE
    if any(span.high):
        low, high = int.from_bytes(span.low), int.from_bytes(span.high)
    if span.high_port:
        first, last = span.low_port, span.high_port
    return low, high, first, last


def _untagged(macs: Macs | None) -> Macs | None:
    return None if macs is None else (macs[0], macs[1][:6])


def _within(service: Service) -> int:
    """Bytes of the addresses that a service's packets go to."""
    if service.vip is not None:
        return len(service.vip.address)
    assert service.match is not None, "a service has an address, a mark of others, or matches"
    return 4 if service.match.family == 4 else 16


# What takes all first packets of a service to the plain path, in this order; what takes those of its connections stands
# in `links.ODD`.
ODD: tuple[tuple[Way, Callable[[Openers, VirtualServer], Any]], ...] = (
    (Way.ONE_PACKET, lambda openers, server: server.service.one_packet),
    (Way.QUIC, lambda openers, server: server.service.quic),
    (Way.CHECKED, lambda openers, server: server.service.dest_check),
    (Way.PROXY_PROTOCOL, lambda openers, server: server.service.proxy_protocol != "off"
        and server.service.protocol != TCP),
    (Way.LIMITED, lambda openers, server: 0 < server.service.limit_proportion < 100),
    (Way.HASHED, lambda openers, server: server.service.hash_target != "source"),
    (Way.PERSISTENT, lambda openers, server: server.service.persistent is not None and server.service.mode == "snat"),
    (Way.READDRESSED, lambda openers, server: server.service.name in openers.readdressed),
    (Way.OTHER_PROTOCOL, lambda openers, server: server.service.protocol not in (TCP, UDP)),
    (Way.DEVICES, lambda openers, server: server.service.match is not None and openers.machine.setup.several),
    (Way.MODE, lambda openers, server: not openers._local_ends(server.service)
        or any(dest.real.mode not in (None, "", server.service.mode) for dest in server.dests)),
    (Way.FAMILIES, lambda openers, server: any(len(address) != _within(server.service)
        for address in (*server.service.laddr, *(dest.address for dest in server.dests)))),
    (Way.TTL, lambda openers, server: openers.machine.setup.conn.xmit_ttl),
    (Way.RESOLVED, lambda openers, server: openers.machine.setup.resolves),
    (Way.OVERLAPPING, lambda openers, server: openers.links.overlapping),
)  # fmt: skip
