"""ip_vs_in: requests on their way to a real server (L 4). None is ACCEPT: the packet goes on in the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.ipvs.icmp import Errors, Unrelated
from lbreplay.ipvs.skb import Skb
from lbreplay.ipvs.states import CLOSE, FIN_WAIT, IN, SCTP_CLOSED, TIME_WAIT, name
from lbreplay.loop.entry import Conn
from lbreplay.loop.flags import NOOUTPUT, ONE_PACKET
from lbreplay.lvs.protocols import sctp
from lbreplay.stack.link import L2
from lbreplay.verdict import Verdict
from lbreplay.wire.packet import AH, ESP, ICMP, ICMPV6, SCTP, SYN, TCP, UDP

if TYPE_CHECKING:
    from lbreplay.ipvs.parts import Parts
    from lbreplay.ipvs.reply import Replies
    from lbreplay.ipvs.schedule import Scheduling
    from lbreplay.ipvs.xmit import Transmitters

HANDLED = (TCP, UDP, SCTP, AH, ESP)
INIT = sctp.EVENTS.index("init")


class Requests:
    def __init__(
        self, parts: Parts, xmit: Transmitters, errors: Errors, scheduling: Scheduling, replies: Replies
    ) -> None:
        self._parts, self._xmit, self._errors, self._replies = parts, xmit, errors, replies
        self._scheduling = scheduling
        self._edition, self._sysctls, self._conns = parts.edition, parts.sysctls, parts.conns

    def handle(self, skb: Skb) -> Verdict | None:
        """The hook at LOCAL_IN."""
        if skb.marked:
            return None
        if skb.packet.l2class != L2.HOST:
            return self._accept("not_for_host")
        if skb.packet.proto in (ICMP, ICMPV6):
            answer = self._errors.incoming(skb, local=True)
            return self._accept("proto_unsupported") if isinstance(answer, Unrelated) else answer
        if skb.packet.proto not in HANDLED:
            return self._accept("proto_unsupported")
        return self._balance(skb)

    def forward_icmp(self, skb: Skb) -> Verdict | None:
        """The hook at FORWARD 99: only errors, on their way through."""
        if skb.packet.proto not in (ICMP, ICMPV6):
            return None
        answer = self._errors.incoming(skb, local=False)
        return None if isinstance(answer, Unrelated) else answer

    def _accept(self, reason: str) -> Verdict | None:
        self._parts.story.reasons.append(reason)
        return None

    def _balance(self, skb: Skb) -> Verdict | None:
        """Steps 4 to 8 of L 4.1, 5 to 7 of L 4.2."""
        conn = self._conns.find_in(*skb.ends) if skb.ends else None
        if conn is not None and self._edition.reschedules and _is_new(skb):
            verdict, conn = self._rescheduled(conn, skb)
            if verdict is not None:
                return verdict
        if conn is not None and conn.dest is not None and not conn.dest.available:
            verdict, conn = self._deserted(conn, skb)
            if verdict is not None:
                return verdict
        return self._missed(skb) if conn is None else self.carry(conn, skb, "in")

    def _missed(self, skb: Skb) -> Verdict | None:
        if self._edition.response_in:
            conn = self._conns.find_out(*skb.ends) if skb.ends else None
            if conn is not None:
                return self._replies.respond(conn, skb)
        made = self._scheduling.open(skb)
        self._parts.story.lookup = "miss"
        if not isinstance(made, Conn):
            return made
        self._parts.story.new = True
        return self.carry(made, skb, "miss")

    def carry(self, conn: Conn, skb: Skb, lookup: str) -> Verdict:
        """A packet of a connection: counted, its state changed, sent (L 4.1 steps 9 to 14)."""
        parts, packet = self._parts, skb.packet
        story = parts.story
        story.conn, story.lookup, story.before = conn, lookup, name(conn, False)
        if conn.client_mac is None:
            conn.learn_client(packet.src_mac)
        conn.passed(IN, packet.l3_length)
        parts.states.step(conn, packet, IN)
        story.after = name(conn, False)
        verdict = self._xmit.forward(conn, skb)
        self._counted(conn)
        self._conns.put(conn)
        return verdict

    def _counted(self, conn: Conn) -> None:
        """The packet's number, by which a backup would be told of the connection (L 15)."""
        parts = self._parts
        if conn.flags & ONE_PACKET and self._edition.one_packet_number == "template":
            if conn.control is not None:
                conn.control.in_pkts += 1
            return
        conn.in_pkts += 1
        parts.sync.packet(conn, conn.in_pkts)

    # --- connections that do not hold (L 4.2 rows 5 and 6) ---------------------------------------------------

    def _rescheduled(self, conn: Conn, skb: Skb) -> tuple[Verdict | None, Conn | None]:
        """A first packet on an old connection: scheduled anew where the old one is finished."""
        weightless = conn.dest is not None and conn.dest.weight == 0
        asked = self._edition.weightless == "always" or self._sysctls["conn_reuse_mode"]
        deserted = self._sysctls["expire_nodest_conn"] and weightless and asked
        if not deserted and not self._reusable(conn):
            return None, conn
        old = self._parts.tracking.holds_old(conn, skb)
        if old and conn.n_control and not deserted:
            return None, conn
        if not conn.n_control:
            self._conns.expire_now(conn)
        return (Verdict.CONNTRACK_OLD if old else None), None

    def _reusable(self, conn: Conn) -> bool:
        mode = self._sysctls["conn_reuse_mode"]
        if not mode or conn.control is not None:
            return False
        if conn.proto == SCTP:
            return conn.state == SCTP_CLOSED
        direct = bool(mode & 2) and conn.state == FIN_WAIT and bool(conn.flags & NOOUTPUT)
        return conn.proto == TCP and (conn.state in (TIME_WAIT, CLOSE) or direct)

    def _deserted(self, conn: Conn, skb: Skb) -> tuple[Verdict | None, Conn | None]:
        """The real server was deleted."""
        if not self._sysctls["expire_nodest_conn"]:
            self._note(conn)
            return Verdict.DEST_UNAVAILABLE, conn
        self._conns.expire_now(conn)
        if self._edition.nodest == "drop":
            self._note(conn)
            return Verdict.DEST_UNAVAILABLE, conn
        old = self._parts.tracking.holds_old(conn, skb)
        return (Verdict.CONNTRACK_OLD if old else None), None

    def _note(self, conn: Conn) -> None:
        story = self._parts.story
        story.conn, story.lookup, story.before = conn, "in", name(conn, False)
        story.after = story.before


def _is_new(skb: Skb) -> bool:
    """A SYN, whatever else is set, or an INIT."""
    packet = skb.packet
    if packet.proto == TCP:
        return bool(packet.flags & SYN)
    return packet.proto == SCTP and packet.l4_there >= 16 and sctp.event(packet.l3[packet.l4_at + 12 :]) == INIT
