"""ICMP errors about connections, both ways (L 11). They neither change a state nor restart a timer.

What is not about a connection goes on as any packet IPVS does not handle; `UNRELATED` says so, None that IPVS looked at
it and let it go.
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Final, NamedTuple

from lbreplay.ipvs import nat
from lbreplay.ipvs.ends import Ends, ends
from lbreplay.ipvs.schedule import Ask
from lbreplay.ipvs.skb import Skb
from lbreplay.ipvs.states import IN, OUT
from lbreplay.loop.entry import Conn
from lbreplay.model import Endpoint
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum, craft
from lbreplay.wire.icmp import INTERNET_CONTROL, QUOTED_V4, TOS_KEPT
from lbreplay.wire.packet import AH, ESP, GRE, ICMP, IPIP, SCTP, TCP, UDP, skip_extensions

if TYPE_CHECKING:
    from lbreplay.ipvs.parts import Parts
    from lbreplay.ipvs.schedule import Scheduling
    from lbreplay.ipvs.xmit import Transmitters

TYPES_V4 = frozenset({3, 4, 11})
PORTED = (TCP, UDP, SCTP)
HANDLED = (*PORTED, AH, ESP)
HEADER = 8
UNREACHABLE, TOO_BIG = 3, 4
TUNNEL_LEAST = 4  # bytes behind the inner IP header that must be quoted


class Quoted(NamedTuple):
    """The packet an error quotes, as far as it can be read. Offsets are in the error's L3.

    later: a fragment that is not the first. whole: with its ports, where its protocol has some.
    """

    proto: int
    source: Endpoint
    dest: Endpoint
    at: int
    l4_at: int
    later: bool
    whole: bool

    @property
    def ends(self) -> Ends:
        """What the connection is found by that sent it."""
        return ends(self.proto, self.source, self.dest)

    @property
    def answered(self) -> Ends:
        """What the connection is found by that it was sent to."""
        return ends(self.proto, self.dest, self.source)


class Unrelated:
    """Not an error; the caller goes on."""


UNRELATED: Final = Unrelated()
Answer = Verdict | None | Unrelated


class Errors:
    def __init__(self, parts: Parts, xmit: Transmitters, scheduling: Scheduling) -> None:
        self._parts, self._xmit, self._scheduling = parts, xmit, scheduling
        self._edition, self._sysctls, self._net = parts.edition, parts.sysctls, parts.net
        self._conns, self._services = parts.conns, parts.services

    # --- the same for both directions ------------------------------------------------------------------------

    def _related(self, skb: Skb) -> Verdict | Unrelated | None:
        """Whether this is an error at all; None: it is."""
        packet = skb.packet
        if packet.l4_there < HEADER:
            return Verdict.ICMP_MALFORMED if packet.complete else Verdict.TRUNCATED
        types = TYPES_V4 if packet.family == 4 else self._edition.errors_v6
        return None if packet.l3[packet.l4_at] in types else UNRELATED

    def _quoted(self, skb: Skb, at: int) -> Quoted | None:
        """The quoted packet at *at*; None where too little of it is there or nobody handles it."""
        quoted = read_quoted(skb.packet.l3, at, skb.packet.family)
        if quoted is None or quoted.proto not in HANDLED:
            return None
        transport = quoted.proto in PORTED
        if quoted.later and transport == (self._edition.quoted_fragment == "transport"):
            return None
        return quoted

    def _bad_checksum(self, conn: Conn, skb: Skb) -> bool:
        packet = skb.packet
        tested = self._edition.icmp_checksum == "all" or conn.method == "nat"
        return tested and packet.complete and not checksum.verify_l4(packet.l3, packet.l4_at, packet.proto)

    # --- towards the real server -----------------------------------------------------------------------------

    def incoming(self, skb: Skb, local: bool) -> Answer:
        """An error that came to the director (*local*) or passes it: about what a real server sent."""
        related = self._related(skb)
        if related is not None:
            return related
        if self._edition.tunnel_errors and local and (answer := self._tunnelled(skb)) is not UNRELATED:
            return answer
        quoted = self._quoted(skb, skb.packet.l4_at + HEADER)
        if quoted is None:
            return self._let_go()
        conn = self._conns.find_in(*quoted.answered) if quoted.whole else None
        if conn is None:
            return self._missed(skb, quoted)
        if self._bad_checksum(conn, skb):
            return Verdict.ICMP_RELATED_BAD_CHECKSUM
        return self._towards_real(conn, skb, quoted)

    def _let_go(self) -> Verdict | None:
        self._parts.story.reasons.append("icmp_unrelated")
        return None

    def _missed(self, skb: Skb, quoted: Quoted) -> Verdict | None:
        self._parts.story.lookup = "miss"
        if self._edition.response_in:
            return self._answer(skb, quoted)
        if not self._sysctls["schedule_icmp"] or quoted.proto not in PORTED:
            return self._let_go()
        if not quoted.whole:
            return Verdict.L4_HEADER_SHORT
        made = self._scheduling.attempt(skb, Ask(quoted.proto, quoted.dest, quoted.source, quoted=True))
        if not isinstance(made, Conn):
            return made
        self._parts.story.new = True
        bad = self._bad_checksum(made, skb)
        verdict = Verdict.ICMP_RELATED_BAD_CHECKSUM if bad else self._towards_real(made, skb, quoted)
        self._conns.put(made)
        return verdict

    def _towards_real(self, conn: Conn, skb: Skb, quoted: Quoted) -> Verdict:
        story = self._parts.story
        story.conn, story.lookup = conn, story.lookup or "in"
        conn.passed(IN, skb.packet.l3_length)
        if conn.method != "nat":
            verdict = self._xmit.forward(conn, skb, error=True)
            conn.in_pkts += 1
            return verdict
        route = self._xmit.ready(skb, conn.real.address, error=True)
        if isinstance(route, Verdict):
            return route
        ported = quoted.proto in PORTED
        nat.translate_quoted(skb.l3, skb.packet.l4_at, quoted.at, ported, nat.SOURCE, conn.real)
        if route.local:
            return Verdict.LOCAL_REAL_SERVER
        self._net.send(skb, skb.l3, route, conn.real.address, conn.real_mac)
        return Verdict.ICMP_RELATED_FORWARDED

    # --- towards the client ----------------------------------------------------------------------------------

    def outgoing(self, skb: Skb) -> Answer:
        """An error of a real server about what a client sent; None: let go, translated or not."""
        related = self._related(skb)
        if related is not None:
            return related
        quoted = self._quoted(skb, skb.packet.l4_at + HEADER)
        return self._let_go() if quoted is None else self._answer(skb, quoted)

    def _answer(self, skb: Skb, quoted: Quoted) -> Verdict | None:
        conn = self._conns.find_out(*quoted.answered) if quoted.whole else None
        if conn is None:
            return self._let_go()
        packet, story = skb.packet, self._parts.story
        if conn.method == "nat" or not self._edition.checks_method:
            if packet.complete and not checksum.verify_l4(packet.l3, packet.l4_at, packet.proto):
                return Verdict.ICMP_RELATED_BAD_CHECKSUM
            nat.translate_quoted(skb.l3, packet.l4_at, quoted.at, quoted.proto in PORTED, nat.DEST, conn.virtual)
            skb.ends_as = Verdict.ICMP_RELATED_FORWARDED
        story.conn, story.lookup, skb.marked = conn, "out", True
        conn.passed(OUT, packet.l3_length)
        return None

    def sent(self, l3: bytes) -> None:
        """The director's own error at LOCAL_OUT: about a connection it counts as an answer, as all of them do."""
        quoted = read_quoted(l3, 20 + HEADER, 4) if l3[0] >> 4 == 4 else read_quoted(l3, 40 + HEADER, 6)
        conn = self._conns.find_out(*quoted.answered) if quoted is not None and quoted.whole else None
        if conn is not None:
            conn.passed(OUT, len(l3))

    # --- about what was tunnelled ----------------------------------------------------------------------------

    def _tunnelled(self, skb: Skb) -> Answer:
        """An error from the path to a tunnel's real server becomes one for the client (L 11)."""
        packet = skb.packet
        outer = read_quoted(packet.l3, packet.l4_at + HEADER, packet.family)
        if outer is None or not self._net.is_local(outer.source.address):
            return UNRELATED
        inner_at = self._inner(packet.l3, outer)
        if inner_at is None:
            return UNRELATED
        inner = self._quoted_inner(skb, inner_at)
        if inner is None:
            return self._let_go()
        conn = self._conns.find_in(*inner.ends) if inner.whole else None
        if conn is None or conn.method != "tunnel":
            return self._let_go()
        if packet.complete and not checksum.verify_l4(packet.l3, packet.l4_at, packet.proto):
            return Verdict.ICMP_RELATED_BAD_CHECKSUM
        return self._told(conn, skb, outer, inner)

    def _inner(self, l3: bytes, outer: Quoted) -> int | None:
        """Where the tunnelled packet begins in the quotation, if it went to a real server by such a tunnel."""
        kinds = {IPIP: "ipip", GRE: "gre", UDP: "gue"}
        kind = kinds.get(outer.proto)
        for service in self._services.by_name.values():
            for dest in service.dests:
                given = dest.real.tunnel or {}
                same = dest.mode == "tunnel" and dest.address == outer.dest.address
                port = given.get("port") if kind == "gue" else outer.dest.port
                if same and given.get("type", "ipip") == kind and port == outer.dest.port:
                    return outer.l4_at + _tunnel_header(kind, l3, outer.l4_at)
        return None

    def _quoted_inner(self, skb: Skb, at: int) -> Quoted | None:
        """The inner packet, of which the IP header and four bytes suffice."""
        l3 = skb.packet.l3
        if len(l3) < at + 20 or len(l3) < at + (l3[at] & 15) * 4 + TUNNEL_LEAST:
            return None
        return self._quoted(skb, at)

    def _told(self, conn: Conn, skb: Skb, outer: Quoted, inner: Quoted) -> Verdict:
        """The equivalent error, quoting what was quoted of the inner packet."""
        packet, story = skb.packet, self._parts.story
        story.conn, story.lookup = conn, "in"
        l3, at = packet.l3, packet.l4_at
        mtu = 0
        if (l3[at], l3[at + 1]) == (UNREACHABLE, TOO_BIG):
            if not l3[outer.at + 6] & 0x40:
                return Verdict.TUNNEL_ERROR_CONSUMED
            mtu = self._learned(conn, int.from_bytes(l3[at + 6 : at + 8]), inner.at - outer.at)
        rest = l3[at + 4 : at + 8] if not mtu else mtu.to_bytes(4)
        body = pack(">BBH", l3[at], l3[at + 1], 0) + rest + l3[inner.at : inner.at + QUOTED_V4]
        client, ident = inner.source.address, self._net.ident(inner.source.address)
        error = craft.ipv4(inner.dest.address, client, ICMP, body, tos=error_tos(l3[inner.at + 1]), ident=ident)
        checksum.l4(error, 20, ICMP)
        conn.passed(OUT, packet.l3_length - inner.at)
        self._net.own(skb, bytes(error), client, conn.client_mac)
        return Verdict.TUNNEL_ERROR_RETURNED

    def _learned(self, conn: Conn, mtu: int, overhead: int) -> int:
        """What the client is told: the first error about a path still tells the route's own MTU, less the header."""
        dst = conn.real.address
        told = self._net.learned_mtu(dst) is not None
        route = self._net.route(dst)
        self._net.learn_mtu(dst, mtu)
        return (mtu if told or route is None else route.mtu) - overhead


def read_quoted(l3: bytes, at: int, family: int) -> Quoted | None:
    """The packet quoted at *at* of an error; None where not even its IP header is there."""
    size, places = (20, (12, 16, 20)) if family == 4 else (40, (8, 24, 40))
    if len(l3) < at + size:
        return None
    source, dest = l3[at + places[0] : at + places[1]], l3[at + places[1] : at + places[2]]
    if family == 4:
        proto, l4_at = l3[at + 9], at + (l3[at] & 15) * 4
        later = bool(int.from_bytes(l3[at + 6 : at + 8]) & 0x1FFF)
    else:
        proto, skipped, _ = skip_extensions(l3[at:])
        l4_at, later = at + skipped, proto == 44
    ported = proto in PORTED
    whole = not ported or len(l3) >= l4_at + 4
    sport, dport = nat.ports(l3, l4_at) if ported and whole else (0, 0)
    return Quoted(proto, Endpoint(source, sport), Endpoint(dest, dport), at, l4_at, later, whole)


def error_tos(tos: int) -> int:
    """TOS of an error about a packet of *tos*."""
    return tos & TOS_KEPT | INTERNET_CONTROL


def _tunnel_header(kind: str | None, l3: bytes, at: int) -> int:
    """Bytes between the outer and the inner IP header."""
    if kind == "gue":
        return 12
    return (8 if len(l3) > at and l3[at] & 0x80 else 4) if kind == "gre" else 0
