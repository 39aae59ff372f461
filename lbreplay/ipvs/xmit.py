"""Transmitters: how a request goes on to its real server (L 9). One a forwarding method.

All of them look for a route, lower the TTL and compare with the MTU in this order, and answer with ICMP where one of
these fails; editions differ in whether they touch the TTL, and where a real server that is the director itself ends.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import pack
from typing import TYPE_CHECKING

from lbreplay.ipvs import nat
from lbreplay.ipvs.skb import Skb
from lbreplay.loop.entry import Conn
from lbreplay.loop.flags import NO_CPORT
from lbreplay.loop.server import Server
from lbreplay.lvs.hashes import jhash, native_words
from lbreplay.stack.route import RouteEntry
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum, craft
from lbreplay.wire.packet import GRE, IPIP, IPV6_IN_IP, UDP

if TYPE_CHECKING:
    from lbreplay.ipvs.parts import Parts

MIN_MTU = {4: 68, 16: 1280}  # that a tunnel needs inside, by the length of the outer addresses
CONGESTION, ECT_0, ECN = 3, 2, 3
GUE_HEADER, GRE_CHECKSUM, IPV4_TYPE = 4, 0x8000, 0x0800
EPHEMERAL, EPHEMERAL_PORTS = 32768, 28232  # net.ipv4.ip_local_port_range
UNREACHABLE, HOST, PORT, FRAG_NEEDED, TIME_EXCEEDED = 3, 1, 3, 4, 11


class Transmitters:
    def __init__(self, parts: Parts) -> None:
        self._edition, self._sysctls, self._net = parts.edition, parts.sysctls, parts.net
        self._conns, self._helpers, self._tracking = parts.conns, parts.helpers, parts.tracking
        self._by_method: dict[str, Callable[[Conn, Skb, bool], Verdict]] = {
            "nat": self._nat,
            "dr": self._direct,
            "tunnel": self._tunnel,
            "local": self._null,
            "bypass": self._bypass,
        }

    def forward(self, conn: Conn, skb: Skb, error: bool = False) -> Verdict:
        """Send *skb* on the way of its connection. *error*: it is an ICMP error, whose length nobody minds."""
        return self._by_method[conn.method](conn, skb, error)

    def ready(self, skb: Skb, dst: bytes, error: bool, overhead: int = 0) -> RouteEntry | Verdict:
        """The route to *dst*, with the TTL lowered and the length judged; or why not, answered already."""
        route = self._net.route(dst)
        if route is None:
            self._net.error(skb, UNREACHABLE, HOST)
            return Verdict.NO_ROUTE
        if route.local and self._edition.local == "route":
            return route
        if self._edition.ttl:
            if skb.ttl <= 1:
                self._net.error(skb, TIME_EXCEEDED, 0)
                return Verdict.TTL_EXCEEDED
            skb.lower_ttl()
        return self._fits(skb, route, error, overhead)

    def _fits(self, skb: Skb, route: RouteEntry, error: bool, overhead: int) -> RouteEntry | Verdict:
        """The length against the MTU. IPv6 is never taken apart, whatever `pmtu_disc` says, not even an error."""
        mtu, v6 = route.mtu - overhead, skb.packet.family == 6
        if overhead and mtu < MIN_MTU[len(route.to.address)]:
            return Verdict.FRAG_NEEDED
        judged = v6 or (skb.dont_fragment and not (overhead and not self._sysctls["pmtu_disc"]))
        spared = error and self._edition.ttl
        if not judged or skb.longest <= mtu or (spared and not v6):
            return route
        if not spared:
            self._net.error(skb, UNREACHABLE, FRAG_NEEDED, mtu)
        return Verdict.FRAG_NEEDED

    # --- methods ---------------------------------------------------------------------------------------------

    def _nat(self, conn: Conn, skb: Skb, error: bool) -> Verdict:
        packet = skb.packet
        if conn.flags & NO_CPORT:
            self._conns.fill_cport(conn, packet.sport)
        route = self.ready(skb, conn.real.address, error)
        if isinstance(route, Verdict):
            return route
        if self._crossing(skb, route):
            return Verdict.CROSSING_REFUSED
        if conn.app is not None and not self._helpers.request(conn, skb):
            return Verdict.HELPER_FAILED
        full = conn.app is not None and self._edition.full_checksum
        only = self._edition.sctp_port_only
        if not nat.translate(skb.l3, packet.l4_at, packet.proto, nat.DEST, conn.real, full=full, port_only=only):
            return Verdict.L4_HANDLER_ERROR
        if route.local:
            return Verdict.LOCAL_REAL_SERVER
        if not self._tracking.leaves(conn, skb):
            return Verdict.CONNTRACK_CLASH
        self._net.send(skb, skb.l3, route, conn.real.address, conn.real_mac)
        return Verdict.NAT_FORWARDED

    def _crossing(self, skb: Skb, route: RouteEntry) -> bool:
        """A loopback source may not leave, and nobody is sent into the loopback network (L 9)."""
        loopback = 127
        if skb.packet.family == 6 or self._edition.local != "route":
            return False
        return skb.packet.src[0] == loopback and not route.local

    def _direct(self, conn: Conn, skb: Skb, error: bool) -> Verdict:
        route = self.ready(skb, conn.real.address, error)
        if isinstance(route, Verdict):
            return route
        if route.local:
            return Verdict.LOCAL_REAL_SERVER
        if not self._tracking.leaves(conn, skb):
            return Verdict.CONNTRACK_CLASH
        checksum.ip_header(skb.l3)
        self._net.send(skb, skb.l3, route, conn.real.address, conn.real_mac)
        return Verdict.DR_FORWARDED

    def _bypass(self, conn: Conn, skb: Skb, error: bool) -> Verdict:
        """As direct routing, towards where the packet wants to go."""
        dst = skb.packet.dst
        route = self.ready(skb, dst, error)
        if isinstance(route, Verdict):
            return route
        if route.local:
            return Verdict.LOCAL_REAL_SERVER
        if not self._tracking.leaves(conn, skb):
            return Verdict.CONNTRACK_CLASH
        checksum.ip_header(skb.l3)
        self._net.send(skb, skb.l3, route, dst)
        return Verdict.BYPASSED

    def _null(self, conn: Conn, skb: Skb, error: bool) -> Verdict:
        """The real server was configured as the director itself: nothing is touched."""
        return Verdict.LOCAL_REAL_SERVER

    def _tunnel(self, conn: Conn, skb: Skb, error: bool) -> Verdict:
        assert conn.dest is not None, "only bypass has no real server"
        kind, port, summed = tunnel_of(conn.dest)
        added = OUTER[kind, summed] + (20 if len(conn.real.address) == 4 else 40)
        route = self.ready(skb, conn.real.address, error, added)
        if isinstance(route, Verdict):
            return route
        if route.local:
            return Verdict.LOCAL_REAL_SERVER
        if not self._tracking.leaves(conn, skb):
            return Verdict.CONNTRACK_CLASH
        source = route.source or self._net.source(conn.real.address) or bytes(len(conn.real.address))
        checksum.ip_header(skb.l3)
        l3 = self._wrapped(skb, kind, port, summed, source, conn.real.address)
        self._net.send(skb, l3, route, conn.real.address, conn.real_mac, added)
        return Verdict.TUNNEL_FORWARDED

    def _wrapped(self, skb: Skb, kind: str, port: int, summed: bool, source: bytes, dest: bytes) -> bytes:
        """The packet in its outer headers."""
        proto = IPIP if skb.packet.family == 4 else IPV6_IN_IP
        if kind == "gue":
            proto, inner = UDP, _gue(skb, port, proto)
        elif kind == "gre":
            proto, inner = GRE, _gre(skb, summed)
        else:
            inner = bytes(skb.l3)
        l3 = self._outer(skb, source, dest, proto, inner)
        if kind == "gue" and summed and not skb.missing:
            checksum.l4(l3, len(l3) - len(inner), UDP)
        return bytes(l3)

    def _outer(self, skb: Skb, source: bytes, dest: bytes, proto: int, inner: bytes) -> bytearray:
        """TOS, TTL and fragment word of the outer header (L 9); around IPv6 without DF (recorded)."""
        v4 = skb.packet.family == 4
        tos = skb.l3[1] if v4 else int.from_bytes(skb.l3[:2]) >> 4 & 0xFF
        word = int.from_bytes(skb.l3[6:8]) if v4 else 0
        if self._edition.tunnel == "6.1":
            tos = tos & ~ECN | ECT_0 if tos & ECN == CONGESTION else tos
            word = word & craft.DONT_FRAGMENT if self._sysctls["pmtu_disc"] else 0
        if len(dest) == 16:
            return craft.ipv6(source, dest, proto, inner, hops=skb.ttl, flow=tos << 20, missing=skb.missing)
        ident = 0 if word & craft.DONT_FRAGMENT else self._net.ident(dest, proto)
        return craft.ipv4(
            source, dest, proto, inner, tos=tos, ident=ident, flags=word, ttl=skb.ttl, missing=skb.missing
        )


OUTER = {  # bytes between the outer and the inner header, by kind and whether it carries a checksum
    ("ipip", False): 0,
    ("ipip", True): 0,
    ("gue", False): 12,
    ("gue", True): 12,
    ("gre", False): 4,
    ("gre", True): 8,
}


def tunnel_of(dest: Server) -> tuple[str, int, bool]:
    """Kind, UDP port and checksum of the tunnel to a real server."""
    given = dest.real.tunnel or {}
    return str(given.get("type", "ipip")), int(str(given.get("port") or 0)), bool(given.get("checksum"))


def _gue(skb: Skb, port: int, proto: int) -> bytes:
    """UDP and a GUE header; the source port comes from the flow."""
    words = (*native_words(skb.packet.src), *native_words(skb.packet.dst), skb.packet.sport, skb.packet.dport)
    sport = EPHEMERAL + jhash(words) % EPHEMERAL_PORTS
    length = 8 + GUE_HEADER + skb.length
    return pack(">HHHHBBH", sport, port, length & 0xFFFF, 0, 0, proto, 0) + bytes(skb.l3)


def _gre(skb: Skb, summed: bool) -> bytes:
    kind = IPV4_TYPE if skb.packet.family == 4 else 0x86DD
    if not summed:
        return pack(">HH", 0, kind) + bytes(skb.l3)
    body = pack(">HHHH", GRE_CHECKSUM, kind, 0, 0) + bytes(skb.l3)
    return body[:4] + checksum.fold(checksum.ones_sum(body)).to_bytes(2) + body[6:]
