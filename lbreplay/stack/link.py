"""The link layer: class by destination MAC, VLAN, ethertype, ARP (D 1.2, S 3.2-3.5).

The device drops nothing by class: frames to other hosts go on, and the IP entry drops them. One 802.1Q tag is taken off
where the port has a VLAN device of its id; a second one is an unknown ethertype. ARP looks at the target address only,
not at the destination MAC, and a request's sender is not learned.
"""

from __future__ import annotations

from enum import IntEnum

from lbreplay.model import Device
from lbreplay.stack.output import Outcome, Output
from lbreplay.verdict import Verdict
from lbreplay.wire import craft
from lbreplay.wire.packet import ETH_ARP, ETH_IPV4, ETH_IPV6, ETH_VLAN, Packet

REQUEST, REPLY = 1, 2
ARP_LENGTH = 28
BROADCAST_MAC = b"\xff" * 6


class L2(IntEnum):
    """A frame's class by its destination MAC."""

    HOST, BROADCAST, MULTICAST, OTHERHOST = range(4)


def classify(mac: bytes, own: bytes | None) -> L2:
    """Class of destination *mac*; *own* None: every unicast frame is ours (interface 2)."""
    if mac == BROADCAST_MAC:
        return L2.BROADCAST
    if mac[0] & 1:
        return L2.MULTICAST
    return L2.HOST if own is None or mac == own else L2.OTHERHOST


def receive(output: Output, packet: Packet) -> Outcome | None:
    """Steps of S 3.2 up to the L3 handler; None: it is IP and goes on. Sets `packet.l2class`."""
    if len(packet.frame) < 14:
        return Outcome(Verdict.TRUNCATED)
    packet.l2class = classify(packet.dst_mac, output.mac(packet.port))
    if packet.ethertype == ETH_VLAN and (outcome := _untag(output.devices[packet.port], packet)) is not None:
        return outcome
    if packet.ethertype == ETH_ARP:
        return _arp(output, packet)
    if packet.ethertype not in (ETH_IPV4, ETH_IPV6):
        return Outcome(Verdict.ETHERTYPE_UNHANDLED)
    return None


def _untag(device: Device, packet: Packet) -> Outcome | None:
    """Take the tag off and move the packet to its VLAN device."""
    if len(packet.frame) < 18:
        return Outcome(Verdict.TRUNCATED if packet.length >= 18 else Verdict.VLAN_ERROR)
    packet.untag()
    vlan = next((vlan for vlan in device.vlan if vlan.id == packet.vlan), None)
    if vlan is None:
        return Outcome(Verdict.VLAN_ERROR)
    if packet.l2class == L2.OTHERHOST and packet.dst_mac == vlan.mac:
        packet.l2class = L2.HOST
    return None


def _arp(output: Output, packet: Packet) -> Outcome:
    """S 3.5. A body shorter than an ARP packet cannot have a right opcode."""
    arp = packet.frame[packet.l3_at : packet.l3_at + ARP_LENGTH]
    if len(arp) < ARP_LENGTH:
        cut = packet.length >= packet.l3_at + ARP_LENGTH
        return Outcome(Verdict.TRUNCATED if cut else Verdict.ARP_BAD_OPCODE)
    opcode, target = int.from_bytes(arp[6:8]), arp[24:28]
    if not output.routes.is_local(target, packet.vlan, packet.port):
        return Outcome(Verdict.ARP_TO_KERNEL)
    if opcode == REPLY:
        output.neighbors.learn(arp[14:18], arp[8:14], packet.port)
        return Outcome(Verdict.ARP_TO_KERNEL)
    if opcode != REQUEST:
        return Outcome(Verdict.ARP_BAD_OPCODE)
    mac = output.own_mac(packet.vlan, packet, address=target, port=packet.port)
    answer = craft.arp_reply(packet.frame, mac, packet.l3_at)
    return Outcome(Verdict.ARP_ANSWERED, (answer,), missing=packet.length - len(packet.frame))
