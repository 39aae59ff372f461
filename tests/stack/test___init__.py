"""The stack as a whole: what the kernel gets, and when it cannot."""

from __future__ import annotations

from collections.abc import Callable

from lbreplay.model import Network, Route
from lbreplay.stack import Stack
from lbreplay.verdict import Verdict
from lbreplay.wire import craft
from lbreplay.wire.packet import TCP, Packet

Received = Callable[..., Packet]
CLIENT, VIP = bytes([172, 16, 0, 1]), bytes([10, 0, 0, 100])


def test_a_mirrored_port_gives_the_kernel_nothing_twice(make_stack: Callable[..., Stack], received: Received) -> None:
    """forward2kni: the kernel has its copy, so what would go there is freed, at every step (D 1.2)."""
    stack = make_stack({"forward2kni": True})
    lldp = stack.receive(received(bytes(46), ethertype=0x88CC))
    ospf = stack.check(received(craft.ipv4(CLIENT, VIP, 89, bytes(20))))
    assert lldp is not None
    assert ospf is not None
    local = stack.accepted(received(craft.ipv4(CLIENT, VIP, TCP, bytes(20))))
    assert {lldp.verdict, ospf.verdict, local.verdict} == {Verdict.FORWARD2KNI_TO_KERNEL}


def test_a_redirected_packet_never_reaches_the_kernel(stack: Stack, received: Received) -> None:
    """Its link header is gone: freed. One that is dropped anyway keeps its verdict."""
    local = received(craft.ipv4(CLIENT, VIP, TCP, bytes(20)))
    away = received(craft.ipv4(CLIENT, bytes([8, 8, 8, 8]), TCP, bytes(20)))
    assert stack.accepted(local, from_ring=True).verdict == Verdict.RING_PACKET_TO_KERNEL
    assert stack.accepted(away, from_ring=True).verdict == Verdict.FORWARD_DISABLED


def test_the_route_is_told(stack: Stack) -> None:
    """For the slow path: gateway, or that the address is our own."""
    away, own = stack.route(CLIENT), stack.route(VIP)
    assert away is not None
    assert own is not None
    assert (away.via, away.mtu, own.local) == (bytes([192, 168, 100, 1]), 1500, True)


def test_addresses_of_removed_services_are_not_local(stack: Stack, received: Received) -> None:
    """A packet for one is transit then."""
    stack.rebuild(())
    packet = received(craft.ipv4(CLIENT, VIP, TCP, bytes(20)))
    assert not stack.is_local(VIP)
    assert stack.accepted(packet).verdict == Verdict.FORWARD_DISABLED


def test_without_any_route_to_the_destination_the_kernel_gets_it(
    make_stack: Callable[..., Stack], received: Received
) -> None:
    """Both families."""
    stack = make_stack(routes=(Route(Network(bytes([10, 99, 0, 0]), 16)),))
    for src, dst in ((CLIENT, bytes([8, 8, 8, 8])), (bytes([32] * 16), bytes([33] * 16))):
        assert stack.accepted(received(craft.ip(src, dst, TCP, bytes(20)))).verdict == Verdict.NO_ROUTE_TO_KERNEL
    assert stack.counters["InNoRoutes"] == 1
