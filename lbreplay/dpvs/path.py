"""The plain path: one packet through the hooks of DPVS (D 1.5), in its order, with its verdicts.

    stack.receive, stack.check    link layer and IP input
    guard                         fragments, the UDP defence, SYN-proxy's first step
    balance                       lists, look-up, redirect, a new connection, state, transmit
    stack.accepted                what becomes of a packet that nobody wanted

Every packet may take this path. Ordinary ones are the loop's (loop/loop.py), which gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbreplay.dpvs.conn import EXPIRE_QUIESCENT, IN, ONE_PACKET, OUT, SYNPROXY, Conn
from lbreplay.dpvs.expiry import Expiry
from lbreplay.dpvs.icmp import Related, flow_ports, stored_ports
from lbreplay.dpvs.machine import ICMP_TIMEOUT, Machine
from lbreplay.dpvs.schedule import Scheduling, flow_of
from lbreplay.dpvs.story import Story
from lbreplay.dpvs.synproxy import SynProxies
from lbreplay.dpvs.xmit import Transmitter, seen
from lbreplay.lvs.protocols.sctp import CHUNK_HEADER
from lbreplay.lvs.protocols.sctp import event as chunk_event
from lbreplay.model import On
from lbreplay.stack import L2
from lbreplay.verdict import Verdict
from lbreplay.wire.length import cut_off
from lbreplay.wire.packet import ACK, FIN, ICMP, ICMPV6, RST, SCTP, SYN, TCP, UDP, Packet, skip_extensions

if TYPE_CHECKING:
    from lbreplay.dpvs.machine import Lcore
    from lbreplay.dpvs.server import VirtualServer
    from lbreplay.stack import Outcome

NEEDED = {TCP: 20, UDP: 8, SCTP: 16, ICMP: 8, ICMPV6: 8}  # bytes of L4 header a look-up reads (D 4.1)
SCTP_HEADER = 12  # before the chunks
ECHO = (b"\0", b"\x08")  # types of ICMP: the answer, the request
PURE = SYN | ACK | FIN | RST  # the flags that tell a first packet (D 5.1)


class Path:
    """The hooks, for the packets of all lcores."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.setup, self.stack = machine, machine.setup, machine.stack
        self.xmit = Transmitter(machine)
        self.expiry = Expiry(machine, self.xmit)
        self.scheduling = Scheduling(machine)
        self.synproxies = SynProxies(machine, self.xmit, self.scheduling)
        self.expiry.resend = self.synproxies.resend
        self.related = Related(machine, self.xmit)
        self.story = Story()
        wanted = self.setup.conn.icmp_redirect_core
        self._echo_core = next((w.rank for w in self.setup.forwarding_workers if w.cpu_id == wanted), -1)
        self.settled: Callable[[Conn], None] = _nothing  # told of each connection that a packet went through
        self.watch: Callable[[Packet], None] | None = None  # hears of every packet before anything is done about it

    def handle(self, packet: Packet) -> Verdict:
        """The whole way of a received frame."""
        self.story = Story()
        self.story.packet = packet
        if self.watch is not None:
            self.watch(packet)
        outcome = self.stack.receive(packet) or self.stack.check(packet)
        if outcome is not None:
            return self._sent(outcome, packet)
        self._to_echo_core(packet)
        return self._hooks(packet)

    def _to_echo_core(self, packet: Packet) -> None:
        """IPv4's echo and its answer are handled by one lcore, where DPVS is built so (S 4.1, ICMP_REDIRECT_CORE)."""
        core = self._echo_core
        if core not in (-1, packet.worker) and packet.proto == ICMP and packet.l3[packet.l4_at :][:1] in ECHO:
            self.story.reasons.append("icmp_redirected")
            self.story.owner = packet.worker = core

    def _hooks(self, packet: Packet) -> Verdict:
        lcore = self.machine.lcores[packet.worker]
        verdict = self.guard(lcore, packet)
        if verdict is None:
            verdict = self.balance(lcore, packet)
        if verdict is not None:
            return verdict
        from_ring = "redirected" in self.story.reasons
        return self._sent(self.stack.accepted(self.story.quoted or packet, from_ring), packet)

    def _sent(self, outcome: Outcome, packet: Packet) -> Verdict:
        """Send the frames that the stack answers with."""
        verdict = outcome.verdict
        for frame in outcome.frames:
            l3_at = 18 if frame[12:14] == b"\x81\0" else 14
            missing = outcome.missing if len(outcome.frames) == 1 else cut_off(frame[l3_at:])
            refused = self.machine.send(frame, len(frame) + missing, packet.worker, outcome.own)
            verdict = verdict if outcome.own else refused or verdict
        return verdict

    # --- guard (priority 99) ---------------------------------------------------------------------------------

    def guard(self, lcore: Lcore, packet: Packet) -> Verdict | None:
        """Fragments, the UDP defence, SYN-proxy's first step; None: on to the balancer."""
        if packet.is_fragment:
            lcore.counters["DEFENCE_IP_FRAG_DROP"] += 1
            return Verdict.FRAGMENT_V4
        if packet.proto == UDP and self.setup.udp.defence_drop and self._only_tcp(lcore, packet.dst):
            lcore.counters["DEFENCE_UDP_DROP"] += 1
            return Verdict.UDP_TO_TCP_VIP
        if packet.proto == TCP:
            if packet.l4_there < 20:
                return _missing(packet, 20, Verdict.TCP_HEADER_SHORT)
            if packet.flags & PURE == SYN:
                return self.synproxies.first_step(lcore, packet)
        return None

    def _only_tcp(self, lcore: Lcore, address: bytes) -> bool:
        return lcore.servers.has_vip(TCP, address) and not lcore.servers.has_vip(UDP, address)

    # --- the balancer (priority 100) -------------------------------------------------------------------------

    def balance(self, lcore: Lcore, packet: Packet) -> Verdict | None:
        """Steps 1 to 12 of D 1.5; None: ACCEPT, the balancer does not want the packet."""
        if packet.l2class != L2.HOST:
            return self.accept("not_for_host")
        if packet.proto in (ICMP, ICMPV6):
            verdict = self.related.handle(lcore, packet, self.story)
            if verdict is not None or self.story.quoted is not None:
                return verdict
            flow_ports(packet)
        elif packet.proto not in NEEDED:
            return self.accept("proto_unsupported")
        if packet.l4_there < NEEDED[packet.proto]:
            return self._unread(lcore, packet)
        if self.machine.access and packet.proto not in (ICMP, ICMPV6):
            refused = self.machine.access.refusal(packet.proto, packet.src, packet.dst, packet.dport)
            if refused is not None:
                return refused
        return self._look_up(lcore, packet)

    def _unread(self, lcore: Lcore, packet: Packet) -> Verdict | None:
        """No look-up reads a header that is not whole (D 4.1). Without its chunk header SCTP opens a connection each
        time all the same."""
        verdict = _missing(packet, NEEDED[packet.proto], Verdict.L4_HEADER_SHORT)
        if verdict is Verdict.TRUNCATED:
            return verdict
        self.story.lookup = "miss"
        whole = packet.proto == SCTP and packet.l4_there >= SCTP_HEADER
        return self._first(lcore, packet) if whole else verdict

    def _look_up(self, lcore: Lcore, packet: Packet) -> Verdict | None:
        story = self.story
        handle = lcore.find.get(packet.key)
        if handle is None:
            story.lookup = story.lookup or "miss"
            owner = self._owner(lcore, packet)
            return self._first(lcore, packet) if owner is None else self._redirected(packet, owner)
        conn = self.machine.table.conns[handle >> 1]
        assert conn is not None, "what is found is live"
        side = handle & 1
        if not (story.lookup == "miss" and story.owner >= 0):
            story.lookup = "out" if side == OUT else "in"
        if self.machine.resolver is not None:
            self.machine.resolver.confirm(conn, side, packet)
        verdict = self._quiescent(conn, side, packet)
        return self.known(conn, side, packet) if verdict is None else verdict

    def _owner(self, lcore: Lcore, packet: Packet) -> int | None:
        """The worker to hand a missed packet to (D 4.4); that another one has its connection counts as wrong worker."""
        key = packet.key
        if self.machine.has(key):
            self.story.wrong_worker = True
        owner = self.machine.owner(key)
        return None if owner == lcore.rank else owner

    def _redirected(self, packet: Packet, owner: int) -> Verdict:
        """Handed to the owner's ring, which takes it through the whole receive path again."""
        self.story.reasons.append("redirected")
        self.story.owner = packet.worker = owner
        return self._hooks(packet)

    def _first(self, lcore: Lcore, packet: Packet) -> Verdict | None:
        """A packet without a connection: its protocol says whether it may open one (D 5.1, 7.1, 8, 9.2)."""
        if packet.proto == TCP:
            return self._first_tcp(lcore, packet)
        server = self._service(lcore, packet)
        if server is None:
            return self.accept("no_service")
        return self._opened(lcore, server, packet)

    def _first_tcp(self, lcore: Lcore, packet: Packet) -> Verdict | None:
        kind = packet.flags & PURE
        if kind == ACK and lcore.servers.find(TCP, packet.dst, packet.dport) is not None:
            return self.synproxies.second_step(lcore, packet, self.story)
        server = self._service(lcore, packet) if kind == SYN else None
        if server is not None:
            return self._opened(lcore, server, packet)
        if self.setup.tcp.defence_drop and lcore.servers.has_vip(TCP, packet.dst):
            lcore.counters["DEFENCE_TCP_DROP"] += 1
            return Verdict.TCP_DEFENCE
        return self.accept("no_service" if kind == SYN else "tcp_not_syn")

    def _service(self, lcore: Lcore, packet: Packet) -> VirtualServer | None:
        """The service of this address and port, else a SNAT match (D 10.1)."""
        dport = 0 if packet.proto in (ICMP, ICMPV6) else packet.dport
        server = lcore.servers.find(packet.proto, packet.dst, dport)
        if server is not None or not lcore.servers.matching:
            return server
        route = self.stack.input_route(packet)
        oif = None if route is None or route.local else self.setup.name(On(route.port, route.vlan))
        return lcore.servers.match(flow_of(packet), self.setup.name(On(packet.port, packet.vlan)), oif)

    def _opened(self, lcore: Lcore, server: VirtualServer, packet: Packet) -> Verdict | None:
        if packet.proto in (ICMP, ICMPV6):
            stored_ports(packet)
        conn = self.scheduling.open(lcore, server, packet)
        if isinstance(conn, Verdict):
            return conn
        self.story.new = True
        side = OUT if conn.mode.name == "snat" else IN
        verdict = self.known(conn, side, packet)
        if conn.flags & ONE_PACKET:
            self.expiry.end(conn)
        return verdict

    def known(self, conn: Conn, side: int, packet: Packet) -> Verdict | None:
        """A packet of a connection: steps 9 to 12 of D 1.5."""
        story, machine = self.story, self.machine
        story.conn, story.side = conn, side
        story.before = machine.table.state[conn.slot]
        verdict: Verdict | None = None
        if conn.flags & SYNPROXY:
            verdict = self.synproxies.third_step(conn, side, packet, story)
        if verdict is None:
            self._step(conn, side, packet)
            verdict = self._transmit(conn, side, packet)
        if not conn.flags & ONE_PACKET:
            machine.touch(conn)
        story.after = machine.table.state[conn.slot]
        self.settled(conn)
        return verdict

    def _quiescent(self, conn: Conn, side: int, packet: Packet) -> Verdict | None:
        """Step 8, of connections that were there: the real server is gone or has weight 0, and the connection is to
        end with it (D 1.5, D 15). What a template opens to a weightless server gets its first packet through."""
        if packet.proto in (ICMP, ICMPV6):
            return None
        if self.setup.behaviour.quiescent == "conn":
            leaves = conn.flags & EXPIRE_QUIESCENT and (not conn.dest.available or conn.dest.weight == 0)
        else:
            leaves = conn.server.service.expire_quiescent and conn.dest.available and conn.dest.weight == 0
        if not leaves:
            return None
        self.machine.kill(conn)
        story = self.story
        story.conn, story.side = conn, side
        story.before = story.after = self.machine.table.state[conn.slot]
        return Verdict.QUIESCENT

    def _step(self, conn: Conn, side: int, packet: Packet) -> None:
        """Step 10: the state machine of the protocol."""
        machine = self.machine
        protocol = machine.protocols.get(packet.proto)
        if protocol is None:
            machine.set_timeout(conn, ICMP_TIMEOUT)
            return
        columns = protocol.sides(conn.mode.name)[side]
        if packet.proto == SCTP:
            chunks = packet.l3[_l4_of_state(conn, packet) + SCTP_HEADER :]
            if len(chunks) < CHUNK_HEADER:
                return  # no chunk, no event (D 4.1)
            event = chunk_event(chunks)
        else:
            event = protocol.event[packet.flags]
        old = machine.table.state[conn.slot]
        new = protocol.step(columns, event, old)
        if new != old or packet.proto != TCP:
            machine.changed(conn, old, new, protocol)

    def _transmit(self, conn: Conn, side: int, packet: Packet) -> Verdict | None:
        """Steps 11 and 12: counted, then sent the way the mode has."""
        if conn.server.over_limit():
            return Verdict.RATE_LIMIT_IN if side == IN else Verdict.RATE_LIMIT_OUT
        conn.count(side, packet.l3_length)
        seen(conn, side, packet)
        if side == OUT and not conn.mode.answers:
            return self.accept("no_xmit_function")
        return self.xmit.forward(conn, side, packet)

    def accept(self, reason: str) -> Verdict | None:
        """The balancer does not want the packet: *reason* is noted, and what stands behind it decides."""
        self.story.reasons.append(reason)
        return None


def _nothing(conn: Conn) -> None:
    """Nobody wants to know."""


def _l4_of_state(conn: Conn, packet: Packet) -> int:
    """Where the state machine of SCTP takes its header to be: by the client's family, though the IPv4 answers of
    NAT64 are not converted yet."""
    if len(conn.client.address) == 4 or packet.family == 6:
        return packet.l4_at
    _, at, sound = skip_extensions(packet.l3.ljust(40, b"\0"))
    return at if sound else len(packet.l3)


def _missing(packet: Packet, needed: int, short: Verdict) -> Verdict:
    """The L4 header is not whole: the capture cut it, or the packet never had it."""
    cut = packet.l3_length - packet.l4_at >= needed
    return Verdict.TRUNCATED if cut else short
