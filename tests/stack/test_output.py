"""Sending: frames by route and neighbour, and the ICMP errors."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest

from lbreplay.model import Network, Route, Vlan
from lbreplay.stack import Stack
from lbreplay.verdict import Verdict
from lbreplay.wire import craft
from lbreplay.wire.packet import ICMP, TCP, Packet

Received = Callable[..., Packet]
MakeStack = Callable[..., Stack]


def ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


CLIENT, VIP, SERVER = ip("172.16.0.1"), ip("10.0.0.100"), ip("192.168.100.2")
CLIENT6, VIP6 = ip("2001:db8:c::1"), ip("2001:db8:1::100")
TO_SERVER = bytes(craft.ipv4(VIP, SERVER, TCP, bytes(20)))
SIDE, OWN = bytes.fromhex("02bbbbbbbbbb"), bytes.fromhex("02aaaaaaaaaa")


def macs(frame: tuple[bytes, Verdict | None]) -> tuple[str, str]:
    assert frame[1] is None
    return frame[0][:6].hex(), frame[0][6:12].hex()


def test_a_frame_goes_to_its_next_hop(stack: Stack) -> None:
    """Through the gateway, on link, or to the hop the caller names."""
    assert macs(stack.frame(CLIENT, TO_SERVER)) == ("020000000001", "027063617000")
    assert macs(stack.frame(SERVER, TO_SERVER)) == ("0200c0a86402", "027063617000")
    assert macs(stack.frame(SERVER, TO_SERVER, fallback=SIDE)) == (SIDE.hex(), "027063617000")
    assert macs(stack.frame(CLIENT, TO_SERVER, next_hop=SERVER)) == ("0200c0a86402", "027063617000")
    assert stack.frame(SERVER, TO_SERVER)[0][12:] == b"\x08\0" + TO_SERVER


def test_our_mac_where_the_port_has_none(make_stack: MakeStack, received: Received) -> None:
    """The one the packet came to, else what the caller says, else one made of the source address."""
    stack = make_stack({"mac": None})
    packet = received(TO_SERVER, dst=bytes.fromhex("02cccccccccc"))
    assert macs(stack.frame(SERVER, TO_SERVER, packet, own=OWN))[1] == "02cccccccccc"
    assert macs(stack.frame(SERVER, TO_SERVER, own=OWN))[1] == OWN.hex()
    for nobody in (bytes(6), b"\xff" * 6):
        assert macs(stack.frame(SERVER, TO_SERVER, received(TO_SERVER, dst=nobody), own=OWN))[1] == OWN.hex()
    assert macs(stack.frame(SERVER, TO_SERVER))[1] == "02000a000064"


def test_no_route(make_stack: MakeStack) -> None:
    """Nor is there one to ourselves."""
    stack = make_stack(routes=(Route(Network(ip("10.0.0.0"), 8)),))
    assert stack.frame(CLIENT, TO_SERVER) == (b"", Verdict.NO_ROUTE)
    assert stack.frame(VIP, TO_SERVER) == (b"", Verdict.NO_ROUTE)


def test_a_vlan_route_sends_with_its_tag(make_stack: MakeStack) -> None:
    """The VLAN device's own MAC is the source."""
    stack = make_stack({"vlan": (Vlan(7, (Network(ip("10.7.0.1"), 24),), OWN),)})
    frame, _ = stack.frame(ip("10.7.0.2"), TO_SERVER)
    assert frame[:18].hex() == "02000a070002" + OWN.hex() + "81000007" + "0800"


@pytest.mark.parametrize(
    ("l3", "dst"),
    [
        (craft.ipv4(CLIENT, VIP, TCP, bytes(20)), "ffffffffffff"),
        (craft.ipv4(CLIENT, ip("224.0.0.9"), TCP, bytes(20)), "027063617000"),
        (craft.ipv4(CLIENT, VIP, TCP, bytes(20), flags=5), "027063617000"),
        (craft.ipv4(CLIENT, VIP, ICMP, bytes(20)), "027063617000"),
        (craft.ipv6(bytes(16), VIP6, TCP, bytes(20)), "027063617000"),
    ],
)
def test_packets_no_error_is_sent_about(stack: Stack, received: Received, l3: bytearray, dst: str) -> None:
    """Not ours alone, to a group, a later fragment, an ICMP message, nobody's (S 4.6, 4.7)."""
    packet = received(l3, dst=bytes.fromhex(dst))
    stack.receive(packet)
    assert stack.error(packet, 3, 4, 1500) == ()


def test_sources_of_errors(make_stack: MakeStack, received: Received) -> None:
    """IPv4: the first address of the port. IPv6: the virtual address. Without a port address: no error at all."""
    v4, v6 = received(craft.ipv4(CLIENT, VIP, TCP, bytes(20))), received(craft.ipv6(CLIENT6, VIP6, TCP, bytes(20)))
    stack, bare = make_stack(), make_stack({"address": ()})
    assert stack.error(v4, 3, 4, 1500)[0][26:30] == ip("192.168.100.10")
    assert stack.error(v6, 2, 0, 1500)[0][22:38] == VIP6
    assert bare.error(v4, 3, 4, 1500) == bare.error(v6, 2, 0, 1500) == ()


def test_errors_are_numbered_for_each_destination(stack: Stack, received: Received) -> None:
    """The source is not chosen yet when the counter is picked; echo replies have their own (golden README)."""
    packets = [received(craft.ipv4(ip(src), VIP, TCP, bytes(20))) for src in ("1.1.1.1", "1.1.1.1", "2.2.2.2")]
    assert [stack.error(packet, 11, 0)[0][18:20].hex() for packet in packets] == ["0000", "0001", "0000"]
    assert stack.ident(VIP, ip("1.1.1.1"), ICMP) == 0


def test_answers_go_back_on_the_vlan_they_came_by(make_stack: MakeStack, received: Received) -> None:
    """Where no route is configured; a configured one decides for itself."""
    device = {"vlan": (Vlan(7, (Network(ip("10.7.0.1"), 24),)),)}
    for routes, tagged in (((), True), (None, False)):
        stack = make_stack(device, **({} if routes is None else {"routes": routes}))
        packet = received(craft.ipv4(CLIENT, ip("10.7.0.1"), TCP, bytes(20)), tag=7)
        stack.receive(packet)
        assert (stack.answer(packet, TO_SERVER)[0][12:14] == b"\x81\0") == tagged


def test_long_answers_are_sent_in_fragments(make_stack: MakeStack, received: Received) -> None:
    """An echo reply of IPv4; IPv6 is never taken apart."""
    stack = make_stack({"mtu": 1000})
    packet, packet6 = received(craft.ipv4(CLIENT, VIP, TCP, b"")), received(craft.ipv6(CLIENT6, VIP6, TCP, b""))
    frames = stack.answer(packet, bytes(craft.ipv4(VIP, CLIENT, ICMP, bytes(1400))))
    assert [len(frame) for frame in frames] == [14 + 996, 14 + 20 + 424]
    assert stack.answer(packet6, bytes(craft.ipv6(VIP6, CLIENT6, 58, bytes(1400)))) == ()
    assert stack.counters == {"FragOKs": 1, "FragCreates": 2, "FragFails": 1}
