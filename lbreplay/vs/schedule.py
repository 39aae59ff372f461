"""A new connection: a real server picked, a local end bound, a place in the tables (D 2.4, D 2.7, D 11).

What fails here drops the packet. Cursors of schedulers and local addresses that went on stay where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.model import NANOSECOND, Endpoint, Service
from lbreplay.verdict import Verdict
from lbreplay.vs.conn import EXPIRE_QUIESCENT, INACTIVE, NOFASTXMIT, ONE_PACKET, TEMPLATE, Conn
from lbreplay.vs.forwarding import MODES
from lbreplay.vs.server import Flow, quic_dest
from lbreplay.wire.packet import UDP, Packet, flow_key

if TYPE_CHECKING:
    from lbreplay.vs.machine import Lcore, Machine
    from lbreplay.vs.server import Dest, VirtualServer


class Scheduling:
    """Opens connections on the machine's lcores."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.setup = machine.setup

    def open(self, lcore: Lcore, server: VirtualServer, packet: Packet, flags: int = 0) -> Conn | Verdict:
        """The connection that *packet* opens to a real server of *server*, or why there is none."""
        service = server.service
        flags |= self._flags(service, packet)
        template: Conn | None = None
        port = 0
        if service.persistent:
            found = self._template(lcore, server, packet)
            if isinstance(found, Verdict):
                return found
            template, dest = found, found.dest
            port = packet.dport if service.vip and packet.dport != service.vip.port else dest.port
        else:
            picked = self._pick(server, packet)
            if picked is None:
                return Verdict.NO_DEST
            dest = picked
        conn = self._create(lcore, template.server if template else server, dest, packet, flags, port)
        if isinstance(conn, Verdict):
            return conn
        if template is not None:
            conn.control = template
            template.controlled += 1
        dest.conns += 1
        return conn

    def _pick(self, server: VirtualServer, packet: Packet) -> Dest | None:
        flow = flow_of(packet)
        named = quic_dest(server, flow.payload) if server.service.quic else None
        return named or server.scheduler.pick(flow)

    def _flags(self, service: Service, packet: Packet) -> int:
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
        machine = self.machine
        if machine.table.live >= self.setup.conn.pool_size:
            return Verdict.CONN_POOL_EMPTY
        mode = MODES[dest.real.mode or server.service.mode]
        conn = Conn(packet.proto, lcore.rank, server, dest, mode, flags)
        conn.client, conn.virtual = Endpoint(packet.src, packet.sport), Endpoint(packet.dst, packet.dport)
        conn.real = Endpoint(dest.address, port or dest.port)
        if dest.full:
            dest.overload = True
            return Verdict.DEST_MAX_CONN
        dest.inactconns += 1
        refused = mode.bind(machine, lcore, conn, packet)
        if refused is not None:
            dest.inactconns -= 1
            return refused
        self._register(lcore, conn, packet)
        return conn

    def _register(self, lcore: Lcore, conn: Conn, packet: Packet) -> None:
        """Into the tables, with the timeout of a connection that has no state yet."""
        machine = self.machine
        machine.table.add(conn)
        machine.stray |= packet.extended and len(machine.lcores) > 1
        machine.dests[conn.dest.id] = conn.dest
        if conn.proto == UDP and conn.mode.full and self.setup.udp.uoa_max_trail and self._uoa(conn):
            conn.uoa_left = self.setup.udp.uoa_max_trail
            conn.flags |= NOFASTXMIT
        machine.table.fraction[conn.slot] = lcore.jitter()
        machine.set_timeout(conn, self.setup.conn.init_timeout * NANOSECOND)
        if not conn.flags & ONE_PACKET:
            machine.hash(conn)
            machine.touch(conn)
        lcore.created += 1
        lcore.active += 1
        lcore.peak = max(lcore.peak, lcore.active)

    def _uoa(self, conn: Conn) -> bool:
        """Proxy protocol v2 takes the place of the client address in datagrams (D 5.8)."""
        return not conn.server.service.proxy_protocol.startswith("v2")

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
        self.machine.templates[key] = template
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
    """The packet as schedulers and match services see it."""
    payload = packet.l3[packet.l4_at + 8 :] if packet.proto == UDP else b""
    return Flow(packet.src, packet.sport, packet.dst, packet.dport, packet.proto, payload)
