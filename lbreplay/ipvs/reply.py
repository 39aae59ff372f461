"""ip_vs_out: what real servers answer, on its way to the client (L 10). None is ACCEPT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.ipvs import nat, sip
from lbreplay.ipvs.icmp import Errors, Unrelated
from lbreplay.ipvs.schedule import network
from lbreplay.ipvs.skb import Skb
from lbreplay.ipvs.states import OUT, name
from lbreplay.ipvs.xmit import PORT, UNREACHABLE
from lbreplay.loop.entry import Conn
from lbreplay.loop.flags import ONE_PACKET, TEMPLATE
from lbreplay.lvs.protocols import sctp
from lbreplay.model import NANOSECOND, Endpoint
from lbreplay.verdict import Verdict
from lbreplay.wire.length import total_length
from lbreplay.wire.packet import AH, ESP, ICMP, ICMPV6, RST, SCTP, TCP, UDP

if TYPE_CHECKING:
    from lbreplay.ipvs.dest import Dest
    from lbreplay.ipvs.parts import Parts

PORTED = (TCP, UDP, SCTP)


class Replies:
    def __init__(self, parts: Parts, errors: Errors) -> None:
        self._parts, self._errors = parts, errors
        self._edition, self._sysctls, self._net = parts.edition, parts.sysctls, parts.net
        self._conns, self._services = parts.conns, parts.services

    def handle(self, skb: Skb, local: bool) -> Verdict | None:
        """The hook; *local*: at LOCAL_IN, for clients that are the director itself."""
        packet = skb.packet
        if skb.marked:
            return None
        if packet.proto in (ICMP, ICMPV6):
            answer = self._errors.outgoing(skb)
            return None if isinstance(answer, Unrelated) else answer
        if packet.proto not in (*PORTED, AH, ESP):
            return None
        conn = self._find(skb)
        if conn is None and packet.proto == UDP and not local and self._edition.servers_open:
            conn = self._opened_by_server(skb)
        if conn is not None:
            return self.respond(conn, skb)
        return self._unknown(skb)

    def _find(self, skb: Skb) -> Conn | None:
        return self._conns.find_out(*skb.ends) if skb.ends else None

    def respond(self, conn: Conn, skb: Skb) -> Verdict | None:
        """Translate an answer, count it, change the state, restart the timer (L 10 row 6)."""
        parts, packet = self._parts, skb.packet
        story = parts.story
        story.conn, story.lookup, story.before = conn, "out", name(conn, False)
        translated = conn.method == "nat" or not self._edition.checks_method
        if translated and not self._translate(conn, skb):
            return Verdict.HELPER_FAILED
        if conn.real_mac is None:
            conn.learn_real(packet.src_mac)
        conn.passed(OUT, total_length(skb.l3))
        parts.tracking.answers(conn, skb)
        parts.states.step(conn, packet, OUT)
        story.after = name(conn, False)
        self._conns.put(conn)
        skb.marked, skb.ends_as = True, Verdict.NAT_REPLIED if translated else Verdict.FORWARDED_PLAIN
        return None

    def _translate(self, conn: Conn, skb: Skb) -> bool:
        packet, full = skb.packet, False
        if conn.app is not None:
            changed = self._parts.helpers.reply(conn, skb)
            if changed is None:
                return False
            full = changed or self._edition.full_checksum
        only = self._edition.sctp_port_only
        return nat.translate(skb.l3, packet.l4_at, packet.proto, nat.SOURCE, conn.virtual, full=full, port_only=only)

    # --- without a connection --------------------------------------------------------------------------------

    def _unknown(self, skb: Skb) -> Verdict | None:
        """A NAT real server that speaks of nothing known is told so, if asked for (`nat_icmp_send`)."""
        packet = skb.packet
        if packet.proto not in PORTED or not self._sysctls["nat_icmp_send"] or packet.l4_there < 4:
            return None
        if self._services.real(packet.proto, *skb.source) is None or _resets(skb):
            return None
        self._net.error(skb, UNREACHABLE, PORT, forwarded=True)
        return Verdict.REAL_WITHOUT_CONN

    def _opened_by_server(self, skb: Skb) -> Conn | None:
        """A datagram that a real server of a SIP service sends first makes a connection too (L 10 row 7)."""
        dest = self._services.real(UDP, *skb.source) if self._services.has_engine else None
        if dest is None or not dest.service.service.persistence_engine or dest.service.service.vip is None:
            return None
        service, virtual, template = dest.service.service, dest.service.service.vip, None
        if service.persistent is not None:
            template = self._session(dest, skb, virtual)
            if template is None:
                return None
        one = ONE_PACKET if service.one_packet else 0
        conn = self._conns.new(UDP, skb.dest, virtual, skb.source, dest, one)
        self._parts.tracking.joins(conn)
        if template is not None:
            self._conns.adopt(conn, template)
            self._conns.put(template)
        dest.opened()
        self._parts.story.new = True
        return conn

    def _session(self, dest: Dest, skb: Skb, virtual: Endpoint) -> Conn | None:
        """The template of the call with this real server, made where there is none; None: it names no call."""
        call = sip.call_id(skb.packet)
        persistent = dest.service.service.persistent
        if not call or persistent is None:
            return None
        client = Endpoint(network(dest.service, skb.packet.dst), 0)
        template = self._conns.template(UDP, client, virtual, call)
        if template is None or not self._conns.serves(template, dest):
            template = self._conns.new(UDP, client, virtual, skb.source, dest, TEMPLATE, call)
            template.timeout = persistent.timeout * NANOSECOND
        return template


def _resets(skb: Skb) -> bool:
    packet = skb.packet
    if packet.proto == TCP:
        return bool(packet.flags & RST)
    event = sctp.event(packet.l3[packet.l4_at + 12 :]) if packet.proto == SCTP else -1
    return event == sctp.EVENTS.index("abort")
