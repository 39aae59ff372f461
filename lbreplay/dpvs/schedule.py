"""A new connection: a real server picked, a local end bound, a place in the tables (D 2.4, D 2.7, D 11).

What fails here drops the packet. Cursors of schedulers and local addresses that went on stay where they are.
"""

from __future__ import annotations

from struct import unpack_from
from typing import TYPE_CHECKING

from lbreplay.dpvs.conn import EXPIRE_QUIESCENT, INACTIVE, NOFASTXMIT, ONE_PACKET, SYNPROXY, TEMPLATE, Conn
from lbreplay.dpvs.forwarding import BINDINGS
from lbreplay.dpvs.modes import MODES
from lbreplay.dpvs.server import quic_dest
from lbreplay.loop.names import TEMPLATE as TEMPLATE_KIND
from lbreplay.lvs.flow import Flow
from lbreplay.lvs.protocols.tcp import SYN_SENT
from lbreplay.model import NANOSECOND, Endpoint, Service
from lbreplay.verdict import Verdict
from lbreplay.wire.packet import UDP, Packet, flow_key

if TYPE_CHECKING:
    from lbreplay.dpvs.machine import Lcore, Machine
    from lbreplay.dpvs.server import VirtualServer
    from lbreplay.loop.real import Dest


class Scheduling:
    """Opens connections on the machine's lcores."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.setup = machine.setup

    def open(self, lcore: Lcore, server: VirtualServer, packet: Packet, flags: int = 0) -> Conn | Verdict:
        """The connection that *packet* opens to a real server of *server*, or why there is none."""
        service = server.service
        if service.persistent:
            return self._by_template(lcore, server, packet, flags | self._flags(service, packet))
        flow = flow_of(packet)
        if service.quic and (named := quic_dest(server, flow.payload)) is not None:
            conn = self._create(lcore, server, named, packet, flags | self._flags_of_quic(service))
            if not isinstance(conn, Verdict):
                return self._misflagged(conn)
        dest = server.scheduler.pick(flow)
        if dest is None:
            return Verdict.NO_DEST
        return self._create(lcore, server, dest, packet, flags | self._flags(service, packet))

    def _flags_of_quic(self, service: Service) -> int:
        """Meant is that connections end with their real server; what is set makes proxied ones of them (D 19, 11)."""
        return SYNPROXY if service.expire_quiescent else 0

    def _misflagged(self, conn: Conn) -> Conn:
        """One with the wrong flag begins in the state whose number is SYN_SENT's, NORMAL of UDP (recorded)."""
        if conn.flags & SYNPROXY:
            self.machine.table.state[conn.slot] = SYN_SENT
            self.machine.set_timeout(conn, self.machine.state_timeout(conn))
        return conn

    def _by_template(self, lcore: Lcore, server: VirtualServer, packet: Packet, flags: int) -> Conn | Verdict:
        """A connection to the real server that the client's template names (D 2.7)."""
        template = self._template(lcore, server, packet)
        if isinstance(template, Verdict):
            return template
        vip = server.service.vip
        port = packet.dport if vip and packet.dport != vip.port else template.dest.port
        conn = self._create(lcore, template.server, template.dest, packet, flags, port)
        if not isinstance(conn, Verdict):
            conn.control = True
            self.machine.table.control[conn.slot] = template.slot + 1
            self.machine.table.controlled[template.slot] += 1
        return conn

    def _flags(self, service: Service, packet: Packet) -> int:
        """Flags of a service's connections; SNAT's have none."""
        if service.mode == "snat":
            return 0
        flags = EXPIRE_QUIESCENT if service.expire_quiescent else 0
        if service.persistent and self.setup.behaviour.quiescent == "conn":
            flags |= EXPIRE_QUIESCENT  # of every persistent service: a quirk (D 2.7)
        if service.one_packet and packet.proto == UDP and not service.persistent:
            flags |= ONE_PACKET
        return flags

    def _create(
        self, lcore: Lcore, server: VirtualServer, dest: Dest, packet: Packet, flags: int, port: int = 0
    ) -> Conn | Verdict:
        """Steps 1 to 7 of D 2.4, undone in reverse where one fails."""
        mode = MODES[dest.real.mode or server.service.mode]
        conn = Conn(packet.proto, lcore.rank, server, dest, mode, flags)
        conn.client, conn.virtual = Endpoint(packet.src, packet.sport), Endpoint(packet.dst, packet.dport)
        conn.real = Endpoint(dest.address, port or dest.port)
        refused = self._bind(lcore, conn, packet)
        if refused is not None:
            return refused
        self._register(lcore, conn, packet)
        dest.conns += 1
        return conn

    def _bind(self, lcore: Lcore, conn: Conn, packet: Packet) -> Verdict | None:
        """A real server, then a local end; SNAT takes its port first, and gives it back where the rest fails."""
        binding, machine = BINDINGS[conn.mode.name], self.machine
        if not conn.mode.binds_first:
            refused = self._bind_dest(conn)
            if refused is None and (refused := binding.bind(machine, lcore, conn, packet)) is not None:
                conn.dest.inactconns -= 1
            return refused
        refused = binding.bind(machine, lcore, conn, packet)
        if refused is None and (refused := self._bind_dest(conn)) is not None:
            binding.release(machine, conn)
        return refused

    def _bind_dest(self, conn: Conn) -> Verdict | None:
        """A place in the pool, and one of those that the real server has."""
        if self.machine.table.live >= self.setup.conn.pool_size:
            return Verdict.CONN_POOL_EMPTY
        if conn.dest.full:
            conn.dest.overload = True
            return Verdict.DEST_MAX_CONN
        conn.dest.inactconns += 1
        return None

    def _register(self, lcore: Lcore, conn: Conn, packet: Packet) -> None:
        """Into the tables, with the timeout of a connection that has no state yet."""
        machine = self.machine
        machine.table.add(conn)
        machine.stray |= packet.extended and len(machine.lcores) > 1
        machine.remember(conn.dest)
        if conn.proto == UDP and conn.mode.full and self.setup.udp.uoa_max_trail:
            conn.flags |= NOFASTXMIT
            if not conn.server.service.proxy_protocol.startswith("v2"):  # else that header tells, and the flag stays
                conn.uoa_left = self.setup.udp.uoa_max_trail
        machine.table.fraction[conn.slot] = lcore.jitter()
        machine.set_timeout(conn, self.setup.conn.init_timeout * NANOSECOND)
        if not conn.flags & ONE_PACKET:
            machine.hash(conn)
            machine.touch(conn)
        lcore.opened()

    # --- persistence -----------------------------------------------------------------------------------------

    def _template(self, lcore: Lcore, server: VirtualServer, packet: Packet) -> Conn | Verdict:
        """The template of this client, found or made (D 2.7). Templates are global, their real servers a worker's."""
        service = server.service
        key = self._template_key(service, packet)
        template = self.machine.templates.get(key)
        if template is not None and self._usable(template):
            self.machine.touch(template)
            return template
        dest = server.scheduler.pick(flow_of(packet))
        if dest is None:
            return Verdict.NO_DEST
        template = Conn(packet.proto, -1, server, dest, MODES[service.mode], TEMPLATE)
        template.flags &= ~INACTIVE
        template.in_key = key
        template.client, template.virtual = Endpoint(packet.src, 0), Endpoint(packet.dst, packet.dport)
        template.real = Endpoint(dest.address, 0)
        if self.machine.table.live >= self.setup.conn.pool_size:
            return Verdict.TEMPLATE_CONN_FAILED
        if dest.full:
            dest.overload = True
            return Verdict.TEMPLATE_CONN_FAILED
        dest.persistconns += 1
        self.machine.table.add(template)
        self.machine.table.fraction[template.slot] = lcore.jitter()
        self.machine.templates.put(key, template)
        self.machine.table.full[template.slot] = TEMPLATE_KIND
        self.machine.remember(dest)
        assert service.persistent is not None
        self.machine.set_timeout(template, service.persistent.timeout * NANOSECOND)
        self.machine.touch(template)
        return template

    def _template_key(self, service: Service, packet: Packet) -> bytes:
        assert service.persistent is not None
        width = 8 * len(packet.src)
        prefix = width if service.persistent.netmask is None else service.persistent.netmask
        drop = width - prefix
        masked = (int.from_bytes(packet.src) >> drop << drop).to_bytes(len(packet.src))
        port = packet.dport if service.vip and packet.dport == service.vip.port else 0
        return flow_key(packet.proto, masked, 0, packet.dst, port)

    def _usable(self, template: Conn) -> bool:
        dest = template.dest
        quiet = self.setup.conn.expire_quiescent_template and dest.weight == 0
        return dest.available and not quiet


def flow_of(packet: Packet) -> Flow:
    """The packet as schedulers and match services see it: ports are the first four bytes, of ICMP too."""
    payload = packet.l3[packet.l4_at + 8 :] if packet.proto == UDP else b""
    sport, dport = unpack_from(">HH", packet.l3, packet.l4_at)
    return Flow(packet.src, sport, packet.dst, dport, packet.proto, payload)
