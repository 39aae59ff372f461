"""Sending: how a packet the balancer makes or forwards becomes a frame.

Route, neighbour, Ethernet header (D 12.4); and the ICMP errors about received packets. An IPv4 error carries the first
address of the port, never the virtual address; an IPv6 one carries the packet's own destination where that is local,
else a selected address (S 4.6, 4.7, recorded). Without a `device.address` none can be sent (interface 2).
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from lbreplay.model import Device, On, Setup
from lbreplay.stack.neighbor import Addressed, Neighbors, derived
from lbreplay.stack.route import RouteEntry, Routes
from lbreplay.verdict import Verdict
from lbreplay.wire import craft, icmp
from lbreplay.wire.length import total_length
from lbreplay.wire.packet import ETH_IPV4, ETH_IPV6, ICMP, Packet

HOST = 0  # L2.HOST; the classes are told apart in link.py


class Outcome(NamedTuple):
    """What became of a received packet, and the frames that leave because of it.

    own      the frames count as generated (ICMP errors); False: they are the packet's own end (an answer, a forward)
    missing  bytes that the capture cut off: the length on the wire is more (of fragments, their headers say)
    """

    verdict: Verdict
    frames: tuple[bytes, ...] = ()
    own: bool = False
    missing: int = 0


class Output:
    """Routes, neighbours and identification counters of one run, and frames made with them.

    counters: the IP counters of S 4.8 by printed label, packets; what the fast columns carry is not in them.
    """

    def __init__(self, setup: Setup) -> None:
        self.devices = setup.devices
        self.routes = Routes(setup)
        self.neighbors = Neighbors(setup.neighbors)
        self.counters: Counter[str] = Counter()
        self._swapped = setup.behaviour.too_big_mtu == "swapped"
        self._idents: dict[tuple[bytes, bytes, int], list[int]] = {}
        self._macs = {On(port): setup.mac(port) for port in range(len(self.devices))}
        self._macs |= {
            On(port, vlan.id): vlan.mac for port, device in enumerate(self.devices) for vlan in device.vlan if vlan.mac
        }
        self._ports = {mac: on.port for on, mac in reversed(self._macs.items())}

    def ident(self, src: bytes, dst: bytes, proto: int) -> int:
        """The next identification of a packet made here: a counter a (source, destination, protocol), from 0."""
        counter = self.idents(src, dst, proto)
        counter[0] += 1
        return counter[0] - 1 & 0xFFFF

    def idents(self, src: bytes, dst: bytes, proto: int) -> list[int]:
        """That counter, in a list of one: whoever makes many packets counts it up himself."""
        return self._idents.setdefault((src, dst, proto), [0])

    def mac(self, port: int, vlan: int | None = None) -> bytes | None:
        """The MAC of a device, or of a VLAN device on it, None: every unicast frame is its own."""
        return self._macs.get(On(port, vlan)) or self._macs[On(port)]

    def port_of(self, mac: bytes) -> int:
        """The device that frames with this source MAC leave by."""
        return self._ports.get(mac[:6], 0)

    def own_mac(self, vlan: int | None, packet: Packet | None, own: bytes | None = None,
                address: bytes = bytes(4), port: int = 0) -> bytes:  # fmt: skip
        """Source MAC of what is sent: the device's, the one *packet* came to, *own*, or made of *address*."""
        if mac := self._macs.get(On(port, vlan)) or self._macs[On(port)]:
            return mac
        if packet is not None and not packet.dst_mac[0] & 1 and any(packet.dst_mac):
            return packet.dst_mac
        return own or derived(address)

    def macs(self, next_hop: bytes, packet: Packet | None = None, fallback: bytes | None = None,
             own: bytes | None = None, vlan: int | None = None, port: int = 0) -> tuple[bytes, bytes]:  # fmt: skip
        """(destination, source) MAC towards *next_hop* (interface 2).

        fallback: the MAC that side's frames came from; own: the MAC the connection's frames came to, where no received
        *packet* says.
        """
        return self.neighbors.mac(next_hop, fallback, port), self.own_mac(vlan, packet, own, port=port)

    def frame(self, dst: bytes, l3: bytes, packet: Packet | None = None, next_hop: bytes | None = None,
              fallback: bytes | None = None, own: bytes | None = None) -> tuple[bytes, Verdict | None]:  # fmt: skip
        """*l3* as a frame on its way to *dst*; (b"", NO_ROUTE) where no route leaves the balancer.

        next_hop overrides the route's gateway (direct routing, D 12.1).
        """
        route = self.routes.output(dst)
        if route is None or route.local:
            self.counters["OutNoRoutes"] += 1
            return b"", Verdict.NO_ROUTE
        return self.framed(route, dst, l3, packet, next_hop, fallback, own), None

    def framed(self, route: RouteEntry, dst: bytes, l3: bytes, packet: Packet | None, next_hop: bytes | None = None,
               fallback: bytes | None = None, own: bytes | None = None, ethertype: int = 0) -> bytes:  # fmt: skip
        """*l3* as a frame that leaves by *route*; *ethertype* is that of its own family, unless another is given."""
        family, address = (ETH_IPV4, l3[12:16]) if l3[0] >> 4 == 4 else (ETH_IPV6, l3[8:24])
        ethertype = ethertype or family
        hop = next_hop or route.via or dst
        to = self.neighbors.mac(hop, fallback, route.port)
        own = self.own_mac(route.vlan, packet, own, address, route.port)
        frame = craft.ethernet(to, own, ethertype, l3, route.vlan)
        return Addressed.to(frame, hop, route.vlan, route.port) if self.devices[route.port].resolve else frame

    def send(self, route: RouteEntry, dst: bytes, l3: bytes, packet: Packet | None = None,
             fallback: bytes | None = None, own: bytes | None = None) -> tuple[bytes, ...]:  # fmt: skip
        """Frames of *l3* by *route*: IPv4 longer than the MTU in fragments, IPv6 not at all (D 12.4).

        Of a packet that the capture cut each piece has what there is of it.
        """
        if max(len(l3), total_length(l3)) <= route.mtu:
            return (self.framed(route, dst, l3, packet, None, fallback, own),)
        if l3[0] >> 4 == 6:
            self.counters["FragFails"] += 1
            return ()
        pieces = craft.fragments(l3, route.mtu)
        self.counters.update({"FragOKs": 1, "FragCreates": len(pieces)})
        return tuple(self.framed(route, dst, piece, packet, None, fallback, own) for piece in pieces)

    def answer(self, packet: Packet, l3: bytes) -> tuple[bytes, ...]:
        """Frames of *l3* back to the source of *packet*; none where no route leads there.

        Where only the default nobody configured leads there, they go back on the VLAN that *packet* came by.
        """
        route = self.routes.output(packet.src)
        if route is None or route.local:
            self.counters["OutNoRoutes"] += 1
            return ()
        if route.to.prefix == 0 and route.via is None:
            route = route._replace(vlan=packet.vlan, port=packet.port if route.open else route.port)
        return self.send(route, packet.src, l3, packet, packet.src_mac)

    def error(self, packet: Packet, kind: int, code: int, mtu: int = 0, source: bytes = b"") -> tuple[bytes, ...]:
        """The ICMP or ICMPv6 error (*kind*, *code*) about *packet* as frames to its source: one or none (S 4.6, 4.7).

        Made before translation, it quotes the packet as it stands in `packet.l3`. Over IPv4 it comes from *source*, if
        there is one and it is not 0.
        """
        if not self._facing(packet).address or not icmp.may_answer(packet, packet.l2class == HOST):
            return ()
        if packet.family == 4:
            l3 = self._error_v4(packet, kind, code, mtu, source)
        else:
            l3 = self._error_v6(packet, kind, code, mtu)
        return self.answer(packet, l3) if l3 else ()

    def too_big(self, packet: Packet, mtu: int, *, straight: bool = False) -> tuple[bytes, ...]:
        """ICMPv6 2/0 about *packet*; up to v1.9.0 with the bytes of the MTU swapped, unless *straight* (D 15)."""
        swapped = self._swapped and not straight
        return self.error(packet, icmp.TOO_BIG_V6, 0, int.from_bytes(mtu.to_bytes(4), "little") if swapped else mtu)

    def _facing(self, packet: Packet) -> Device:
        """The device that an answer to *packet* leaves by, where there are several."""
        route = self.routes.output(packet.src) if len(self.devices) > 1 else None
        return self.devices[packet.port if route is None or route.open else route.port]

    def _error_v4(self, packet: Packet, kind: int, code: int, mtu: int, source: bytes) -> bytes:
        if not any(source):
            source = next(
                (network.address for network in self._facing(packet).address if len(network.address) == 4), b""
            )
        if not source:
            return b""
        return icmp.error_v4(packet.l3, kind, code, mtu, source, self.ident(b"", packet.src, ICMP))

    def _error_v6(self, packet: Packet, kind: int, code: int, mtu: int) -> bytes:
        source = packet.dst if self.routes.is_local(packet.dst, packet.vlan, packet.port) else self.select(packet.src)
        return icmp.error_v6(packet.l3, kind, code, mtu, source) if source is not None else b""

    def select(self, dst: bytes) -> bytes | None:
        """The port's address for talking to *dst*: of the same network, else the first of the family (S 4.9)."""
        route = self.routes.output(dst) if len(self.devices) > 1 else None
        device = self.devices[0 if route is None else route.port]
        family = [network for network in device.address if len(network.address) == len(dst)]
        best = next((network for network in family if dst in network), family[0] if family else None)
        return best and best.address
