"""What the oracle does beyond full NAT: NAT, DR, tunnels, SNAT, NAT64, SCTP (D 2.2, 8, 12), ICMP errors (D 9)."""

from __future__ import annotations

from struct import pack

from oracle_packet import (
    CHECKSUM_AT,
    ICMP,
    ICMPV6,
    IN,
    OPP,
    OUT,
    SCTP,
    TCP,
    UDP,
    Accept,
    End,
    Frame,
    Packet,
    checksum,
    crc32c,
    ones_sum,
    skip_extensions,
)
from oracle_worker import Conn, Server, Worker

ERRORS = {ICMP: (3, 4, 11), ICMPV6: (1, 2, 3)}
RELATED = {"no_route": "icmp_related_no_route"}  # how an ICMP error is lost
RELATED |= dict.fromkeys(("frag_needed", "too_big", "v6_output_too_big"), "icmp_related_too_big")
L4_SIZE = {TCP: 20, UDP: 8, SCTP: 16, ICMP: 8, ICMPV6: 8}
REQUEST = {ICMP: {0: 8, 14: 13, 16: 15, 18: 17}, ICMPV6: {129: 128}}  # the request a reply belongs to (D 9.2)

# D 8: chunk type -> event; "new: old states" per event and direction, * = all others
CHUNKS = {1: "init", 2: "init_ack", 10: "cookie_echo", 11: "cookie_ack", 7: "shutdown", 8: "shutdown_ack"}
CHUNKS |= {14: "shutdown_complete", 9: "error", 6: "abort"}
EARLY = "NONE INIT1 INIT COOKIE_SENT COOKIE_REPLIED COOKIE_WAIT COOKIE"
SCTP_STATES = {
    ("data", IN): {"ESTABLISHED": "NONE"},
    ("data", OUT): {"ESTABLISHED": "NONE"},
    ("init", IN): {"INIT1": "NONE", "INIT": "INIT1 REJECTED CLOSED"},
    ("init", OUT): {
        "COOKIE_WAIT": f"{EARLY} COOKIE_ECHOED SHUTDOWN_SENT SHUTDOWN_RECEIVED SHUTDOWN_ACK_SENT REJECTED CLOSED"
    },
    ("init_ack", IN): {"COOKIE_WAIT": "NONE INIT1 INIT", "COOKIE": "COOKIE_WAIT"},
    ("init_ack", OUT): {"COOKIE_SENT": "NONE INIT1 INIT"},
    ("cookie_echo", IN): {"COOKIE_REPLIED": "NONE COOKIE_SENT", "INIT": "INIT1"},
    ("cookie_echo", OUT): {"COOKIE_ECHOED": EARLY},
    ("cookie_ack", IN): {"ESTABLISHED": "NONE COOKIE_ECHOED"},
    ("cookie_ack", OUT): {"ESTABLISHED": f"{EARLY} COOKIE_ECHOED"},
    ("shutdown", IN): {"SHUTDOWN_RECEIVED": "NONE ESTABLISHED"},
    ("shutdown", OUT): {"SHUTDOWN_SENT": f"{EARLY} COOKIE_ECHOED ESTABLISHED"},
    ("shutdown_ack", IN): {"CLOSED": "NONE SHUTDOWN_SENT SHUTDOWN_ACK_SENT", "INIT": "INIT1"},
    ("shutdown_ack", OUT): {
        "SHUTDOWN_ACK_SENT": "NONE INIT1 INIT COOKIE_SENT COOKIE_REPLIED SHUTDOWN_SENT SHUTDOWN_RECEIVED"
    },
    ("shutdown_complete", IN): {"CLOSED": "NONE INIT1 INIT SHUTDOWN_ACK_SENT"},
    ("shutdown_complete", OUT): {"CLOSED": "NONE"},
    ("error", IN): {"CLOSED": "NONE COOKIE_ECHOED"},
    ("error", OUT): {"CLOSED": "NONE INIT1 INIT COOKIE_SENT COOKIE_REPLIED"},
    ("abort", IN): {"REJECTED": "COOKIE_WAIT", "CLOSED": "*"},
    ("abort", OUT): {"REJECTED": "INIT1", "CLOSED": "*"},
}


def sctp_event(body: bytes) -> str:
    """D 8: of the first chunk; a cookie chunk with ABORT behind it is an abort."""
    kind, at = body[12], 12
    if kind in (10, 11):
        length = int.from_bytes(body[at + 2 : at + 4])
        at += (length + 3) & ~3
        if length >= 4 and at + 4 <= len(body) and body[at] == 6:
            return "abort"
    return CHUNKS.get(kind, "data")


def sctp_state(state: str, direction: int, event: str) -> str:
    table = SCTP_STATES[event, direction]
    for new, old in table.items():
        if state in old.split() or (old == "*" and not any(state in o.split() for o in table.values())):
            return new
    return state


class Modes:
    """Mixed into the Oracle."""

    # -------------------------------------------------------- translation by mode

    def rewrite(self, conn: Conn, direction: int, p: Packet) -> None:
        """Addresses and ports of the modes that are not full NAT (D 5.5, 12.1)."""
        mode = conn.server.service.mode
        assert mode in ("nat", "snat")
        at, (address, port) = (2, conn.real) if direction == IN else (0, conn.virtual)
        p.set_addresses(*((p.src, address) if direction == IN else (address, p.dst)))
        if p.proto not in (ICMP, ICMPV6):
            p.body[at : at + 2] = port.to_bytes(2)

    def sctp_check(self, p: Packet) -> None:
        """A wrong CRC32c is lost in transmit (D 8)."""
        if p.proto == SCTP and not p.missing:
            body = bytes(p.body[:8]) + bytes(4) + bytes(p.body[12:])
            if crc32c(body) != p.body[8:12]:
                raise End("l4_handler_error")

    # -------------------------------------------------------- DR and tunnels

    def send_direct(self, conn: Conn, p: Packet) -> None:
        """DR: only the MAC addresses change, the next hop is the real server itself (D 12.1)."""
        route = self.route(conn.real[0])
        if route is None:
            raise End("no_route")
        self.length_test(p, self.handler(conn, p), route[2] or self.setup.device.mtu)
        macs = (
            self.neighbors.get(conn.real[0]) or b"\x02\0" + conn.real[0][-4:],
            self.own_mac(route[3], p.frame.dst_mac),
        )
        p.untouched = True
        self.emit(p, self.handler(conn, p), macs)
        raise End("forwarded_slow")

    def send_tunnel(self, conn: Conn, p: Packet) -> None:
        real = conn.real[0]
        route = self.route(real)
        if route is None:
            raise End("no_route")
        mtu = route[2] or self.setup.device.mtu
        added = 20 if len(real) == 4 else 40
        if p.length + added > mtu and (p.family == 6 or p.dont_fragment):
            if p.family == 6 or self.setup.behaviour.frag_needed_sent:
                kind = (3, 4) if p.family == 4 else (2, 0)
                self.icmp_error(p, self.handler(conn, p), *kind, mtu - added)
            raise End("frag_needed" if p.family == 4 else "too_big")
        p.untouched = True
        inner = p.l3()
        source = self.route_source(route, real)
        if len(real) == 4:
            outer = self.outer_v4(p, source, real, len(inner) + p.missing)
        else:
            outer = bytes(p.head[:4]) + pack(">HBB", len(inner) + p.missing, 41, p.head[7]) + source + real
        q = Packet(p.frame, outer + inner, len(outer) + len(inner) + p.missing)
        self.output(q, self.handler(conn, p), self.hop_macs(conn, IN, real, p.frame.dst_mac), mtu)

    def outer_v4(self, p: Packet, source: bytes, real: bytes, length: int) -> bytes:
        tos, flags, ttl = (p.head[1], p.head[6] & 0x40, p.head[8]) if p.family == 4 else (0, 0x40, p.head[7])
        proto = 4 if p.family == 4 else 41
        ident = self.next_id(source, real, proto)
        return pack(">BBHHHBBH", 0x45, tos, 20 + length, ident, flags << 8, ttl, proto, 0) + source + real

    def route_source(self, route, target: bytes) -> bytes:
        """Of an outer header: the port's address in the connected network, none through a gateway (D 12.4)."""
        own = [n for n in self.setup.device.address if len(n.address) == len(target)]
        inside = next((n.address for n in own if target in n and n.prefix < 8 * len(target)), None)
        if len(target) == 4:
            return inside or bytes(4)
        return inside or next((n.address for n in own), bytes(16))

    # -------------------------------------------------------- NAT64

    def nat64(self, conn: Conn, direction: int, p: Packet, mtu: int) -> None:
        """Change the family of the IP header (D 12.5)."""
        if direction == IN:
            head = pack(">BBHHHBBH", 0x45, 0, 0, 0, 0x4000, p.head[7], p.proto, 0)
            p.head, p.family = bytearray(head + conn.local[0] + conn.real[0]), 4
        else:
            head = pack(">IHBB", 0x60000000, 0, p.proto, p.head[8])
            p.head, p.family = bytearray(head + conn.virtual[0] + conn.client[0]), 6

    def nat64_tests(self, conn: Conn, direction: int, p: Packet, mtu: int) -> None:
        change = -20 if direction == IN else 20
        if p.length + change > mtu and (direction == IN or p.dont_fragment):
            if direction == IN:
                self.icmp_error(p, self.handler(conn, p), 2, 0, mtu, True)
                raise End("too_big")
            if self.setup.behaviour.frag_needed_sent:
                self.icmp_error(p, self.handler(conn, p), 3, 4, mtu)
            raise End("frag_needed")
        if (direction == IN and p.extended) or (direction == OUT and len(p.head) > 20):
            raise End("nat64_unsupported")

    # -------------------------------------------------------- SNAT

    def match_service(self, p: Packet, worker: Worker) -> Server | None:
        """Match services, newest first (D 10.1)."""
        route = self.longest(p.dst)
        if route is None or p.dst in self.local_of(p.frame):
            return None
        sport, dport = (
            p.ports if p.proto not in (ICMP, ICMPV6) else (p.body[0] << 8 | p.body[1], int.from_bytes(p.body[2:4]))
        )
        out_fails = False
        for server in worker.matches:
            m = server.service.match
            good = m.family == p.family and m.protocol == p.proto
            good = good and in_range(m.source, p.src, sport) and in_range(m.dest, p.dst, dport)
            good = good and m.iif in (None, self.device_name(p.frame.vlan))
            if m.oif is None:
                fits, out_fails = True, True
            else:
                fits = not out_fails and m.oif == self.device_name(route[3])
            if good and fits:
                return server
        return None

    def device_name(self, vlan) -> str:
        name = self.setup.device.name
        return name if vlan is None else f"{name}.{vlan.id}"

    def open_snat(self, conn: Conn, p: Packet, peer: tuple[bytes, int]) -> None:
        """The address and port that stand for an inside host (D 2.2, 11.3)."""
        source = conn.dest.address
        conn.client = peer
        conn.real = p.src, p.ports[0]
        if p.proto in (ICMP, ICMPV6):
            mine, theirs = int.from_bytes(p.body[4:6]), p.body[0] << 8 | p.body[1]  # a reply's too, as sent (recorded)
            conn.client, conn.real, conn.virtual = (p.dst, theirs), (p.src, mine), (source, mine)
        else:
            if source not in self.setup.local_addresses:
                raise End("snat_addr_without_pool")
            port = self.pool(conn.worker, source, peer).fetch()
            if port is None:
                raise End("snat_port_exhausted")
            conn.virtual = source, port
        conn.local = conn.client
        conn.keys = ((p.proto, *conn.client, *conn.virtual), (p.proto, *conn.real, *conn.client))

    # -------------------------------------------------------- ICMP

    def icmp_key(self, p: Packet) -> tuple:
        return icmp_tuple(p.proto, p.src, p.dst, p.body)

    def related(self, p: Packet, worker: Worker) -> None:
        """An ICMP error about a connection (D 9.1); returns where it is about none."""
        if p.family == 6 and p.fragment_header:
            raise End("icmp_malformed")
        self.need(p.frame, p.l4_length, len(p.body), 8, "icmp_malformed")
        quoted = self.quoted(p) if p.body[0] in ERRORS[p.proto] else None
        p.frame.reasons.append("icmp_unrelated")
        if quoted is None:
            return
        proto, head, l4 = quoted
        at = 12 if p.family == 4 else 8
        width = 4 if p.family == 4 else 16
        src, dst = bytes(head[at : at + width]), bytes(head[at + width : at + 2 * width])
        key = proto, dst, int.from_bytes(l4[2:4]), src, int.from_bytes(l4[:2])
        if proto in (ICMP, ICMPV6):
            own = icmp_tuple(proto, src, dst, l4)
            key = (proto, *own[3:], *own[1:3])
        elif self.access_verdict((proto, *key[3:], *key[1:3]), worker):  # the lists see it as it is quoted
            return
        hit = worker.find(key)
        if hit is None:
            worker.count["wrong_worker"] += any(bool(w.find(key)) for w in self.workers)
            return
        conn, direction = hit
        p.frame.reasons.pop()
        p.frame.lookup = ("in", "out")[direction]
        p.frame.state = None if conn.proto in (ICMP, ICMPV6) else (conn.state, conn.state)
        worker.count["lookup_" + p.frame.lookup] += 1
        pseudo = p.pseudo() if p.family == 6 else b""
        if not p.missing and ones_sum(pseudo + p.body) != 0xFFFF:
            raise End("icmp_related_bad_checksum")
        self.statistics(conn, IN, p.length)
        self.send_related(conn, direction, p, (proto, len(head)))

    def quoted(self, p: Packet):
        """(protocol, header, L4) of the packet an error quotes, None where it cannot belong to a connection."""
        body = bytes(p.body[8:])
        if p.family == 4:
            if len(body) < 20:
                return None
            proto, at = body[9], (body[0] & 15) * 4
            if proto not in L4_SIZE or proto == ICMPV6:
                return None
            if int.from_bytes(body[6:8]) & 0x1FFF:
                raise End("icmp_malformed")
        else:
            if len(body) < 40:
                return None
            proto, at = skip_extensions(body)
            if body[6] == 44:
                return None
            if proto not in L4_SIZE:
                self.leave_quoted(p, body)
        return (proto, body[:at], body[at:]) if len(body) - at >= L4_SIZE[proto] else None

    def leave_quoted(self, p: Packet, body: bytes) -> None:
        """D 19, 10: the packet an ICMPv6 error quotes is what is handed on."""
        p.replaced = Packet(p.frame, body, p.length - len(p.head) - 8)
        p.replaced.untouched = True
        if p.replaced.length < len(p.head) + 8:
            raise End("l4_header_short")
        raise Accept("icmp_quotes_other_protocol")

    def send_related(self, conn: Conn, direction: int, p: Packet, quote: tuple[int, int]) -> None:
        mode = conn.server.service.mode
        if mode in ("dr", "tunnel"):
            if direction == OUT:
                raise End("icmp_related_no_out_xmit")
            try:
                (self.send_direct if mode == "dr" else self.send_tunnel)(conn, p)
            except End as end:
                raise End(RELATED.get(str(end), "icmp_related_forwarded")) from None
        target = conn.real[0] if direction == IN else conn.client[0]
        route = self.route(target)
        if route is None:
            raise End("icmp_related_no_route")
        mtu = route[2] or self.setup.device.mtu
        if len(target) != len(p.src):
            self.send_across(conn, direction, p, quote, (target, mtu))
        if p.family == 6 and p.length > mtu:
            self.icmp_error(p, self.handler(conn, p), 2, 0, mtu)
            raise End("icmp_related_too_big")
        self.rewrite_related(conn, direction, p, quote, mode == "fnat")
        try:
            self.output(p, self.handler(conn, p), self.hop_macs(conn, direction, target, p.frame.dst_mac), mtu)
        except End as end:
            raise End(RELATED.get(str(end), "icmp_related_forwarded")) from None

    def send_across(
        self, conn: Conn, direction: int, p: Packet, quote: tuple[int, int], way: tuple[bytes, int]
    ) -> None:
        """NAT64: an IPv4 error leaves untouched as IPv6 (recorded), an ICMPv6 one as IPv4 with half-set addresses."""
        target, mtu = way
        if p.length > mtu:
            raise End("icmp_related_too_big")
        p.untouched, ethertype = direction == OUT, b"\x86\xdd" if direction == OUT else b"\x08\0"
        if direction == IN:
            (local, lport), (real, rport) = conn.local, conn.real
            conn.local, conn.real = (local.ljust(16, b"\0"), lport), (real.ljust(16, b"\0"), rport)
            self.rewrite_related(conn, direction, p, quote, True)
            conn.local, conn.real = (local, lport), (real, rport)
        macs = self.hop_macs(conn, direction, target, p.frame.dst_mac)
        frame = macs[0] + macs[1] + ethertype + p.l3()
        self.transmit(p.frame, self.handler(conn, p), frame, len(frame) + p.missing)
        raise End("icmp_related_forwarded")

    def rewrite_related(self, conn: Conn, direction: int, p: Packet, quote: tuple[int, int], full: bool) -> None:
        """The table of D 9.1; what stands in brackets there is full NAT's alone."""
        proto, size = quote
        before = bytes(p.body)
        q = Packet(Frame(0, 0, 0, bytes(14)), bytes(p.body[8:]), len(p.body) - 8)
        q.head, q.body = bytearray(p.body[8 : 8 + size]), bytearray(p.body[8 + size :])
        sport, dport = int.from_bytes(q.body[:2]), int.from_bytes(q.body[2:4])
        if direction == IN:
            p.set_addresses(conn.local[0] if full else p.src, conn.real[0])
            q.set_addresses(conn.real[0], conn.local[0] if full else q.dst)
            sport, dport, shift = conn.real[1], conn.local[1] if full else dport, -conn.sp_delta
        else:
            p.set_addresses(conn.virtual[0], conn.client[0] if full else p.dst)
            q.set_addresses(conn.client[0] if full else q.src, conn.virtual[0])
            sport, dport, shift = conn.client[1] if full else sport, conn.virtual[1], -(conn.delta or 0) if full else 0
        if proto in (TCP, UDP):
            q.set_ports(sport, dport)
        if proto == TCP:
            q.put32(4, q.seq + shift)
        if p.family == 4:
            q.fix_ip()
        p.body[8:] = q.head + q.body
        if p.proto == ICMP:
            p.body[2:4] = icmp_sum(before, bytes(p.body), p.missing)

    def icmp_flow(self, p: Packet, worker: Worker) -> tuple[Conn, int]:
        """Echo and its like: only match services know them (D 9.2)."""
        key = self.icmp_key(p)
        hit = worker.find(key)
        self.looked_up(p, worker, hit)
        if hit:
            return hit
        worker.count["wrong_worker"] += any(bool(w.find(key)) for w in self.workers)
        self.hand_over(p, worker, key)
        server = self.match_service(p, worker)
        if server is None:
            raise Accept("no_service")
        dest = server.pick(p)
        if dest is None:
            raise End("no_dest")
        return self.open(p, worker, server, dest), OUT


def icmp_sum(before: bytes, after: bytes, missing: int) -> bytes:
    """The checksum of an ICMP message, updated where the capture has not all of it (RFC 1624)."""
    if not missing:
        return checksum(after[:2] + b"\0\0" + after[4:]).to_bytes(2)
    old = int.from_bytes(before[2:4]) ^ 0xFFFF
    change = pack(">HH", old, ones_sum(before[:2] + b"\0\0" + before[4:]) ^ 0xFFFF)
    return checksum(change + pack(">H", ones_sum(after[:2] + b"\0\0" + after[4:]))).to_bytes(2)


def icmp_tuple(proto: int, src: bytes, dst: bytes, body: bytes) -> tuple:
    """What an ICMP flow is known by (D 9.2): what is no reply asks."""
    kind, code, ident = body[0], body[1], int.from_bytes(body[4:6])
    if kind in REQUEST[proto]:
        return (proto, src, REQUEST[proto][kind] << 8 | code, dst, ident)
    return proto, src, ident, dst, kind << 8 | code


def in_range(r, address: bytes, port: int) -> bool:
    """D 10.1: a zero maximum is not tested."""
    if r is None:
        return True
    fits = not any(r.high) or r.low <= address <= r.high
    return fits and (not r.high_port or r.low_port <= port <= r.high_port)


__all__ = ["CHECKSUM_AT", "OPP", "Modes", "sctp_event", "sctp_state"]
