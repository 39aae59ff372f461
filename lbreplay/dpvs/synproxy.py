"""SYN-proxy: the client is answered first, the real server asked only when the client proved real (D 6).

first step    a SYN is turned into SYN|ACK with a cookie; nothing is remembered
second step   an ACK with a valid cookie opens the connection: it is held, and a SYN goes to the real server
third step    packets wait until the real server answers; then sequence numbers are shifted between both sides
"""

from __future__ import annotations

from struct import pack_into
from typing import TYPE_CHECKING

from lbreplay.dpvs.conn import IN, OUT, SYNPROXY, Conn
from lbreplay.dpvs.early import packet_of, waiting
from lbreplay.dpvs.expiry import made_packet
from lbreplay.dpvs.xmit import Transmitter, seen
from lbreplay.loop.names import BASE, STATES
from lbreplay.loop.syn import Proxied, Proxy
from lbreplay.lvs.protocols.tcp import SYN_SENT
from lbreplay.model import NANOSECOND
from lbreplay.verdict import Verdict
from lbreplay.wire import craft, synproxy
from lbreplay.wire.length import total_length
from lbreplay.wire.packet import ACK, FIN, RST, SYN, TCP, Packet

if TYPE_CHECKING:
    from lbreplay.dpvs.machine import Lcore, Machine
    from lbreplay.dpvs.schedule import Scheduling
    from lbreplay.dpvs.server import VirtualServer
    from lbreplay.dpvs.story import Story

MASK32 = 0xFFFFFFFF
BELIEVED = (
    "service {}: the captured numbers are the server's, so a client's first ACK counts as one with a valid cookie"
)
IPV6_HEAD_START = 3 * NANOSECOND  # the clock of recordings with IPv6 ran this long before the first frame


class SynProxies:
    """The three steps, for all services that ask for them."""

    def __init__(self, machine: Machine, xmit: Transmitter, scheduling: Scheduling) -> None:
        self.machine, self.xmit, self.scheduling = machine, xmit, scheduling
        setup = machine.setup
        self.settings = setup.tcp.synproxy
        self._zero_window = setup.behaviour.synproxy_window == "zero"
        self._believed = setup.view == "client"  # the captured numbers are the server's (interface 3)
        self.rows = self._of_rows()

    def _of_rows(self) -> Proxy:
        """What does the same to rows."""
        setup, protocol = self.machine.setup, self.machine.protocols[TCP]
        ran = self.settings.clock_start * NANOSECOND
        ran += IPV6_HEAD_START if any(s.family == 6 for s in setup.services) else 0
        reuses = bytes(state in self.settings.conn_reuse for state in protocol.states).ljust(STATES, b"\0")
        closed = self._zero_window or (self.settings.close_client_window and not self.settings.defer_rs_syn)
        ranks, scaled = len(self.machine.lcores), setup.behaviour.synproxy_wscale
        return Proxy(self.settings, SYN_SENT, reuses, ran, closed, scaled, setup.behaviour.bad_ack == "rst", ranks)

    @property
    def minute(self) -> int:
        """The cookie's minute counter."""
        return self.rows.minute(self.machine.now)

    @property
    def _timestamp(self) -> int:
        """What timestamps say."""
        return synproxy.timestamp(self.machine.now)

    # --- first step --------------------------------------------------------------------------------------------

    def first_step(self, lcore: Lcore, packet: Packet) -> Verdict | None:
        """A client's SYN (D 6.1); None: not to a service with the flag."""
        server = lcore.servers.find(TCP, packet.dst, packet.dport)
        if server is None or not self.machine.setup.shields(server.service):
            return None
        if not any(dest.weight for dest in server.dests):
            lcore.counters["SYNPROXY_NO_DEST"] += 1
            return Verdict.SYNPROXY_NO_DEST
        if self.machine.access and self.machine.access.refusal(TCP, packet.src, packet.dst, packet.dport) is not None:
            return Verdict.SYNPROXY_ACL
        lcore.counters["SYNPROXY_SYN_CNT"] += 1
        if _cut_short(packet):
            self._turn(packet, packet.l3)
            return Verdict.SYNPROXY_SYN_RETURNED
        now, closed = self._timestamp, self._zero_window
        answer = synproxy.synack(packet, self.settings, self.minute, now=now, zero_window=closed)
        self._turn(packet, answer)
        return Verdict.SYNPROXY_SYNACK if packet.flags == SYN else Verdict.SYNPROXY_SYNACK_FLAGGED

    def _turn(self, packet: Packet, l3: bytes) -> None:
        """Send *l3* back where *packet* came from, as its answer in place."""
        frame = craft.ethernet(packet.src_mac, packet.dst_mac, packet.ethertype, l3, packet.vlan)
        self.machine.send(frame, len(frame) + total_length(l3) - len(l3), packet.worker, False)

    # --- second step -------------------------------------------------------------------------------------------

    def second_step(self, lcore: Lcore, packet: Packet, story: Story) -> Verdict:
        """A client's ACK without a connection, to any service (D 6.2)."""
        if self.settings.defer_rs_syn and not _payload(packet):
            lcore.counters["SYNPROXY_NULL_ACK"] += 1
            return Verdict.SYNPROXY_NULL_ACK
        server = lcore.servers.find(TCP, packet.dst, packet.dport)
        assert server is not None, "the caller found the service"
        offer = synproxy.check_ack(packet, self.minute, self.settings.secrets)
        if offer is None and self._believed and self.machine.setup.shields(server.service):
            offer = self.believe(server)
        if offer is None:
            return self._bad_ack(lcore, packet)
        lcore.counters["SYNPROXY_OK_ACK"] += 1
        conn = self.scheduling.open(lcore, server, packet, SYNPROXY)
        if isinstance(conn, Verdict):
            return conn
        story.conn, story.new, story.before = conn, True, 0
        conn.proxy = Proxied()
        conn.proxy.scale_told = self.settings.wscale if offer.wscale else 0
        self._begin(conn, packet, offer)
        self._meet_early(conn, packet)
        story.after = self.machine.table.state[conn.slot]
        return Verdict.SYNPROXY_ACK_ACCEPTED

    def believe(self, server: VirtualServer) -> synproxy.Offer:
        """Client view: the captured numbers are the server's, so there is no cookie to check (interface 3)."""
        self.machine.warn(BELIEVED.format(server.service.name))
        return synproxy.Offer(mss=self.settings.mss, sack=self.settings.sack)

    def _bad_ack(self, lcore: Lcore, packet: Packet) -> Verdict:
        lcore.counters["SYNPROXY_BAD_ACK"] += 1
        if self.machine.setup.behaviour.bad_ack == "drop" or _payload(packet) < 0:
            return Verdict.TCP_BAD_ACK_DROP
        self._turn(packet, craft.rst_reply(packet))
        return Verdict.TCP_BAD_ACK_RST

    def _begin(self, conn: Conn, packet: Packet, offer: synproxy.Offer) -> None:
        """Hold the ACK, ask the real server."""
        proxied = proxied_of(conn)
        seen(conn, IN, packet)
        proxied.isn = (packet.ack - 1) & MASK32
        proxied.held = [waiting(packet)]
        proxied.retries = self.settings.rs_syn_max_retry
        conn.fdata = packet.ack
        self._enter(conn, "syn_sent")
        for _ in range(2):  # the SYN counts with the length of the ACK, which counts too
            conn.count(IN, packet.l3_length)
        proxied.mss, proxied.data = offer.mss, offer.data
        self._ask(conn)
        self.machine.touch(conn)

    def _ask(self, conn: Conn) -> None:
        """The SYN to the real server, translated like any packet of the client."""
        proxied, conn.has_isn = proxied_of(conn), False
        first = packet_of(proxied.held[0])
        offer = synproxy.Offer.of(proxied.mss, proxied.data)
        syn = synproxy.syn_to_real(first, offer, synproxy.timestamp(first.time_ns))
        self.xmit.forward(conn, IN, made_packet(syn, conn), own=True)

    def resend(self, conn: Conn) -> bool:
        """Send the kept SYN once more; False where there is none, or no try is left."""
        proxied = conn.proxy
        if proxied is None or not proxied.mss or proxied.retries <= 0:
            return False
        proxied.retries -= 1
        self._ask(conn)
        return True

    def _meet_early(self, conn: Conn, packet: Packet) -> None:
        """Client view: the real server's answer stands before the client's ACK in the capture; now it comes in."""
        early = self.machine.early
        answer = early.take(conn) if early is not None and early.answered(conn, packet.ack) else None
        if answer is not None:
            self._answered(conn, answer)
            self.machine.touch(conn)

    def _enter(self, conn: Conn, state: str) -> None:
        protocol = self.machine.protocols[TCP]
        old = self.machine.table.state[conn.slot]
        self.machine.changed(conn, old, protocol.states.index(state), protocol)

    # --- third step --------------------------------------------------------------------------------------------

    def third_step(self, conn: Conn, side: int, packet: Packet, story: Story) -> Verdict | None:
        """A packet of a proxied connection (D 6.3, 6.4); None: it goes on as any other."""
        if packet.proto != TCP:
            return self._hold_datagram(conn, packet) if side == IN else None
        state = self.machine.state_name(conn)
        if state == "syn_sent":
            return self._hold(conn, packet) if side == IN else self._answered(conn, packet)
        if side == IN and packet.flags & (SYN | RST | FIN | ACK) == ACK and state in self.settings.conn_reuse:
            return self._reuse(conn, packet, state)
        return None

    def _hold_datagram(self, conn: Conn, packet: Packet) -> Verdict:
        """A datagram of a connection that QUIC's scheduling gave the flag by mistake (D 19, 11): it is read as a
        segment while the real server has not answered a SYN, which nobody sent. So it is dropped, or held for ever
        (recorded)."""
        if conn.proxy is None:
            conn.proxy = Proxied()
        packet.flags = packet.l3[packet.l4_at + 13] if packet.l4_there >= BASE else 0
        return self._hold(conn, packet)

    def _hold(self, conn: Conn, packet: Packet) -> Verdict:
        conn.count(IN, packet.l3_length)
        proxied = proxied_of(conn)
        if not packet.flags & ACK:
            return Verdict.SYNPROXY_NOT_ACK
        if len(proxied.held) > self.settings.max_ack_saved:
            self.machine.lcores[conn.rank].counters["SYNPROXY_SYNSEND_QLEN"] += 1
            return Verdict.SYNPROXY_HOLD_FULL
        proxied.held.append(waiting(packet))
        return Verdict.SYNPROXY_HELD

    def _answered(self, conn: Conn, packet: Packet) -> Verdict | None:
        """The real server's SYN|ACK releases what was held; its RST goes on to the client."""
        proxied = proxied_of(conn)
        table = self.machine.table
        if packet.flags & RST:
            proxied.delta = (proxied.isn - packet.seq) & MASK32
            self._enter(conn, "close")
            _raise_seq(packet)
            return None
        if packet.flags & (SYN | ACK) != SYN | ACK:
            return None
        proxied.delta = (proxied.isn - packet.seq) & MASK32
        proxied.scale_real = synproxy.window_scale(packet)
        if self._believed:
            proxied.scale_told = proxied.scale_real  # windows leave as captured
        proxied.mss = 0
        self._enter(conn, "established")
        seen(conn, OUT, packet)
        if conn.mode.name in ("fnat", "nat"):
            table.rs_seq[conn.slot], table.rs_ack[conn.slot] = (packet.seq + 1) & MASK32, packet.ack
        conn.count(OUT, packet.l3_length)
        self._update_window(conn, packet)
        held, proxied.held = proxied.held, []
        for held_packet in held:
            self.xmit.forward(conn, IN, packet_of(held_packet))
        return Verdict.SYNPROXY_SYNACK_CONSUMED

    def _update_window(self, conn: Conn, packet: Packet) -> None:
        """Open the window that the SYN|ACK kept shut (D 6.3, D 15)."""
        held = len(proxied_of(conn).held)
        settings = self.settings
        shut = settings.close_client_window and not settings.defer_rs_syn
        closed = held == 1 if self._zero_window else shut and held <= 1
        if closed:
            self.xmit.forward(conn, OUT, made_packet(synproxy.window_update(packet), conn), own=True)

    def _reuse(self, conn: Conn, packet: Packet, state: str) -> Verdict | None:
        """A new handshake on a connection that is done with (D 6.4)."""
        if (packet.ack - 1) & MASK32 == proxied_of(conn).isn:
            return None
        counters = self.machine.lcores[conn.rank].counters
        offer = synproxy.check_ack(packet, self.minute, self.settings.secrets)
        if offer is None and self.machine.early is not None and self.machine.early.answered(conn, packet.ack):
            offer = self.believe(conn.server)
        if offer is None:
            counters["SYNPROXY_BAD_ACK"] += 1
            return None
        for name in (
            "SYNPROXY_OK_ACK",
            "SYNPROXY_CONN_REUSED",
            f"SYNPROXY_CONN_REUSED_{state.replace('_', '').upper()}",
        ):
            counters[name] += 1
        conn.proxy = proxied_of(conn).again()
        self._begin(conn, packet, offer)
        self._meet_early(conn, packet)
        return Verdict.SYNPROXY_REUSED


def proxied_of(conn: Conn) -> Proxied:
    """What is remembered of a connection behind a SYN proxy."""
    assert conn.proxy is not None, "it has the flag"
    return conn.proxy


def _cut_short(packet: Packet) -> bool:
    """Whether the packet ends before its TCP header; IPv6 extension headers are not reckoned with, as in DPVS."""
    before = packet.l4_at if packet.family == 4 else 40
    return packet.l3_length < before + (packet.l3[packet.l4_at + 12] >> 4) * 4


def _payload(packet: Packet) -> int:
    """Bytes behind the TCP header; less than 0 where that is said to be longer than the packet."""
    return packet.l3_length - packet.l4_at - (packet.l3[packet.l4_at + 12] >> 4) * 4


def _raise_seq(packet: Packet) -> None:
    """One more, as the client counts the SYN|ACK it got."""
    l3 = bytearray(packet.l3)
    packet.seq = (packet.seq + 1) & MASK32
    pack_into(">I", l3, packet.l4_at + 4, packet.seq)
    packet.l3 = bytes(l3)
