"""Routes: local addresses, longest prefix, connected and default routes."""

from __future__ import annotations

import ipaddress

from lbreplay.model import Device, Endpoint, Network, Route, Service, Setup, Vlan
from lbreplay.stack.route import Routes


def ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def net(text: str) -> Network:
    interface = ipaddress.ip_interface(text)
    return Network(interface.packed, interface.network.prefixlen)


PORT = Device(address=(net("192.168.100.10/24"), net("10.0.0.9/32")), sapool_address=(ip("100.64.0.9"),), mtu=1400)
WEB = Service("web", 6, Endpoint(ip("10.0.0.100"), 80), laddr=(ip("192.168.100.200"),))


def test_what_is_local() -> None:
    """Addresses of the port, virtual and local addresses of services, addresses with a pool; nothing else."""
    routes = Routes(Setup(device=PORT, services=(WEB,)))
    local = ("192.168.100.10", "10.0.0.9", "100.64.0.9", "10.0.0.100", "192.168.100.200")
    assert all(routes.is_local(ip(address)) for address in local)
    assert not any(routes.is_local(ip(address)) for address in ("192.168.100.1", "10.0.0.1", "::1"))


def test_services_come_and_go() -> None:
    """`rebuild` takes the services that are left."""
    routes = Routes(Setup(device=PORT, services=(WEB,)))
    routes.rebuild(())
    assert not routes.is_local(ip("10.0.0.100"))
    assert routes.is_local(ip("192.168.100.10"))


def test_the_longest_prefix_wins_and_among_equals_the_first() -> None:
    """A connected route is on link with its own address as source."""
    nets = ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16")
    given = tuple(Route(net(to), ip(f"192.168.100.{n}")) for n, to in enumerate(nets, 1))
    routes = Routes(Setup(device=PORT, routes=given))

    def via(dst: str) -> bytes | None:
        route = routes.output(ip(dst))
        assert route is not None
        return route.via

    assert [via(dst) for dst in ("8.8.8.8", "10.2.0.1", "10.1.2.3")] == [ip(f"192.168.100.{n}") for n in (1, 2, 3)]
    connected = routes.output(ip("192.168.100.77"))
    assert connected is not None
    assert (connected.via, connected.source, connected.local) == (None, ip("192.168.100.10"), False)


def test_without_routes_everything_is_on_link_by_default() -> None:
    """With one of either family there is no other default."""
    bare = Routes(Setup(device=PORT))
    for dst in (ip("8.8.8.8"), ip("2001:db8::1")):
        route = bare.output(dst)
        assert route is not None
        assert (route.via, route.local) == (None, False)
    assert Routes(Setup(device=PORT, routes=(Route(net("10.0.0.0/8")),))).output(ip("8.8.8.8")) is None


def test_the_mtu_is_the_routes_or_the_devices() -> None:
    """0 stands for the device's."""
    routes = Routes(Setup(device=PORT, routes=(Route(net("10.0.0.0/8"), mtu=9000), Route(net("0.0.0.0/0")))))
    found = [routes.output(ip(dst)) for dst in ("10.0.0.1", "8.8.8.8")]
    assert [route and route.mtu for route in found] == [9000, 1400]


def test_a_vlan_device_has_addresses_and_routes_of_its_own() -> None:
    """Input wants the local address on the device the packet came by; output takes it from any (S 4.3)."""
    device = Device(address=PORT.address, vlan=(Vlan(7, (net("10.7.0.1/24"),)),))
    routes = Routes(Setup(device=device, routes=(Route(net("0.0.0.0/0"), ip("10.7.0.254")),)))
    inside, outside = routes.input(ip("10.7.0.1"), 7), routes.input(ip("10.7.0.1"), None)
    assert inside is not None
    assert outside is not None
    assert (inside.local, outside.local, outside.vlan) == (True, False, 7)
    assert (routes.is_local(ip("192.168.100.10"), 7), routes.is_local(ip("10.7.0.1"), 7)) == (False, True)
    far = routes.output(ip("8.8.8.8"))
    own = routes.output(ip("10.7.0.1"))
    assert far is not None
    assert own is not None
    assert (far.vlan, own.local) == (7, True)
