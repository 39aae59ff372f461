"""Local delivery: what the balancer's own addresses answer (S 4.4, 4.7, D 1.6).

Only echo requests and neighbour solicitations are answered here. TCP, UDP and all else without a handler go to the
kernel; tunnel packets find no tunnel and are dropped. An answer leaves by route, from the worker that received.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from lbreplay.stack.link import L2
from lbreplay.stack.output import Outcome, Output
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum, craft
from lbreplay.wire.packet import DEST_OPTIONS, ETH_IPV6, GRE, ICMP, ICMPV6, IPIP, NO_NEXT, ROUTING, Packet

ECHO_REQUEST, ECHO_REQUEST_V6 = 8, 128
UNREACHABLE, PORT_UNREACHABLE = 3, 3
GRE_CHECKSUM, GRE_ROUTING, GRE_KEY, GRE_SEQUENCE, GRE_VERSION = 0x8000, 0x4000, 0x2000, 0x1000, 0x0007
NEIGHBOR_SOLICIT, NEIGHBOR_ADVERT = 135, 136
DISCOVERY = range(133, 138)  # types of neighbour discovery: routers, neighbours, redirect (RFC 4861)
SOURCE_MAC, TARGET_MAC = 1, 2  # options of neighbour discovery
MAC_BYTES = 6
SOLICITED = 0x40  # flag of an advertisement
ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")


def deliver_v4(output: Output, packet: Packet) -> Outcome:
    """An IPv4 packet for a local address."""
    handler = HANDLERS_V4.get(packet.proto)
    output.counters["InDelivers" if handler else "InUnknownProtos"] += 1
    return handler(output, packet) if handler else Outcome(Verdict.LOCAL_TO_KERNEL)


def deliver_v6(output: Output, packet: Packet) -> Outcome:
    """An IPv6 packet for a local address or a joined group: routing headers and destination options are skipped."""
    l3, proto, at = packet.l3, packet.l3[6], 40
    while proto in (ROUTING, DEST_OPTIONS):
        if packet.dst[0] == 0xFF or packet.l2class != L2.HOST or at + 8 > len(l3):
            return Outcome(Verdict.L3_HEADER_ERROR)
        proto, at = l3[at], at + (l3[at + 1] + 1) * 8
        if at > packet.l3_length:
            return Outcome(Verdict.L3_HEADER_ERROR)
    if proto == NO_NEXT:
        return Outcome(Verdict.V6_NO_NEXT_HEADER)
    output.counters["InDelivers" if proto == ICMPV6 else "InUnknownProtos"] += 1
    return _icmp_v6(output, packet) if proto == ICMPV6 else Outcome(Verdict.LOCAL_TO_KERNEL)


def joined(output: Output, packet: Packet) -> bool:
    """Whether an IPv6 group is listened to: all nodes, and the solicited-node group of every local address."""
    if packet.dst == ALL_NODES:
        return True
    addresses = output.routes.local_addresses(packet.vlan, packet.port)
    return packet.dst[:13] == SOLICITED_NODE and any(a[13:] == packet.dst[13:] for a in addresses if len(a) == 16)


def _icmp_v4(output: Output, packet: Packet) -> Outcome:
    """Echo requests with code 0 and a right checksum; other types belong to the kernel."""
    kind = packet.l3[packet.l4_at : packet.l4_at + 1]
    if packet.l4_there >= 8 and kind[0] != ECHO_REQUEST:
        return Outcome(Verdict.LOCAL_TO_KERNEL)
    code = packet.l3[packet.l4_at + 1 : packet.l4_at + 2]
    if packet.l4_there < 8 or code != b"\0" or not _verified(packet):
        return Outcome(Verdict.ICMP_LOCAL_INVALID)
    return _echo(output, packet)


def _ipip(output: Output, packet: Packet) -> Outcome:
    """No tunnel is configured: dropped."""
    return Outcome(Verdict.TUNNEL_INPUT)


def _gre(output: Output, packet: Packet) -> Outcome:
    """The same, and an ICMP error (S 4.6). DPVS makes it of the bytes of the GRE header, read as an IPv4 header: it is
    sent where they look like a first fragment, and goes where they say (recorded)."""
    if not packet.complete or not _good_gre(packet.l3[packet.l4_at :]):
        return Outcome(Verdict.TUNNEL_INPUT)
    misread = packet.quoted(packet.l4_at)
    frames = output.error(misread, UNREACHABLE, PORT_UNREACHABLE, source=misread.dst)
    return Outcome(Verdict.TUNNEL_INPUT, frames, own=True)


def _good_gre(gre: bytes) -> bool:
    """Version 0, no routing, all fields that its flags announce, a right checksum; and as long as an IPv4 header."""
    flags = int.from_bytes(gre[:2])
    announced = sum(flags & bit != 0 for bit in (GRE_CHECKSUM, GRE_KEY, GRE_SEQUENCE))
    if len(gre) < max(20, 4 + 4 * announced) or flags & (GRE_ROUTING | GRE_VERSION):
        return False
    return not flags & GRE_CHECKSUM or checksum.ones_sum(gre) == 0xFFFF


HANDLERS_V4: dict[int, Callable[[Output, Packet], Outcome]] = {ICMP: _icmp_v4, IPIP: _ipip, GRE: _gre}


def _icmp_v6(output: Output, packet: Packet) -> Outcome:
    """Every ICMPv6 message is summed first."""
    if packet.l4_there < 8 or not _verified(packet):
        return Outcome(Verdict.ICMP_LOCAL_INVALID)
    kind = packet.l3[packet.l4_at]
    if kind == ECHO_REQUEST_V6:
        return _echo(output, packet)
    return _discovery(output, packet, kind) if kind in DISCOVERY else Outcome(Verdict.LOCAL_TO_KERNEL)


def _echo(output: Output, packet: Packet) -> Outcome:
    """The answer, from the address that was asked; a group's is a selected one."""
    source = output.select(packet.src) if packet.family == 6 and packet.dst[0] == 0xFF else packet.dst
    if source is None:
        return Outcome(Verdict.NO_ROUTE)
    asked = copy(packet)
    asked.dst = source
    ident = output.ident(source, packet.src, ICMP) if packet.family == 4 else 0
    l3 = craft.echo_reply(asked, ident)
    l3 = l3 if packet.complete else _as_cut(packet, bytearray(l3))
    frames = output.answer(packet, l3)
    if not frames:
        route = output.routes.output(packet.src)
        return Outcome(Verdict.NO_ROUTE if route is None or route.local else Verdict.V6_OUTPUT_TOO_BIG)
    return Outcome(Verdict.LOCAL_ECHO_REPLY, frames, missing=packet.l3_length - len(packet.l3))


def _as_cut(packet: Packet, l3: bytearray) -> bytes:
    """An answer to a request cut by the capture: the length on the wire, and the checksum moved (RFC 1624)."""
    at = 20 if packet.family == 4 else 40
    asked = packet.l3[packet.l4_at :]
    checked = int.from_bytes(asked[2:4])
    l3[at + 2 : at + 4] = checksum.update(checked, asked[:2], bytes(l3[at : at + 2])).to_bytes(2)
    length = packet.l3_length - packet.l4_at
    l3[2:4] = (at + length).to_bytes(2) if packet.family == 4 else l3[2:4]
    l3[4:6] = l3[4:6] if packet.family == 4 else length.to_bytes(2)
    checksum.ip_header(l3)
    return bytes(l3)


def _verified(packet: Packet) -> bool:
    """Whether the ICMP checksum is right; of a packet cut by the capture nobody knows, so it is taken for right."""
    return not packet.complete or checksum.verify_l4(packet.l3, packet.l4_at, packet.proto)


def _discovery(output: Output, packet: Packet, kind: int) -> Outcome:
    """Neighbour discovery (S 4.7): what is not malformed goes to the kernel, answered or not (recorded)."""
    body = packet.l3[packet.l4_at :]
    if packet.ttl != 255 or body[1]:
        return Outcome(Verdict.ND_INVALID)
    if kind not in NEIGHBOR:
        return Outcome(Verdict.ND_TO_KERNEL)
    target, options = body[8:24], _options(body[24:])
    if len(body) < 24 or target[0] == 0xFF or options is None:
        return Outcome(Verdict.ND_INVALID)
    return NEIGHBOR[kind](output, packet, target, options)


def _options(data: bytes) -> dict[int, bytes] | None:
    """The options of a discovery message by type (the first of each), None where they are malformed."""
    options: dict[int, bytes] = {}
    while data:
        size = data[1] * 8 if len(data) >= 2 else 0
        if not 0 < size <= len(data):
            return None
        options.setdefault(data[0], data[2:size])
        data = data[size:]
    return options


def _solicited(output: Output, packet: Packet, target: bytes, options: dict[int, bytes]) -> Outcome:
    """A solicitation. One for a local address that tells the asker's MAC teaches it and is answered; one without a
    source asks whether the address is taken, and must not tell a MAC (RFC 4861, 7.1.1)."""
    nobody, mac = not any(packet.src), options.get(SOURCE_MAC)
    if nobody and packet.dst[:13] != SOLICITED_NODE:
        return Outcome(Verdict.ND_INVALID)
    if mac is None or not output.routes.is_local(target, packet.vlan, packet.port):
        return Outcome(Verdict.ND_TO_KERNEL)
    if nobody or len(mac) != MAC_BYTES:
        return Outcome(Verdict.ND_INVALID)
    output.neighbors.learn(packet.src, mac, packet.port)
    return _advertise(output, packet, target, mac)


def _advertise(output: Output, packet: Packet, target: bytes, mac: bytes) -> Outcome:
    """Tell the asker our MAC; the answer is on link, whatever the routes say. Who asked us alone has it already: the
    answer then neither names nor overrides it (recorded)."""
    own = output.own_mac(packet.vlan, packet, address=target, port=packet.port)
    told = own if packet.dst[0] == 0xFF else None
    l3 = craft.neighbor_advertisement(target, packet.src, target, told)
    answer = craft.ethernet(mac, own, ETH_IPV6, l3, packet.vlan)
    return Outcome(Verdict.ND_TO_KERNEL, (answer,), own=True)


def _advertised(output: Output, packet: Packet, target: bytes, options: dict[int, bytes]) -> Outcome:
    """An advertisement teaches its MAC, unless the address is ours; to a group it cannot have been solicited."""
    mac = options.get(TARGET_MAC)
    if packet.dst[0] == 0xFF and packet.l3[packet.l4_at + 4] & SOLICITED:
        return Outcome(Verdict.ND_INVALID)
    if mac is None or output.routes.is_local(target, packet.vlan, packet.port):
        return Outcome(Verdict.ND_TO_KERNEL)
    if len(mac) != MAC_BYTES:
        return Outcome(Verdict.ND_INVALID)
    output.neighbors.learn(target, mac, packet.port)
    return Outcome(Verdict.ND_TO_KERNEL)


NEIGHBOR = {NEIGHBOR_SOLICIT: _solicited, NEIGHBOR_ADVERT: _advertised}
