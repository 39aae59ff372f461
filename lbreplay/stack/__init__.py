"""What stands around the balancer: link layer, IP input, local delivery, forwarding, routes and neighbours.

A received frame of the plain path goes `receive` (link.py), `check` (ip.py), then through the hooks, which are not
here, and what they accept is `accepted` (local.py, ip.py). Whatever the balancer sends by its slow path, or answers,
becomes a frame in `frame` or `error` (output.py), by route (route.py) and neighbour (neighbor.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lbreplay.model import Service, Setup
from lbreplay.stack import ip, link, local
from lbreplay.stack.facing import Facing
from lbreplay.stack.link import L2
from lbreplay.stack.neighbor import Neighbors
from lbreplay.stack.output import Outcome, Output
from lbreplay.stack.route import RouteEntry
from lbreplay.verdict import ENTRIES, Fate, Verdict
from lbreplay.wire.packet import Packet

__all__ = ["L2", "Outcome", "RouteEntry", "Stack"]


class Stack:
    """One a run: the tables and counters are the balancer's, not a worker's (the recordings count so)."""

    def __init__(self, setup: Setup) -> None:
        self._output = Output(setup)
        self._forwarding = {4: setup.ipv4_forwarding, 6: setup.ipv6_forwarding}
        self._mirrored = {port for port, device in enumerate(setup.devices) if device.forward2kni}
        output = self._output
        self.is_local, self.local_addresses = output.routes.is_local, output.routes.local_addresses
        self.ident, self.idents, self.macs, self.select = output.ident, output.idents, output.macs, output.select
        self.frame, self.send, self.answer, self.error = output.frame, output.send, output.answer, output.error
        self.too_big, self.learn = output.too_big, output.neighbors.learn
        self.framed, self.port_of, self.mac = output.framed, output.port_of, output.mac
        self.facing = Facing(output.routes, output.neighbors)
        self.own_addresses = output.routes.own_addresses

    @property
    def counters(self) -> Counter[str]:
        """IP counters of the plain path by their label in S 4.8; packets, not bytes."""
        return self._output.counters

    @property
    def neighbours_version(self) -> int:
        """Changes when a neighbour's MAC does."""
        return self._output.neighbors.version

    @property
    def neighbors(self) -> Neighbors:
        """Who knows the MACs of next hops."""
        return self._output.neighbors

    def rebuild(self, services: Iterable[Service]) -> None:
        """Take the local addresses of *services* anew (an event changed them)."""
        self._output.routes.rebuild(services)
        self.facing.forget()

    def route(self, dst: bytes) -> RouteEntry | None:
        """Output route: a local address first (`.local`), then the longest prefix; None: unreachable."""
        return self._output.routes.output(dst)

    def zones(self, family: int) -> list[int]:
        """Where another zone of addresses begins, ascending: all of one have one route, or are one local address."""
        return self._output.routes.zones(family)

    def input_route(self, packet: Packet) -> RouteEntry | None:
        """Route of a received packet: a local address of its own device first (S 4.3)."""
        return self._output.routes.input(packet.dst, packet.vlan, packet.port)

    def way_in(self, dst: bytes, vlan: int | None) -> RouteEntry | None:
        """The same of what the first port, or its VLAN device, received."""
        return self._output.routes.input(dst, vlan, 0)

    def receive(self, packet: Packet) -> Outcome | None:
        """L2 input; None: an IP packet that goes on to `check`. Sets `packet.l2class`."""
        return self._kernel(link.receive(self._output, packet), packet)

    def check(self, packet: Packet) -> Outcome | None:
        """IP input checks; None: the packet goes on to the hooks."""
        return self._kernel(ip.check(self._output, packet), packet)

    def accepted(self, packet: Packet, from_ring: bool = False) -> Outcome:
        """What becomes of a packet the hooks let go (D 1.6). *from_ring*: it was redirected by another worker."""
        outcome = self._accepted_v4(packet) if packet.family == 4 else self._accepted_v6(packet)
        return self._kernel(outcome, packet, from_ring) or outcome

    def _accepted_v4(self, packet: Packet) -> Outcome:
        route = self.input_route(packet)
        if route is None:
            return Outcome(Verdict.NO_ROUTE_TO_KERNEL)
        if route.local:
            return local.deliver_v4(self._output, packet)
        return self._transit(packet, route)

    def _accepted_v6(self, packet: Packet) -> Outcome:
        if packet.dst[0] == 0xFF:
            self.counters["InMcastPkts"] += 1
            joined = local.joined(self._output, packet)
            return local.deliver_v6(self._output, packet) if joined else Outcome(Verdict.MULTICAST)
        route = self.input_route(packet)
        if route is None:
            self.counters["InNoRoutes"] += 1
            return Outcome(Verdict.NO_ROUTE_TO_KERNEL)
        if route.local:
            return local.deliver_v6(self._output, packet)
        return self._transit(packet, route)

    def _transit(self, packet: Packet, route: RouteEntry) -> Outcome:
        """A route away from here; only what was sent to us is forwarded."""
        if packet.l2class != L2.HOST:
            return Outcome(Verdict.MULTICAST)
        return ip.forward(self._output, packet, route, self._forwarding[packet.family])

    def mtu_of(self, mac: bytes) -> int:
        """The MTU of the device that frames with this source MAC leave by."""
        return self._output.devices[self.port_of(mac)].mtu

    def _kernel(self, outcome: Outcome | None, packet: Packet, from_ring: bool = False) -> Outcome | None:
        """*outcome*, unless it goes to the kernel and cannot (D 1.2): mirrored there already, or from a ring."""
        mirrored = packet.port in self._mirrored
        if outcome is None or ENTRIES[outcome.verdict].fate != Fate.TO_KERNEL or not (from_ring or mirrored):
            return outcome
        freed = Verdict.RING_PACKET_TO_KERNEL if from_ring else Verdict.FORWARD2KNI_TO_KERNEL
        return outcome._replace(verdict=freed)
