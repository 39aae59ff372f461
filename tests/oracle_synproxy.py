"""The oracle's SYN proxy (D 6): SYN|ACK with a cookie, held packets, the SYN to the real server, reuse, ACK storm."""

from __future__ import annotations

from hashlib import md5
from struct import pack, unpack

from oracle_packet import ACK, FIN, IN, M32, OUT, RST, SYN, TCP, End, Frame, Packet, options_of, tag_of
from oracle_worker import Conn, Worker

MSS_TABLE = (64, 256, 512, 536, 1024, 1280, 1440, 1452, 1460, 4312)


class SynProxy:
    """Mixed into the Oracle."""

    # -------------------------------------------------------- cookies, D 6.1

    def cookie_hash(self, p: Packet, count: int, _which: int) -> int:
        """`_which` secret: both have the same words here."""
        secret, count = self.setup.tcp.synproxy.secrets, count & M32
        sport, dport = unpack("<HH", p.body[:4])
        ports = ((sport << 16) + dport) & M32
        if p.family == 4:
            data = p.src + p.dst + pack("<III", ports, count, secret)
        else:
            words = [*unpack("<8I", p.src + p.dst), ports, count, 0, 0, 0, 0, 0, 0]
            data = pack("<16I", *((w + secret) & M32 for w in words))
        return int.from_bytes(md5(data).digest()[:4], "little")

    @property
    def minute(self) -> int:
        """It ran 3 s before the first frame where there is IPv6 (recorded, golden README)."""
        ahead = 3 if any(s.family == 6 for s in self.setup.services) else 0
        return (self.now - self.frames[0].time + (ahead + self.setup.tcp.synproxy.clock_start) * 10**9) // (60 * 10**9)

    def cookie(self, p: Packet, seq: int, data: int) -> int:
        count = self.minute
        low = (self.cookie_hash(p, count, 1) + data) & 0xFFFFFF
        return (self.cookie_hash(p, 0, 0) + seq + (count << 24) + low) & M32

    def cookie_data(self, p: Packet) -> int | None:
        """The bits of the cookie that an ACK brings back, None where it is not ours."""
        rest = (p.ack - 1 - self.cookie_hash(p, 0, 0) - (p.seq - 1)) & M32
        age = (self.minute - (rest >> 24)) & 0xFF
        if age >= 4:
            return None
        data = (rest - self.cookie_hash(p, self.minute - age, 1)) & 0xFFFFFF
        return data if data >> 12 & 15 < len(MSS_TABLE) and not data & 0xFFF and not data >> 22 else None

    # -------------------------------------------------------- step 1

    def synproxy_guard(self, p: Packet, worker: Worker) -> None:
        """A pure SYN to a service with the flag is answered before everything else (D 6.1)."""
        if p.flags & (SYN | ACK | RST | FIN) != SYN:
            return
        server = worker.servers.get((TCP, p.dst, p.ports[1]))
        if server is None or not server.service.synproxy:
            return
        if not sum(d.weight for d in server.dests):
            raise End("synproxy_no_dest")
        key = (TCP, p.src, p.ports[0], p.dst, p.ports[1])
        if self.access_verdict(key, worker):
            raise End("synproxy_acl")
        self.answer_syn(p, worker)

    def answer_syn(self, p: Packet, worker: Worker) -> None:
        settings = self.setup.tcp.synproxy
        if p.tcp_header > p.length - (len(p.head) if p.family == 4 else 40):  # recorded: sent back as it is
            p.untouched = True
            self.emit(p, worker, (p.frame.src_mac, p.frame.dst_mac + tag_of(p.frame.vlan)))
            raise End("synproxy_syn_returned")
        name = "synproxy_synack" if p.flags == SYN else "synproxy_synack_flagged"
        data = self.answer_options(p)
        seq = p.seq
        cookie = self.cookie(p, seq, data)
        sport, dport = p.ports
        p.set_addresses(p.dst, p.src)
        p.set_ports(dport, sport)
        p.put32(4, cookie)
        p.put32(8, seq + 1)
        p.body[13] = SYN | ACK
        if self.setup.behaviour.synproxy_window == "zero" or (
            settings.close_client_window and not settings.defer_rs_syn
        ):
            p.body[14:16] = b"\0\0"
        if p.family == 4:
            p.head[1] = 0
        p.head[p.ttl_at] = settings.ttl
        self.emit(p, worker, (p.frame.src_mac, p.frame.dst_mac + tag_of(p.frame.vlan)))
        raise End(name)

    def answer_options(self, p: Packet) -> int:
        """Edit the options of the SYN in place; the data bits of its cookie."""
        settings, mss, data = self.setup.tcp.synproxy, 536, 0
        for kind, at, size in options_of(p.body[: p.tcp_header]):
            if kind == 2 and size == 4:
                asked = int.from_bytes(p.body[at + 2 : at + 4])
                mss = min(asked, settings.mss) if asked else mss
                p.body[at + 2 : at + 4] = mss.to_bytes(2)
            elif kind == 4 and size == 2 and settings.sack:
                data |= 1 << 21
            elif kind == 3 and size == 3 and settings.wscale:
                data |= min(p.body[at + 2], 14) << 16
                p.body[at + 2] = settings.wscale
            elif kind == 8 and size == 10 and settings.timestamp:
                data |= 1 << 20
                p.body[at + 2 : at + 10] = self.timestamp() + p.body[at + 2 : at + 6]
            elif kind in (3, 4, 8) and size == {3: 3, 4: 2, 8: 10}[kind]:
                p.body[at : at + size] = b"\x01" * size
        index = max((i for i, value in enumerate(MSS_TABLE) if value <= mss), default=0)
        return data | index << 12

    def timestamp(self) -> bytes:
        """What a timestamp of the balancer's own says: seconds modulo 100, and microseconds (recorded)."""
        return (self.now // 1000 % 10**8).to_bytes(4)

    # -------------------------------------------------------- step 2

    def synproxy_ack(self, p: Packet, worker: Worker, server) -> Conn:
        """An ACK without a connection, for any service (D 6.2)."""
        payload = p.l4_length - p.tcp_header
        if self.setup.tcp.synproxy.defer_rs_syn and payload <= 0:
            raise End("synproxy_null_ack")
        data = self.cookie_data(p)
        if data is None:
            self.bad_ack(p, worker)
        conn = self.begin(p, worker, server)
        conn.synproxy, conn.state = True, "SYN_SENT"
        conn.wscale_vs = self.setup.tcp.synproxy.wscale if data >> 16 & 15 else 0
        conn.seconds = self.timeout(conn)
        self.statistics(conn, IN, p.length)
        self.statistics(conn, IN, p.length)
        conn.seen[IN] = p.frame.src_mac, p.frame.dst_mac  # held, so nothing is learned yet
        self.restart(conn, p, data)
        self.arm(conn, self.now)
        p.frame.state = ("NONE", "SYN_SENT")
        raise End("synproxy_ack_accepted")

    def restart(self, conn: Conn, p: Packet, data: int) -> None:
        """Hold the ACK and send a SYN to the real server."""
        conn.held = [p]
        conn.sp_isn, conn.fdata = p.ack - 1 & M32, p.ack
        conn.kept, conn.retries = self.syn_bytes(p, data), self.setup.tcp.synproxy.rs_syn_max_retry
        self.send_syn(conn, p.frame, self.now)

    def syn_bytes(self, p: Packet, data: int) -> bytes:
        options = b"\x02\x04" + MSS_TABLE[data >> 12 & 15].to_bytes(2)
        sack, stamp, scale = data >> 21 & 1, data >> 20 & 1, data >> 16 & 15
        if stamp:
            options += (b"\x04\x02" if sack else b"\x01\x01") + b"\x08\x0a" + self.timestamp() + bytes(4)
        elif sack:
            options += b"\x01\x01\x04\x02"
        if scale:
            options += b"\x01\x03\x03" + bytes([scale])
        size = 20 + len(options)
        body = bytes(p.body[:4]) + pack(">IIBBHHH", p.seq - 1 & M32, 0, size // 4 << 4, SYN, 5000, 0, 0) + options
        if p.family == 4:
            head = pack(">BBHHHBBH", 0x45, p.head[1] & 0x1E, 20 + size, 0, 0x4000, 64, TCP, 0)
        else:
            head = pack(">IHBB", 0x60000000, size, TCP, 64)
        return head + p.src + p.dst + body  # its checksums are translation's, so DR and tunnels send 0 (recorded)

    def send_syn(self, conn: Conn, frame: Frame | None, time: int) -> None:
        """The SYN passes the IN handler like any packet, at every retry again."""
        carrier = frame or Frame(0, time, 0, conn.seen[IN][1] + conn.seen[IN][0] + bytes(2))
        p = Packet(carrier, conn.kept, len(conn.kept))
        self.make(conn, IN, p, frame, time)

    def make(self, conn: Conn, direction: int, p: Packet, frame: Frame | None, time: int) -> None:
        """Send a packet of the balancer's own making; what is lost on the way is not counted."""
        before, self.making = len(self.sent), True
        self.forward_quietly(conn, direction, p, frame, time)
        self.making = False
        self.generated[conn.worker.rank] += len(self.sent) - before

    def forward_quietly(self, conn: Conn, direction: int, p: Packet, frame: Frame | None, time: int) -> str:
        """Send *p* because of *frame* (None: by itself, at *time*); how it left."""
        self.cause, self.at = (frame,), time
        try:
            self.forward(conn, direction, p)
        except End as end:
            return str(end)
        finally:
            self.cause, self.at = None, None
        return ""

    # -------------------------------------------------------- packets of proxied connections

    def synproxy_step(self, conn: Conn, direction: int, p: Packet) -> None:
        """D 1.5 step 9: before the state changes."""
        if not conn.synproxy:
            return
        if p.proto != TCP:  # QUIC by mistake (D 19, 11): a client's datagram read as a segment
            if direction == IN:
                self.hold(conn, p, p.body[13] if len(p.body) >= 20 else 0)
            return
        if conn.state == "SYN_SENT" and direction == IN:
            self.hold(conn, p, p.flags)
        elif conn.state == "SYN_SENT" and p.flags & (SYN | ACK | RST) == SYN | ACK:
            self.connected(conn, p)
        elif conn.state == "SYN_SENT" and p.flags & RST:
            conn.sp_delta = conn.sp_isn - p.seq & M32
            p.put32(4, p.seq + 1)
            self.enter(conn, "CLOSE")
        elif direction == IN:
            self.reuse(conn, p)

    def hold(self, conn: Conn, p: Packet, flags: int) -> None:
        self.statistics(conn, IN, p.length)
        if not flags & ACK:
            raise End("synproxy_not_ack")
        if len(conn.held) > self.setup.tcp.synproxy.max_ack_saved:
            raise End("synproxy_hold_full")
        conn.held.append(p)
        raise End("synproxy_held")

    def connected(self, conn: Conn, p: Packet) -> None:
        """The real server's SYN|ACK (D 6.3)."""
        options = options_of(p.body[: p.tcp_header])
        scale = next((p.body[at + 2] for kind, at, size in options if (kind, size) == (3, 3)), 0)
        conn.wscale_rs = scale if scale <= 14 else 0  # recorded: 15 is not taken
        conn.sp_delta = conn.sp_isn - p.seq & M32
        self.enter(conn, "ESTABLISHED")
        conn.seen[OUT] = conn.seen[OUT] or (p.frame.src_mac, p.frame.dst_mac)  # seen, not sent, so not learned
        if conn.server.service.mode in ("fnat", "nat"):
            conn.rs_end_seq, conn.rs_end_ack = p.seq + 1 & M32, p.ack
        conn.kept = b""
        self.statistics(conn, OUT, p.length)
        held, conn.held = conn.held, []
        if self.wants_update(len(held)):
            self.window_update(conn, p)
        for packet in held:
            self.remember(conn, IN, packet)
            self.forward_quietly(conn, IN, packet, p.frame, self.now)
        raise End("synproxy_synack_consumed")

    def wants_update(self, held: int) -> bool:
        if self.setup.behaviour.synproxy_window == "zero":
            return held == 1
        settings = self.setup.tcp.synproxy
        return settings.close_client_window and not settings.defer_rs_syn and held <= 1

    def window_update(self, conn: Conn, p: Packet) -> None:
        """No options of IP or TCP, TOS 0, DF; over IPv6 the first byte is 0x60."""
        reserved, flags = p.body[12] & 15, p.flags & ~SYN
        body = bytes(p.body[:4]) + pack(">IIBB", p.seq + 1 & M32, p.ack, 0x50 | reserved, flags) + bytes(p.body[14:20])
        head = bytearray(p.head[: 20 if p.family == 4 else 40])
        if p.family == 4:
            head[:2], head[6:8] = b"\x45\0", b"\x40\0"
        else:
            head[0], head[6] = 0x60, TCP
        q = Packet(p.frame, bytes(head) + body, len(head) + len(body))
        self.make(conn, OUT, q, p.frame, self.now)

    def reuse(self, conn: Conn, p: Packet) -> None:
        """A new client's ACK on a connection that is over (D 6.4)."""
        if p.flags & (SYN | ACK | RST | FIN) != ACK or conn.state.lower() not in self.setup.tcp.synproxy.conn_reuse:
            return
        if p.ack - 1 & M32 == conn.sp_isn:
            return
        data = self.cookie_data(p)
        if data is None:
            return
        conn.delta, conn.repeats = None, 0
        self.enter(conn, "SYN_SENT")
        self.statistics(conn, IN, p.length)
        self.statistics(conn, IN, p.length)
        self.remember(conn, IN, p)
        self.restart(conn, p, data)
        raise End("synproxy_reused")

    def storm(self, conn: Conn, p: Packet) -> bool:
        """D 6.5: repeated ACKs of the real server pass without translation of their numbers."""
        if not conn.synproxy or not p.flags & ACK:
            return False
        same = conn.last_ack == (p.seq, p.ack)
        conn.last_ack, conn.repeats = (p.seq, p.ack), conn.repeats + 1 if same else 0
        return same and conn.repeats >= self.setup.tcp.synproxy.ack_storm_thresh
