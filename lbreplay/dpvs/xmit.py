"""Transmit: how a packet of a connection leaves (D 12).

    fast path   the side's MACs are known: translate, Ethernet header, out. No route, MTU, TTL or neighbour
    slow path   route -> length -> TTL -> client address of UDP -> translate -> fragments -> neighbour

Anything that fails is lost: the packet is freed, and its verdict says why.
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from lbreplay.dpvs.conn import IN, NOFASTXMIT, Conn
from lbreplay.dpvs.translate import Translator
from lbreplay.verdict import Verdict
from lbreplay.wire import craft, tunnel, uoa
from lbreplay.wire.length import cut_off
from lbreplay.wire.packet import ETH_IPV4, ETH_IPV6, ETH_VLAN, IPIP, IPV6_IN_IP, UDP, Packet

if TYPE_CHECKING:
    from lbreplay.dpvs.machine import Machine
    from lbreplay.stack.route import RouteEntry

UNREACHABLE, FRAG_NEEDED, TIME_EXCEEDED = 3, 4, 11  # ICMP types and a code
TIME_EXCEEDED_V6 = 3  # of ICMPv6
UOA_IDENT = (b"uoa", b"", UDP)  # one identification counter for all stand-alone datagrams; IPv6 ones have none
OUTER = {(4, 4): 20, (6, 6): 40, (6, 4): 20}  # bytes of tunnel header, by inner and outer family


class Transmitter:
    """Sends the packets of connections by way of `machine.send`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.stack, self.setup = machine.stack, machine.setup
        self.translator = Translator(machine)

    def forward(self, conn: Conn, side: int, packet: Packet, *, own: bool = False) -> Verdict:
        """Send *packet*, received on *side*, to where it goes. *own*: the balancer made it (a RST of expiry, a SYN)."""
        if not conn.mode.rewrites:
            return self._direct(conn, packet, own)
        if self.may_be_fast(conn, packet.family):
            if not own:
                learn(conn, side, packet)
            macs = conn.in_macs if side == IN else conn.out_macs
            if macs is not None:
                made = self.translator.translate(conn, side, packet, self.stack.mtu_of(macs[1]))
                if not isinstance(made, Verdict):
                    *headers, l3 = made
                    for header in headers:
                        self._routed(conn, side, header, packet)
                    self._frame(craft.ethernet(*macs, _ethertype(l3), l3), packet, own)
                    return Verdict.FORWARDED_FAST
        return self._slow(conn, side, packet, own)

    def _routed(self, conn: Conn, side: int, l3: bytes, packet: Packet) -> None:
        """A proxy header that leaves by itself goes by its route, though the rest is fast (D 5.8)."""
        route = self.stack.route(conn.real.address)
        if route is not None and not route.local:
            self.output(conn, side, l3, packet, route, own=False)

    def may_be_fast(self, conn: Conn, family: int) -> bool:
        """Whether the fast path exists for packets of this connection now (D 12.3)."""
        same = len(conn.client.address) == len(conn.real.address)
        return self.setup.conn.fast_xmit and family in conn.mode.fast and same and not conn.flags & NOFASTXMIT

    # --- slow path -------------------------------------------------------------------------------------------

    def _slow(self, conn: Conn, side: int, packet: Packet, own: bool) -> Verdict:
        to = conn.real if side == IN else conn.client
        route = self.stack.route(to.address)
        if route is None or route.local:
            return Verdict.NO_ROUTE
        refused = self._too_long(conn, side, packet, route.mtu, len(to.address)) or self._ttl(packet)
        if refused is not None:
            return refused
        if conn.uoa_left >= 0 and packet.proto == UDP and side == IN and not own:
            self._client_address(conn, packet, route)
        made = self.translator.translate(conn, side, packet, route.mtu)
        if isinstance(made, Verdict):
            return made
        verdict = Verdict.FORWARDED_SLOW
        for l3 in made:
            verdict = self.output(conn, side, l3, packet, route, own)
        return verdict

    def _too_long(self, conn: Conn, side: int, packet: Packet, mtu: int, target: int) -> Verdict | None:
        """The length test of D 12.1, on the length the packet will have in the family it leaves in."""
        length = packet.l3_length
        if (4 if target == 4 else 6) != packet.family:
            length += -20 if target == 4 else 20
        if length <= mtu:
            return None
        if packet.family == 6:
            self.too_big(packet, mtu, straight=conn.mode.full and side == IN)
            return Verdict.TOO_BIG
        if not packet.dont_fragment:
            return None
        if self.setup.behaviour.frag_needed_sent:
            self.error(packet, UNREACHABLE, FRAG_NEEDED, mtu)
        return Verdict.FRAG_NEEDED

    def _ttl(self, packet: Packet) -> Verdict | None:
        """Lower the TTL where `xmit_ttl` asks for it (D 12.2)."""
        if not self.setup.conn.xmit_ttl:
            return None
        if packet.ttl <= 1:
            self.error(packet, TIME_EXCEEDED if packet.family == 4 else TIME_EXCEEDED_V6, 0, 0)
            return Verdict.TTL_EXCEEDED
        l3 = bytearray(packet.l3)
        l3[8 if packet.family == 4 else 7] -= 1
        packet.l3 = bytes(l3)
        return None

    def _client_address(self, conn: Conn, packet: Packet, route: RouteEntry) -> None:
        """UOA in the first datagrams of a connection (D 7.4); the one after the last may be the last slow one."""
        if conn.uoa_left == 0:
            conn.uoa_left = -1
            conn.flags &= ~NOFASTXMIT
            return
        conn.uoa_left -= 1
        mode, client = self.setup.udp.uoa_mode, conn.client
        if not uoa.size_of(mode, client):
            return
        room = uoa.has_room(packet.l3, packet.l4_at, mode, client, route.mtu)
        if self.setup.behaviour.uoa_nat64_port == "stray" and len(conn.real.address) != len(client.address):
            client = uoa.stray_client(packet.l3, client, alone=not room)
        if room:
            l3, packet.l4_at, added = uoa.insert(packet.l3, packet.l4_at, mode, client)
            packet.l3 = bytes(l3)
            packet.l3_length += added
            return
        ident = self.stack.ident(*UOA_IDENT) if len(conn.real.address) == 4 else 0
        alone = uoa.alone(packet.l3, mode, client, conn.local, conn.real, ident)
        self.output(conn, IN, alone, packet, route, True)

    def output(self, conn: Conn, side: int, l3: bytes, packet: Packet, route: RouteEntry, own: bool) -> Verdict:
        """Fragments where needed, then the neighbour's MAC."""
        cut = 0 if own else packet.l3_length - len(packet.l3)
        if len(l3) + cut > route.mtu and l3[0] >> 4 == 6:
            return Verdict.V6_OUTPUT_TOO_BIG
        pieces = craft.fragments(l3, route.mtu) if len(l3) + cut > route.mtu else [l3]
        dst = conn.real.address if side == IN else conn.client.address
        hop, mac = seen_macs(conn, side)
        there = conn.in_seen if side == IN else conn.out_seen
        if route.open and there is not None:
            route = route._replace(port=self.stack.port_of(there[1]))
        verdict = Verdict.FORWARDED_SLOW if len(pieces) == 1 else Verdict.FORWARDED_FRAGMENTED
        for piece in pieces:
            frame = self.stack.framed(route, dst, piece, packet, fallback=hop, own=mac)
            verdict = self._frame(frame, packet, own, cut if len(pieces) == 1 else cut_off(piece)) or verdict
        return verdict

    def _frame(self, frame: bytes, packet: Packet, own: bool, cut: int | None = None) -> Verdict | None:
        """Send *frame*, of which the capture cut *cut* bytes; by default as many as of *packet*, if it is not *own*."""
        if cut is None:
            cut = 0 if own else packet.l3_length - len(packet.l3)
        return self.machine.send(frame, len(frame) + cut, packet.worker, own)

    def error(self, packet: Packet, kind: int, code: int, mtu: int) -> None:
        """An ICMP error about *packet*; about one the balancer made there is none, for it came in by no port."""
        if not packet.n:
            return
        for frame in self.stack.error(packet, kind, code, mtu):
            self.machine.send(frame, len(frame), packet.worker, True)

    def too_big(self, packet: Packet, mtu: int, *, straight: bool = False) -> None:
        if not packet.n:
            return
        for frame in self.stack.too_big(packet, mtu, straight=straight):
            self.machine.send(frame, len(frame), packet.worker, True)

    # --- direct routing and tunnels --------------------------------------------------------------------------

    def _direct(self, conn: Conn, packet: Packet, own: bool) -> Verdict:
        """To the real server's own MAC, gateways ignored; or inside an outer header by route (D 12.1)."""
        real = conn.real.address
        route = self.stack.route(real)
        if route is None or route.local:
            return Verdict.NO_ROUTE
        outer = OUTER[packet.family, 4 if len(real) == 4 else 6] if conn.mode.name == "tunnel" else 0
        refused = self._too_long_outer(conn, packet, route.mtu, outer)
        if refused is not None:
            return refused
        l3 = packet.l3
        if outer:
            l3 = self._encapsulated(packet, real, route)
        fallback, own_mac = seen_macs(conn, IN)
        hop = None if outer else real
        verdict = Verdict.FORWARDED_SLOW
        cut = packet.l3_length - len(packet.l3)
        pieces = [l3]
        if outer and len(l3) + cut > route.mtu and l3[0] >> 4 == 4:
            pieces, verdict = craft.fragments(l3, route.mtu), Verdict.FORWARDED_FRAGMENTED
        for piece in pieces:
            frame = self.stack.framed(route, real, piece, packet, hop, fallback, own_mac)
            verdict = self._frame(frame, packet, own, cut if len(pieces) == 1 else cut_off(piece)) or verdict
        return verdict

    def _too_long_outer(self, conn: Conn, packet: Packet, mtu: int, outer: int) -> Verdict | None:
        if packet.l3_length + outer <= mtu:
            return None
        if packet.family == 6:
            self.too_big(packet, mtu - outer)
            return Verdict.TOO_BIG
        if not packet.dont_fragment:
            return None
        if self.setup.behaviour.frag_needed_sent:
            self.error(packet, UNREACHABLE, FRAG_NEEDED, mtu - outer)
        return Verdict.FRAG_NEEDED

    def _encapsulated(self, packet: Packet, real: bytes, route: RouteEntry) -> bytes:
        source = route.source or bytes(len(real))
        if route.source is None and len(real) == 16:
            source = self.stack.select(real) or source
        proto = IPIP if packet.family == 4 else IPV6_IN_IP
        ident = self.stack.ident(source, real, proto) if len(real) == 4 else 0
        return tunnel.encapsulate(packet.l3, source, real, ident)


def learn(conn: Conn, side: int, packet: Packet) -> None:
    """Remember the MACs and the device of the side that *packet* came from, once per connection (D 12.3).

    The device is a VLAN's where a tag was taken off: its own MAC then has the tag behind it, as a frame has.
    """
    if side == IN and conn.out_macs is None:
        conn.out_macs = packet.src_mac, packet.dst_mac + tag_of(packet.vlan)
    elif side != IN and conn.in_macs is None:
        conn.in_macs = packet.src_mac, packet.dst_mac + tag_of(packet.vlan)


def seen(conn: Conn, side: int, packet: Packet) -> None:
    """The MACs a side's frames came with, where nobody configured its neighbour (interface 2)."""
    if side == IN:
        conn.out_seen = conn.out_seen or (packet.src_mac, packet.dst_mac)
    else:
        conn.in_seen = conn.in_seen or (packet.src_mac, packet.dst_mac)


def seen_macs(conn: Conn, side: int) -> tuple[bytes | None, bytes | None]:
    """(next hop's, own) MAC towards where packets of *side* go, as frames had them: the own one, of what the balancer
    makes itself, is that which frames of *side* came to, or the other side's where there were none."""
    there, here = (conn.in_seen, conn.out_seen) if side == IN else (conn.out_seen, conn.in_seen)
    came_to = here or there
    return there and there[0], came_to and came_to[1]


def tag_of(vlan: int | None) -> bytes:
    """The tag of a VLAN's frames."""
    return b"" if vlan is None else pack(">HH", ETH_VLAN, vlan)


def _ethertype(l3: bytes) -> int:
    return ETH_IPV4 if l3[0] >> 4 == 4 else ETH_IPV6
