"""The link layer: class by MAC, one VLAN tag, ethertypes, ARP."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest

from lbreplay.model import Network, Vlan
from lbreplay.stack import L2, Stack
from lbreplay.stack.link import classify
from lbreplay.verdict import Verdict
from lbreplay.wire.packet import Packet

Received = Callable[..., Packet]
MAC = bytes.fromhex("027063617000")
OTHER = bytes.fromhex("029999999999")
ALL = b"\xff" * 6
SYN = "45000028000300004006c458ac1000010a0000640bb90050000000010000000050022000cd630000"
ASK_VIP = "0001080006040001020000000001c0a864010000000000000a000064"


@pytest.mark.parametrize(
    ("mac", "own", "expected"),
    [
        (MAC, MAC, L2.HOST),
        (OTHER, MAC, L2.OTHERHOST),
        (OTHER, None, L2.HOST),
        (ALL, None, L2.BROADCAST),
        (bytes.fromhex("01005e000001"), MAC, L2.MULTICAST),
    ],
)
def test_the_class_follows_the_destination_mac(mac: bytes, own: bytes | None, expected: L2) -> None:
    """Unicast is ours when it is our MAC, or when we have none."""
    assert classify(mac, own) == expected


@pytest.mark.parametrize("ethertype", [0x88B5, 0x88CC, 0x8864, 0x88A8, 46])
def test_an_ethertype_without_handler_goes_to_the_kernel(stack: Stack, received: Received, ethertype: int) -> None:
    """LLDP, PPPoE, 802.1ad and lengths of 802.3 are all unhandled."""
    outcome = stack.receive(received(bytes(46), ethertype=ethertype))
    assert outcome is not None
    assert outcome.verdict == Verdict.ETHERTYPE_UNHANDLED


def test_a_frame_without_a_whole_ethernet_header_is_truncated(stack: Stack) -> None:
    """Whatever it was on the wire."""
    for frame in (b"", bytes(13)):
        outcome = stack.receive(Packet(frame, len(frame)))
        assert outcome is not None
        assert outcome.verdict == Verdict.TRUNCATED


def test_a_tag_without_a_vlan_device_is_an_error(stack: Stack, received: Received) -> None:
    """Id 0, a priority tag, is no exception (recorded)."""
    for tag in (0, 5):
        outcome = stack.receive(received(SYN, tag=tag))
        assert outcome is not None
        assert outcome.verdict == Verdict.VLAN_ERROR


def test_a_tag_with_a_vlan_device_is_taken_off(make_stack: Callable[..., Stack], received: Received) -> None:
    """The packet belongs to the VLAN device, whose MAC makes it HOST; a second tag is not taken off."""
    address = Network(ipaddress.ip_address("10.9.0.1").packed, 24)
    stack = make_stack({"vlan": (Vlan(100, (address,), OTHER),)})
    packet = received(SYN, dst=OTHER, tag=0x6064)
    assert stack.receive(packet) is None
    assert (packet.l2class, packet.vlan, packet.dport) == (L2.HOST, 100, 80)
    double = stack.receive(received("0005080045000028" + SYN, tag=100, ethertype=0x8100))
    assert double is not None
    assert double.verdict == Verdict.ETHERTYPE_UNHANDLED


def test_a_vlan_device_answers_arp_with_the_tag(make_stack: Callable[..., Stack], received: Received) -> None:
    """For its own addresses only: the virtual address is the port's."""
    address = Network(ipaddress.ip_address("10.9.0.1").packed, 24)
    stack = make_stack({"vlan": (Vlan(100, (address,), OTHER),)})
    asked = "00010800060400010200000000010a0900020000000000000a090001"
    answer = stack.receive(received(asked, dst=ALL, tag=100, ethertype=0x0806))
    assert answer is not None
    assert answer.frames[0].hex().startswith("020000000001029999999999" + "81000064" + "0806")
    vip = stack.receive(received(ASK_VIP, dst=ALL, tag=100, ethertype=0x0806))
    assert vip is not None
    assert vip.verdict == Verdict.ARP_TO_KERNEL


@pytest.mark.parametrize("dst", [ALL, MAC, OTHER])
def test_a_request_for_a_local_address_is_answered(stack: Stack, received: Received, dst: bytes) -> None:
    """Whatever MAC it was sent to, and with the padding it had (recorded)."""
    outcome = stack.receive(received(ASK_VIP, dst=dst, padding=bytes(18), ethertype=0x0806))
    assert outcome is not None
    assert (outcome.verdict, outcome.own) == (Verdict.ARP_ANSWERED, False)
    answer = "020000000001" + "027063617000" + "0806"
    answer += "0001080006040002" + "0270636170000a000064" + "020000000001c0a86401"
    assert outcome.frames == (bytes.fromhex(answer) + bytes(18),)


@pytest.mark.parametrize(
    ("opcode", "target", "expected"),
    [
        (1, "c0a86401", Verdict.ARP_TO_KERNEL),
        (2, "c0a86401", Verdict.ARP_TO_KERNEL),
        (2, "0a000064", Verdict.ARP_TO_KERNEL),
        (3, "0a000064", Verdict.ARP_BAD_OPCODE),
        (3, "c0a86401", Verdict.ARP_TO_KERNEL),
        (1, "c0a864c8", Verdict.ARP_ANSWERED),
    ],
)
def test_arp_is_judged_by_target_then_opcode(
    stack: Stack, received: Received, opcode: int, target: str, expected: Verdict
) -> None:
    """A target that is not ours goes to the kernel whatever the opcode; a local address of a service is ours."""
    body = f"000108000604{opcode:04x}020000000001c0a86401000000000000{target}"
    outcome = stack.receive(received(body, dst=ALL, ethertype=0x0806))
    assert outcome is not None
    assert outcome.verdict == expected


def test_an_arp_reply_teaches_the_senders_mac(stack: Stack, received: Received) -> None:
    """And stands before the configured neighbour; a request teaches nothing."""
    address = ipaddress.ip_address("192.168.100.1").packed
    stack.receive(received("0001080006040001025555555555c0a864010000000000000a000064", dst=ALL, ethertype=0x0806))
    assert stack.macs(address)[0].hex() == "020000000001"
    stack.receive(received("0001080006040002025555555555c0a86401" + MAC.hex() + "c0a8640a", ethertype=0x0806))
    assert stack.macs(address)[0].hex() == "025555555555"


def test_arp_that_is_too_short(stack: Stack, received: Received) -> None:
    """Cut by the capture: truncated. Short on the wire: there is no right opcode."""
    cut = stack.receive(received(ASK_VIP, cut=4, ethertype=0x0806))
    short = stack.receive(received(ASK_VIP[:-8], ethertype=0x0806))
    assert cut is not None
    assert short is not None
    assert (cut.verdict, short.verdict) == (Verdict.TRUNCATED, Verdict.ARP_BAD_OPCODE)


def test_without_a_mac_of_its_own_the_port_makes_one_of_the_address(
    make_stack: Callable[..., Stack], received: Received
) -> None:
    """A broadcast tells nothing about our MAC."""
    outcome = make_stack({"mac": None}).receive(received(ASK_VIP, dst=ALL, ethertype=0x0806))
    assert outcome is not None
    assert outcome.frames[0][6:12].hex() == "02000a000064"
