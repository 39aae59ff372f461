"""IP input: the checks before the hooks, and the forward path after them.

The order of the checks is the order of D 1.3 and D 1.4 (S 4.1, 4.7): the first that fails names the verdict. Lengths
are compared with the length on the wire; a header that the capture cut is `truncated`, one that never was there is an
error of the packet. IPv4 options are never looked at, nor is a hop-by-hop header.
"""

from __future__ import annotations

from lbreplay.stack.link import L2
from lbreplay.stack.output import Outcome, Output
from lbreplay.stack.route import RouteEntry
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum
from lbreplay.wire.packet import ETH_IPV4, HOP_BY_HOP, ICMP, ICMPV6, OSPF, SCTP, TCP, UDP, Packet, skip_extensions

L4_HEADER = {TCP: 20, UDP: 8, SCTP: 12, ICMP: 8, ICMPV6: 8}  # bytes that whoever handles the protocol needs
LOOPBACK = bytes(15) + b"\1"
COUNTED = {  # verdict of an input check -> labels of S 4.8
    Verdict.L3_HEADER_ERROR: ("InHdrErrors",),
    Verdict.L3_CHECKSUM: ("InCsumErrors", "InHdrErrors"),
    Verdict.L3_TRUNCATED: ("InTruncatedPkts",),
}
TIME_EXCEEDED, UNREACHABLE, FRAG_NEEDED = 11, 3, 4
UNREACHABLE_V6, TIME_EXCEEDED_V6, BEYOND_SCOPE = 1, 3, 2


def check(output: Output, packet: Packet) -> Outcome | None:
    """Input checks; None: the packet goes on to the hooks."""
    if packet.l2class == L2.OTHERHOST:
        return Outcome(Verdict.L3_OTHERHOST)
    v4 = packet.ethertype == ETH_IPV4
    verdict = _check_v4(packet, output.devices[packet.port].rx_ip_checksum_offload) if v4 else _check_v6(packet)
    verdict = _check_l4(packet) if verdict is None else verdict
    if verdict is None:
        return None
    output.counters.update(COUNTED.get(verdict, ()))
    return Outcome(verdict)


def _check_v4(packet: Packet, offload: bool) -> Verdict | None:
    wire, l3 = packet.length - packet.l3_at, packet.frame[packet.l3_at :]
    if len(l3) < 20:
        return _short(wire >= 20)
    header, total = (l3[0] & 15) * 4, int.from_bytes(l3[2:4])
    if l3[0] >> 4 != 4 or header < 20:
        return Verdict.L3_HEADER_ERROR
    if len(l3) < header:
        return _short(wire >= header)
    if not offload and not checksum.verify_ip_header(l3):
        return Verdict.L3_CHECKSUM
    if wire < total:
        return Verdict.L3_TRUNCATED
    if total < header:
        return Verdict.L3_HEADER_ERROR
    return Verdict.OSPF if packet.proto == OSPF else None


def _check_v6(packet: Packet) -> Verdict | None:
    wire, l3 = packet.length - packet.l3_at, packet.l3
    if len(l3) < 40:
        return _short(wire >= 40)
    if l3[0] >> 4 != 6 or _odd_addresses(packet):
        return Verdict.L3_HEADER_ERROR
    payload = int.from_bytes(l3[4:6])
    if 40 + payload > wire and not (payload == 0 and l3[6] == HOP_BY_HOP):
        return Verdict.L3_TRUNCATED
    if not skip_extensions(l3)[2] and not packet.complete:
        return Verdict.TRUNCATED
    return None


def _odd_addresses(packet: Packet) -> bool:
    """Addresses no packet on the wire may have (D 1.4): loopback, multicast source, multicast of scope 0 or 1, and
    unicast in a frame to a group."""
    group = packet.dst[0] == 0xFF
    if LOOPBACK in (packet.src, packet.dst) or packet.src[0] == 0xFF:
        return True
    return packet.dst[1] & 15 < 2 if group else packet.l2class != L2.HOST


def _check_l4(packet: Packet) -> Verdict | None:
    """`truncated` where the capture cut the L4 header that was on the wire."""
    needed = 0 if packet.is_fragment else L4_HEADER.get(packet.proto, 0)
    cut = packet.l4_there < needed <= packet.l3_length - packet.l4_at
    return Verdict.TRUNCATED if cut else None


def _short(on_the_wire: bool) -> Verdict:
    return Verdict.TRUNCATED if on_the_wire else Verdict.L3_HEADER_ERROR


def forward(output: Output, packet: Packet, route: RouteEntry, enabled: bool) -> Outcome:
    """A packet for somebody else (S 4.5, 4.7): the router function, off by default."""
    refuse = _refuse_v4 if packet.family == 4 else _refuse_v6
    if (refused := refuse(output, packet, route, enabled)) is not None:
        return refused
    output.counters["OutForwDatagrams"] += 1
    frames = output.send(route, packet.dst, _hop(packet), packet)
    return Outcome(Verdict.FORWARDED_PLAIN, frames, missing=packet.l3_length - len(packet.l3))


def _refuse_v4(output: Output, packet: Packet, route: RouteEntry, enabled: bool) -> Outcome | None:
    """TTL and length come before the switch: their errors are sent with forwarding off too."""
    if packet.ttl <= 1:
        output.counters["InHdrErrors"] += 1
        return Outcome(Verdict.FORWARD_TTL, output.error(packet, TIME_EXCEEDED, 0), own=True)
    if packet.l3_length > route.mtu and packet.dont_fragment:
        output.counters["FragFails"] += 1
        return Outcome(Verdict.FORWARD_TOO_BIG, output.error(packet, UNREACHABLE, FRAG_NEEDED, route.mtu), own=True)
    return None if enabled else Outcome(Verdict.FORWARD_DISABLED)


def _refuse_v6(output: Output, packet: Packet, route: RouteEntry, enabled: bool) -> Outcome | None:
    if not enabled:
        output.counters["InAddrErrors"] += 1
        return Outcome(Verdict.FORWARD_DISABLED)
    if packet.ttl <= 1:
        output.counters["InHdrErrors"] += 1
        return Outcome(Verdict.FORWARD_TTL, output.error(packet, TIME_EXCEEDED_V6, 0), own=True)
    if not any(packet.src) or packet.src[:2] == b"\xfe\x80":  # unspecified; link-local leaves its scope
        output.counters["InAddrErrors"] += 1
        frames = output.error(packet, UNREACHABLE_V6, BEYOND_SCOPE) if any(packet.src) else ()
        return Outcome(Verdict.FORWARD_DISABLED, frames, own=True)
    if packet.l3_length > route.mtu:
        output.counters.update(("InTooBigErrors", "FragFails"))
        return Outcome(Verdict.FORWARD_TOO_BIG, output.too_big(packet, route.mtu), own=True)
    return None


def _hop(packet: Packet) -> bytes:
    """The L3 packet with one TTL or hop limit less."""
    l3 = bytearray(packet.l3)
    if packet.family == 6:
        l3[7] -= 1
        return bytes(l3)
    l3[8] -= 1
    old = int.from_bytes(l3[10:12])
    l3[10:12] = checksum.update(old, packet.l3[8:10], bytes(l3[8:10])).to_bytes(2)
    return bytes(l3)
