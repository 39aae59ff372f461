"""A frame's way: IP input, routing, local delivery or forwarding, and IPVS's hooks on it (L 2, L 3, L 20).

receive      link layer, IP input, foreign packets with our source
deliver      addressed to the director: put together, then the hooks of LOCAL_IN
forward      addressed to others: TTL and MTU, the hooks of FORWARD, out
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbreplay.ipvs.edition import FORWARD, LOCAL_IN, LOCAL_OUT
from lbreplay.ipvs.fragments import Reassembly
from lbreplay.ipvs.icmp import Errors
from lbreplay.ipvs.reply import Replies
from lbreplay.ipvs.request import Requests
from lbreplay.ipvs.schedule import Scheduling
from lbreplay.ipvs.skb import Skb
from lbreplay.ipvs.xmit import FRAG_NEEDED, TIME_EXCEEDED, UNREACHABLE, Transmitters
from lbreplay.stack import ip, link
from lbreplay.stack.link import L2
from lbreplay.verdict import Verdict
from lbreplay.wire.packet import ETH_ARP, ICMP, SCTP, TCP, UDP, Packet

if TYPE_CHECKING:
    from lbreplay.ipvs.parts import Parts, Story

Hook = Callable[[Skb], Verdict | None]
GATHERED = (TCP, UDP, SCTP, ICMP)  # whose fragments IPVS puts together on their way through
NO_NETWORK = 0  # code of the ICMP error where no route leads on


class Path:
    """The hooks of one edition, and the stack around them."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.net = parts, parts.net
        self._reassembly = Reassembly()
        xmit, scheduling = Transmitters(parts), Scheduling(parts)
        errors = Errors(parts, xmit, scheduling)
        replies = Replies(parts, errors)
        requests = Requests(parts, xmit, errors, scheduling, replies)
        handlers: dict[tuple[str, str], Hook] = {
            (LOCAL_IN, "request"): requests.handle,
            (LOCAL_IN, "reply"): lambda skb: replies.handle(skb, local=True),
            (FORWARD, "forward_icmp"): requests.forward_icmp,
            (FORWARD, "reply"): lambda skb: replies.handle(skb, local=False),
        }
        if any(place == LOCAL_OUT for place, _, _ in parts.edition.hooks):
            parts.net.on_own = errors.sent
        order = sorted(parts.edition.hooks, key=lambda hook: hook[1])
        places = (LOCAL_IN, FORWARD)
        self._hooks = {place: [handlers[place, name] for at, _, name in order if at == place] for place in places}

    @property
    def story(self) -> Story:
        return self.parts.story

    def handle(self, packet: Packet) -> Verdict:
        """The whole way of a received frame."""
        verdict = self._receive(packet)
        if verdict is not None:
            return verdict
        skb = Skb(packet)
        if packet.is_fragment and self.parts.tracking.in_use and not self._gathered(skb, kept=True):
            return Verdict.FRAGMENT_QUEUED
        local = self._routed_here(skb)
        return self._deliver(skb) if local else self._forward(skb)

    # --- input -----------------------------------------------------------------------------------------------

    def _receive(self, packet: Packet) -> Verdict | None:
        if packet.ethertype == ETH_ARP:
            return Verdict.ARP_TO_KERNEL
        outcome = link.receive(self.net.output, packet) or ip.check(self.net.output, packet)
        if outcome is not None and outcome.verdict != Verdict.OSPF:
            return outcome.verdict
        if self.net.is_local(packet.src, packet.vlan) or _impossible(packet):
            return Verdict.MARTIAN_SOURCE
        return None

    def _gathered(self, skb: Skb, kept: bool) -> bool:
        return self._reassembly.gather(skb, self.parts.clock.now, kept)

    def _routed_here(self, skb: Skb) -> bool:
        """Whether the packet is for the director: by address, to many, or by a rule for its mark."""
        packet, here = skb.packet, False
        for mark in self.parts.setup.marks:
            fits = mark.to is None or packet.dst in mark.to
            if fits and mark.protocol in (None, packet.proto) and (mark.ports is None or packet.dport in mark.ports):
                skb.mark, here = mark.mark, mark.local
        return here or _to_many(packet.dst) or self.net.is_local(packet.dst, packet.vlan)

    # --- to the director -------------------------------------------------------------------------------------

    def _deliver(self, skb: Skb) -> Verdict:
        if skb.packet.is_fragment and not self._gathered(skb, kept=False):
            return Verdict.FRAGMENT_QUEUED
        if skb.pieces is not None and not skb.mark:
            self._routed_here(skb)
        verdict = self._run(LOCAL_IN, skb)
        if verdict is None:
            return Verdict.MULTICAST if _to_many(skb.packet.dst) else Verdict.LOCAL_TO_KERNEL
        return verdict

    def _run(self, place: str, skb: Skb) -> Verdict | None:
        """The hooks of *place* in their order; None: all of them let the packet go."""
        parts = self.parts
        if parts.edition.hooks_need_service and not parts.services.has_family(skb.packet.family):
            return None
        for hook in self._hooks[place]:
            verdict = hook(skb)
            if verdict is not None:
                return verdict
        return None

    # --- through the director --------------------------------------------------------------------------------

    def _forward(self, skb: Skb) -> Verdict:
        packet = skb.packet
        refused = self._refused(skb)
        if refused is not None:
            return refused
        skb.lower_ttl()
        if packet.is_fragment and packet.proto in GATHERED and self._looked_at(packet):
            if not self._gathered(skb, kept=True):
                return Verdict.FRAGMENT_QUEUED
            skb.lower_ttl()
        verdict = self._run(FORWARD, skb)
        return self._out(skb) if verdict is None else verdict

    def _looked_at(self, packet: Packet) -> bool:
        return not self.parts.edition.hooks_need_service or self.parts.services.has_family(packet.family)

    def _refused(self, skb: Skb) -> Verdict | None:
        """What a router checks before it lowers the TTL."""
        packet, setup = skb.packet, self.parts.setup
        if packet.l2class != L2.HOST:
            return Verdict.FORWARD_TO_MANY
        if not (setup.ipv4_forwarding if packet.family == 4 else setup.ipv6_forwarding):
            return Verdict.FORWARD_DISABLED
        route = self.net.route(packet.dst)
        if route is None:
            self.net.error(skb, UNREACHABLE, NO_NETWORK, forwarded=True)
            return Verdict.NO_ROUTE
        if packet.ttl <= 1:
            self.net.error(skb, TIME_EXCEEDED, 0, forwarded=True)
            return Verdict.FORWARD_TTL
        if skb.length > route.mtu and skb.dont_fragment:
            self.net.error(skb, UNREACHABLE, FRAG_NEEDED, route.mtu, forwarded=True)
            return Verdict.FORWARD_TOO_BIG
        return None

    def _out(self, skb: Skb) -> Verdict:
        dst = skb.packet.dst
        route = self.net.route(dst)
        if route is None:
            return Verdict.NO_ROUTE
        conn = self.story.conn
        self.net.send(skb, skb.l3, route, dst, conn.client_mac if conn is not None else None)
        return skb.ends_as


def _to_many(address: bytes) -> bool:
    """A group, or everybody."""
    return address[0] == 0xFF if len(address) == 16 else address[0] >= 224


def _impossible(packet: Packet) -> bool:
    """Sources and destinations that no host sends (loopback, groups as source, this network)."""
    if packet.family == 6:
        return packet.src[0] == 0xFF
    return packet.src[0] in (0, 127) or packet.src[0] >= 224 or packet.dst[0] in (0, 127)
