"""Routes: what is local, and where everything else leaves.

Two tables, as in DPVS (S 4.3): local addresses by exact match, then networks, longest prefix first, first come first
served among equals. An input look-up wants the local address on the device the frame came in by; an output look-up
takes it from any device. Every device address makes its connected route. Without a configured route there is a default
route on link for each family (interface 2); of several devices it leaves by the one on which no real server is, and
where that leaves open which, by the one that the other side's frames came from.

A virtual address that no device has in its list is local on every port: which one a client asks for it is not said.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lbreplay.model import Network, On, Service, Setup

ANYWHERE = (Network(bytes(4), 0), Network(bytes(16), 0))

SPECIAL = {  # first address and size of what is never routed as its neighbours are, by family
    4: [(0, 1 << 24), (127 << 24, 1 << 24), (0xE0000000, 1 << 28), (0xF0000000, 1 << 28), (0xFFFFFFFF, 1)],
    6: [(0, 2), (0xFE80 << 112, 1 << 118), (0xFF << 120, 1 << 120)],
}


class RouteEntry(NamedTuple):
    """A route found. `vlan` is the id of its VLAN device, None for the port itself."""

    to: Network
    via: bytes | None = None  # None: on link, the next hop is the destination
    mtu: int = 1500
    source: bytes | None = None  # preferred source address, None: none
    vlan: int | None = None
    local: bool = False
    port: int = 0  # number of the device
    open: bool = False  # nobody says by which device


class Routes:
    """The routing tables of one run."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._of_the_host = (
            setup.profile == "ipvs"
        )  # the kernel's addresses are whose they are by any device (RFC 1122)
        self.rebuild(setup.services)
        self._nets = sorted(_nets(setup), key=lambda route: -route.to.prefix)  # stable: first come first served

    def rebuild(self, services: Iterable[Service]) -> None:
        """Take the local addresses of *services* anew, after an event added or removed one."""
        self._local: dict[On, set[bytes]] = {}
        for port, device in enumerate(self._setup.devices):
            self._local[On(port)] = {network.address for network in device.address}.union(device.sapool_address)
            for vlan in device.vlan:
                self._local[On(port, vlan.id)] = {network.address for network in vlan.address}
        for service in services:
            for laddr in service.laddr:
                self._local[self._setup.home(laddr)].add(laddr)
            if service.vip is not None:
                self._add_virtual(service.vip.address)

    def _add_virtual(self, address: bytes) -> None:
        """Local where a device lists it, else on every port."""
        ports = [on for on in self._local if on.vlan is None]
        listed = [on for on in self._local if address in self._local[on]] if len(ports) > 1 else []
        for on in listed or ports:
            self._local[on].add(address)

    def is_local(self, address: bytes, vlan: int | None = None, port: int = 0) -> bool:
        """Whether *address* is one of device *port* (or of VLAN device *vlan* on it); the kernel's are of any."""
        if self._of_the_host:
            return any(address in own for own in self._local.values())
        return address in self._local.get(On(port, vlan), ())

    def local_addresses(self, vlan: int | None = None, port: int = 0) -> frozenset[bytes]:
        """Every address of device *port* (or of VLAN device *vlan* on it)."""
        return frozenset(self._local.get(On(port, vlan), ()))

    def own_addresses(self) -> frozenset[bytes]:
        """Every address of the balancer."""
        return frozenset().union(*self._local.values())

    def zones(self, family: int) -> list[int]:
        """See `Stack.zones`. Groups, loopback and the like (SPECIAL) are zones too."""
        width = 4 if family == 4 else 16
        ends = [(int.from_bytes(address), 1) for address in self.own_addresses() if len(address) == width]
        ends += SPECIAL[family]
        for route in self._nets:
            if len(route.to.address) == width:
                size = 1 << 8 * width - route.to.prefix
                ends.append((int.from_bytes(route.to.address) & -size, size))
        return sorted({end for first, size in ends for end in (first, first + size) if end >> 8 * width == 0})

    def input(self, dst: bytes, vlan: int | None, port: int = 0) -> RouteEntry | None:
        """Route of a received packet: a local address of its own device, else the longest prefix (S 4.3)."""
        return self._local_entry(dst, On(port, vlan)) if self.is_local(dst, vlan, port) else self._longest(dst)

    def output(self, dst: bytes) -> RouteEntry | None:
        """Route of a packet to send: a local address of any device, else the longest prefix (S 4.3)."""
        for on, addresses in self._local.items():
            if dst in addresses:
                return self._local_entry(dst, on)
        return self._longest(dst)

    def _local_entry(self, dst: bytes, on: On) -> RouteEntry:
        mtu = self._setup.devices[on.port].mtu
        return RouteEntry(Network(dst, 8 * len(dst)), None, mtu, dst, on.vlan, True, on.port)

    def _longest(self, dst: bytes) -> RouteEntry | None:
        return next((route for route in self._nets if dst in route.to), None)


def _nets(setup: Setup) -> list[RouteEntry]:
    """Configured routes, the default ones where there are none, and the connected ones."""
    connected = _connected(setup)
    nets = list(connected)
    for route in setup.routes:
        near = next((c for c in connected if route.via is not None and route.via in c.to), None)
        on = route.device or (On() if near is None else On(near.port, near.vlan))
        mtu = route.mtu or setup.devices[on.port].mtu
        nets.append(RouteEntry(route.to, route.via, mtu, route.source, on.vlan, port=on.port))
    if not setup.routes:
        port = _clients_port(setup, connected)
        mtu, left_open = setup.devices[port or 0].mtu, port is None
        nets.extend(RouteEntry(network, None, mtu, port=port or 0, open=left_open) for network in ANYWHERE)
    return nets


def _clients_port(setup: Setup, connected: Iterable[RouteEntry]) -> int | None:
    """The device that clients come in by: the only one whose networks hold no real server; None: that is not one."""
    reals = [real.endpoint.address for service in setup.services for real in service.reals]
    used = {route.port for route in connected if any(address in route.to for address in reals)}
    unused = [port for port in range(len(setup.devices)) if port not in used]
    return 0 if not setup.others else unused[0] if len(unused) == 1 else None


def _connected(setup: Setup) -> list[RouteEntry]:
    """A route for the network of each address that is not a host's own (/32, /128)."""
    owned = [
        (port, vlan, addresses)
        for port, device in enumerate(setup.devices)
        for vlan, addresses in ((None, device.address), *((v.id, v.address) for v in device.vlan))
    ]
    return [
        RouteEntry(network, None, setup.devices[port].mtu, network.address, vlan, port=port)
        for port, vlan, addresses in owned
        for network in addresses
        if network.prefix < 8 * len(network.address)
    ]
