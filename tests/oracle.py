"""The balancer once more, in plain Python: the judge of the engine.

Dicts and bytes, one frame at a time, no numpy, nothing of lbreplay but the `Setup` it reads. It is written from the
dossiers (D = DPVS, S = steering and layers) and the contract (interface) alone, section by section, and is itself
held by the recorded cases (test_oracle.py). Where engine and oracle differ, one of them misread the dossier.

    steer      which queue and worker the NIC gives a frame to                     S 1, S 2
    receive    what stands before the balancer: link, IP checks, guard             D 1.2-1.5
    balance    lookup, schedule, state, statistics, transmit                       D 1.5, 2, 4, 5, 7, 10-12
    accept     what happens to what the balancer does not want                     D 1.6, S 4.3-4.7
    expire     timers, and the RST pair                                            D 2.5, 5.7
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from ipaddress import ip_address
from struct import pack, unpack

from oracle_modes import Modes, icmp_sum, sctp_event, sctp_state
from oracle_packet import (
    ACK,
    CHECKSUM_AT,
    FIN,
    ICMP,
    ICMPV6,
    IN,
    M32,
    OPP,
    OSPF,
    OUT,
    PSH,
    RST,
    SCTP,
    SYN,
    TCP,
    UDP,
    Accept,
    End,
    Frame,
    Packet,
    Sent,
    checksum,
    jhash,
    ones_sum,
    options_of,
    skip_extensions,
    tag_of,
    toeplitz,
)
from oracle_synproxy import SynProxy
from oracle_worker import Conn, Dest, PortPool, Server, Template, Worker, quic_dest, signed

from lbreplay.model import NANOSECOND, Setup

__all__ = ["ACK", "CHECKSUM_AT", "FIN", "ICMP", "ICMPV6", "OPP", "PSH", "RST", "SYN", "TCP", "UDP", "Frame", "Oracle"]
__all__ += ["Packet", "checksum", "fate_of", "jhash", "ones_sum", "options_of", "toeplitz"]

KEYS = {
    "ixgbe": "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa",
    "i40e": "4439796bb54c5023b675ea5b124f9f30b8a2c03ddfdc4d02a08c9b334af64a4c05c6fa343958d8557d99583ae138c92e81150366",
    "mlx5": "2cc681d15bdbf4f7fca28319db1a3e946b9e38d92c9c03d1ad9944a7d9563d59063c25f3fc1fdc2a",
}

# D 5.2: a row per state, columns IN syn fin ack rst, OUT syn fin ack rst; "." = unchanged
STATES = {
    "NONE": "SYN_RECV CLOSE CLOSE CLOSE  SYN_SENT TIME_WAIT ESTABLISHED CLOSE",
    "ESTABLISHED": ". CLOSE_WAIT . CLOSE  . FIN_WAIT . CLOSE",
    "SYN_SENT": "ESTABLISHED . . CLOSE  . . . .",
    "SYN_RECV": ". TIME_WAIT ESTABLISHED .  . TIME_WAIT ESTABLISHED CLOSE",
    "FIN_WAIT": "SYN_RECV TIME_WAIT . CLOSE  SYN_SENT . . CLOSE",
    "TIME_WAIT": "SYN_RECV . . CLOSE  SYN_SENT . . .",
    "CLOSE": "SYN_RECV . . .  SYN_SENT . . .",
    "CLOSE_WAIT": "SYN_RECV . . CLOSE  SYN_SENT TIME_WAIT . CLOSE",
}

# where the IN-ONLY column set of DR and TUNNEL differs from IN
ONE_WAY = {("ESTABLISHED", 1): "FIN_WAIT", ("FIN_WAIT", 1): "FIN_WAIT"}

FATES = {
    "transmitted": "forwarded_fast forwarded_slow forwarded_fragmented forwarded_plain icmp_related_forwarded "
    "tcp_bad_ack_rst synproxy_synack synproxy_synack_flagged synproxy_syn_returned local_echo_reply arp_answered "
    "nd_answered",
    "to_kernel": "ethertype_unhandled ospf local_to_kernel kernel_route no_route_to_kernel multicast arp_to_kernel "
    "nd_to_kernel",
    "held": "tc_ingress_queued synproxy_ack_accepted synproxy_held synproxy_reused neigh_queued",
    "consumed": "synproxy_synack_consumed",
    "ignored": "own_transmit reply_without_conn direct_reply",
}


def fate_of(verdict: str) -> str:
    """Interface 4: what is not named there is dropped."""
    return next((fate for fate, names in FATES.items() if verdict in names.split()), "dropped")


# ---------------------------------------------------------------- the balancer


class Oracle(Modes, SynProxy):
    """Run `run(records)` or `feed(time in ns, length on the wire, bytes)`; then read `frames`, `sent`, `document()`."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        ranks = setup.forwarding_workers
        self.workers = [Worker(w.rank) for w in ranks]
        if setup.conn.table == "shared":
            for w in self.workers:
                w.table = self.workers[0].table
        self.queue_owner = {q: w.rank for w in ranks for q in w.queues}
        queues = setup.device.reta or tuple(q for w in ranks for q in w.queues)
        self.reta = [queues[i % len(queues)] for i in range(setup.device.reta_size)]
        self.key = setup.device.rss_key or bytes.fromhex(KEYS.get(setup.device.driver, KEYS["ixgbe"]))
        for worker in self.workers:
            for s in setup.services:
                if s.vip:
                    worker.servers[s.protocol, s.vip.address, s.vip.port] = self.copy_of(s, worker)
                else:
                    worker.matches.insert(0, self.copy_of(s, worker))
        self.local = {n.address for n in setup.device.address} | set(setup.local_addresses)
        self.local |= {s.vip.address for s in setup.services if s.vip}
        self.everywhere = self.local | {n.address for v in setup.device.vlan for n in v.address}
        ports = [(None, setup.device.address), *((v, v.address) for v in setup.device.vlan)]
        self.routes = [(n, None, 0, v) for v, own in ports for n in own if n.prefix < 8 * len(n.address)]
        connected = list(self.routes)
        for r in setup.routes:
            self.routes.append((r.to, r.via, r.mtu, next((c[3] for c in connected if r.via and r.via in c[0]), None)))
        self.neighbors = {n.address: n.mac for n in setup.neighbors}
        self.timers: list[tuple[int, int, int, Conn]] = []
        self.order = itertools.count(1)
        self.frames: list[Frame] = []
        self.sent: list[Sent] = []
        self.ip_id: Counter[tuple] = Counter()
        self.templates: dict[tuple, Template] = {}
        self.owners: dict[tuple, list[Conn]] = {}  # the redirect table, newest first
        self.events = list(setup.events)
        self.cause: tuple[Frame | None] | None = None  # what is sent now is sent for this frame, at this time
        self.at: int | None = None
        self.making = False  # a packet of its own
        self.uoa_id = 0
        self.generated: Counter[int] = Counter()
        self.now = 0
        self.port_base = {}  # owner of local ports, D 11.3
        self.rules = self.make_rules()

    def handler(self, conn: Conn, p: Packet) -> Worker:
        """Who sends a packet of a connection: the worker that has it, of the balancer's own the connection's."""
        frame = p.frame
        if self.making or frame.worker is None:
            return conn.worker
        return self.workers[frame.worker if frame.owner is None else frame.owner]

    def copy_of(self, service, worker: Worker) -> Server:
        behaviour = self.setup.behaviour
        if behaviour.mh_port_is_synproxy and (service.mh_port or service.synproxy):
            service = service._replace(mh_port=True, synproxy=service.protocol == TCP)
        return Server(service, worker.rank, len(self.workers), behaviour)

    # -------------------------------------------------------- steering, S 1 and S 2

    def make_rules(self) -> list[tuple[bytes, int, int, int]]:
        """(local address, mask, value, queue), in the order they are tried."""
        director, rules = self.setup.flow_director, []
        mask = self.setup.port_mask if director.dst_port_mask is None else director.dst_port_mask
        if director.byte_order == "host":
            mask = (mask & 0xFF) << 8 | mask >> 8
        if not director.enabled or director.strategy == "off":
            return []
        picked: Counter[int] = Counter()
        for address in self.setup.local_addresses:
            for w in self.setup.forwarding_workers:
                picked[w.rank] += 1
                queue = w.queues[picked[w.rank] % len(w.queues)]
                rules.append((address, mask, w.rank & mask, queue))
        return rules

    def steer(self, frame: Frame) -> None:
        frame.by, frame.queue = self.queue_of(frame)
        frame.worker = self.queue_owner[frame.queue]

    def queue_of(self, frame: Frame) -> tuple[str, int]:
        data, ethertype, at = frame.data, frame.ethertype, 14
        if ethertype == 0x8100:
            ethertype, at = int.from_bytes(data[16:18]), 18
        l3 = data[at:]
        if ethertype == 0x0800 and len(l3) >= 20 and l3[0] >> 4 == 4 and l3[0] & 15 >= 5:
            l4, addresses, proto = l3[(l3[0] & 15) * 4 :], l3[12:20], l3[9]
            plain = not int.from_bytes(l3[6:8]) & 0x3FFF
        elif ethertype == 0x86DD and len(l3) >= 40 and l3[0] >> 4 == 6:
            l4, addresses, proto = l3[40:], l3[8:40], l3[6]
            plain = proto not in (0, 43, 44, 51, 60)
        else:
            return "default", 0
        if plain and proto in (TCP, UDP) and len(l4) >= 4:
            dst, dport = addresses[len(addresses) // 2 :], int.from_bytes(l4[2:4])
            for address, mask, value, queue in self.rules:
                if address == dst and dport & mask == value:
                    return "flow_director", queue
        data = self.hash_input(addresses, l4, proto, plain)
        if data is None:
            return "default", 0
        return "rss", self.reta[toeplitz(self.key, data) & (len(self.reta) - 1)]

    def hash_input(self, addresses: bytes, l4: bytes, proto: int, plain: bool) -> bytes | None:
        """S 1.4: the fields of a packet that are hashed, None where it is not hashed at all."""
        rss, driver = self.setup.device.rss, self.setup.device.driver
        name = {TCP: "tcp", UDP: "udp", SCTP: "sctp"}.get(proto) if plain else None
        if len(l4) < (8 if name == "sctp" else 4):
            name = None  # no header to recognise
        if driver == "i40e" and name:
            if name not in rss:
                return None
            return addresses + (l4[:8] if name == "sctp" else l4[:4])
        if name in ("tcp", "udp") and name in rss:
            return addresses + l4[:4]
        return addresses if "ip" in rss else None

    # -------------------------------------------------------- the journey

    def run(self, records) -> Oracle:
        for record in records:
            self.feed(*record)
        return self

    def feed(self, time: int, length: int, data: bytes) -> Frame:
        """One received frame: timers due at or before its time, then the frame (interface 4)."""
        self.now = max(self.now, time)
        frame = Frame(len(self.frames) + 1, self.now, length, data)
        self.frames.append(frame)
        self.expire_due()
        self.apply_events()
        self.handle(frame)
        return frame

    def apply_events(self) -> None:
        """What changes before the frames of this time (interface 2)."""
        while self.events and self.events[0].at_ns <= self.now - self.frames[0].time:
            event = self.events.pop(0)
            for worker in self.workers:
                for server in [*worker.servers.values(), *worker.matches]:
                    if server.service.name == event.path[1]:
                        self.change(server, event)

    def change(self, server: Server, event) -> None:
        what = event.path[2]
        if what in ("blacklist", "whitelist"):
            setattr(server, what, event.value)
            return
        if event.action == "add":
            server.dests.insert(0, Dest(event.value, len(self.workers)))
            server.spread(server.dests[0])
        else:
            dest = next(d for d in server.dests if d.name == event.path[3])
            if event.action == "remove":
                dest.available = False
                server.dests.remove(dest)
            else:
                self.edit(dest, event.path[4], event.value)
            server.spread(dest)
        server.reset()

    def edit(self, dest: Dest, what: str, value: int) -> None:
        """A limit raised or zeroed clears OVERLOAD: the whole limit is compared with the worker's share (D 2.8)."""
        if what == "weight":
            dest.weight = signed(value)
        elif what == "max_conn":
            dest.given = value
        if not dest.given or dest.given > dest.limit:
            dest.overload = False
        dest.limit = dest.given // len(self.workers)

    def handle(self, frame: Frame) -> None:
        if not self.viewed(frame):
            return
        self.steer(frame)
        worker = self.workers[frame.worker]
        worker.count["ipackets"] += 1
        worker.count["ibytes"] += frame.length
        worker.count[frame.by] += 1
        frame.verdict = self.story(frame, worker)
        if frame.verdict == "redirected":
            owner = self.workers[frame.owner]
            frame.reasons.append("redirected")
            lookup = frame.lookup
            worker.count["redirected_out"] += 1
            owner.count["redirected_in"] += 1
            frame.verdict = self.story(frame, owner)
            owner.count[f"lookup_{frame.lookup}"] -= 1  # the receiving worker's counts
            frame.lookup = lookup
            if fate_of(frame.verdict) == "to_kernel":
                frame.verdict = "ring_packet_to_kernel"
        worker.verdicts[frame.verdict] += 1

    def story(self, frame: Frame, worker: Worker) -> str:
        try:
            self.receive(frame, worker)
        except End as end:
            return str(end)
        raise AssertionError("a frame without an end")

    def viewed(self, frame: Frame) -> bool:
        """Interface 3: whether the frame is received; in the client view answers are turned first."""
        view = self.setup.view
        if view == "rx" or frame.ethertype not in (0x0800, 0x86DD):
            return True
        l3, length = self.trimmed(frame)
        if l3 is None:
            return True
        p = Packet(frame, l3, length)
        sport, dport = p.ports
        from_vip = (p.proto, p.src, sport) in self.workers[0].servers
        if view == "lb":
            if from_vip or p.src in self.everywhere:
                frame.verdict = "own_transmit"
            return not frame.verdict
        if not from_vip:
            return True
        key = (p.proto, p.dst, dport, p.src, sport)
        conn = next((hit[0] for w in self.workers if (hit := w.find(key)) and hit[1] == IN), None)
        if conn is None:
            frame.verdict = "reply_without_conn"
            return False
        if conn.server.service.mode in ("dr", "tunnel"):
            frame.verdict = "direct_reply"
            return False
        self.turn(frame, p, conn)
        return True

    def trimmed(self, frame: Frame) -> tuple[bytes | None, int]:
        """The L3 packet without padding and its length, None where it cannot be read."""
        l3 = frame.l3
        if frame.ethertype == 0x0800 and len(l3) >= 20 and l3[0] >> 4 == 4 and l3[0] & 15 >= 5:
            length = int.from_bytes(l3[2:4])
            good = (l3[0] & 15) * 4 <= length and not int.from_bytes(l3[6:8]) & 0x3FFF
        elif frame.ethertype == 0x86DD and len(l3) >= 40 and l3[0] >> 4 == 6:
            length, good = 40 + int.from_bytes(l3[4:6]), True
        else:
            return None, 0
        good = good and length <= frame.length - 14
        return (l3[:length], length) if good else (None, 0)

    def turn(self, frame: Frame, p: Packet, conn: Conn) -> None:
        """An answer of the virtual address, as the real server sent it (interface 3)."""
        p.set_addresses(conn.real[0], conn.local[0])
        p.set_ports(conn.real[1], conn.local[1])
        if p.proto == TCP and len(p.body) >= 20 and conn.server.service.mode == "fnat":
            p.put32(8, p.ack + (conn.delta or 0))
            self.shift_sack(p, conn.delta or 0)
        hop = self.next_hop(conn.real[0]) or conn.real[0]
        source = self.neighbors.get(hop) or b"\x02\0" + hop[-4:]
        own = self.setup.device.mac or frame.src_mac
        l3, tail = p.l3(), frame.data[14 + p.length - p.missing :]
        frame.data = own + source + frame.data[12:14] + l3 + tail
        frame.dst_mac, frame.src_mac = own, source

    # -------------------------------------------------------- before the balancer, D 1.2-1.5

    def receive(self, frame: Frame, worker: Worker) -> None:
        if len(frame.data) < 14:
            raise End("truncated")
        kind = frame.l2_class(self.setup.device.mac)
        if frame.ethertype == 0x8100:
            kind = self.untag(frame, kind)
        if frame.ethertype == 0x0806:
            self.arp(frame, worker)
        if frame.ethertype not in (0x0800, 0x86DD):
            raise End("ethertype_unhandled")
        if kind == "otherhost":
            raise End("l3_otherhost")
        p = self.ipv4_checks(frame) if frame.ethertype == 0x0800 else self.ipv6_checks(frame, kind)
        if p.family == 4 and p.proto == OSPF:
            raise End("ospf")
        self.guard(p, worker)
        try:
            if kind != "host":
                raise Accept("not_for_host")
            self.balance(p, worker)
        except Accept as accept:
            frame.reasons.append(str(accept))
            self.accept(p.replaced or p, worker, kind)

    def untag(self, frame: Frame, kind: str) -> str:
        """To the VLAN device of its tag; the frame's class there (S 3.2)."""
        self.need(frame, frame.length, len(frame.data), 18, "vlan_error")
        number = int.from_bytes(frame.data[14:16]) & 0xFFF
        frame.vlan = next((v for v in self.setup.device.vlan if v.id == number), None)
        if frame.vlan is None:
            raise End("vlan_error")
        frame.ethertype, frame.at = int.from_bytes(frame.data[16:18]), 18
        return "host" if kind == "otherhost" and frame.dst_mac == frame.vlan.mac else kind

    def need(self, frame: Frame, wire: int, captured: int, size: int, verdict: str) -> None:
        """*size* bytes of header must be there: on the wire, and in the capture."""
        if wire < size:
            raise End(verdict)
        if captured < size:
            raise End("truncated")

    def ipv4_checks(self, frame: Frame) -> Packet:
        l3, wire = frame.l3, frame.length - frame.at
        self.need(frame, wire, len(l3), 20, "l3_header_error")
        size = (l3[0] & 15) * 4
        if l3[0] >> 4 != 4 or size < 20:
            raise End("l3_header_error")
        self.need(frame, wire, len(l3), size, "l3_header_error")
        if not self.setup.device.rx_ip_checksum_offload and ones_sum(l3[:size]) != 0xFFFF:
            raise End("l3_checksum")
        total = int.from_bytes(l3[2:4])
        if wire < total:
            raise End("l3_truncated")
        if total < size:
            raise End("l3_header_error")
        return Packet(frame, l3[:total], total)

    def ipv6_checks(self, frame: Frame, kind: str) -> Packet:
        """D 1.4, S 4.7."""
        l3, wire = frame.l3, frame.length - frame.at
        self.need(frame, wire, len(l3), 40, "l3_header_error")
        src, dst = l3[8:24], l3[24:40]
        loopback = bytes(15) + b"\x01"
        bad = l3[0] >> 4 != 6 or loopback in (src, dst) or src[0] == 0xFF
        bad = bad or (dst[0] == 0xFF and dst[1] & 15 in (0, 1)) or (dst[0] != 0xFF and kind != "host")
        if bad:
            raise End("l3_header_error")
        payload = int.from_bytes(l3[4:6])
        jumbo = payload == 0 and l3[6] == 0
        if not jumbo and wire < 40 + payload:
            raise End("l3_truncated")
        length = wire if jumbo else 40 + payload
        return Packet(frame, l3[:length], length)

    def guard(self, p: Packet, worker: Worker) -> None:
        """D 1.5: before the balancer, for every class of frame."""
        if p.family == 4 and int.from_bytes(p.head[6:8]) & 0x3FFF:
            raise End("fragment_v4")
        tcp_only = self.is_vip(p.dst, TCP) and not self.is_vip(p.dst, UDP)
        if p.proto == UDP and self.setup.udp.defence_drop and tcp_only:
            raise End("udp_to_tcp_vip")
        if p.proto == TCP:
            self.need(p.frame, p.l4_length, len(p.body), 20, "tcp_header_short")
            self.synproxy_guard(p, worker)

    def is_vip(self, address: bytes, proto: int) -> bool:
        return any(s.vip and s.vip.address == address and s.protocol == proto for s in self.setup.services)

    def arp(self, frame: Frame, worker: Worker) -> None:
        """S 3.5."""
        body = frame.l3
        self.need(frame, frame.length - frame.at, len(body), 28, "arp_bad_opcode")
        op, target = int.from_bytes(body[6:8]), body[24:28]
        if target not in self.local_of(frame):
            raise End("arp_to_kernel")
        if op == 2:
            self.neighbors[body[14:18]] = body[8:14]
            raise End("arp_to_kernel")
        if op != 1:
            raise End("arp_bad_opcode")
        came_to = b"\x02\0" + target if frame.dst_mac[0] & 1 else frame.dst_mac
        own = (frame.vlan and frame.vlan.mac) or self.setup.device.mac or came_to
        reply = body[:7] + b"\x02" + own + target + body[8:18] + body[28:]
        self.transmit(frame, worker, frame.src_mac + own + frame.data[12 : frame.at] + reply, frame.length)
        raise End("arp_answered")

    # -------------------------------------------------------- the balancer, D 1.5

    def balance(self, p: Packet, worker: Worker) -> None:
        if p.proto in (ICMP, ICMPV6):
            self.related(p, worker)
            conn, direction = self.icmp_flow(p, worker)
        elif p.proto in (TCP, UDP, SCTP):
            conn, direction = self.find_or_schedule(p, worker)
        else:
            raise Accept("proto_unsupported")
        old = conn.state
        try:
            self.synproxy_step(conn, direction, p)
            self.step(conn, direction, p)
            self.statistics(conn, direction, p.length)
            self.remember(conn, direction, p)
            self.forward(conn, direction, p)
        finally:
            p.frame.state = (old, conn.state) if conn.proto not in (ICMP, ICMPV6) else None
            if conn.one_packet:
                self.release(conn)
            else:
                self.arm(conn, self.now)

    def find_or_schedule(self, p: Packet, worker: Worker) -> tuple[Conn, int]:
        size = {TCP: 20, UDP: 8, SCTP: 12}[p.proto]
        if p.l4_length < size:
            self.looked_up(p, worker, None)
        self.need(p.frame, p.l4_length, len(p.body), size, "l4_header_short")
        sport, dport = p.ports
        key = (p.proto, p.src, sport, p.dst, dport)
        if p.proto == SCTP and p.l4_length < 16:  # not looked up, so it opens a connection every time (D 4.1)
            self.looked_up(p, worker, None)
            return self.schedule(p, worker)
        if verdict := self.access_verdict(key, worker):
            raise End(verdict)
        hit = worker.find(key)
        self.looked_up(p, worker, hit)
        if hit is None and any(w.find(key) for w in self.workers):
            worker.count["wrong_worker"] += 1
        if hit is None:
            self.hand_over(p, worker, key)
            return self.schedule(p, worker)
        self.check_quiescent(hit[0], p.frame)
        return hit

    def hand_over(self, p: Packet, worker: Worker, key: tuple) -> None:
        """To the worker that the redirect table names for a packet that was missed (D 4.4)."""
        owner = self.owners[key][0].worker if self.owners.get(key) else worker
        if owner is not worker:
            p.frame.owner = owner.rank
            raise End("redirected")

    def looked_up(self, p: Packet, worker: Worker, hit: tuple[Conn, int] | None) -> None:
        p.frame.lookup = "miss" if hit is None else ("in", "out")[hit[1]]
        worker.count["lookup_" + p.frame.lookup] += 1

    def access_verdict(self, key: tuple, worker: Worker) -> str | None:
        """Black and white lists of the service that the packet's destination names (D 14.2)."""
        proto, src, _, dst, dport = key
        server = worker.servers.get((proto, dst, dport))
        if server is not None:
            black, white = server.blacklist, server.whitelist
            if src in black.addresses or any(src in net for nets in black.sets for net in nets):
                return "acl_blacklist"
        if self.setup.behaviour.whitelist == "bucket" and self.shut_out(key, worker):
            return "acl_whitelist"
        if server is None:
            return None
        listed = src in white.addresses or any(src in net for nets in white.sets for net in nets)
        return "acl_whitelist" if (white.addresses or white.sets) and not listed else None

    def shut_out(self, key: tuple, worker: Worker) -> bool:
        """D 14.2, the old defect: any white list in the same bucket shuts out who is not on the service's own."""
        proto, src, _, dst, dport = key
        own = worker.servers.get((proto, dst, dport))
        near = [s for s in worker.servers.values() if s.whitelist.addresses and bucket(s.service) == bucket_of(*key)]
        return bool(near) and (own is None or src not in own.whitelist.addresses)

    def check_quiescent(self, conn: Conn, frame: Frame) -> None:
        """D 1.5 step 8, of a connection that was found: its real server is gone or has weight 0, so it ends at the
        next tick."""
        if self.setup.behaviour.quiescent == "service":
            ends = conn.server.service.expire_quiescent and conn.dest.weight == 0
        else:
            ends = conn.quiescent and (not conn.dest.available or conn.dest.weight == 0)
        if ends:
            conn.armed = next(self.order)
            heapq.heappush(self.timers, (self.now + 10**6, conn.worker.rank, conn.armed, conn))
            frame.state = (conn.state, conn.state)
            raise End("quiescent")

    def schedule(self, p: Packet, worker: Worker) -> tuple[Conn, int]:
        """The first packet of a flow (D 5.1, 7.1)."""
        server = worker.servers.get((p.proto, p.dst, p.ports[1]))
        kind = p.flags & (SYN | ACK | RST | FIN) if p.proto == TCP else SYN
        if p.proto == TCP and kind == ACK and server is not None:
            self.synproxy_ack(p, worker, server)
        if kind == SYN:
            server = server or self.match_service(p, worker)
        if (
            p.proto == TCP
            and (kind != SYN or server is None)
            and self.setup.tcp.defence_drop
            and self.is_vip(p.dst, TCP)
        ):
            raise End("tcp_defence")
        if kind != SYN:
            raise Accept("tcp_not_syn")
        if server is None:
            raise Accept("no_service")
        return self.begin(p, worker, server), OUT if server.service.mode == "snat" else IN

    def begin(self, p: Packet, worker: Worker, server: Server) -> Conn:
        """A connection of *server*, to the real server it chooses."""
        if server.service.persistent:
            return self.begin_persistent(p, worker, server)
        named = quic_dest(server.dests, bytes(p.body[8:])) if server.service.quic and p.proto == UDP else None
        dest = named or server.pick(p)
        if dest is None:
            raise End("no_dest")
        conn = self.open(p, worker, server, dest)
        if named:  # D 19, 11: the flag that is set is another
            conn.synproxy, conn.quiescent = conn.quiescent, False
            conn.state = "NORMAL" if conn.synproxy else conn.state
            conn.seconds = self.timeout(conn) if conn.synproxy else conn.seconds
        return conn

    def begin_persistent(self, p: Packet, worker: Worker, server: Server) -> Conn:
        """D 2.7."""
        netmask = server.service.persistent.netmask or 8 * len(p.src)
        drop = 8 * len(p.src) - netmask
        masked = (int.from_bytes(p.src) >> drop << drop).to_bytes(len(p.src))
        key = (p.proto, masked, p.dst, p.ports[1])
        template = self.templates.get(key)
        gone = self.setup.conn.expire_quiescent_template and template and template.dest.weight == 0
        if template is None or not template.dest.available or gone:
            dest = server.pick(p)
            if dest is None:
                raise End("no_dest")
            if dest.limit and dest.act + dest.inact >= dest.limit:
                dest.overload = True
                raise End("template_conn_failed")
            template = self.templates[key] = Template(key, server, dest)
            dest.persist += 1
        try:
            conn = self.open(p, worker, template.server, template.dest)
            conn.template = template
            template.controlled += 1
        finally:
            self.arm_at(template, self.now + template.seconds * NANOSECOND)
        return conn

    def bad_ack(self, p: Packet, worker: Worker) -> None:
        """D 5.1: an ACK without a connection is answered with RST, in place."""
        if self.setup.behaviour.bad_ack == "drop" or p.tcp_header > p.l4_length:
            raise End("tcp_bad_ack_drop")
        payload = max(0, p.l4_length - p.tcp_header)
        sport, dport = p.ports
        seq, ack = p.seq, p.ack
        p.set_addresses(p.dst, p.src)
        p.set_ports(dport, sport)
        p.put32(4, ack)
        p.put32(8, seq + payload)
        p.body[13] = p.flags & ~(FIN | SYN | PSH) | RST | ACK
        p.body[14:16] = b"\0\0"
        whole = min(p.tcp_header, p.l4_length)
        p.body, p.missing = p.body[:whole], max(0, whole - len(p.body))
        if p.family == 4:
            p.head[1] = 0
        p.head[p.ttl_at] = 63
        self.emit(p, worker, (p.frame.src_mac, p.frame.dst_mac + tag_of(p.frame.vlan)))
        raise End("tcp_bad_ack_rst")

    def open(self, p: Packet, worker: Worker, server: Server, dest: Dest) -> Conn:
        """D 2.4."""
        sport, dport = p.ports
        if dest.limit and dest.act + dest.inact >= dest.limit:
            dest.overload = True
            raise End("dest_max_conn")
        conn = Conn(worker, server, dest, (p.src, sport), (p.dst, dport))
        mode = server.service.mode
        if mode == "fnat":
            conn.local = self.bind(worker, server, conn.real)
        conn.keys = ((p.proto, *conn.client, *conn.virtual), (p.proto, *conn.real, *conn.local))
        if mode == "snat":
            self.open_snat(conn, p, (p.dst, dport))
        dest.inact += 1
        conn.seconds = self.setup.conn.init_timeout
        conn.slow_only = p.proto == UDP and mode == "fnat" and self.setup.udp.uoa_max_trail > 0
        worker.count["created"] += 1
        dest.count["conns"] += 1
        if not conn.one_packet:
            self.insert(conn)
        worker.active += 1
        worker.peak = max(worker.peak, worker.active)
        return conn

    def insert(self, conn: Conn) -> None:
        """Both nodes, at the head; and the redirect table's entry (D 4.4)."""
        for direction, key in enumerate(conn.keys):
            conn.worker.table.setdefault(key, []).insert(0, (conn, direction))
        if self.setup.conn.redirect and conn.server.service.mode in ("fnat", "nat", "snat"):
            key = conn.keys[IN if conn.server.service.mode == "snat" else OUT]
            self.owners.setdefault(key, []).insert(0, conn)

    def bind(self, worker: Worker, server: Server, real: tuple[bytes, int]) -> tuple[bytes, int]:
        """D 11.1: a local address and one of its ports; without the 5 % double step, which is chance."""
        addresses = server.service.laddr
        if not addresses:
            raise End("laddr_none")
        if server.service.protocol not in (TCP, UDP, SCTP):
            raise End("laddr_proto_unsupported")
        for _ in range(min(16, len(addresses))):
            server.laddr = (server.laddr + 1) % len(addresses)
            address = addresses[server.laddr]
            port = self.pool(worker, address, real).fetch()
            if port is not None:
                server.laddr_conns[address] += 1
                return address, port
        raise End("laddr_port_exhausted")

    def pool(self, worker: Worker, address: bytes, real: tuple[bytes, int]) -> PortPool:
        key = address, self.bucket(real)
        if key not in worker.pools:
            worker.pools[key] = PortPool(self.ports_of(worker.rank))
        return worker.pools[key]

    def ports_of(self, rank: int) -> range:
        """D 11.3: the ports whose low bits are the worker's rank."""
        low, high = self.setup.sa_pool.low, self.setup.sa_pool.high
        step = 1 if self.setup.flow_director.strategy == "off" else self.setup.port_mask + 1
        return range(low + (rank - low) % step, high + 1, step)

    def bucket(self, real: tuple[bytes, int]) -> int:
        address, port = real
        size = self.setup.sa_pool.hash_size
        if len(address) == 4:
            return (int.from_bytes(address[2:]) + port) % size
        return jhash([int.from_bytes(port.to_bytes(2), "little"), *unpack("<4I", address)], 10) % size

    # -------------------------------------------------------- states and timers, D 5.2, 5.3, 7.2, 2.5

    def step(self, conn: Conn, direction: int, p: Packet) -> None:
        if conn.proto == TCP:
            new = self.tcp_state(conn.state, direction, p.flags, conn.server.service.mode in ("dr", "tunnel"))
            if new != conn.state:
                self.enter(conn, new)
        elif conn.proto == SCTP:
            body = bytes(p.body)
            if len(conn.client[0]) == 16 and p.family == 4:  # NAT64: the IPv4 header is read as one of IPv6
                body = bytes(p.head + p.body)[skip_extensions(bytes(p.head + p.body))[1] :]
            if len(body) < 16:
                return  # no chunk, no event
            new = sctp_state(conn.state, direction, sctp_event(body))
            if new != conn.state:
                self.enter(conn, new)
            conn.seconds = self.timeout(conn)
        elif conn.proto == UDP:
            back = direction == (IN if conn.server.service.mode == "snat" else OUT)
            if back or not self.setup.behaviour.udp_oneway:
                conn.state = "NORMAL"
            elif conn.state == "NONE":
                conn.state = "ONEWAY"
            conn.seconds = self.timeout(conn)
        else:
            conn.seconds = 300

    @staticmethod
    def tcp_state(state: str, direction: int, flags: int, one_way: bool = False) -> str:
        column = next((i for i, bit in ((3, RST), (0, SYN), (1, FIN), (2, ACK)) if flags & bit), None)
        if column is None:
            return "CLOSE"
        if one_way and (state, column) in ONE_WAY:
            return ONE_WAY[state, column]
        new = STATES[state].split()[4 * direction + column]
        return state if new == "." else new

    def enter(self, conn: Conn, state: str) -> None:
        """A change of TCP state: its timeout, and active or inactive (D 5.2)."""
        conn.state = state
        conn.seconds = self.timeout(conn)
        if (state == "ESTABLISHED") == conn.inactive:
            conn.inactive = not conn.inactive
            conn.dest.inact += 1 if conn.inactive else -1
            conn.dest.act -= 1 if conn.inactive else -1

    def timeout(self, conn: Conn) -> int:
        own = conn.server.service.conn_timeout
        if own and (conn.proto == UDP or conn.state == "ESTABLISHED"):
            return own
        tables = {TCP: self.setup.tcp, UDP: self.setup.udp, SCTP: self.setup.sctp}
        return tables[conn.proto].timeout[conn.state.lower()] if conn.proto in tables else 60

    def arm(self, conn: Conn, now: int) -> None:
        self.arm_at(conn, now + conn.seconds * NANOSECOND)

    def arm_at(self, conn: Conn | Template, due: int) -> None:
        conn.armed = next(self.order)
        rank = conn.rank if isinstance(conn, Template) else conn.worker.rank
        heapq.heappush(self.timers, (due, rank, conn.armed, conn))

    def expire_due(self) -> None:
        while self.timers and self.timers[0][0] <= self.now:
            due, _, armed, conn = heapq.heappop(self.timers)
            if conn.alive and conn.armed == armed:
                self.expire_template(conn, due) if isinstance(conn, Template) else self.expire(conn, due)

    def expire(self, conn: Conn, due: int) -> None:
        if conn.kept and conn.retries:
            conn.retries -= 1
            conn.seconds = self.timeout(conn)
            self.send_syn(conn, None, due)
            self.arm(conn, due)
            return
        self.release(conn)
        mode = conn.server.service.mode
        resets = mode in ("fnat", "nat") or (mode == "snat" and self.setup.behaviour.snat_expiry_rst)
        if conn.proto == TCP and conn.state == "ESTABLISHED" and resets:
            self.reset_pair(conn, due)

    def expire_template(self, template: Template, due: int) -> None:
        """While it controls connections it only waits on, with the short timeout of no state (D 2.7)."""
        if template.controlled:
            service = template.server.service
            template.seconds = (service.conn_timeout or 2) if service.protocol == UDP else 2
            self.arm_at(template, due + template.seconds * NANOSECOND)
            return
        template.alive = False
        template.dest.persist -= 1
        if self.templates.get(template.key) is template:
            del self.templates[template.key]

    def release(self, conn: Conn) -> None:
        """The end of a connection (D 2.5): nodes, counters, local port."""
        worker, dest = conn.worker, conn.dest
        worker.count["expired"] += 1
        conn.alive = False
        for key in conn.keys:
            nodes = worker.table.get(key, [])
            nodes[:] = [node for node in nodes if node[0] is not conn]
            if conn in self.owners.get(key, ()):
                self.owners[key].remove(conn)
        if conn.template:
            conn.template.controlled -= 1
        worker.active -= 1
        if conn.inactive:
            dest.inact -= 1
        else:
            dest.act -= 1
        if dest.limit and dest.act + dest.inact < dest.limit:
            dest.overload = False
        mode = conn.server.service.mode
        if mode == "fnat":
            self.pool(worker, conn.local[0], conn.real).release(conn.local[1])
            conn.server.laddr_conns[conn.local[0]] -= 1
        elif mode == "snat" and conn.proto not in (ICMP, ICMPV6):
            self.pool(worker, conn.virtual[0], conn.client).release(conn.virtual[1])

    def reset_pair(self, conn: Conn, due: int) -> None:
        """D 5.7."""
        full = conn.server.service.mode == "fnat"
        delta = conn.delta or 0 if full else 0
        to_client = conn.rs_end_seq + (conn.sp_delta if full else 0)  # both ends 0 where nobody saved them
        for direction, source, dest, seq, ack in (
            (IN, conn.local, conn.real, conn.rs_end_ack, -conn.sp_delta if full else 0),
            (OUT, conn.virtual, conn.client, to_client, -delta),
        ):
            body = pack(">HHIIBBHHH", source[1], dest[1], seq & M32, ack & M32, 0x50, RST, 0, 0, 0)
            self.send_own(conn, direction, source[0], dest[0], body, due)

    def send_own(self, conn: Conn, direction: int, src: bytes, dst: bytes, body: bytes, due: int) -> None:
        if len(src) == 4:
            head = pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, TCP, 0)
        else:
            head = pack(">IHBB", 0x60000000, len(body), TCP, 64)
        p = Packet(Frame(0, due, 0, bytes(14)), head + src + dst + body, len(head + src + dst + body))
        macs = conn.macs[1 - direction] if self.fast(conn, p.family) else None
        if macs is None:
            if self.route(dst) is None:
                return
            if self.setup.conn.xmit_ttl:
                p.head[p.ttl_at] -= 1
            macs = self.hop_macs(conn, direction, dst)
        ethertype = b"\x08\0" if p.family == 4 else b"\x86\xdd"
        frame = macs[0] + macs[1] + ethertype + p.l3()
        self.generated[conn.worker.rank] += 1
        self.put(due, frame, len(frame), conn.worker, None)

    # -------------------------------------------------------- statistics, D 13

    def statistics(self, conn: Conn, direction: int, length: int) -> None:
        if conn.dest.available:
            name = ("in", "out")[direction]
            conn.dest.count[name + "pkts"] += 1
            conn.dest.count[name + "bytes"] += length

    # -------------------------------------------------------- transmit, D 12

    def remember(self, conn: Conn, direction: int, p: Packet) -> None:
        """MAC addresses: of the first frame of a side, and what the fast path learns (D 12.3)."""
        macs = p.frame.src_mac, p.frame.dst_mac
        conn.seen[direction] = conn.seen[direction] or macs
        if self.fast(conn, p.family):
            conn.macs[direction] = conn.macs[direction] or (macs[0], macs[1] + tag_of(p.frame.vlan))

    def fast(self, conn: Conn, family: int) -> bool:
        mode = conn.server.service.mode
        capable = (mode == "fnat" and len(conn.real[0]) == len(conn.client[0])) or (mode == "nat" and family == 4)
        return self.setup.conn.fast_xmit and not conn.slow_only and capable

    def forward(self, conn: Conn, direction: int, p: Packet) -> None:
        if self.fast(conn, p.family) and conn.macs[1 - direction]:
            self.forward_fast(conn, direction, p)
        mode = conn.server.service.mode
        if mode in ("dr", "tunnel"):
            if direction == OUT:
                raise Accept("no_xmit_function")
            (self.send_direct if mode == "dr" else self.send_tunnel)(conn, p)
        self.forward_slow(conn, direction, p)

    def forward_fast(self, conn: Conn, direction: int, p: Packet) -> None:
        """Where a step of it fails, the slow path has its turn (D 12.3)."""
        try:
            self.translate(conn, direction, p, self.setup.device.mtu)
        except End:
            return
        self.emit(p, self.handler(conn, p), conn.macs[1 - direction])
        raise End("forwarded_fast")

    def forward_slow(self, conn: Conn, direction: int, p: Packet) -> None:
        target = conn.real[0] if direction == IN else conn.client[0]
        route = self.route(target)
        if route is None:
            raise End("no_route")
        mtu = route[2] or self.setup.device.mtu
        nat64 = len(conn.real[0]) != len(conn.client[0])
        if nat64:
            self.nat64_tests(conn, direction, p, mtu)
        else:
            to_real = conn.server.service.mode == "fnat" and direction == IN
            self.length_test(p, self.handler(conn, p), mtu, to_real)
        self.ttl_test(p, self.handler(conn, p))
        macs = self.hop_macs(conn, direction, target, p.frame.dst_mac)
        if p.proto == UDP and direction == IN and conn.server.service.mode == "fnat":
            self.insert_uoa(conn, p, mtu, macs)
        if nat64:
            self.nat64(conn, direction, p, mtu)
        self.translate(conn, direction, p, mtu)
        self.output(p, self.handler(conn, p), macs, mtu)

    def length_test(self, p: Packet, worker: Worker, mtu: int, plain: bool = False) -> None:
        if p.length <= mtu:
            return
        if p.family == 6:
            self.icmp_error(p, worker, 2, 0, mtu, plain)
            raise End("too_big")
        if p.dont_fragment:
            if self.setup.behaviour.frag_needed_sent:
                self.icmp_error(p, worker, 3, 4, mtu)
            raise End("frag_needed")

    def ttl_test(self, p: Packet, worker: Worker) -> None:
        if self.setup.conn.xmit_ttl:
            if p.head[p.ttl_at] <= 1:
                self.icmp_error(p, worker, 11 if p.family == 4 else 3, 0, 0)
                raise End("ttl_exceeded")
            p.head[p.ttl_at] -= 1

    def output(self, p: Packet, worker: Worker, macs: tuple[bytes, bytes], mtu: int) -> None:
        """D 12.4: fragments where IPv4 is too long."""
        l3 = p.l3()
        length = len(l3) + p.missing
        if length <= mtu:
            self.emit(p, worker, macs)
            raise End("forwarded_slow")
        if p.family == 6:
            raise End("v6_output_too_big")
        size = len(p.head)
        chunk = (mtu - size) // 8 * 8
        for at in range(0, length - size, chunk):
            part = l3[size + at : size + at + chunk]
            wire = min(chunk, length - size - at)
            head = bytearray(p.head)
            more = 0x2000 if at + chunk < length - size else 0
            head[2:4] = (size + wire).to_bytes(2)
            head[6:8] = (more | at // 8).to_bytes(2)
            head[10:12] = b"\0\0"
            head[10:12] = checksum(head).to_bytes(2)
            frame = macs[0] + macs[1] + b"\x08\0" + bytes(head) + part
            self.transmit(p.frame, worker, frame, len(frame) - len(part) + wire)
        raise End("forwarded_fragmented")

    def emit(self, p: Packet, worker: Worker, macs: tuple[bytes, bytes]) -> None:
        l3 = p.l3()
        frame = macs[0] + macs[1] + (b"\x08\0" if p.family == 4 else b"\x86\xdd") + l3
        self.transmit(p.frame, worker, frame, len(frame) + p.missing)

    def transmit(self, frame: Frame, worker: Worker, data: bytes, length: int) -> None:
        if self.cause:
            self.put(self.now if self.at is None else self.at, data, length, worker, self.cause[0])
        else:
            self.put(self.now, data, length, worker, frame)

    def put(self, time: int, data: bytes, length: int, worker: Worker, cause: Frame | None) -> None:
        self.sent.append(Sent(time, data, length, worker.rank, cause.n if cause else None))
        worker.count["opackets"] += 1
        worker.count["obytes"] += length
        if cause:
            cause.out.append(len(self.sent))

    # -------------------------------------------------------- translation, D 5.4-5.6, 7.3

    def translate(self, conn: Conn, direction: int, p: Packet, mtu: int) -> None:
        if p.proto == TCP and p.tcp_header > p.l4_length:
            raise End("l4_handler_error")
        self.sctp_check(p)
        if conn.server.service.mode != "fnat":
            self.rewrite(conn, direction, p)
            return
        if p.proto == TCP:
            (self.tcp_in if direction == IN else self.tcp_out)(conn, p, mtu)
        source, dest = (conn.local, conn.real) if direction == IN else (conn.virtual, conn.client)
        p.set_addresses(source[0], dest[0])
        p.set_ports(source[1], dest[1])

    def tcp_in(self, conn: Conn, p: Packet, mtu: int) -> None:
        syn = p.flags & (SYN | ACK) == SYN
        if syn:
            for kind, at, size in options_of(p.body[: p.tcp_header]):
                if (kind, size) == (8, 10):
                    p.body[at : at + 10] = b"\x01" * 10
                    break
            if conn.delta is None:
                conn.delta = self.setup.tcp.isn_offset if self.setup.tcp.seq_adjust else 0
        old = self.setup.behaviour.toa_in_syn
        due = p.ack == conn.fdata and not p.flags & (SYN | RST)
        if self.setup.tcp.toa and (due or (old and syn)):
            self.insert_toa(conn, p, mtu)
        p.put32(4, p.seq + (conn.delta or 0))
        if conn.sp_delta:
            p.put32(8, p.ack - conn.sp_delta)
            self.shift_sack(p, -conn.sp_delta)

    def tcp_out(self, conn: Conn, p: Packet, mtu: int) -> None:
        synack = p.flags & (SYN | ACK) == SYN | ACK
        self.save_end(conn, p)
        if conn.synproxy and self.setup.behaviour.synproxy_wscale:
            window = int.from_bytes(p.body[14:16]) << conn.wscale_rs >> conn.wscale_vs
            p.body[14:16] = min(window, 65535).to_bytes(2)
        if synack:
            for kind, at, size in options_of(p.body[: p.tcp_header]):
                if (kind, size) == (2, 4):
                    mss = int.from_bytes(p.body[at + 2 : at + 4]) - (8 if len(conn.client[0]) == 4 else 20)
                    p.body[at + 2 : at + 4] = (mss & 0xFFFF).to_bytes(2)
                    break
        if not self.storm(conn, p):
            p.put32(4, p.seq + conn.sp_delta)
            p.put32(8, p.ack - (conn.delta or 0))
            self.shift_sack(p, -(conn.delta or 0))
        if synack:
            conn.fdata = p.seq + 1 & M32

    def save_end(self, conn: Conn, p: Packet) -> None:
        """What the RST pair will say (D 5.5 a)."""
        stale = conn.rs_end_ack and (p.ack - conn.rs_end_ack) & M32 >= 1 << 31
        if not p.flags & RST and not stale:
            ihl = (p.head[0] & 15) * 4  # of IPv6: bits of the traffic class, so usually 40 too much
            length = len(p.head) + p.l4_length - ihl - p.tcp_header
            conn.rs_end_seq = p.seq + (1 if p.flags & (SYN | ACK) == SYN | ACK else length) & M32
            conn.rs_end_ack = p.ack

    @staticmethod
    def shift_sack(p: Packet, delta: int) -> None:
        options = bytes(p.body[20 : p.tcp_header])
        if len(options) == 12 and options[:4] == b"\x01\x01\x08\x0a":
            return
        for kind, at, size in options_of(p.body[: p.tcp_header]):
            if kind == 5 and size >= 10 and size % 8 == 2:
                for edge in range(at + 2, at + size - 3, 4):
                    p.put32(edge, int.from_bytes(p.body[edge : edge + 4]) + delta)
                return

    def insert_toa(self, conn: Conn, p: Packet, mtu: int) -> None:
        """D 5.6: the client's address as an option, after pruning others where there is no room."""
        option = pack(">BBH", 254, 4 + len(conn.client[0]), conn.client[1]) + conn.client[0]
        if not self.fits(p, len(option), mtu):
            if not self.setup.behaviour.toa_prune or not self.prune(p, len(option)):
                return
            if not self.fits(p, len(option), mtu):
                return
        p.body[20:20] = option
        p.body[12] = p.body[12] + (len(option) // 4 << 4)

    @staticmethod
    def fits(p: Packet, size: int, mtu: int) -> bool:
        return len(p.head) + p.l4_length <= mtu - size and 60 - p.tcp_header >= size

    @staticmethod
    def prune(p: Packet, need: int) -> bool:
        """Whether at least *need* bytes of options went."""
        header = bytes(p.body[: p.tcp_header])
        present = len(header) - 20
        if present < need or p.tcp_header > len(p.body):
            return False
        kept = [(kind, header[at : at + size]) for kind, at, size in options_of(header) if kind not in (1, 254)]
        gain = present - sum(len(data) for _, data in kept)
        guarded = {2: 4, 3: 3, 4: 2, 8: 10, 30: 40, 34: 18} if p.flags & SYN else {8: 10}
        for item in list(kept):
            kind, data = item
            if gain >= need:
                break
            if len(data) <= guarded.get(kind, 0):
                guarded.pop(kind)
                continue
            kept.remove(item)
            gain += len(data)
        options = b"".join(data for _, data in kept)
        options += bytes(-len(options) % 4)
        p.body[20 : len(header)] = options
        p.body[12] = p.body[12] & 15 | (20 + len(options)) // 4 << 4
        return gain >= need

    def insert_uoa(self, conn: Conn, p: Packet, mtu: int, macs: tuple[bytes, bytes]) -> None:
        """D 7.4: the client's address in the first datagrams."""
        if not conn.slow_only:
            return
        if conn.trail >= self.setup.udp.uoa_max_trail:
            conn.slow_only = False
            return
        conn.trail += 1
        stray = len(conn.real[0]) != len(conn.client[0]) and self.setup.behaviour.uoa_nat64_port == "stray"
        option = pack(">BBH", 31, 4 + len(conn.client[0]), conn.client[1]) + conn.client[0]
        header = pack(">BBH", 0x10 if len(conn.client[0]) == 4 else 0x20, UDP, 4 + len(option)) + option
        ipo = self.setup.udp.uoa_mode == "ipo"
        if ipo and p.family == 6:
            return
        added = option if ipo else header
        room = p.length + len(added) <= mtu and not (p.extended and not ipo) and not (ipo and len(p.head) + 8 > 60)
        if stray:  # D 15: the port is read from the wrong place
            header = header[:6] + (p.dst[:2] if room else bytes(p.head[:2])) + header[8:]
        if not room:
            self.standalone_uoa(conn, p, macs, option, header, ipo)
        elif ipo:
            p.head[20:20] = option
            p.head[0] += 2
        else:
            self.put_opp(p, header)

    @staticmethod
    def put_opp(p: Packet, header: bytes) -> None:
        p.opp, p.proto = header, OPP
        p.head[9 if p.family == 4 else 6] = OPP

    def standalone_uoa(self, conn: Conn, p: Packet, macs, option: bytes, header: bytes, ipo: bool) -> None:
        """An empty datagram that carries the address before the one that has no room for it."""
        if len(conn.real[0]) == 4:
            head = pack(">BBHHHBBH", 0x45, p.head[1], 28, self.uoa_id, 0, p.head[8], UDP, 0)
            self.uoa_id += 1
        else:
            head = bytes(p.head[:4]) + pack(">HBB", 8, UDP, p.head[7])
        l3 = head + conn.local[0] + conn.real[0] + pack(">HHHH", conn.local[1], conn.real[1], 8, 0)
        extra = Packet(p.frame, l3, len(l3))
        if ipo:
            extra.head[20:20] = option
            extra.head[0] += 2
        else:
            self.put_opp(extra, header)
        self.generated[self.handler(conn, p).rank] += 1
        l3 = extra.l3()
        if extra.family == 4:
            l3 = l3[:-2] + b"\0\0"
        ethertype = b"\x08\0" if extra.family == 4 else b"\x86\xdd"
        frame = macs[0] + macs[1] + ethertype + l3
        self.transmit(p.frame, self.handler(conn, p), frame, len(frame))

    # -------------------------------------------------------- routes and neighbours

    def route(self, address: bytes):
        """(network, gateway, mtu, VLAN) of what is sent: none to an own address."""
        return None if address in self.everywhere else self.longest(address)

    def longest(self, address: bytes):
        """The longest prefix, first come first served (S 4.3)."""
        fits = [r for r in self.routes if address in r[0]]
        if not fits and not self.setup.routes:
            return (None, None, 0, None)
        return max(fits, key=lambda r: r[0].prefix, default=None)

    def next_hop(self, address: bytes) -> bytes | None:
        route = self.route(address)
        return None if route is None else route[1] or address

    def mac_of(self, address: bytes, came_from: bytes | None) -> bytes:
        hop = self.next_hop(address) or address
        return self.neighbors.get(hop) or came_from or b"\x02\0" + hop[-4:]

    def own_mac(self, vlan, came_to: bytes) -> bytes:
        """Source MAC, and behind it the tag, of what leaves by *vlan* (None: by the port itself)."""
        return ((vlan and vlan.mac) or self.setup.device.mac or came_to) + tag_of(vlan)

    def hop_macs(self, conn: Conn, direction: int, target: bytes, own: bytes | None = None) -> tuple[bytes, bytes]:
        """(next hop, own) for the slow path of a connection (interface 2, MACs)."""
        to, here = conn.seen[1 - direction], conn.seen[direction] or conn.seen[1 - direction]
        own = own or (here[1] if here else bytes(6))
        return self.mac_of(target, to[0] if to else None), self.own_mac(self.route(target)[3], own)

    def local_of(self, frame: Frame) -> set[bytes]:
        """The addresses of the device that a frame came in by."""
        return self.local if frame.vlan is None else {n.address for n in frame.vlan.address}

    def back(self, p: Packet) -> tuple[bytes, bytes]:
        """MACs of an answer; one that only the default nobody configured leads back goes on the VLAN it came by."""
        frame, route = p.frame, self.route(p.dst)
        unrouted = route[1] is None and (route[0] is None or route[0].prefix == 0)
        vlan = frame.vlan if unrouted else route[3]
        came_to = frame.dst_mac if not frame.dst_mac[0] & 1 else b"\x02\0" + p.src[-4:]
        return self.mac_of(p.dst, frame.src_mac), self.own_mac(vlan, came_to)

    # -------------------------------------------------------- after ACCEPT, D 1.6, S 4.3-4.7

    def accept(self, p: Packet, worker: Worker, kind: str) -> None:
        if p.dst in self.local_of(p.frame) or (p.family == 6 and self.joined(p)):
            self.deliver(p, worker)
        if p.family == 6 and p.dst[0] == 0xFF:
            raise End("multicast")
        route = self.longest(p.dst)
        if route is None:
            raise End("no_route_to_kernel")
        if kind != "host":
            raise End("multicast")
        (self.transit4 if p.family == 4 else self.transit6)(p, worker, route)

    def transit4(self, p: Packet, worker: Worker, route) -> None:
        mtu = route[2] or self.setup.device.mtu
        if p.head[8] <= 1:
            self.icmp_error(p, worker, 11, 0, 0)
            raise End("forward_ttl")
        if p.length > mtu and p.dont_fragment:
            self.icmp_error(p, worker, 3, 4, mtu)
            raise End("forward_too_big")
        if not self.setup.ipv4_forwarding:
            raise End("forward_disabled")
        self.plain(p, worker, mtu)

    def transit6(self, p: Packet, worker: Worker, route) -> None:
        mtu = route[2] or self.setup.device.mtu
        if not self.setup.ipv6_forwarding:
            raise End("forward_disabled")
        if p.head[7] <= 1:
            self.icmp_error(p, worker, 3, 0, 0)
            raise End("forward_ttl")
        if p.length > mtu:
            self.icmp_error(p, worker, 2, 0, mtu)
            raise End("forward_too_big")
        self.plain(p, worker, mtu)

    def plain(self, p: Packet, worker: Worker, mtu: int) -> None:
        """Router function: TTL - 1, L4 untouched."""
        frame = p.frame
        hop, vlan = self.longest(p.dst)[1] or p.dst, self.longest(p.dst)[3]
        macs = self.neighbors.get(hop) or b"\x02\0" + hop[-4:], self.own_mac(vlan, frame.dst_mac)
        p.head[p.ttl_at] -= 1
        p.proto = 255  # no L4 of ours: its checksum stays
        try:
            self.output(p, worker, macs, mtu)
        except End:
            raise End("forwarded_plain") from None

    def deliver(self, p: Packet, worker: Worker) -> None:
        """To an address of the balancer (S 4.4, 4.7)."""
        if p.family == 4:
            if p.proto == 47:
                self.refuse_gre(p, worker)
            if p.proto in (4, 47):
                raise End("tunnel_input")
            if p.proto == ICMP and p.body[0] == 8:
                self.echo(p, worker, 0)
            raise End("local_to_kernel")
        if p.head[6] in (43, 60, 59, ICMPV6) and p.proto == 59:
            raise End("v6_no_next_header")
        if p.proto == ICMPV6:
            self.echo(p, worker, 129)
        raise End("local_to_kernel")

    def refuse_gre(self, p: Packet, worker: Worker) -> None:
        """Recorded: ICMP 3/3 of the GRE header read as one of IPv4, if that is good and looks like a first fragment."""
        gre = bytes(p.body)
        flags = int.from_bytes(gre[:2])
        size = 4 + 4 * (flags >> 15 & 1) + 4 * (flags >> 13 & 1) + 4 * (flags >> 12 & 1)
        if p.missing or len(gre) < max(20, size) or flags & 0x4007:
            return
        if flags & 0x8000 and ones_sum(gre) != 0xFFFF:
            return
        many = gre[16] >> 4 == 14 or gre[16:20] == b"\xff" * 4
        ihl = (gre[0] & 15) * 4
        error = gre[9] == ICMP and gre[ihl : ihl + 1] != b"\x08"
        if p.frame.l2_class(self.setup.device.mac) == "host" and not (many or error or gre[6] & 0x1F or gre[7]):
            q = Packet(p.frame, b"\x45" + gre[1:].ljust(40, b"\0"), len(gre))
            q.head, q.body, q.missing = bytearray(gre[:20]), bytearray(gre[20:]), 0
            q.misread = gre[16:20] if any(gre[16:20]) else b""
            self.icmp_error(q, worker, 3, 3, 0)

    def joined(self, p: Packet) -> bool:
        """All nodes, and the solicited-node groups of the device's addresses."""
        group = bytes.fromhex("ff0200000000000000000001ff")
        groups = {group + a[13:] for a in self.local_of(p.frame) if len(a) == 16}
        return p.dst in groups | {b"\xff\x02" + bytes(13) + b"\x01"}

    def discovery(self, p: Packet, worker: Worker) -> None:
        """Neighbour solicitations and advertisements (S 4.7)."""
        body, kind = bytes(p.body), p.body[0]
        options, rest = {}, body[24:]
        while rest and len(rest) >= 2 and 0 < rest[1] * 8 <= len(rest):
            options.setdefault(rest[0], rest[2:8])
            rest = rest[rest[1] * 8 :]
        target = body[8:24]
        if p.head[7] != 255 or body[1] or rest or len(body) < 24 or target[0] == 0xFF:
            raise End("nd_invalid")
        mine, to_group = target in self.local_of(p.frame), p.dst[0] == 0xFF
        if kind == 136 and to_group and body[4] & 0x40:
            raise End("nd_invalid")
        if kind == 136 and 2 in options and not mine:
            self.neighbors[target] = options[2]
        unspecified = not any(p.src)
        if kind == 135 and unspecified and p.dst[:13] != bytes.fromhex("ff0200000000000000000001ff"):
            raise End("nd_invalid")
        if kind == 135 and mine and 1 in options:
            if unspecified:
                raise End("nd_invalid")
            self.neighbors[p.src] = options[1]
            came_to = p.frame.dst_mac if not p.frame.dst_mac[0] & 1 else b"\x02\0" + target[-4:]
            own = self.own_mac(p.frame.vlan, came_to)
            told = b"\x02\x01" + own[:6] if to_group else b""  # recorded: who asked us alone is told no more
            body = pack(">BBHI", 136, 0, 0, 0x60000000 if told else 0x40000000) + target + told
            l3 = pack(">IHBB", 0x60000000, len(body), ICMPV6, 255) + target + p.src + body
            self.generated[worker.rank] += 1
            self.emit(Packet(p.frame, l3, len(l3)), worker, (options[1], own))
        raise End("nd_to_kernel")

    def echo(self, p: Packet, worker: Worker, reply: int) -> None:
        pseudo = p.pseudo() if p.family == 6 else b""
        bad = not p.missing and ones_sum(pseudo + p.body) != 0xFFFF
        if (p.family == 4 and p.body[1]) or bad:
            raise End("icmp_local_invalid")
        if p.family == 6 and p.body[0] in (135, 136):
            self.discovery(p, worker)
        if p.family == 6 and p.body[0] != 128:
            raise End("local_to_kernel")
        before = bytes(p.body)
        if p.family == 4:
            p.head = p.head[:20]
            p.head[0] = 0x45
        else:
            p.head = bytearray(b"\x60" + bytes(5) + bytes((ICMPV6,)) + p.head[7:40])  # class and flow 0 (recorded)
        p.set_addresses(p.dst, p.src)
        p.body[0] = reply
        p.head[p.ttl_at] = 64
        if p.family == 4:
            p.head[4:6] = self.next_id(p.src, p.dst, ICMP).to_bytes(2)
            p.head[6:8] = b"\0\0"
            p.body[2:4] = icmp_sum(before, bytes(p.body), p.missing)
        route = self.route(p.dst)
        if route is None:
            raise End("no_route")
        try:
            self.output(p, worker, self.back(p), route[2] or self.setup.device.mtu)
        except End as end:
            raise End("local_echo_reply" if "forwarded" in str(end) else str(end)) from None

    def next_id(self, *ends: object) -> int:
        """Identification of what the balancer makes: a counter per pair of ends and protocol, from 0."""
        self.ip_id[ends] += 1
        return self.ip_id[ends] - 1 & 0xFFFF

    def icmp_error(self, p: Packet, worker: Worker, kind: int, code: int, mtu: int, plain: bool = False) -> None:
        """D 12.4: made before translation, so it quotes the original."""
        frame = p.frame
        if self.making:
            return  # it came in by no port
        original = frame.l3[: p.length - p.missing]
        original = original if p.misread is None else bytes(p.head + p.body)
        if self.route(p.src) is None:
            return
        if p.family == 4:
            source = next((n.address for n in self.setup.device.address if len(n.address) == 4), None)
            source = p.misread or source
            if source is None or (p.misread is None and p.proto == ICMP and p.body[0] != 8):
                return
            quote = original[:548]
            body = pack(">BBHI", kind, code, 0, mtu) + quote
            body = body[:2] + checksum(body).to_bytes(2) + body[4:]
            tos = p.head[1] & 0x1E | 0xC0
            ident = self.next_id(b"", p.src, ICMP)
            head = pack(">BBHHHBBH", 0x45, tos, 20 + len(body), ident, 0, 64, ICMP, 0)
        else:
            source = next((n.address for n in self.setup.device.address if len(n.address) == 16), None)
            source = p.dst if source and p.dst in self.local_of(frame) else source
            if source is None or not self.eligible(original):
                return
            if self.setup.behaviour.too_big_mtu == "swapped" and not plain:
                mtu = int.from_bytes(mtu.to_bytes(4, "little"))
            body = pack(">BBHI", kind, code, 0, mtu) + original[:1232]
            head = pack(">IHBB", 0x60000000, len(body), ICMPV6, 64)
        error = Packet(frame, head + source + p.src + body, len(head) + 2 * len(source) + len(body))
        self.generated[worker.rank] += 1
        self.emit(error, worker, self.back(error))

    @staticmethod
    def eligible(l3: bytes) -> bool:
        """Recorded: the headers behind IPv6's are looked for from byte 1 on, the type of an ICMPv6 message too."""
        shifted = bytes(6) + l3[6:7] + bytes(33) + l3[1:]
        proto, at = skip_extensions(shifted)
        return proto != ICMPV6 or shifted[at : at + 1] >= b"\x80"

    # -------------------------------------------------------- what is said at the end, interface 5

    def document(self) -> dict:
        verdicts = Counter(f.verdict for f in self.frames)
        fates = Counter(fate_of(f.verdict) for f in self.frames)
        totals = {name: fates[name] for name in ("transmitted", "to_kernel", "dropped", "held", "consumed", "ignored")}
        totals |= {"frames": len(self.frames), "received": len(self.frames) - fates["ignored"]}
        totals |= {"generated": sum(self.generated.values()), "written": len(self.sent), "verdicts": dict(verdicts)}
        return {
            "totals": totals,
            "workers": [self.worker_document(w) for w in self.workers],
            "services": [self.service_document(s) for s in self.setup.services],
        }

    def worker_document(self, w: Worker) -> dict:
        c, v = w.count, w.verdicts
        used, miss = sum(p.used for p in w.pools.values()), sum(p.miss for p in w.pools.values())
        every = len(self.ports_of(w.rank)) * self.setup.sa_pool.hash_size * len(self.setup.local_addresses)
        return {
            "worker": w.rank,
            **{name: c[name] for name in ("ipackets", "ibytes", "opackets", "obytes", "wrong_worker")},
            "steered": {name: c[name] for name in ("flow_director", "rss", "default")},
            "lookup": {name: c["lookup_" + name] for name in ("in", "out", "miss")},
            "conns": {"created": c["created"], "expired": c["expired"], "active": w.active, "peak": w.peak},
            "sa_pool": {"used": used, "free": every - used, "miss": miss},
            "redirected": {"in": c["redirected_in"], "out": c["redirected_out"]},
            "generated": self.generated[w.rank],
            "to_kernel": sum(n for name, n in v.items() if fate_of(name) == "to_kernel"),
            "dropped": sum(n for name, n in v.items() if fate_of(name) == "dropped"),
            "verdicts": dict(v),
        }

    def service_document(self, s) -> dict:
        copies = [[*w.servers.values(), *w.matches] for w in self.workers]
        servers = [next(c for c in some if c.service.name == s.name) for some in copies]
        fields = ("conns", "inpkts", "inbytes", "outpkts", "outbytes")
        reals = []
        for position in reversed(range(len(servers[0].dests))):
            copies = [server.dests[position] for server in servers]
            real = {"address": copies[0].name, "weight": copies[0].weight}
            real |= {f: sum(d.count[f] for d in copies) for f in fields}
            real |= {"actconns": sum(d.act for d in copies), "inactconns": sum(d.inact for d in copies)}
            reals.append(real | {"persistconns": sum(d.persist for d in copies)})
        total = {f: sum(r[f] for r in reals) for f in fields}
        laddrs = [self.laddr_document(a, servers) for a in s.laddr]
        return {"service": s.name, "scheduler": s.scheduler, "mode": s.mode, **total, "reals": reals, "laddrs": laddrs}

    def laddr_document(self, address: bytes, servers: list[Server]) -> dict:
        pools = [p for w in self.workers for (a, _), p in w.pools.items() if a == address]
        used = sum(p.used for p in pools)
        every = sum(len(self.ports_of(w.rank)) for w in self.workers) * self.setup.sa_pool.hash_size
        return {
            "address": text(address),
            "conns": sum(s.laddr_conns[address] for s in servers),
            "used": used,
            "free": every - used,
            "miss": sum(p.miss for p in pools),
        }


def bucket(service) -> int:
    return bucket_of(service.protocol, b"", 0, service.vip.address, service.vip.port)


def bucket_of(proto: int, _src: bytes, _sport: int, address: bytes, port: int) -> int:
    return ((256 * proto * 7 + int.from_bytes(address[:4])) * 31 + port) & 0xFFFF


def text(address: bytes) -> str:
    return str(ip_address(address))
