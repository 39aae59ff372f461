"""The director's own stack, as far as IPVS uses it: routes, frames, and the ICMP errors it sends (L 5.5, L 9).

Identifications of packets made here come from a counter; the kernel's cannot be foretold. With DF set it is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lbreplay.burst import Made
from lbreplay.ipvs import fragments
from lbreplay.ipvs.addresses import Addresses
from lbreplay.ipvs.skb import Skb
from lbreplay.loop.clock import Clock
from lbreplay.model import NANOSECOND, Service, Setup
from lbreplay.stack.link import L2
from lbreplay.stack.output import Output
from lbreplay.stack.route import RouteEntry
from lbreplay.wire import icmp
from lbreplay.wire.packet import ICMP, ICMPV6

# ICMP types an error may be about: an answer or a question, neither an error nor unassigned
NO_ERRORS_V4 = (0, 8, *range(13, 19))
NOWHERE = bytes(4)  # in no network
LEARNED = 600 * NANOSECOND  # how long a path MTU is believed
# the same errors in ICMPv6
V6 = {(3, 0): (1, 0), (3, 1): (1, 3), (3, 3): (1, 4), (3, 4): (2, 0), (11, 0): (3, 0), (11, 1): (3, 1)}


class Net:
    """Routes, neighbours, and what is about to leave."""

    def __init__(self, setup: Setup, clock: Clock, lowest: str) -> None:
        self._setup, self._clock = setup, clock
        self.output = Output(setup)
        self.is_local = self.output.routes.is_local
        self.addresses = Addresses(setup.device, self.is_local, lowest)
        self._learned: dict[bytes, tuple[int, int]] = {}  # path MTU and until when
        self.version = 0  # changes when one is learned
        self.out: list[Made] = []
        self.row = self.cause = 0
        self.on_own: Callable[[bytes], None] = lambda l3: None  # sees the director's own packets at LOCAL_OUT

    def rebuild(self, services: list[Service]) -> None:
        """An event changed the services; VIPs that are addresses of the port stay local."""
        self.output.routes.rebuild(services)

    # --- routes ----------------------------------------------------------------------------------------------

    def route(self, dst: bytes) -> RouteEntry | None:
        """Where *dst* is, with the path MTU learned."""
        route, mtu = self.output.routes.output(dst), self.learned_mtu(dst)
        if route is None or route.local or mtu is None:
            return route
        return route._replace(mtu=min(route.mtu, mtu))

    def learned_mtu(self, dst: bytes) -> int | None:
        """The path MTU an error told, while it is believed."""
        mtu, until = self._learned.get(dst, (0, 0))
        return mtu if until > self._clock.now else None

    def learn_mtu(self, dst: bytes, mtu: int) -> None:
        self._learned[dst] = mtu, self._clock.now + LEARNED
        self.version += 1

    def learned(self) -> Iterable[bytes]:
        """The destinations of which a path MTU was told."""
        return self._learned

    def source(self, dst: bytes) -> bytes | None:
        """The director's own address towards *dst*: the route's, else one in the network of its gateway, else the first
        of the family (recorded: an IPv4 route on link without a source; IPv6 chooses by the destination)."""
        route = self.output.routes.output(dst)
        if route is None or len(dst) == 16:
            return (route and route.source) or self.output.select((route and route.via) or dst)
        return route.source or self.output.select(route.via or NOWHERE)

    # --- sending ---------------------------------------------------------------------------------------------

    def send(self, skb: Skb, l3: bytes | bytearray, route: RouteEntry, dst: bytes, fallback: bytes | None = None,
             moved: int = 0) -> None:  # fmt: skip
        """*l3* towards *dst*, in as many pieces as it takes. A packet that the capture cut is never taken apart."""
        parts = [bytes(l3)] if skb.missing else fragments.taken_apart(l3, route.mtu, skb.pieces, moved)
        for part in parts:
            self._emit(self.output.framed(route, dst, part, skb.packet, None, fallback), skb.missing, own=False)

    def _emit(self, frame: bytes, missing: int, own: bool) -> None:
        self.out.append(Made(self.row, self._clock.now, frame, len(frame) + missing, self.cause, 0, own))

    # --- errors ----------------------------------------------------------------------------------------------

    def error(self, skb: Skb, kind: int, code: int, mtu: int = 0, *, forwarded: bool = False) -> None:
        """An ICMP error about *skb* as it stands. On the way through (*forwarded*) it comes from the address towards
        the sender, else from the address the packet was sent to; where that is not really ours, from nobody."""
        packet = skb.packet
        source = self.source(packet.src) if forwarded else packet.dst
        if source is None or not self.is_local(source) or not self._reportable(skb):
            return
        if packet.family == 6:
            l3 = icmp.error_v6(bytes(skb.l3), *V6[kind, code], mtu, source)
        else:
            l3 = icmp.error_v4(bytes(skb.l3), kind, code, mtu, source, self.ident(packet.src))
        self.own(skb, l3, packet.src, packet.src_mac)

    def own(self, skb: Skb, l3: bytes, dst: bytes, fallback: bytes | None = None) -> None:
        """A packet of the director's own because of *skb*."""
        route = self.route(dst)
        if route is not None and not route.local:
            self.on_own(l3)
            self._emit(self.output.framed(route, dst, l3, skb.packet, None, fallback), 0, own=True)

    def ident(self, dst: bytes, proto: int = ICMP) -> int:
        return self.output.ident(b"", dst, proto)

    def _reportable(self, skb: Skb) -> bool:
        """Not about errors, later fragments, or what went to many."""
        packet = skb.packet
        if packet.l2class != L2.HOST or not any(packet.src):
            return False
        kind = packet.l3[packet.l4_at] if packet.l4_there else 0
        if packet.family == 6:
            return packet.proto != ICMPV6 or kind >= 128
        later = int.from_bytes(packet.l3[6:8]) & fragments.OFFSET
        if later or self.addresses.to_many(packet.dst, packet.vlan):
            return False
        return packet.proto != ICMP or kind in NO_ERRORS_V4
