"""Routes: what is local, and where everything else leaves.

Two tables, as in DPVS (S 4.3): local addresses by exact match, then networks, longest prefix first, first come first
served among equals. An input look-up wants the local address on the device the frame came in by; an output look-up
takes it from any device. Every device address makes its connected route. Without a configured route there is a default
route on link for each family (interface 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lbreplay.model import Device, Network, Service, Setup

ANYWHERE = (Network(bytes(4), 0), Network(bytes(16), 0))


class RouteEntry(NamedTuple):
    """A route found. `vlan` is the id of its VLAN device, None for the port itself."""

    to: Network
    via: bytes | None = None  # None: on link, the next hop is the destination
    mtu: int = 1500
    source: bytes | None = None  # preferred source address, None: none
    vlan: int | None = None
    local: bool = False


class Routes:
    """The routing tables of one run."""

    def __init__(self, setup: Setup) -> None:
        self._device = setup.device
        self._sapool = setup.device.sapool_address
        self.rebuild(setup.services)
        self._nets = sorted(_nets(setup), key=lambda route: -route.to.prefix)  # stable: first come first served

    def rebuild(self, services: Iterable[Service]) -> None:
        """Take the local addresses of *services* anew, after an event added or removed one."""
        port = {network.address for network in self._device.address}.union(self._sapool)
        for service in services:
            port.update(service.laddr)
            if service.vip is not None:
                port.add(service.vip.address)
        self._local: dict[int | None, set[bytes]] = {None: port}
        for vlan in self._device.vlan:
            self._local[vlan.id] = {network.address for network in vlan.address}

    def is_local(self, address: bytes, vlan: int | None = None) -> bool:
        """Whether *address* is one of the port (or of VLAN device *vlan*)."""
        return address in self._local.get(vlan, ())

    def local_addresses(self, vlan: int | None = None) -> frozenset[bytes]:
        """Every address of the port (or of VLAN device *vlan*)."""
        return frozenset(self._local.get(vlan, ()))

    def zones(self) -> list[int]:
        """See `Stack.zones`. Groups, loopback and the like are zones too."""
        ends = [(int.from_bytes(address), 1) for address in self.local_addresses() if len(address) == 4]
        ends += [(int.from_bytes(bytes((first, 0, 0, 0))), 1 << 24) for first in (0, 127)]
        ends += [(0xE0000000, 1 << 28), (0xF0000000, 1 << 28), (0xFFFFFFFF, 1)]
        for route in self._nets:
            if len(route.to.address) == 4:
                size = 1 << 32 - route.to.prefix
                ends.append((int.from_bytes(route.to.address) & -size, size))
        return sorted({end for first, size in ends for end in (first, first + size)})

    def input(self, dst: bytes, vlan: int | None) -> RouteEntry | None:
        """Route of a received packet: a local address of its own device, else the longest prefix (S 4.3)."""
        return self._local_entry(dst, vlan) if self.is_local(dst, vlan) else self._longest(dst)

    def output(self, dst: bytes) -> RouteEntry | None:
        """Route of a packet to send: a local address of any device, else the longest prefix (S 4.3)."""
        for vlan, addresses in self._local.items():
            if dst in addresses:
                return self._local_entry(dst, vlan)
        return self._longest(dst)

    def _local_entry(self, dst: bytes, vlan: int | None) -> RouteEntry:
        return RouteEntry(Network(dst, 8 * len(dst)), None, self._device.mtu, dst, vlan, True)

    def _longest(self, dst: bytes) -> RouteEntry | None:
        return next((route for route in self._nets if dst in route.to), None)


def _nets(setup: Setup) -> list[RouteEntry]:
    """Configured routes, the default ones where there are none, and the connected ones."""
    device = setup.device
    connected = _connected(device)
    nets = list(connected)
    for route in setup.routes:
        vlan = next((c.vlan for c in connected if route.via is not None and route.via in c.to), None)
        nets.append(RouteEntry(route.to, route.via, route.mtu or device.mtu, route.source, vlan))
    if not setup.routes:
        nets.extend(RouteEntry(network, None, device.mtu) for network in ANYWHERE)
    return nets


def _connected(device: Device) -> list[RouteEntry]:
    """A route for the network of each address that is not a host's own (/32, /128)."""
    owned = [(None, device.address), *((vlan.id, vlan.address) for vlan in device.vlan)]
    return [
        RouteEntry(network, None, device.mtu, network.address, vlan)
        for vlan, addresses in owned
        for network in addresses
        if network.prefix < 8 * len(network.address)
    ]
