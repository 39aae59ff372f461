"""A frame's way: IP input, routing, local delivery or forwarding, and IPVS's hooks on it (L 2, L 3, L 20).

receive      link layer, IP input, foreign packets with our source
deliver      addressed to the director: put together, then the hooks of LOCAL_IN
forward      addressed to others: TTL and MTU, the hooks of FORWARD, out
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbreplay.ipvs.addresses import NOBODY
from lbreplay.ipvs.edition import FORWARD, LOCAL_IN, LOCAL_OUT
from lbreplay.ipvs.fragments import ARRIVING, LOCAL, Reassembly, dport, is_fragment
from lbreplay.ipvs.fragments import FORWARD as FORWARD_PATH
from lbreplay.ipvs.icmp import Errors
from lbreplay.ipvs.options import HEADER, Malformed, received
from lbreplay.ipvs.reply import Replies
from lbreplay.ipvs.request import Requests
from lbreplay.ipvs.schedule import Scheduling
from lbreplay.ipvs.skb import Skb
from lbreplay.ipvs.xmit import FRAG_NEEDED, TIME_EXCEEDED, UNREACHABLE, Transmitters
from lbreplay.stack import ip, link
from lbreplay.stack.link import L2
from lbreplay.verdict import Verdict
from lbreplay.wire import checksum
from lbreplay.wire.packet import ETH_ARP, ICMP, SCTP, TCP, UDP, Packet

if TYPE_CHECKING:
    from lbreplay.ipvs.parts import Parts, Story

Hook = Callable[[Skb], Verdict | None]
GATHERED = (TCP, UDP, SCTP, ICMP)  # whose fragments IPVS puts together on their way through
NO_NETWORK, REASSEMBLY = 0, 1  # codes of ICMP errors: no route leads on, the rest did not come
PARAMETER_PROBLEM = 12
TRANSLATED = (Verdict.NAT_REPLIED, Verdict.ICMP_RELATED_FORWARDED)


class Path:
    """The hooks of one edition, and the stack around them."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.net = parts, parts.net
        self._reassembly = Reassembly(parts.clock, self._late)
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
        if self._gathers(packet) and not self._gathered(skb, ARRIVING):
            return Verdict.FRAGMENT_QUEUED
        self.parts.tracking.arrives(skb)
        local = self._routed_here(skb)
        refused = self._read_options(skb, local) if packet.family == 4 else None
        if refused is not None:
            return refused
        return self._deliver(skb) if local else self._forward(skb)

    # --- input -----------------------------------------------------------------------------------------------

    def _receive(self, packet: Packet) -> Verdict | None:
        if packet.ethertype == ETH_ARP:
            return Verdict.ARP_TO_KERNEL
        outcome = link.receive(self.net.output, packet) or ip.check(self.net.output, packet)
        if outcome is not None and outcome.verdict != Verdict.OSPF:
            return outcome.verdict
        return self.net.addresses.refused(packet)

    def _gathers(self, packet: Packet) -> bool:
        """Whether pieces are put together on arrival."""
        if packet.family == 4:
            return self.parts.tracking.in_use
        return self.parts.edition.gathers_v6 and 6 in self.parts.services.ever

    def _gathered(self, skb: Skb, who: str) -> bool:
        """Whether *skb* is a whole datagram, by now."""
        return not is_fragment(skb.packet) or self._reassembly.gather(skb, who)

    def _late(self, first: Skb, who: str) -> None:
        """The rest of a datagram did not come in time."""
        local = self._is_local(first)
        if local or who != ARRIVING or first.packet.family == 6:
            self.net.error(first, TIME_EXCEEDED, REASSEMBLY, forwarded=not local)

    def _routed_here(self, skb: Skb) -> bool:
        """Whether the packet is for the director: by a rule for its mark, by address, to many."""
        return self._marked(skb) or self._is_local(skb)

    def _marked(self, skb: Skb) -> bool:
        """Give the packet its mark; whether that routes it to the director. Of pieces the first alone has ports."""
        packet, here = skb.packet, False
        for mark in self.parts.setup.marks:
            fits = mark.to is None or packet.dst in mark.to
            ported = mark.ports is None or dport(packet) in mark.ports
            if fits and ported and mark.protocol in (None, packet.proto):
                skb.mark, here = mark.mark, mark.local
        return here

    def _is_local(self, skb: Skb) -> bool:
        dst, vlan = skb.packet.dst, skb.packet.vlan
        return self.net.is_local(dst, vlan) or self.net.addresses.to_many(dst, vlan)

    def _read_options(self, skb: Skb, local: bool) -> Verdict | None:
        """The IP options of a packet that was routed; why it ends here."""
        packet, net = skb.packet, self.net
        if packet.l4_at <= HEADER:
            return None
        towards = lambda: packet.dst if local else net.source(packet.src) or NOBODY  # noqa: E731
        try:
            skb.options = received(skb.l3, towards, self.parts.clock.now, net.is_local)
        except Malformed as fault:
            net.error(skb, PARAMETER_PROBLEM, 0, fault.at << 24, forwarded=not local)
            return Verdict.OPTIONS_MALFORMED
        return Verdict.SOURCE_ROUTED if skb.options.source_routed else None

    # --- to the director -------------------------------------------------------------------------------------

    def _deliver(self, skb: Skb) -> Verdict:
        if not self._gathered(skb, LOCAL):
            return Verdict.FRAGMENT_QUEUED
        if skb.pieces is not None:
            self._marked(skb)
        verdict = self._run(LOCAL_IN, skb)
        if verdict is None:
            packet = skb.packet
            to_many = self.net.addresses.to_many(packet.dst, packet.vlan)
            return Verdict.MULTICAST if to_many else Verdict.LOCAL_TO_KERNEL
        return verdict

    def _run(self, place: str, skb: Skb) -> Verdict | None:
        """The hooks of *place* in their order; None: all of them let the packet go."""
        parts = self.parts
        if not parts.looked_at(skb.packet.family):
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
        looked_at = packet.family == 4 and packet.proto in GATHERED and self.parts.looked_at(packet.family)
        if looked_at and not self._gathered(skb, FORWARD_PATH):
            return Verdict.FRAGMENT_QUEUED
        verdict = self._run(FORWARD, skb)
        return self._out(skb) if verdict is None else verdict

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
        if skb.longest > route.mtu and skb.dont_fragment:
            self.net.error(skb, UNREACHABLE, FRAG_NEEDED, route.mtu, forwarded=True)
            return Verdict.FORWARD_TOO_BIG
        return None

    def _out(self, skb: Skb) -> Verdict:
        dst = skb.packet.dst
        route = self.net.route(dst)
        if route is None:
            return Verdict.NO_ROUTE
        if self.net.addresses.deserted(dst):
            return Verdict.NEIGH_TIMEOUT
        if not self.parts.tracking.passes(skb):
            return Verdict.CONNTRACK_CLASH
        self._write_options(skb, dst)
        conn = self.story.conn
        self.net.send(skb, skb.l3, route, dst, conn.client_mac if conn is not None else None)
        return skb.ends_as

    def _write_options(self, skb: Skb, dst: bytes) -> None:
        """What passes leaves with the address of its route; an answer that was translated is routed as the director's
        own, and leaves with its source (`snat_reroute`)."""
        own = skb.ends_as in TRANSLATED and self.parts.sysctls["snat_reroute"]
        address = bytes(skb.l3[12:16]) if own else self.net.source(dst) or NOBODY
        if skb.options.leave(skb.l3, address):
            checksum.ip_header(skb.l3)
