"""Where the capture was taken (interface 3, 8): the director's own frames, and the answers of virtual addresses.

client   an answer of the virtual address is taken for the real server's and translated back; what direct routing
         and tunnels answer does not pass the director
lb       what comes from a virtual address, or from the port's own MAC, is the director's own
rx       everything was received
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.ipvs import nat
from lbreplay.model import Endpoint, Service
from lbreplay.verdict import Verdict
from lbreplay.wire import craft
from lbreplay.wire.packet import SCTP, TCP, UDP, Packet

if TYPE_CHECKING:
    from lbreplay.ipvs.parts import Parts
    from lbreplay.loop.entry import Conn


class View:
    def __init__(self, parts: Parts) -> None:
        self._parts, self._name = parts, parts.setup.view
        added = (event.value for event in parts.setup.events if isinstance(event.value, Service))
        self.virtual = {(s.protocol, *s.vip) for s in (*parts.setup.services, *added) if s.vip is not None}

    def judge(self, packet: Packet) -> Verdict | Packet:
        """*packet* as the director receives it, or why it does not. A tag changes nothing about whose it is."""
        inside = packet.within()
        if self._name == "rx" or not inside.family:
            return packet
        answer = self._is_answer(inside)
        if self._name == "lb":
            own = answer or packet.src_mac == self._parts.setup.device.mac
            return Verdict.OWN_TRANSMIT if own else packet
        conn = self._conn(inside)
        if conn is None:
            return Verdict.REPLY_WITHOUT_CONN if answer else packet
        return self._turned(conn, inside) if conn.method == "nat" else Verdict.DIRECT_REPLY

    def _is_answer(self, packet: Packet) -> bool:
        return any((packet.proto, packet.src, port) in self.virtual for port in (packet.sport, 0))

    def _conn(self, packet: Packet) -> Conn | None:
        """The connection whose virtual end speaks."""
        if packet.proto not in (TCP, UDP, SCTP) or not self._parts.net.is_local(packet.src):
            return None
        client, virtual = Endpoint(packet.dst, packet.dport), Endpoint(packet.src, packet.sport)
        return self._parts.conns.find_in(packet.proto, client, virtual)

    def _turned(self, conn: Conn, packet: Packet) -> Packet:
        """The answer as the real server sent it, with the MACs of its way here."""
        net = self._parts.net
        l3 = bytearray(packet.l3)
        nat.translate(l3, packet.l4_at, packet.proto, nat.SOURCE, conn.real)
        route = net.route(conn.real.address)
        hop = (route.via if route is not None else None) or conn.real.address
        port = self._parts.setup.device.mac or packet.src_mac
        frame = craft.ethernet(port, net.output.macs(hop)[0], packet.ethertype, l3)
        length = len(frame) + packet.l3_length - len(packet.l3)
        return Packet(frame, length, packet.time_ns, packet.n, packet.row, packet.worker)
