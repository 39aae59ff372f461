"""New connections: whether a packet may open one, to whom, and what is said to those nobody takes (L 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lbreplay.ipvs import sip
from lbreplay.ipvs.dest import Dest, Serving
from lbreplay.ipvs.service import FTP, FTP_DATA, VirtualService
from lbreplay.ipvs.skb import Skb
from lbreplay.ipvs.xmit import PORT, UNREACHABLE
from lbreplay.loop.entry import Conn
from lbreplay.loop.flags import ONE_PACKET, TEMPLATE
from lbreplay.lvs.flow import Flow
from lbreplay.lvs.protocols import sctp
from lbreplay.model import NANOSECOND, Endpoint
from lbreplay.verdict import Verdict
from lbreplay.wire.packet import RST, SCTP, SYN, TCP, UDP

if TYPE_CHECKING:
    from lbreplay.ipvs.parts import Parts

SCTP_ABORT, SCTP_INIT = sctp.EVENTS.index("abort"), sctp.EVENTS.index("init")


@dataclass(frozen=True, slots=True)
class Ask:
    """Who wants a connection: the client's end and the virtual one; *quoted*: known from an ICMP error only."""

    proto: int
    client: Endpoint
    virtual: Endpoint
    quoted: bool = False


class Slot(NamedTuple):
    """Where the template of a client stands, and what a connection made by it leads to (L 5.4).

    template_port: the real port the template is given; own_port: the connection keeps the packet's port.
    may_make: the template may be made now.
    """

    proto: int
    virtual: Endpoint
    template_port: Callable[[Dest], int]
    own_port: bool
    may_make: bool


PASS = Verdict.LOCAL_TO_KERNEL  # code 1: IPVS lets the packet go
LEAVE = Verdict.NO_DEST_UNREACHABLE  # code 0: nobody takes it
Refusal = Verdict


class Scheduling:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._edition, self._sysctls, self._net = parts.edition, parts.sysctls, parts.net
        self._conns, self._services = parts.conns, parts.services

    # --- may it? (L 5.1) -------------------------------------------------------------------------------------

    def open(self, skb: Skb) -> Conn | Verdict | None:
        """A connection for the first packet *skb*; a verdict that ends it; None: not IPVS's business."""
        may = self._may_open(skb)
        if may is not True:
            return may or None
        return self.attempt(skb, Ask(skb.packet.proto, skb.source, skb.dest))

    def _may_open(self, skb: Skb) -> Verdict | bool:
        packet = skb.packet
        needed = {TCP: 20, UDP: 8, SCTP: 16}.get(packet.proto)
        if needed is None:
            return False
        if packet.l4_there < needed:
            return Verdict.L4_HEADER_SHORT
        if packet.proto == TCP:
            return self._may_open_tcp(packet.flags)
        if packet.proto == SCTP:
            return self._may_open_sctp(sctp.event(packet.l3[packet.l4_at + 12 :]))
        return True

    def _may_open_tcp(self, flags: int) -> bool:
        if flags & RST and self._edition.rst_passes:
            return self._no("tcp_not_syn")
        return bool(flags & SYN or self._sysctls["sloppy_tcp"]) or self._no("tcp_not_syn")

    def _may_open_sctp(self, event: int) -> bool:
        if event == SCTP_ABORT and self._edition.rst_passes:
            return self._no("sctp_not_init")
        return bool(event == SCTP_INIT or self._sysctls["sloppy_sctp"]) or self._no("sctp_not_init")

    def _no(self, reason: str) -> bool:
        self._parts.story.reasons.append(reason)
        return False

    def attempt(self, skb: Skb, ask: Ask) -> Conn | Verdict | None:
        """A service, the defence, a real server; or what becomes of the packet without (L 5.1, 5.5)."""
        service = self._services.find(skb.mark, ask.proto, *ask.virtual)
        if service is None:
            self._no("no_service")
            return None
        if self._parts.defence.drops():
            return Verdict.DEFENCE_DROPPED
        made = self.schedule(service, skb, ask)
        if made is PASS:
            self._no("ftp_data")
            return None
        return self._leave(service, skb, ask) if made is LEAVE else made

    # --- to whom? (L 5.3) ------------------------------------------------------------------------------------

    def schedule(self, service: VirtualService, skb: Skb, ask: Ask) -> Conn | Refusal:
        if ask.client.port == FTP_DATA and self._edition.ftp_data_passes:
            return PASS
        if service.service.persistent is not None:
            return self._persistent(service, skb, ask)
        if not service.by_mark and ask.virtual.port != service.port:
            return LEAVE
        dest = service.scheduler.pick(_flow(skb, ask))
        return LEAVE if dest is None else self._connected(service, ask, dest, dest.port or ask.virtual.port)

    def _connected(self, service: VirtualService, ask: Ask, dest: Dest, port: int) -> Conn:
        """A connection, counted (L 5.3 rows 7 and 8)."""
        one = service.service.one_packet and ask.proto == UDP
        conn = self._conns.new(
            ask.proto, ask.client, ask.virtual, Endpoint(dest.address, port), dest, ONE_PACKET if one else 0
        )
        self._parts.helpers.bind(conn)
        self._parts.tracking.joins(conn)
        self._parts.defence.wake()
        dest.conns += 1
        service.counts.conns += 1
        return conn

    # --- persistence (L 5.4) ---------------------------------------------------------------------------------

    def _persistent(self, service: VirtualService, skb: Skb, ask: Ask) -> Conn | Refusal:
        pe_data = b""
        if service.service.persistence_engine:
            pe_data = sip.call_id(skb.packet)
            if not pe_data:
                return Verdict.PERSISTENCE_FAILED
        slot = self._slot(service, ask)
        client = Endpoint(network(service, ask.client.address), 0)
        template = self._conns.template(slot.proto, client, slot.virtual, pe_data)
        if template is None or not self._conns.serves(template):
            dest = service.scheduler.pick(_flow(skb, ask)) if slot.may_make else None
            if dest is None:
                return LEAVE
            template = self._template(service, slot, client, dest, pe_data)
        return self._child(service, slot, ask, template)

    def _slot(self, service: VirtualService, ask: Ask) -> Slot:
        port, virtual = service.port, ask.virtual
        if not service.by_mark and virtual.port == port != FTP:
            return Slot(ask.proto, virtual, lambda dest: dest.port, False, True)
        if service.by_mark:
            mark = service.service.fwmark.to_bytes(len(virtual.address))
            return Slot(0, Endpoint(mark, 0), lambda dest: 0, True, True)
        all_ports = Endpoint(virtual.address, 0)
        if virtual.port == port:
            return Slot(ask.proto, all_ports, lambda dest: 0, False, True)
        return Slot(ask.proto, all_ports, lambda dest: 0, True, port == 0 or self._edition.ftp_template)

    def _template(self, service: VirtualService, slot: Slot, client: Endpoint, dest: Dest, pe_data: bytes) -> Conn:
        assert service.service.persistent is not None, "only persistent services have templates"
        real = Endpoint(dest.address, slot.template_port(dest))
        template = self._conns.new(slot.proto, client, slot.virtual, real, dest, TEMPLATE, pe_data)
        template.timeout = service.service.persistent.timeout * NANOSECOND
        return template

    def _child(self, service: VirtualService, slot: Slot, ask: Ask, template: Conn) -> Conn:
        dest = template.dest
        assert dest is not None, "a template that serves has a real server"
        port = ask.virtual.port if slot.own_port else dest.port
        if port == 0 and self._edition.real_port_zero:
            port = ask.virtual.port
        conn = self._connected(service, ask, dest, port)
        self._conns.adopt(conn, template)
        self._conns.put(template)
        return conn

    # --- nobody (L 5.5) --------------------------------------------------------------------------------------

    def _leave(self, service: VirtualService, skb: Skb, ask: Ask) -> Conn | Verdict | None:
        if self._bypasses(service, ask):
            one = service.service.one_packet and ask.proto == UDP
            nowhere = Endpoint(bytes(len(ask.virtual.address)), 0)
            return self._conns.new(ask.proto, ask.client, ask.virtual, nowhere, None, ONE_PACKET if one else 0)
        if service.port == FTP != ask.virtual.port:
            self._no("ftp_data")
            return None
        if ask.quoted:
            return Verdict.NO_DEST
        self._net.error(skb, UNREACHABLE, PORT)
        return Verdict.NO_DEST_UNREACHABLE

    def _bypasses(self, service: VirtualService, ask: Ask) -> bool:
        """A cache that is down is left out: only by mark, and towards somebody else's unicast address."""
        dst = ask.virtual.address
        foreign = not self._net.is_local(dst) and not self._net.addresses.to_many(dst)
        return bool(self._sysctls["cache_bypass"]) and service.by_mark and foreign and not ask.quoted


def _flow(skb: Skb, ask: Ask) -> Flow:
    packet = skb.packet
    return Flow(*ask.client, *ask.virtual, ask.proto, packet.l3[packet.l4_at :])


def network(service: Serving, address: bytes) -> bytes:
    """The client's address under the service's netmask."""
    assert service.service.persistent is not None, "only persistent services have a netmask"
    bits = 8 * len(address)
    prefix = service.service.persistent.netmask
    shift = bits - (bits if prefix is None else prefix)
    return (int.from_bytes(address) >> shift << shift).to_bytes(len(address))
