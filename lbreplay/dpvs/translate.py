"""One packet of a connection, translated: addresses, ports, and what full NAT does to TCP and UDP (D 5.4-5.8, D 7.3).

The packet leaves as the reverse of the other side's key, in every mode and direction. Complete packets get computed
checksums; of a packet that the capture cut, the checksums are updated by what changed (interface 4).
"""

from __future__ import annotations

from struct import pack_into, unpack_from
from typing import TYPE_CHECKING

from lbreplay.dpvs.conn import IN, Conn
from lbreplay.loop.syn import Proxied
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum, nat64, options, proxy_protocol, uoa
from lbreplay.wire.packet import ACK, ICMP, ICMPV6, RST, SCTP, SYN, TCP, UDP, Packet

if TYPE_CHECKING:
    from lbreplay.dpvs.machine import Machine

MASK32 = 0xFFFFFFFF
NEEDED = {TCP: 20, UDP: 8, SCTP: 12}  # bytes of L4 header that translation writes to
MSS_LOWERED = {4: 8, 16: 20}  # the SYN|ACK's MSS leaves room for the client's option, by the client's address (D 5.5)


class Translator:
    """Makes L3 packets as they leave; knows the run's TCP settings and the connections' sequence memory."""

    def __init__(self, machine: Machine) -> None:
        self._table, self._lcores = machine.table, machine.lcores
        self._tcp, self._behaviour = machine.setup.tcp, machine.setup.behaviour

    def translate(self, conn: Conn, side: int, packet: Packet, mtu: int) -> list[bytes] | Verdict:
        """The L3 packets that leave for *packet*: one, or two where a proxy header needs a packet of its own.

        *mtu* is what an added option must fit into, 0 unknown. `packet.l3` may carry a UOA already.
        """
        l3, l4_at = bytearray(packet.l3), packet.l4_at
        new = _addressed(conn, side, l3, l4_at)
        if new is None:
            return Verdict.NAT64_UNSUPPORTED
        l4_at += len(new) - len(packet.l3)
        if len(new) < l4_at + NEEDED.get(packet.proto, 0):
            return Verdict.L4_HANDLER_ERROR
        if not _sound(packet):
            return Verdict.L4_HANDLER_ERROR
        made = [(new, l4_at)]
        if packet.proto == TCP and conn.mode.full:
            if side == IN:
                made = self._full_tcp_in(conn, packet, new, l4_at, mtu)
            else:
                made = self._full_tcp_out(conn, packet, new, l4_at)
        elif packet.proto == UDP and conn.mode.full and side == IN:
            made = self._proxied_udp(conn, packet, new, l4_at, mtu)
        return [self._finished(packet, new, at) for new, at in made]

    def _full_tcp_in(self, conn: Conn, packet: Packet, l3: bytearray, at: int, mtu: int) -> list[tuple[bytearray, int]]:
        """Client to real server (D 5.4): timestamp out of the SYN, the client's address in, sequence numbers moved."""
        syn = packet.flags & (SYN | ACK) == SYN
        if syn:
            with memoryview(l3)[at:] as tcp:
                options.blank_timestamp(tcp)
            self._first_sequence(conn, packet.seq)
        first = packet.ack == conn.fdata and not packet.flags & (SYN | RST)
        made = [(l3, at)]
        if first and conn.server.service.proxy_protocol != "off" and packet.complete:
            made = self._proxied_tcp(conn, packet, l3, at, mtu)
        elif self._tcp.toa and (first or (syn and self._behaviour.toa_in_syn)):
            made = [(options.insert_toa(l3, at, conn.client, mtu, prune=self._behaviour.toa_prune)[0], at)]
        for new, tcp_at in made:
            _add32(new, tcp_at + 4, conn.delta)
            if conn.sp_delta:
                _add32(new, tcp_at + 8, -conn.sp_delta)
                with memoryview(new)[tcp_at:] as tcp:
                    options.shift_sack(tcp, -conn.sp_delta)
        return made

    def _first_sequence(self, conn: Conn, seq: int) -> None:
        """The first SYN decides by how much sequence numbers move; later ones keep it (D 5.5)."""
        if conn.has_isn:
            return
        conn.has_isn = True
        conn.delta = self._tcp.isn_offset if self._tcp.seq_adjust else 0
        conn.isn = (seq + conn.delta) & MASK32

    def _proxied_tcp(self, conn: Conn, packet: Packet, l3: bytearray, at: int, mtu: int) -> list[tuple[bytearray, int]]:
        """The proxy header in front of the client's first byte, while the delta is still the first one (D 5.8)."""
        header = packet.tcp_header_length
        payload = packet.l3[packet.l4_at + header :]
        if not payload or packet.seq != (conn.isn - conn.delta + 1) & MASK32:
            return [(l3, at)]
        plan = proxy_protocol.plan(payload, conn.server.service.proxy_protocol, conn.client, conn.virtual, TCP)
        if plan is None:
            return [(l3, at)]
        made = proxy_protocol.insert(l3, at, TCP, plan, mtu)
        conn.delta = (conn.delta + plan.growth) & MASK32
        return made

    def _proxied_udp(self, conn: Conn, packet: Packet, l3: bytearray, at: int, mtu: int) -> list[tuple[bytearray, int]]:
        """The proxy header (v2 only) in front of the first datagram (D 5.8)."""
        setting = conn.server.service.proxy_protocol
        if setting == "off" or conn.has_isn:
            return [(l3, at)]
        conn.has_isn = True  # of UDP: the first datagram went by
        plan = proxy_protocol.plan(packet.l3[packet.l4_at + 8 :], setting, conn.client, conn.virtual, UDP)
        return proxy_protocol.insert(l3, at, UDP, plan, mtu) if plan else [(l3, at)]

    def _full_tcp_out(self, conn: Conn, packet: Packet, l3: bytearray, at: int) -> list[tuple[bytearray, int]]:
        """Real server to client (D 5.5), steps (a) to (g)."""
        self.remember_end(conn, packet)
        synack = packet.flags & (SYN | ACK) == SYN | ACK
        with memoryview(l3)[at:] as tcp:
            if conn.proxy is not None and self._behaviour.synproxy_wscale:
                _scale_window(tcp, conn.proxy)
            if synack:
                options.lower_mss(tcp, MSS_LOWERED[len(conn.client.address)])
            if conn.proxy is None or not self._stormy(conn.proxy, packet):
                _add32(l3, at + 4, conn.sp_delta)
                _add32(l3, at + 8, -conn.delta)
                options.shift_sack(tcp, -conn.delta)
        if synack:
            conn.fdata = (unpack_from(">I", l3, at + 4)[0] + 1) & MASK32
        return [(l3, at)]

    def _stormy(self, proxied: Proxied, packet: Packet) -> bool:
        """Whether *packet* repeats the one before it too often: its numbers are not translated then (D 6.5)."""
        if not packet.flags & ACK:
            return False
        stormy = proxied.repeated(packet.seq, packet.ack) >= self._tcp.synproxy.ack_storm_thresh
        if stormy:
            self._lcores[packet.worker].counters["SYNPROXY_ACK_STORM"] += 1
        return stormy

    def remember_end(self, conn: Conn, packet: Packet) -> None:
        """Where the real server's stream stands, for the RSTs of an expiry (D 5.5 a, quirk of IPv6 included)."""
        table, slot = self._table, conn.slot
        last = table.rs_ack[slot]
        if packet.flags & RST or (last and (packet.ack - last) & 0x80000000):
            return
        if packet.flags & (SYN | ACK) == SYN | ACK:
            end = packet.seq + 1
        else:
            length, first = packet.l3_length, packet.l3[0]
            if packet.family == 4 and len(conn.client.address) == 16:
                length, first = length + 20, 0x60  # NAT64: the packet is IPv6 by then
            end = packet.seq + length - 4 * (first & 15) - packet.tcp_header_length
        table.rs_seq[slot], table.rs_ack[slot] = end & MASK32, packet.ack

    def _finished(self, packet: Packet, l3: bytearray, at: int) -> bytes:
        """Checksums, last of all: computed, or updated where the capture cut the packet."""
        checksum.ip_header(l3)
        if packet.proto == UDP and l3[0] >> 4 == 4 and l3[9] == uoa.OPP:
            l3[at + 6 : at + 8] = b"\0\0"  # behind a client-address header there is none (D 7.3)
        elif packet.complete and packet.proto != ICMP:
            checksum.l4(l3, at, packet.proto)
        elif packet.proto in (TCP, UDP, ICMPV6):
            checksum.update_l4(l3, at, packet.proto, *_changed(packet, l3, at))
        return bytes(l3)


def _sound(packet: Packet) -> bool:
    """Whether the L4 handlers take it: a TCP header that ends inside the packet, an SCTP checksum that is right."""
    if packet.proto == TCP:
        return (packet.l3[packet.l4_at + 12] >> 4) * 4 <= packet.l3_length - packet.l4_at
    return packet.proto != SCTP or not packet.complete or checksum.verify_sctp(packet.l3, packet.l4_at)


def _scale_window(tcp: memoryview, proxied: Proxied) -> None:
    """The window as the client's side counts it (D 5.5 c)."""
    if proxied.scale_real != proxied.scale_told:
        window = unpack_from(">H", tcp, 14)[0] << proxied.scale_real >> proxied.scale_told
        pack_into(">H", tcp, 14, min(window, 0xFFFF))


def _add32(packet: bytearray, at: int, by: int) -> None:
    if by:
        pack_into(">I", packet, at, (unpack_from(">I", packet, at)[0] + by) & MASK32)


def _addressed(conn: Conn, side: int, l3: bytearray, l4_at: int) -> bytearray | None:
    """*l3* with the ends it leaves with; in the other family under NAT64 (None where that can't be)."""
    src, dst = (conn.local, conn.real) if side == IN else (conn.virtual, conn.client)
    family = 4 if len(dst.address) == 4 else 6
    if family != l3[0] >> 4:
        converted = (nat64.to_ipv4 if family == 4 else nat64.to_ipv6)(l3, src.address, dst.address)
        if converted is None:
            return None
        l4_at += len(converted) - len(l3)
        l3 = converted
    elif family == 4:
        l3[12:20] = src.address + dst.address
    else:
        l3[8:40] = src.address + dst.address
    if conn.proto not in (ICMP, ICMPV6) and len(l3) >= l4_at + 4:
        pack_into(">HH", l3, l4_at, src.port, dst.port)
    return l3


def _changed(packet: Packet, l3: bytearray, at: int) -> tuple[bytes, bytes]:
    """What the checksum of a cut packet covers and may differ: pseudo header and L4 header, before and after."""
    header = packet.tcp_header_length if packet.proto == TCP else 8
    growth = len(l3) - at - (len(packet.l3) - packet.l4_at)
    length = packet.l3_length - packet.l4_at
    return (
        _summed(packet.l3, packet.l4_at, header, packet.proto, length),
        _summed(bytes(l3), at, header + growth, packet.proto, length + growth),
    )


def _summed(l3: bytes, at: int, header: int, proto: int, length: int) -> bytes:
    addresses = l3[12:20] if l3[0] >> 4 == 4 else l3[8:40]
    field = checksum.FIELD[proto]
    head = l3[at : at + field] + b"\0\0" + l3[at + field + 2 : at + header]
    return addresses + length.to_bytes(4) + head[: len(head) & ~1]
