"""Where the capture was taken, and what that makes of frames that the balancer did not receive (interface 3).

client   what the virtual address answers is the real server's answer, seen from the client: it is put back into the
         real server's view, goes to the worker the NIC's rules send it to, and is translated like any other frame
lb       what comes from the virtual address or a local address is the balancer's own
rx       everything was received
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lbreplay.dpvs.conn import IN, Conn
from lbreplay.dpvs.early import EarlyAnswers
from lbreplay.loop.table import reverse_key
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum, craft, nat64, options
from lbreplay.wire.packet import ACK, ETH_IPV4, ETH_IPV6, RST, SCTP, SYN, TCP, Packet

if TYPE_CHECKING:
    from lbreplay.arrays import Bool
    from lbreplay.burst import Burst
    from lbreplay.dpvs.machine import Machine
    from lbreplay.model import Service

MASK32 = 0xFFFFFFFF
Steer = Callable[[int, bytes, int, bytes, int, bytes], Any]  # protocol, tuple, tag of SCTP -> nic.Steered


class View:
    """Tells the balancer's own frames and the answers of virtual addresses from what was received."""

    def __init__(self, machine: Machine, steer: Steer) -> None:
        setup = machine.setup
        self.machine, self.steer = machine, steer
        self.name = setup.view
        self.virtual = {(s.protocol, *s.vip): s for s in setup.services if s.vip is not None}
        self._laddrs = frozenset(setup.local_addresses)
        self._early = EarlyAnswers(self._turned_early)
        if self.name == "client":
            machine.early = self._early

    def is_local(self, address: bytes) -> bool:
        """Whether *address* is the balancer's own: of the port, a virtual or a local one (interface 2)."""
        route = self.machine.stack.route(address)
        return route is not None and route.local

    def own(self, burst: Burst) -> Bool:
        """Rows that come from an address of the balancer (view `lb`: it sent them itself)."""
        import numpy as np

        local = b"".join(address for address in self.machine.stack.own_addresses() if len(address) == 4)
        sources = np.ascontiguousarray(burst.flow4[:, :4]).view(np.uint32)[:, 0]
        own = np.isin(sources, np.frombuffer(local, np.uint32)) & (burst.family == 4)
        own[burst.rows6] = [self.is_local(flow[:16].tobytes()) for flow in burst.flow6]
        return np.asarray(own)

    def is_answer(self, packet: Packet) -> bool:
        return (packet.proto, packet.src, packet.sport) in self.virtual

    def judge(self, packet: Packet) -> Verdict | Packet:
        """*packet* as the balancer receives it, or why it does not. A tag changes nothing about whose it is."""
        inside = packet.within()
        if self.name == "rx" or not inside.family:
            return packet
        answer = self.is_answer(inside)
        if self.name == "lb":
            return Verdict.OWN_TRANSMIT if answer or self.is_local(inside.src) else packet
        if self._laddrs and (inside.src in self._laddrs or inside.dst in self._laddrs):
            self.machine.warn("frames to or from a local address in a capture of clients: --view lb may be meant")
        return self._turned(inside) if answer else packet

    def find(self, packet: Packet) -> Conn | None:
        """The connection that an answer belongs to, on whichever worker has it."""
        key = reverse_key(packet.key)
        for lcore in self.machine.lcores:
            handle = lcore.find.get(key)
            if handle is not None and handle & 1 == IN:
                return self.machine.table.conns[handle >> 1]
        return None

    def _turned(self, packet: Packet) -> Verdict | Packet:
        """The answer as the real server sent it, on the worker that the NIC gives it to."""
        service = self.virtual[packet.proto, packet.src, packet.sport]
        conn = self.find(packet)
        if self._too_early(service, conn, packet):
            self._early.keep(reverse_key(packet.key), packet)
            return Verdict.REPLY_WITHOUT_CONN
        if conn is None:
            return Verdict.REPLY_WITHOUT_CONN
        if not conn.mode.answers:
            return Verdict.DIRECT_REPLY
        turned = self._as_sent(conn, packet)
        home = self.home(conn, packet)
        turned.worker = home.rank
        return turned

    def _too_early(self, service: Service, conn: Conn | None, packet: Packet) -> bool:
        """Whether this is the SYN|ACK of a handshake that the SYN proxy has not let through yet."""
        if not self.machine.setup.shields(service) or packet.flags & (SYN | ACK | RST) != SYN | ACK:
            return False
        return conn is None or self.machine.state_name(conn) in self.machine.setup.tcp.synproxy.conn_reuse

    def _turned_early(self, conn: Conn, kept: Packet) -> Packet | None:
        if self.home(conn).rank != conn.rank and not self.machine.setup.conn.redirect:
            return None
        turned = self._as_sent(conn, kept)
        turned.worker = conn.rank
        return turned

    def home(self, conn: Conn, packet: Packet | None = None) -> Any:
        """Where the NIC steers the answers of a connection (nic.Steered); of SCTP, by the tag of *packet* too."""
        if conn.reply is None or conn.proto == SCTP:
            tag = b"" if packet is None else packet.l3[packet.l4_at + 4 : packet.l4_at + 8]
            conn.reply = self.steer(conn.proto, *conn.real, *conn.local, tag)
        return conn.reply

    def macs(self, real: bytes, source: bytes) -> tuple[bytes, bytes]:
        """(port's, next hop's) MACs of a frame from *real*; *source* is the captured answer's own MAC."""
        stack, route = self.machine.stack, self.machine.stack.route(real)
        via, port = (None, 0) if route is None else (route.via, route.port)
        return stack.mac(port) or source, stack.neighbors.mac(via or real, None, port)

    def _as_sent(self, conn: Conn, packet: Packet) -> Packet:
        l3, at = bytearray(packet.l3), packet.l4_at
        real, local = conn.real, conn.local
        if len(real.address) != len(packet.src):
            converted = nat64.to_ipv4(l3, real.address, local.address)
            if converted is not None:
                at += len(converted) - len(l3)
                l3 = converted
        elif packet.family == 4:
            l3[12:20] = real.address + local.address
        else:
            l3[8:40] = real.address + local.address
        l3[at : at + 4] = real.port.to_bytes(2) + local.port.to_bytes(2)
        if packet.proto == TCP and conn.mode.full and len(l3) >= at + 20:
            _shift(l3, at + 4, -conn.sp_delta)
            _shift(l3, at + 8, conn.delta)
            with memoryview(l3)[at:] as tcp:
                options.shift_sack(tcp, conn.delta)
        checksum.settle(l3, at, packet.proto, packet.l3, packet.l4_at)
        checksum.ip_header(l3)
        mac, hop = self.macs(conn.real.address, packet.src_mac)
        ethertype = ETH_IPV4 if l3[0] >> 4 == 4 else ETH_IPV6
        frame = craft.ethernet(mac, hop, ethertype, l3)
        length = len(frame) + packet.l3_length - len(packet.l3)
        port = self.machine.stack.port_of(mac)
        return Packet(frame, length, packet.time_ns, packet.n, packet.row, packet.worker, port)


def _shift(l3: bytearray, at: int, by: int) -> None:
    l3[at : at + 4] = ((int.from_bytes(l3[at : at + 4]) + by) & MASK32).to_bytes(4)
