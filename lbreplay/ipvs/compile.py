"""The director made into records for the loop (loop/kernel.py), and what the loop asks about them.

A *starter* is a service whose connections the loop opens, a *course* how packets go between a virtual and a real end
(loop/entry.py). Both hold for a *version* of what is known about routes, neighbours and services; every change makes a
new one, and what is of an older one is found out again when it is next used.

Whatever the records cannot say has a reason (loop/ways.py) and is the plain path's: of the whole run (`_shut`), of
every new connection (`_barred`), of a service (`_why`), of a way out (`Course.why`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.arrays import U8, Bool
from lbreplay.burst import Burst
from lbreplay.ipvs import states
from lbreplay.ipvs.addresses import ALL_HOSTS, EVERYBODY, LOOPBACK, THIS, is_group
from lbreplay.ipvs.service import FTP
from lbreplay.ipvs.xmit import MIN_MTU, OUTER, tunnel_of
from lbreplay.loop.ends import Ends, words
from lbreplay.loop.entry import Course
from lbreplay.loop.flags import DIRECTED, GRE, GUE, IP_IN_IP, NAT, OTHERWISE, OUTER4, OUTER6, TUNNEL
from lbreplay.loop.kernel import Kernel, Starter
from lbreplay.loop.names import NONE, STATES, STEPS
from lbreplay.loop.translate import Translator
from lbreplay.loop.ways import Way
from lbreplay.lvs.flow import Flow
from lbreplay.lvs.protocols import tcp
from lbreplay.model import NANOSECOND, Endpoint, Persistence
from lbreplay.stack.neighbor import derived
from lbreplay.verdict import PENDING, Verdict
from lbreplay.wire.packet import GRE as PROTO_GRE
from lbreplay.wire.packet import IPIP, IPV6_IN_IP, RST, SYN, TCP, UDP

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest
    from lbreplay.ipvs.edition import Edition
    from lbreplay.ipvs.parts import Parts
    from lbreplay.ipvs.service import VirtualService
    from lbreplay.loop.entry import Conn
    from lbreplay.stack.route import RouteEntry

KINDS = {  # method: how it leaves, and as what
    "nat": (NAT, Verdict.NAT_FORWARDED),
    "dr": (DIRECTED, Verdict.DR_FORWARDED),
    "tunnel": (TUNNEL, Verdict.TUNNEL_FORWARDED),
}
REUSED = ("FIN_WAIT", "TIME_WAIT", "CLOSE")  # states in which a first packet may begin anew (L 4.2)
HEADER = {4: OUTER4, 16: OUTER6}  # bytes of an IP header, by the length of its addresses
WRAPS = {"ipip": IP_IN_IP, "gue": GUE, "gre": GRE}
PROTOCOLS = {"gue": UDP, "gre": PROTO_GRE}  # that outer headers name, but for IP in IP
MIRRORED = bytes(6)  # stands for the MAC that a row came to
DERIVED = derived(bytes(4))  # stands for the one made of where it goes
IPV4, IPV6 = 1, 2  # bits of `Kernel.families`


class Compiler:
    """The records of one director. `loop` reads them, `translator` rewrites what it lets leave.

    starters          of the services that have an address and a port
    heads       MACs (destination, source) by entry
    mirrored    whether the source is the one that the row came to
    derived     whether the destination is made of the address that the row goes to
    """

    def __init__(self, parts: Parts, virtual: set[tuple[int, bytes, int]]) -> None:
        self._parts, self._net = parts, parts.net
        self._virtual = Ends(sorted(virtual))
        verdicts = (Verdict.NAT_REPLIED, Verdict.DIRECT_REPLY, Verdict.REPLY_WITHOUT_CONN, Verdict.OWN_TRANSMIT)
        self.loop = Kernel(self, parts.conns, parts.sync, parts.setup.view, tuple(map(int, verdicts)))
        self.loop.port_mac = parts.setup.device.mac or b""
        self.loop.longest = min([parts.setup.device.mtu, *(route.mtu for route in parts.setup.routes if route.mtu)])
        self._era(parts.edition)
        self.heads: U8 = np.zeros((64, 12), np.uint8)
        self.mirrored: Bool = np.zeros(64, np.bool_)
        self.derived: Bool = np.zeros(64, np.bool_)
        self._entries: dict[tuple[bytes, bytes], int] = {}
        self._courses: dict[tuple[int, str, Endpoint, Endpoint, tuple[str, int, bool]], Course] = {}
        self.courses: list[Course] = []
        self.translator = Translator(self.courses, parts.edition.ttl, parts.edition.tunnel == "6.1")
        self._steps = _steps(parts.states)
        self._known = (NONE, NONE)
        self.rebuild()

    def _era(self, edition: Edition) -> None:
        """What differs between kernels."""
        self.loop.assures, self.loop.lowers = edition.assured, edition.ttl
        self.loop.data_passes = edition.ftp_data_passes
        self.loop.sums_up = edition.one_packet_number == "template"

    # --- what changes ------------------------------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Services, sysctls, timeouts, or anything else that an event can, have changed."""
        parts, loop = self._parts, self.loop
        services = parts.services.exact()
        ends = [(key[1], key[2], key[3]) for key in services if key[2]]
        self.starters = [Starter(services[0, *end]) for end in ends]
        loop.know(self._virtual, Ends(ends), self.starters)
        loop.rules(
            self._first(),
            self._steps,
            _limits(parts.states),
            _active(parts.states),
            states.ESTABLISHED,
            self._finishing(),
        )
        loop.secure = int(parts.sysctls.always("secure_tcp"))
        loop.quiesces = parts.sysctls["expire_quiescent_template"] != 0
        loop.deserts = parts.edition.reschedules and parts.sysctls["expire_nodest_conn"] != 0
        loop.families = IPV4 * parts.looked_at(4) | IPV6 * parts.looked_at(6)
        loop.discovers = self.translator.discovers = parts.edition.tunnel != "6.1" or parts.sysctls["pmtu_disc"] != 0
        loop.shut, loop.barred = self._shut(), self._barred()
        loop.thins = parts.sysctls.always("drop_entry")
        loop.speakers = Ends(sorted(parts.services.speakers())) if parts.sysctls["nat_icmp_send"] else None
        loop.passing = not (parts.edition.servers_open and parts.services.has_engine)
        self._place()

    def learned(self) -> None:
        """A plain packet may have told of a neighbour, or of a path's MTU."""
        if self._known != (self._net.output.neighbors.version, self._net.version):
            self._place()

    def _place(self) -> None:
        """What is local, and the zones between addresses that differ: of those that are looked at one by one each is
        its own."""
        net, routes = self._net, self._net.output.routes
        self._known = net.output.neighbors.version, net.version
        special = (*net.output.neighbors.hops(), *net.addresses.ends(), *net.learned(), ALL_HOSTS)
        zones, wide = (_zones(routes.zones(family), special, width) for family, width in ((4, 4), (6, 16)))
        halves = [half for zone in wide for half in divmod(zone, 1 << 64)]
        own = Ends([(0, address, 0) for address in routes.own_addresses()])
        self.loop.place(own, np.array(zones, np.int64).data, np.array(halves, np.uint64).data)

    def _shut(self) -> int:
        """Why the loop takes nothing."""
        parts, setup = self._parts, self._parts.setup
        reasons = (
            (Way.TRACKED, parts.tracking.in_use),
            (Way.MARKED, bool(setup.marks)),
            (Way.RESOLVED, setup.device.resolve),
            (Way.DEVICES, setup.several),
        )
        return _first(reasons)

    def _barred(self) -> int:
        """Why it opens no connection."""
        return _first(((Way.SWITCHED, self._parts.sysctls.always("drop_packet")),))

    def _first(self) -> bytes:
        """By flags of TCP: whether a packet of no connection may open one (L 5.1)."""
        refused = RST if self._parts.edition.rst_passes else 0
        any_flags = self._parts.sysctls["sloppy_tcp"] != 0
        return bytes(not flags & refused and (any_flags or flags & SYN != 0) for flags in range(256))

    def _finishing(self) -> bytes:
        """In which states of TCP a first packet may begin anew."""
        reused = REUSED if self._parts.edition.reschedules else ()
        names = states.TCP_NAMES
        return bytes(int(state < len(names) and names[state] in reused) for state in range(STATES))

    # --- what the loop asks ------------------------------------------------------------------------------------------

    def fire(self, row: int, thing: Any) -> None:
        """Something that is no connection is due before *row*; what it sends is its own."""
        self._net.row, self._net.cause = row, 0
        thing.fire()

    def wake(self) -> None:
        """A connection is there to look at."""
        self._parts.defence.wake()

    def ready(self, starter: Starter) -> None:
        """Bring *starter* up to date."""
        service: VirtualService = starter.service
        starter.version, starter.dests = self.loop.version, service.dests
        starter.why = self._why(service)
        if starter.why:
            return
        for place, dest in enumerate(service.dests):
            dest.place = place
        starter.courses = [self._course(dest, *_between(service, dest)) for dest in service.dests]
        starter.why = next((course.why for course in starter.courses if course.why), 0)
        starter.mtu = min((course.mtu for course in starter.courses), default=0)
        starter.choice = service.scheduler.rule
        starter.once = service.service.one_packet and service.service.protocol == UDP
        if service.service.persistent is not None:
            self._keep(starter, service.service.persistent, 4 if service.service.family == 4 else 16)

    def _why(self, service: VirtualService) -> int:
        """Why the loop opens no connection of *service*."""
        asked = service.service
        assert asked.vip is not None, "it was found by address"
        width = len(asked.vip.address)
        return _first(
            (
                (Way.PERSISTENT, asked.persistent is not None and self._odd_templates(service)),
                (Way.FTP, self._parts.helpers.binds(asked.vip.port)),
                (Way.FAMILIES, any(len(dest.address) != width for dest in service.dests)),
                (Way.MODE, any(dest.mode not in KINDS for dest in service.dests)),
                (Way.OTHER_PROTOCOL, asked.protocol not in (TCP, UDP)),
            )
        )

    def _odd_templates(self, service: VirtualService) -> bool:
        """Whether its templates are of sessions, of FTP, or of real servers that take any port (L 5.4)."""
        return (
            bool(service.service.persistence_engine)
            or service.port == FTP
            or any(dest.port == 0 for dest in service.dests)
        )

    def _keep(self, starter: Starter, persistent: Persistence, width: int) -> None:
        """Who are one client, of addresses of *width* bytes, and how long their template lives."""
        prefix = 8 * width if persistent.netmask is None else persistent.netmask
        starter.persistent, starter.template_timeout = True, persistent.timeout * NANOSECOND
        starter.mask, starter.wide_mask = words(((1 << 8 * width) - (1 << 8 * width - prefix)).to_bytes(width))

    def pick(self, starter: Starter, ends: bytes) -> int:
        """The position of the real server that a scheduler picks which the loop does not know."""
        width = (len(ends) - 5) // 2
        source, dst = ends[1 : 1 + width], ends[1 + width : 1 + 2 * width]
        sport, dport = int.from_bytes(ends[-4:-2]), int.from_bytes(ends[-2:])
        dest = starter.service.scheduler.pick(Flow(source, sport, dst, dport, ends[0]))
        return NONE if dest is None else int(dest.place)

    def chart(self, conn: Conn) -> None:
        """Give *conn* its course, as it is now."""
        conn.course = self._course(conn.dest, conn.virtual, conn.real, conn.method)

    def _course(self, dest: Dest, virtual: Endpoint, real: Endpoint, method: str = "") -> Course:
        """The course between two ends, up to date."""
        method, tunnel = method or dest.mode, tunnel_of(dest)
        key = dest.id, method, virtual, real, tunnel
        course = self._courses.get(key)
        if course is None:
            kind, verdict = KINDS.get(method, (OTHERWISE, PENDING))
            course = self._courses[key] = Course(len(self.courses), kind, method, dest, virtual, real)
            course.verdict = int(verdict)
            _shape(course, *tunnel)
            self.courses.append(course)
        if course.version != self.loop.version:
            self._find_out(course)
        return course

    def _find_out(self, course: Course) -> None:
        """Whether ordinary packets take a course, and then with which MACs."""
        address = course.real.address
        route = self._route(address)
        course.version = self.loop.version
        course.why = _first(
            (
                (Way.MODE, course.kind == OTHERWISE),
                (Way.FAMILIES, len(address) != len(course.virtual.address)),
                (Way.ROUTE, route is None or self._net.learned_mtu(address) is not None or self._odd(address)),
            )
        )
        if course.why or route is None:
            return
        hop, output = route.via or address, self._net.output
        course.mac, course.told = output.macs(hop)[0], output.neighbors.static(hop) is not None
        course.mtu, course.entry = route.mtu, self._entry(course.mac)
        if course.kind == TUNNEL:
            self._dig(course, route)

    def _dig(self, course: Course, route: RouteEntry) -> None:
        """What outer headers say, and take."""
        address = course.real.address
        source = route.source or self._net.source(address) or bytes(len(address))
        course.s0, course.s1 = words(source)
        course.idents = self._net.output.idents(b"", address, course.outer_proto)
        course.mtu -= course.outer
        if course.mtu < MIN_MTU[len(address)]:
            course.why = int(Way.ROUTE)

    def _odd(self, address: bytes) -> bool:
        """Whether nobody may send from *address* (ipvs/addresses.py), or sending there is a matter of its own."""
        if self._net.is_local(address) or is_group(address):
            return True
        return address[0] == 0 if len(address) == 16 else address == EVERYBODY or address[0] in (THIS, LOOPBACK)

    def _route(self, address: bytes) -> RouteEntry | None:
        """The route to *address*, where an ordinary one leads there."""
        route = self._net.route(address)
        return None if route is None or route.local or route.vlan is not None else route

    def towards(self, conn: Conn) -> int:
        """The entry that requests of *conn*, whose course is ordinary, leave with."""
        address = conn.real.address
        route = self._route(address)
        assert route is not None, "its course is ordinary"
        return self._entry(self._net.output.neighbors.mac(route.via or address, conn.real_mac))

    def back(self, conn: Conn) -> int:
        """The entry that answers of *conn* leave with; NONE: they are the plain path's."""
        address, net, setup = conn.client.address, self._net, self._parts.setup
        forwards = setup.ipv4_forwarding if len(address) == 4 else setup.ipv6_forwarding
        here = net.is_local(address) or net.addresses.to_many(address) or net.addresses.deserted(address)
        route = self._route(address)
        if not forwards or here or route is None or conn.client_mac is None or net.learned_mtu(address) is not None:
            return NONE
        return self._entry(net.output.neighbors.mac(route.via or address, conn.client_mac))

    def transit(self, address: bytes) -> int:
        """The entry that packets leave with which pass on the way to *address*, and to its zone; NONE: they are the
        plain path's."""
        route, neighbors = self._route(address), self._net.output.neighbors
        if route is None or self._net.learned_mtu(address) is not None:
            return NONE
        hop = route.via or (neighbors.known(address) and address)
        return self._entry(neighbors.mac(hop, None) if hop else DERIVED)

    def _entry(self, mac: bytes) -> int:
        key = mac, self._parts.setup.device.mac or MIRRORED
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = len(self._entries)
            if found == len(self.heads):
                self.heads = np.concatenate([self.heads, np.zeros_like(self.heads)])
                self.mirrored = np.concatenate([self.mirrored, np.zeros_like(self.mirrored)])
                self.derived = np.concatenate([self.derived, np.zeros_like(self.derived)])
            self.heads[found] = np.frombuffer(mac + key[1], np.uint8)
            self.mirrored[found], self.derived[found] = key[1] == MIRRORED, mac == DERIVED
        return found

    def rewrite(self, burst: Burst) -> None:
        """Rewrite the rows of *burst* that leave."""
        if burst.leaving.any():
            self.translator.run(burst, self.heads, self.mirrored, self.derived)


def _first(reasons: tuple[tuple[Way, bool], ...]) -> int:
    """The first reason that is so, or 0."""
    return int(next((reason for reason, so in reasons if so), Way.LOOP))


def _shape(course: Course, kind: str, port: int, summed: bool) -> None:
    """What the outer headers of *course* are, if it is a tunnel."""
    width = len(course.real.address)
    course.wrap, course.summed, course.outer = WRAPS[kind], summed, OUTER[kind, summed] + HEADER[width]
    course.outer_proto = PROTOCOLS.get(kind, IPIP if width == 4 else IPV6_IN_IP)
    course.outer_port = int.from_bytes(port.to_bytes(2), "little")


def _zones(begins: list[int], special: Iterable[bytes], width: int) -> list[int]:
    """Where zones begin among addresses of *width* bytes: of *special* ones each is a zone of its own."""
    single = {int.from_bytes(address) for address in special if len(address) == width}
    behind = {address + 1 for address in single if address + 1 < 1 << 8 * width}
    return sorted({*begins, *single, *behind})


def _between(service: VirtualService, dest: Dest) -> tuple[Endpoint, Endpoint]:
    """The virtual and the real end of a connection of *service* to *dest*."""
    vip = service.service.vip
    assert vip is not None, "it was found by address"
    return vip, Endpoint(dest.address, dest.port or vip.port)


def _steps(machine: states.States) -> Any:
    """New states of TCP: normal and secure, by set of columns, flags and state; UDP has none."""
    tables = np.zeros((2, len(states.SETS), STEPS, STATES), np.uint8)
    for secure in (False, True):
        for columns in range(len(states.SETS)):
            for flags in range(256):
                row = machine.rows(secure)[columns * len(tcp.EVENTS) + tcp.TCP.event[flags]]
                tables[int(secure), columns, flags, : len(row)] = np.frombuffer(row, np.uint8)
    return tables.ravel().data


def _limits(machine: states.States) -> Any:
    """Timeouts (ns): of TCP by state, and behind them of UDP."""
    limits = np.zeros(STATES + 1, np.int64)
    limits[: len(states.TCP_NAMES)] = machine.timeouts[TCP]
    limits[STATES] = machine.timeouts[UDP][0]
    return limits.data


def _active(machine: states.States) -> bytes:
    """Which states of TCP count as active."""
    return bytes(int(state in machine.active(TCP)) for state in range(STATES))
