"""ICMP and ICMPv6: errors about connections, and the flows of echo and the like (D 9).

An error is found by the packet it quotes, with its ends exchanged. It goes on in the connection's direction, by the
slow path; the connection's state and timer do not notice. Steering sees only the outer addresses, so an error often
meets a worker that does not have the connection; it is then "unrelated", and goes on like any other ICMP packet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.dpvs.conn import IN, Conn
from lbreplay.dpvs.xmit import seen_macs
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum, icmp
from lbreplay.wire.packet import ETH_IPV4, ETH_IPV6, Packet

if TYPE_CHECKING:
    from lbreplay.dpvs.machine import Lcore, Machine
    from lbreplay.dpvs.story import Story
    from lbreplay.dpvs.xmit import Transmitter
    from lbreplay.stack.route import RouteEntry

UNSET = (
    "NAT64: an ICMPv6 error of a client went on with addresses of which DPVS sets four bytes of sixteen; "
    "the others are memory it never set, here 0"
)
ERROR_HEADER = 8  # bytes before what an error quotes
LOST = {  # what transmit says -> the verdict of an error about a connection (D 17, V26)
    Verdict.NO_ROUTE: Verdict.ICMP_RELATED_NO_ROUTE,
    Verdict.FRAG_NEEDED: Verdict.ICMP_RELATED_TOO_BIG,
    Verdict.TOO_BIG: Verdict.ICMP_RELATED_TOO_BIG,
    Verdict.V6_OUTPUT_TOO_BIG: Verdict.ICMP_RELATED_TOO_BIG,
}


def flow_ports(packet: Packet) -> None:
    """The dummy ports of an ICMP flow (D 9.2): its identifier on the asking side, type and code on the other."""
    ports = icmp.flow_ports(packet.proto, packet.l3[packet.l4_at :])
    if ports is not None:
        packet.sport, packet.dport = ports


def stored_ports(packet: Packet) -> None:
    """The dummy ports that a connection is entered under: those of a request, even for a reply (recorded)."""
    packet.sport, packet.dport = icmp.ports_as_sent(packet.l3[packet.l4_at :])


class Related:
    """Errors about connections."""

    def __init__(self, machine: Machine, xmit: Transmitter) -> None:
        self.machine, self.xmit = machine, xmit

    def handle(self, lcore: Lcore, packet: Packet, story: Story) -> Verdict | None:
        """The checks of D 9.1 in their order; None: unrelated, the packet goes on as an ICMP flow."""
        quoted = icmp.related(packet.l3, packet.l4_at)
        if quoted == icmp.MALFORMED:
            return Verdict.ICMP_MALFORMED
        if quoted == icmp.FOREIGN:
            return self._left_at_quoted(packet, story)
        if isinstance(quoted, str):
            return _goes_on(story, quoted)
        handle = lcore.find.get(quoted.reversed_key)
        if handle is None:
            story.wrong_worker = self.machine.has(quoted.reversed_key)
            return _goes_on(story, icmp.UNRELATED)
        if self._refused(quoted):
            return _goes_on(story, "icmp_refused")
        conn = self.machine.table.conns[handle >> 1]
        assert conn is not None, "what is found is live"
        story.conn, story.side, story.lookup = conn, handle & 1, "out" if handle & 1 else "in"
        story.before = story.after = self.machine.table.state[conn.slot]
        if packet.complete and not checksum.verify_l4(packet.l3, packet.l4_at, packet.proto):
            return Verdict.ICMP_RELATED_BAD_CHECKSUM
        if conn.server.over_limit():
            self.machine.touch(conn)
            return Verdict.ICMP_RELATED_RATE_LIMITED
        conn.count(IN, packet.l3_length)  # whatever the direction: a quirk (D 9.1)
        return self._send(conn, handle & 1, packet, quoted)

    def _left_at_quoted(self, packet: Packet, story: Story) -> Verdict | None:
        """An ICMPv6 error about a protocol the balancer does not know: whoever comes next sees the packet it quotes,
        for nobody moved back (D 19; recorded). Its bytes are read as the ICMPv6 message, which must be whole."""
        story.quoted = packet.quoted(packet.l4_at + ERROR_HEADER)
        if story.quoted.l3_length < packet.l4_at + ERROR_HEADER:
            return Verdict.L4_HEADER_SHORT
        story.reasons.append(icmp.FOREIGN)
        return None

    def _refused(self, quoted: icmp.Quoted) -> bool:
        """The lists judge the quoted packet as it stands, so they hardly ever hit (D 4.1)."""
        access = self.machine.access
        return bool(access) and access.refusal(quoted.proto, quoted.src, quoted.dst, quoted.dport) is not None

    def _send(self, conn: Conn, side: int, packet: Packet, quoted: icmp.Quoted) -> Verdict:
        if not conn.mode.rewrites:
            if side != IN:
                return Verdict.ICMP_RELATED_NO_OUT_XMIT
            return LOST.get(self.xmit.forward(conn, IN, packet), Verdict.ICMP_RELATED_FORWARDED)
        to = conn.real if side == IN else conn.client
        route = self.machine.stack.route(to.address)
        if route is None or route.local:
            return Verdict.ICMP_RELATED_NO_ROUTE
        if len(to.address) != len(packet.src):
            return self._across(conn, side, packet, quoted, route)
        if packet.family == 6 and packet.l3_length > route.mtu:
            self.xmit.too_big(packet, route.mtu)
            return Verdict.ICMP_RELATED_TOO_BIG
        l3 = icmp.translate_related(packet.l3, packet.l4_at, quoted, _rewrite(conn, side))
        return LOST.get(self.xmit.output(conn, side, l3, packet, route, own=False), Verdict.ICMP_RELATED_FORWARDED)

    def _across(self, conn: Conn, side: int, packet: Packet, quoted: icmp.Quoted, route: RouteEntry) -> Verdict:
        """NAT64: the translator is that of the client's family, and nobody converts (D 9.1). An IPv4 error is not what
        it looks for, so it leaves as it came, as if it were IPv6 (recorded). ICMPv6 gets addresses of sixteen bytes of
        which four are set, and leaves as if it were IPv4."""
        if packet.l3_length > route.mtu:
            return Verdict.ICMP_RELATED_TOO_BIG
        l3, to, ethertype = packet.l3, conn.client, ETH_IPV6
        if side == IN:
            self.machine.warn(UNSET)
            l3, to, ethertype = self._padded(conn, packet, quoted), conn.real, ETH_IPV4
        hop, own = seen_macs(conn, side)
        frame = self.machine.stack.framed(route, to.address, l3, packet, fallback=hop, own=own, ethertype=ethertype)
        length = len(frame) + packet.l3_length - len(packet.l3)
        return self.machine.send(frame, length, packet.worker, False) or Verdict.ICMP_RELATED_FORWARDED

    def _padded(self, conn: Conn, packet: Packet, quoted: icmp.Quoted) -> bytes:
        """The client's ICMPv6 error with IPv4 addresses in the places of IPv6 ones."""
        local, real = (end.address.ljust(16, b"\0") for end in (conn.local, conn.real))
        rewrite = _rewrite(conn, IN)._replace(outer_src=local, outer_dst=real, quoted_src=real, quoted_dst=local)
        return icmp.translate_related(packet.l3, packet.l4_at, quoted, rewrite)


def _goes_on(story: Story, reason: str) -> Verdict | None:
    """Not about a connection here, for this *reason*: the packet goes on like any other ICMP packet."""
    story.reasons.append(reason)
    return None


def _rewrite(conn: Conn, side: int) -> icmp.Rewrite:
    """The table of D 9.1: what changes outside and inside, by direction and mode."""
    full = conn.mode.full
    if side == IN:
        return icmp.Rewrite(
            outer_src=conn.local.address if full else None,
            outer_dst=conn.real.address,
            quoted_src=conn.real.address,
            quoted_sport=conn.real.port,
            quoted_dst=conn.local.address if full else None,
            quoted_dport=conn.local.port if full else None,
            seq_delta=-conn.sp_delta,
        )
    return icmp.Rewrite(
        outer_src=conn.virtual.address,
        outer_dst=conn.client.address if full else None,
        quoted_src=conn.client.address if full else None,
        quoted_sport=conn.client.port if full else None,
        quoted_dst=conn.virtual.address,
        quoted_dport=conn.virtual.port,
        seq_delta=-conn.delta if full else 0,
    )
