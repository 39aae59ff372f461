"""Random traffic through random configurations, from a seed: what engine and oracle must agree on.

    scenario(seed) -> Scenario: text of the configuration, view, records, and the oracle that has seen them

Half of the traffic is a closed loop: clients and real servers that answer what the oracle sent them, so that answers
go to laddr:lport with the right numbers, with losses, repetitions, resets, pauses in which timers run out and ports
used again. In between comes whatever else a port may receive: flags that make no sense, strays, wrong checksums,
fragments, padding, tags, extension headers, other hosts, other protocols, cut frames.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass
from ipaddress import ip_address
from struct import pack, unpack

import craft
from oracle import ACK, FIN, ICMP, ICMPV6, PSH, RST, SYN, TCP, UDP, Oracle, checksum
from oracle_packet import SCTP, crc32c

from lbreplay.config.load import load

MS = 10**6
SECOND = 10**9
OURS = bytes.fromhex("027063617000")
GATEWAY = bytes.fromhex("020000000001")


# ---------------------------------------------------------------- packets, by hand because there are many


def raw(address: str) -> bytes:
    return ip_address(address).packed


def mac(address: bytes) -> bytes:
    return b"\x02\0" + address[-4:]


def ip(proto: int, src: bytes, dst: bytes, body: bytes, **f: int) -> bytes:
    """An IP packet; fields tos, ident, frag (its 16 bits), ttl, and `options` / `extension` as bytes."""
    if len(src) == 16:
        extension = f.get("extension", b"")
        word = 6 << 28 | f.get("tos", 0) << 20 | f.get("flow", 0)
        head = pack(">IHBB", word, len(extension) + len(body), f.get("next", proto), f.get("ttl", 64))
        return head + src + dst + extension + body
    options = f.get("options", b"")
    ihl = 5 + len(options) // 4
    head = pack(">BBH", 4 << 4 | ihl, f.get("tos", 0), ihl * 4 + len(body))
    head += pack(">HHBB", f.get("ident", 0), f.get("frag", 0), f.get("ttl", 64), proto)
    total = checksum(head + b"\0\0" + src + dst + options) ^ f.get("spoil_ip", 0)
    return head + total.to_bytes(2) + src + dst + options + body


def with_sum(proto: int, src: bytes, dst: bytes, body: bytes, at: int, spoil: int = 0) -> bytes:
    pseudo = src + dst + pack(">IHH", len(body), 0, proto)
    value = (checksum(pseudo + body) ^ spoil) & 0xFFFF
    return body[:at] + (value or 0xFFFF).to_bytes(2) + body[at + 2 :]


@dataclass
class Flow:
    """One end's view of a TCP or UDP conversation: me -> peer."""

    me: tuple[bytes, int]
    peer: tuple[bytes, int]
    seq: int = 0
    ack: int = 0

    def tcp(self, flags: int, payload: bytes = b"", options: bytes = b"", spoil: int = 0, **f) -> bytes:
        offset = f.pop("offset", 5 + len(options) // 4)
        window = f.pop("window", 8192)
        body = pack(">HHII", self.me[1], self.peer[1], self.seq % 2**32, self.ack % 2**32)
        body += pack(">BBHHH", offset << 4, flags, window, 0, 0)
        body = with_sum(TCP, self.me[0], self.peer[0], body + options + payload, 16, spoil)
        return ip(TCP, self.me[0], self.peer[0], body, **f)

    def udp(self, payload: bytes = b"", spoil: int = 0, **f) -> bytes:
        body = pack(">HHHH", self.me[1], self.peer[1], 8 + len(payload), 0) + payload
        if not f.pop("no_sum", 0):
            body = with_sum(UDP, self.me[0], self.peer[0], body, 6, spoil)
        return ip(UDP, self.me[0], self.peer[0], body, **f)


def ethernet(l3: bytes, dst: bytes = OURS, src: bytes = GATEWAY, tag: int | None = None) -> bytes:
    ethertype = b"\x08\0" if l3[0] >> 4 == 4 else b"\x86\xdd"
    return dst + src + (b"" if tag is None else b"\x81\0" + tag.to_bytes(2)) + ethertype + l3


def inside(frame: bytes) -> bytes:
    """The IP packet of a frame, behind its tag if it has one; empty where there is none."""
    at = 18 if frame[12:14] == b"\x81\0" else 14
    return frame[at:] if frame[at - 2 : at] in (b"\x08\0", b"\x86\xdd") else b""


def headers(frame: bytes) -> int:
    """How long the headers of a frame are, up to TCP's options; 96 where that is not clear."""
    l3 = inside(frame)
    if len(l3) < 20:
        return 96
    at, proto = (40, l3[6]) if l3[0] >> 4 == 6 else ((l3[0] & 15) * 4, l3[9])
    return len(frame) - len(l3) + at + (l3[at + 12] >> 4) * 4 if proto == TCP and len(l3) > at + 12 else 96


OPTIONS = {
    "mss": b"\x02\x04\x05\xb4",
    "low mss": b"\x02\x04\x00\x05",
    "no mss": b"\x02\x04\x00\x00",
    "odd wscale": b"\x03\x04\x07\x07",
    "odd timestamp": b"\x08\x0c\0\0\0\x6f\0\0\0\x70\0\0",
    "odd sack": b"\x05\x06\1\2\3\4",
    "one sack": b"\x05\x0a\0\0\0\1\0\0\0\2",
    "sackok": b"\x04\x02",
    "wscale": b"\x03\x03\x07",
    "timestamp": b"\x08\x0a\0\0\0\x6f\0\0\0\x70",
    "nop": b"\x01",
    "toa": b"\xfe\x08\x12\x34\x01\x02\x03\x04",
    "unknown": b"\x1e\x06\1\2\3\4",
    "end": b"\0",
    "broken": b"\x08\x01",
    "long": b"\x05\x28",
}
SYN_OPTIONS = [
    b"",
    OPTIONS["mss"],
    OPTIONS["mss"] + OPTIONS["sackok"] + OPTIONS["timestamp"] + b"\x01" + OPTIONS["wscale"],
    b"\x01\x01" + OPTIONS["timestamp"],
    OPTIONS["low mss"] + OPTIONS["toa"],
    OPTIONS["no mss"] + OPTIONS["odd wscale"] + OPTIONS["wscale"] + OPTIONS["end"],
]


# ---------------------------------------------------------------- configurations

NAMES = {
    "vip": ("10.0.0.", "2001:db8:1::"),
    "laddr": ("192.168.100.2", "2001:db8:2::2"),
    "real": ("192.168.100.", "2001:db8:2::"),
    "gateway": ("192.168.100.25", "2001:db8:2::25"),
    "client": ("172.16.0.", "2001:db8:c::"),
}
STATES = ["established", "syn_recv", "fin_wait", "time_wait", "close", "close_wait"]


class Configuration:
    """A random balancer. `text` is its TOML; the rest is what traffic has to know about it."""

    def __init__(self, rng: random.Random, view: str) -> None:
        self.rng, self.view = rng, view
        self.v6 = rng.random() < 0.3
        self.nat64 = self.v6 and view == "rx" and rng.random() < 0.2
        self.snat = not self.v6 and view == "rx" and rng.random() < 0.1
        self.mac_set = rng.random() < 0.7
        self.modes = rng.choice([[8, 1, 1, 1], [8, 1, 1, 1], [4, 3, 1, 1]])
        self.snaplen = rng.choice([None] * 11 + [60, 68, 96, 128])
        self.vlan = view == "rx" and rng.random() < 0.15
        self.tags = [rng.choice([5, 5, 6, None]), rng.choice([5, 6, None])] if self.vlan else [None, None]
        self.gateway = raw(self.name("gateway", 1))
        if self.vlan and rng.random() < 0.5:
            self.gateway = raw("2001:db8:5::fe" if self.v6 else "192.168.105.254")
        self.services: list[dict] = []
        self.neighbors: dict[bytes, bytes] = {}
        self.lines: list[str] = []
        self.write()

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def name(self, kind: str, n: int) -> str:
        v6 = self.v6 and not (self.nat64 and kind in ("laddr", "real"))
        return NAMES[kind][v6] + str(n)

    def endpoint(self, address: str, port: int) -> str:
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

    def say(self, key: str, value: object) -> None:
        spelled = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
        self.lines.append(f"{key} = {spelled or (value if not isinstance(value, str) else chr(34) + value + chr(34))}")

    def table(self, name: str, *settings: tuple[str, object, float]) -> None:
        """`[name]` with each setting of the given chance."""
        self.lines.append(f"[{name}]")
        for key, value, chance in settings:
            if self.rng.random() < chance:
                self.say(key, value)

    def write(self) -> None:
        r = self.rng
        self.workers = r.choice([1, 1, 2, 3, 4, 5, 8])
        self.say("workers", self.workers)
        if r.random() < 0.15:
            self.say("edition", "1.8")
        self.table(
            "device",
            ("driver", r.choice(["ixgbe", "mlx5", "i40e", "igb"]), 0.4),
            ("rss", r.choice(["all", "ip", "tcp", "udp", "tcp|udp", "sctp", "off"]), 0.4),
            ("rss_key", r.choice(["symmetric", "default"]), 0.3),
            ("reta", [r.randrange(self.workers) for _ in range(r.choice([3, 16]))], 0.15),
            ("mtu", r.choice([1500, 1400, 1300]), 0.3),
            ("mac", "02:70:63:61:70:00", float(self.mac_set)),
            ("rx_ip_checksum_offload", False, 0.4),
        )
        if r.random() < 0.7:
            self.say("address", [self.own(), *(["192.168.100.10/24"] if self.nat64 else [])])
        if self.snat:
            self.say("sapool_address", ["192.168.100.220", "192.168.100.221"])
        if self.vlan:
            net = "2001:db8:{}::10/64" if self.v6 else "192.168.10{}.10/24"
            five = f"id = 5, address = [{net.format(5)!r}]"
            six = r.choice([f"id = 6, address = [{net.format(6)!r}], mac = '02:06:06:06:06:06'", "id = 6"])
            self.lines.append(f"vlan = [{{ {five} }}, {{ {six} }}]")
        self.table(
            "flow_director",
            ("enabled", False, 0.15),
            ("dst_port_mask", r.choice([0, 1, 3, 7, 15, 255, 0x0700]), 0.2),
            ("byte_order", r.choice(["network", "host"]), 0.2),
            ("strategy", r.choice(["port-low", "off"]), 0.1),
        )
        low = r.choice([1025, 1025, 5000])
        self.table(
            "sa_pool",
            ("hash_size", r.choice([1, 2, 7, 16, 128]), 0.5),
            ("low", low, 1.0),
            ("high", low + self.workers * 2 + r.randrange(20), 0.3),
        )
        self.table(
            "conn",
            ("timer_jitter", False, 1.0),
            ("laddr_step", False, 1.0),
            ("fast_xmit", False, 0.2),
            ("xmit_ttl", True, 0.2),
            ("redirect", True, 0.25),
            ("expire_quiescent_template", True, 0.3),
            ("init_timeout", r.randrange(1, 5), 0.3),
            ("table", "shared", 0.15),
        )
        self.table(
            "tcp",
            ("toa", False, 0.15),
            ("seq_adjust", False, 0.1),
            ("isn_offset", r.choice([1, 0xFFFFFFFF, 0x80000000, 123456789]), 0.3),
            ("defence_drop", True, 0.2),
        )
        if r.random() < 0.5:
            some = ", ".join(f"{state} = {r.choice([1, 2, r.randrange(1, 40)])}" for state in r.sample(STATES, 3))
            self.lines.append(f"timeout = {{ {some} }}")
        every = ["close", "time_wait", "fin_wait", "close_wait", "last_ack"]
        self.table(
            "tcp.synproxy",
            ("defer_rs_syn", True, 0.1),
            ("close_client_window", True, 0.2),
            ("timestamp", True, 0.2),
            ("sack", False, 0.2),
            ("wscale", r.choice([0, 1, 7]), 0.3),
            ("mss", r.choice([536, 1452]), 0.2),
            ("ttl", r.choice([1, 255]), 0.1),
            ("max_ack_saved", r.choice([1, 2]), 0.2),
            ("rs_syn_max_retry", r.choice([1, 3]), 0.3),
            ("ack_storm_thresh", r.choice([1, 2]), 0.2),
            ("conn_reuse", r.choice([[], ["close"], every]), 0.3),
        )
        self.table(
            "udp",
            ("defence_drop", True, 0.2),
            ("uoa_mode", r.choice(["opp", "ipo"]), 0.5),
            ("uoa_max_trail", r.randrange(5), 0.5),
        )
        if r.random() < 0.5:
            oneway = r.choice([1, r.randrange(1, 60)])
            self.lines.append(f"timeout = {{ oneway = {oneway}, normal = {r.randrange(1, 60)} }}")
        self.table("ipv6" if self.v6 else "ipv4", ("forwarding", True, 0.3))
        ports = [("tcp", 80), ("tcp", 8443), ("udp", 53), ("udp", 80), ("sctp", 80)]
        for proto, port in r.sample(ports, r.randrange(1, 4)):
            self.service(proto, port)
        if self.snat:
            self.snat_service()
        self.surroundings()
        for at in sorted(r.choice([0, 0.01, 0.1, 0.5, 2, 40]) for _ in range(r.choice([0, 0, 1, 3, 9]))):
            self.event(at)

    def own(self) -> str:
        return "2001:db8:2::10/64" if self.v6 else "192.168.100.10/24"

    def service(self, proto: str, port: int) -> None:
        r = self.rng
        vip = self.name("vip", r.choice([100, 100, 101]))
        if any(s["vip"] == (raw(vip), port) and s["proto"] == proto for s in self.services):
            return
        laddrs = [self.name("laddr", n) for n in sorted(r.sample(range(10, 16), r.randrange(1, 4)))]
        self.lines.append("[[service]]")
        self.say("name", f"{proto}{port}")
        self.say("vip", self.endpoint(vip, port))
        self.say("protocol", proto)
        mode = r.choices(["fnat", "nat", "dr", "tunnel"], self.modes)[0] if not self.nat64 else "fnat"
        self.say("scheduler", r.choice(["rr", "wrr", "wlc", "wlc", "conhash", "mh", "fo"]))
        self.say("mode", mode)
        if mode == "fnat":
            self.say("laddr", laddrs)
        chances = [("mh_fallback", 0.2), ("expire_quiescent", 0.25)]
        chances += [("mh_port", 0.2)] if self.view == "rx" else []  # in edition 1.8 that is the SYN proxy
        chances += [("synproxy", 0.2)] if proto == "tcp" and self.view == "rx" else []
        for key, chance in chances:
            if r.random() < chance:
                self.say(key, True)
        if r.random() < 0.15:
            width = r.choice([64, 128] if self.v6 else [24, 32])
            self.lines.append(f"persistent = {{ timeout = {r.randrange(1, 50)}, netmask = {width} }}")
        for key in ("blacklist", "whitelist"):
            if r.random() < 0.1:
                self.say(key, [self.name("client", n) for n in r.sample(range(1, 30), 20 if key == "whitelist" else 5)])
        if r.random() < 0.2:
            self.say("conn_timeout", r.randrange(1, 30))
        if proto == "udp" and r.random() < 0.2:
            self.say("one_packet", True)
        six_in_four = self.v6 and mode == "tunnel" and r.random() < 0.5
        reals = []
        for n in r.sample(range(2, 9), r.randrange(1, 6)):
            reals.append(
                self.endpoint(
                    f"192.168.100.{n}" if six_in_four else self.name("real", n),
                    port if mode in ("dr", "tunnel") else r.choice([8080, 8081]),
                )
            )
            self.lines.append("[[service.real]]")
            self.say("address", reals[-1])
            self.say("weight", r.choice([0, 1, 1, 1, 2, 3, 4, 10]))
            if r.random() < 0.1:
                self.say("max_conn", r.randrange(1, 12))
        known = {"mode": mode, "proto": proto, "vip": (raw(vip), port), "reals": reals, "name": f"{proto}{port}"}
        self.services.append(known | {"laddrs": [raw(a) for a in laddrs]})

    def snat_service(self) -> None:
        """Inside hosts that open connections to the outside."""
        r = self.rng
        for proto in r.sample(["tcp", "udp", "icmp"], r.randrange(1, 4)):
            self.lines.append("[[service]]")
            self.say("mode", "snat")
            self.say("scheduler", r.choice(["rr", "wlc"]))
            self.say("match", f"proto={proto},src-range=192.168.100.0-192.168.100.255,oif=dpdk0")
            for address in ("192.168.100.220", "192.168.100.221"):
                self.lines.append("[[service.real]]")
                self.say("address", address + ":0")

    def event(self, at: float) -> None:
        r = self.rng
        service = r.choice(self.services)
        name = f"service.{service['name']}.real"
        real = r.choice(service["reals"]) if service["reals"] else None
        kind = r.choice(["weight", "weight", "max_conn", "remove", "add", "list"])
        self.lines.append("[[event]]")
        self.say("at", at)
        if kind == "list":
            hosts = [self.name("client", n) for n in r.sample(range(1, 30), r.choice([0, 5, 25]))]
            self.say("set", f"service.{service['name']}.{r.choice(['blacklist', 'whitelist'])}={hosts}")
        elif kind == "add" or real is None:
            fresh = next(e for _ in range(99) if (e := self.fresh_real(service)) not in service["reals"])
            self.say("add", name)
            self.lines.append(f'value = {{ address = "{fresh}", weight = {r.randrange(4)} }}')
            service["reals"].append(fresh)
        elif kind in ("weight", "max_conn"):
            self.say("set", f"{name}.{real}.{kind}={r.randrange(4)}")
        else:
            self.say("remove", f"{name}.{real}")
            service["reals"].remove(real)

    def fresh_real(self, service: dict) -> str:
        port = service["vip"][1] if service["mode"] in ("dr", "tunnel") else 8082
        return self.endpoint(self.name("real", self.rng.randrange(20, 200)), port)

    def surroundings(self) -> None:
        r = self.rng
        if r.random() < 0.4:
            self.lines.append("[[route]]")
            self.say("to", "::/0" if self.v6 else "0.0.0.0/0")
            self.say("via", str(ip_address(self.gateway)))
        if r.random() < 0.2:
            self.lines.append("[[route]]")
            self.say("to", self.name("client", 0) + ("/48" if self.v6 else "/24"))
        if "/0" in self.text and not self.nat64 and r.random() < 0.4:  # else answers to clients have no route
            self.lines.append("[[route]]")
            self.say("to", self.name("real", 0) + ("/48" if self.v6 else "/24"))
            self.say("mtu", r.choice([1280, 1300, 1400] if self.v6 else [100, 576, 1400]))
            if r.random() < 0.3:
                self.say("via", self.name("real", 251))
        if self.view == "rx" and r.random() < 0.8:
            hosts = [self.gateway] + [raw(self.name("real", n)) for n in range(2, 9)]
            for host in hosts:
                if r.random() < 0.8:
                    self.lines.append("[[neighbor]]")
                    self.say("address", str(ip_address(host)))
                    self.say("mac", (b"\x02\x0a" + host[-4:]).hex(":"))


# ---------------------------------------------------------------- traffic


class World:
    """Clients, real servers and noise around one balancer."""

    def __init__(self, rng: random.Random, conf: Configuration, oracle: Oracle) -> None:
        self.rng, self.conf, self.oracle = rng, conf, oracle
        self.now = craft.START
        self.order = itertools.count()
        self.todo: list[tuple[int, int, object]] = []
        self.records: list[craft.Record] = []
        self.flows: dict[tuple, Flow] = {}  # what an end knows, by (me, peer, proto)
        self.sent = 0

    def later(self, delay: int, action) -> None:
        heapq.heappush(self.todo, (self.now + delay, next(self.order), action))

    def run(self, frames: int) -> None:
        r = self.rng
        while len(self.records) < frames:
            if not self.todo or r.random() < 0.06:
                self.later(r.choice([0, MS, 20 * MS]), r.choices([self.client, self.noise, self.flood], [40, 20, 1])[0])
            time, _, action = heapq.heappop(self.todo)
            self.now = max(self.now, time)
            if r.random() < 0.02:
                self.now += r.choice([SECOND, 5 * SECOND, 31 * SECOND, 91 * SECOND]) + r.choice([0, -1, 1])
            action()
        self.receive(OURS + GATEWAY + b"\x88\xb5" + b"tick".ljust(46, b"\0"), gap=r.choice([MS, 400 * SECOND]))

    def receive(self, frame: bytes, gap: int = 0, length: int | None = None) -> None:
        """Give a frame to the balancer, and what it sends to whom it is for."""
        self.now += gap
        time = self.now - (self.rng.random() < 0.01) * self.rng.randrange(SECOND)  # captures are not always in order
        whole, snaplen = frame, self.conf.snaplen
        if snaplen and length is None and len(frame) > max(snaplen, headers(frame)):
            length, frame = len(frame), frame[: max(snaplen, headers(frame))]
        self.records.append((time, length or len(frame), frame))
        self.oracle.feed(*self.records[-1])
        fresh, self.sent = self.oracle.sent[self.sent :], len(self.oracle.sent)
        if self.conf.view == "rx":
            for sent in fresh:
                self.deliver(sent.frame, sent.length)
        elif length in (None, len(whole)) and inside(whole):
            self.deliver(whole, len(whole))

    def answer(self, make, delay: int | None = None) -> None:
        """Later, mostly once: an end says what *make* builds."""
        r = self.rng
        for _ in range(r.choices([0, 1, 2], [8, 90, 2])[0]):
            self.later(r.choice([0, MS, 3 * MS, 777_777]) if delay is None else delay, lambda: self.receive(make()))

    def deliver(self, frame: bytes, length: int) -> None:
        """The frame arrives at a client or at a real server."""
        l3 = inside(frame)
        if len(l3) < 40:
            return
        v6 = l3[0] >> 4 == 6
        src, dst = (l3[8:24], l3[24:40]) if v6 else (l3[12:16], l3[16:20])
        proto, l4 = (l3[6], l3[40:]) if v6 else (l3[9], l3[(l3[0] & 15) * 4 :])
        if not v6 and unpack(">H", l3[6:8])[0] & 0x1FFF:
            return
        if proto == 248:
            proto, l4 = UDP, l4[int.from_bytes(l4[2:4]) :]
        if proto not in (TCP, UDP, SCTP) or len(l4) < 8:
            return
        sport, dport = unpack(">HH", l4[:4])
        me, peer = (dst, dport), (src, sport)
        if self.conf.view != "rx" and not any(s["vip"] in (me, peer) for s in self.conf.services):
            return
        if any(me == s["vip"] for s in self.conf.services) and self.conf.view == "rx":
            return  # direct routing: the real server's answer does not come this way
        if proto == SCTP:
            if self.rng.random() < 0.7:
                self.answer(lambda: self.framed(self.sctp(Flow(me, peer))))
        elif proto == UDP:
            if me[0][:2] != raw(self.conf.name("client", 1))[:2] and self.rng.random() < 0.6:
                self.answer(lambda: self.framed(Flow(me, peer).udp(bytes(self.rng.randrange(40)))))
        elif len(l4) >= 20:
            self.tcp_arrived(me, peer, l4)

    def tcp_arrived(self, me, peer, l4: bytes) -> None:
        r = self.rng
        seq, ack, flags = unpack(">I", l4[4:8])[0], unpack(">I", l4[8:12])[0], l4[13]
        known = (me, peer) in self.flows
        flow = self.flows.setdefault((me, peer), Flow(me, peer, r.choice([0, 1000, 2**32 - 5, r.randrange(2**32)])))
        data = max(0, len(l4) - (l4[12] >> 4) * 4)
        flow.ack = (seq + data + bool(flags & SYN) + bool(flags & FIN)) % 2**32
        if flags & RST:
            self.flows.pop((me, peer), None)
        elif flags & SYN and not flags & ACK:
            flow.seq = r.choice([5000, r.randrange(2**32), 2**32 - 1])
            self.answer(lambda: self.talk(flow, SYN | ACK, options=r.choice(SYN_OPTIONS)))
        elif flags & SYN:
            self.answer(lambda: self.talk(flow, ACK))
            self.answer(lambda: self.talk(flow, PSH | ACK, self.payload(), self.data_options(flow)))
        elif data or flags & FIN or r.random() < 0.3:
            if not known and r.random() < 0.5:
                flow.seq = ack
            self.answer(lambda: self.next_word(flow, bool(flags & FIN)))

    def next_word(self, flow: Flow, closing: bool) -> bytes:
        r = self.rng
        kind = r.choices(["ack", "data", "fin", "rst", "odd"], [4, 4, 3 if closing else 1, 0.4, 0.3])[0]
        if kind == "ack":
            return self.talk(flow, ACK, b"", self.data_options(flow))
        if kind == "data":
            return self.talk(flow, PSH | ACK, self.payload(), self.data_options(flow))
        if kind == "fin":
            return self.talk(flow, FIN | ACK, r.choice([b"", b"bye"]))
        return self.talk(flow, RST | r.choice([0, ACK]) if kind == "rst" else r.randrange(256))

    def payload(self) -> bytes:
        r = self.rng
        return bytes(r.choices([r.randrange(1, 60), r.randrange(1300, 1475), 1600, 9000], [84, 13, 2, 1])[0])

    def data_options(self, flow: Flow) -> bytes:
        """Options of an ordinary segment: mostly none or a timestamp, now and then SACK blocks or oddities."""
        r = self.rng
        kind = r.random()
        if kind < 0.45:
            return b""
        if kind < 0.6:
            return b"\x01\x01" + OPTIONS["timestamp"]
        if kind < 0.85:
            blocks = r.randrange(1, 4)
            edges = b"".join(((flow.ack + r.randrange(3000)) % 2**32).to_bytes(4) for _ in range(2 * blocks))
            stamp = b"\x01\x01" + OPTIONS["timestamp"] if blocks < 3 and r.random() < 0.5 else b""
            return stamp + b"\x01\x01\x05" + bytes([2 + 8 * blocks]) + edges
        some = b"".join(OPTIONS[r.choice(list(OPTIONS))] for _ in range(r.randrange(1, 7)))[:40]
        return some + bytes(-len(some) % 4)

    def talk(self, flow: Flow, flags: int, payload: bytes = b"", options: bytes = b"") -> bytes:
        """A segment of *flow*, moving its numbers on; sometimes with something wrong about it."""
        r = self.rng
        fields = {}
        if r.random() < 0.1:
            fields = {"tos": r.randrange(256), "ttl": r.choice([0, 1, 2, 255]), "ident": r.randrange(65536)}
            fields["frag"] = r.choice([0, 0x4000])
        l3 = flow.tcp(flags, payload, options, r.choice([0] * 30 + [0x1111]), **fields)
        if r.random() < 0.9:
            flow.seq = (flow.seq + len(payload) + bool(flags & SYN) + bool(flags & FIN)) % 2**32
        return self.framed(l3)

    def framed(self, l3: bytes) -> bytes:
        """With the link header of where it comes from; sometimes padded, as short frames are."""
        r = self.rng
        conf = self.conf
        src = l3[8:24] if l3[0] >> 4 == 6 else l3[12:16]
        near = src[:3] == raw(conf.name("real", 1))[:3] and src[:6] == raw(conf.name("real", 1))[:6]
        from_vip = conf.view != "rx" and any(src == s["vip"][0] for s in conf.services)
        if from_vip:
            return ethernet(l3, GATEWAY, OURS)
        tag = conf.tags[near] if r.random() < 0.97 else r.choice([5, 0x2005, None]) if conf.vlan else None
        frame = ethernet(l3, OURS, mac(src) if near else GATEWAY, tag)
        if r.random() < 0.15:
            frame = frame.ljust(60, b"\0")
        return frame + (r.randbytes(r.randrange(1, 9)) if r.random() < 0.01 else b"")

    # -------------------------------------------------------- who starts

    def client(self) -> None:
        """A client opens a connection, or sends a datagram."""
        r = self.rng
        service = r.choice(self.conf.services)
        port = r.choice([3000, 3001, r.randrange(1024, 65536)])
        me = raw(self.conf.name("client", r.randrange(1, 30))), port
        known = [f.me for f in self.flows.values() if f.peer == service["vip"]]
        if known and r.random() < 0.3:
            me = r.choice(known)
        if self.conf.snat and r.random() < 0.5:
            self.inside()
            return
        if service["proto"] == "sctp":
            self.receive(self.framed(self.sctp(Flow(me, service["vip"]))))
            return
        if service["proto"] == "udp":
            for n in range(r.randrange(1, 7)):
                size = r.choice([0, 1, 20, 33, 1440, 1465, 1473]) if r.random() < 0.5 else 20
                fields = {"no_sum": 1} if not self.conf.v6 and r.random() < 0.1 else {}
                if not self.conf.v6:
                    fields["frag"] = r.choice([0, 0x4000])
                    if r.random() < 0.1:
                        fields["options"] = r.choice([b"\x01" * 4, b"\x94\x04\0\0", b"\x07\x27\x04" + bytes(37)])
                l3 = Flow(me, service["vip"]).udp(bytes(size), **fields)
                self.later(n * r.choice([0, MS, 9 * MS]), lambda l3=l3: self.receive(self.framed(l3)))
            return
        flow = Flow(me, service["vip"], r.choice([0, 1000, 2**32 - 1, r.randrange(2**32)]))
        self.flows[me, service["vip"]] = flow
        self.receive(self.talk(flow, SYN, b"" if r.random() < 0.95 else b"early", r.choice(SYN_OPTIONS)))

    def flood(self) -> None:
        """Many new connections to one service, close together."""
        r = self.rng
        service = r.choice(self.conf.services)
        for n in range(r.randrange(5, 40)):
            flow = Flow(self.some_client(), service["vip"], n)
            if service["proto"] == "tcp":
                self.flows[flow.me, flow.peer] = flow
                self.later(n * 1000, lambda flow=flow: self.receive(self.talk(flow, SYN, b"", r.choice(SYN_OPTIONS))))
            elif service["proto"] == "udp":
                self.later(n * 1000, lambda flow=flow: self.receive(self.framed(flow.udp(b"flood"))))

    def inside(self) -> None:
        """A host behind SNAT speaks to the outside."""
        r = self.rng
        host = raw(self.conf.name("real", r.randrange(30, 40)))
        outside = raw(f"203.0.113.{r.randrange(1, 9)}")
        kind = r.choice(["tcp", "udp", "icmp"])
        if kind == "tcp":
            flow = Flow((host, r.randrange(1024, 65536)), (outside, 80), r.randrange(2**32))
            self.flows[flow.me, flow.peer] = flow
            self.receive(self.talk(flow, SYN, b"", r.choice(SYN_OPTIONS)))
        elif kind == "udp":
            self.receive(self.framed(Flow((host, r.randrange(1024, 65536)), (outside, 53)).udp(b"query")))
        else:
            body = pack(">BBHHH", r.choice([8, 8, 13, 0]), 0, 0, r.randrange(4), 1) + b"ping"
            body = body[:2] + checksum(body).to_bytes(2) + body[4:]
            self.receive(self.framed(ip(ICMP, host, outside, body)))

    def sctp(self, flow: Flow) -> bytes:
        """One chunk of any kind, sometimes two; sometimes with a wrong CRC."""
        r = self.rng
        chunks = b""
        for _ in range(r.choice([1, 1, 2])):
            data = bytes(r.choice([0, 4, 5, 12]))
            chunks += (
                bytes([r.choice([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 14, 200]), 0]) + (4 + len(data)).to_bytes(2) + data
            )
            chunks += bytes(-len(chunks) % 4)
        head = pack(">HHII", flow.me[1], flow.peer[1], 77, 0)
        crc = crc32c(head + chunks) if r.random() < 0.93 else b"\1\2\3\4"
        body = (head[:8] + crc + chunks)[: r.choice([999] * 9 + [12, 14])]
        return ip(SCTP, flow.me[0], flow.peer[0], body)

    def icmp_error(self) -> bytes | None:
        """About a frame the balancer sent, from the side it went to: a router on the way or the host itself."""
        r = self.rng
        recent = [l3 for s in self.oracle.sent[-30:] if (l3 := inside(s.frame))]
        if not recent:
            return None
        quoted = r.choice(recent)
        v6 = quoted[0] >> 4 == 6
        src, dst = (quoted[8:24], quoted[24:40]) if v6 else (quoted[12:16], quoted[16:20])
        sender = r.choice([dst, dst[:-1] + b"\xfe"])
        quote = bytearray(quoted[: r.choice([len(quoted), 576, 28, 40, 48, 60, 19, 70])])
        if r.random() < 0.1 and len(quote) > 20:
            quote[r.choice([1, 6, 9])] ^= r.choice([0x20, 1, 0x40])
        kind = r.choice([1, 2, 3, 4] if v6 else [3, 3, 4, 11, 5, 12])
        body = pack(">BBHI", kind, r.choice([0, 1, 4]), 0, r.choice([0, 1400])) + bytes(quote)
        spoil = r.choice([0] * 8 + [1])
        if v6:
            return self.framed(ip(ICMPV6, sender, src, with_sum(ICMPV6, sender, src, body, 2, spoil)))
        body = body[:2] + (checksum(body) ^ spoil).to_bytes(2) + body[4:]
        return self.framed(ip(ICMP, sender, src, body, ttl=r.choice([60, 1])))

    def noise(self) -> None:
        """One frame of anything else."""
        r = self.rng
        kinds = [self.stray, self.stray, self.to_local, self.transit, self.link_oddity, self.broken, self.echo]
        kinds += [self.other_protocol, self.cut, self.repeat, self.icmp_error, self.icmp_error]
        frame = r.choice(kinds)()
        if frame is not None:
            self.receive(frame)

    def some_client(self) -> tuple[bytes, int]:
        return raw(self.conf.name("client", self.rng.randrange(1, 60))), self.rng.randrange(1, 65536)

    def stray(self) -> bytes:
        """A segment of a flow nobody knows, any flags."""
        r = self.rng
        vip = r.choice(self.conf.services)["vip"]
        peer = vip if r.random() < 0.8 else (vip[0], 81)
        flow = Flow(self.some_client(), peer, r.randrange(2**32), r.choice([0, r.randrange(2**32)]))
        payload, options = bytes(r.choice([0, 3])), r.choice(SYN_OPTIONS)
        return self.framed(flow.tcp(r.randrange(256), payload, options, ttl=r.choice([1, 64])))

    def to_local(self) -> bytes:
        """To a local address or another real server's port: mostly nobody's."""
        r = self.rng
        laddr = r.choice(r.choice(self.conf.services)["laddrs"])
        real = raw(self.conf.name("real", r.randrange(2, 9))), 8080
        flow = Flow(real, (laddr, r.choice([1025, 1026, 1030, 40000])), 1, 2)
        flags = r.choice([ACK, SYN | ACK, SYN, RST, FIN | ACK])
        return self.framed(flow.udp(b"stray") if r.random() < 0.3 else flow.tcp(flags))

    def transit(self) -> bytes:
        """To somebody else: what a router would pass on."""
        r = self.rng
        far, near = ("2001:db8:f::9", "2001:db8:2::77") if self.conf.v6 else ("8.8.8.8", "192.168.100.77")
        flow = Flow(self.some_client(), (raw(r.choice([far, near])), 80), 1, 2)
        fields = {"ttl": r.choice([0, 1, 2, 64]), "frag": r.choice([0, 0x4000])}
        return self.framed(flow.tcp(r.choice([SYN, ACK]), bytes(r.choice([0, 1400, 1480])), **fields))

    def link_oddity(self) -> bytes:
        r = self.rng
        flow = Flow(self.some_client(), r.choice(self.conf.services)["vip"], 1)
        l3 = flow.tcp(SYN)
        return r.choice(
            [
                ethernet(l3, b"\xff" * 6),
                ethernet(l3, bytes.fromhex("01005e000001")),
                ethernet(l3, bytes.fromhex("029999999999")),
                ethernet(l3, tag=5),
                ethernet(l3, tag=0)[:18] + l3,
                OURS + GATEWAY + r.choice([b"\x88\xcc", b"\x12\x34", b"\0\x20"]) + bytes(46),
                self.arp_request(),
                self.arp_request(),
                self.discovery(),
                r.randbytes(r.randrange(0, 14)),
            ]
        )

    def arp_request(self) -> bytes:
        r = self.rng
        target = r.choice([s["vip"][0] for s in self.conf.services] + [raw("192.168.100.10"), raw("10.9.9.9")])[:4]
        op = r.choice([1, 1, 2, 2, 3])
        sender = r.choice(["192.168.100.1", "192.168.100.251", f"192.168.100.{r.randrange(2, 9)}"])
        told = GATEWAY[:5] + bytes([r.randrange(1, 4)])
        body = pack(">HHBBH", 1, 0x0800, 6, 4, op) + told + raw(sender) + bytes(6) + target
        tag = b"\x81\0" + pack(">H", r.choice([5, 6])) if self.conf.vlan and r.random() < 0.5 else b""
        to = r.choice([b"\xff" * 6, OURS])
        return to + GATEWAY + tag + b"\x08\x06" + body[: r.choice([99] * 9 + [20])] + bytes(r.choice([0, 18]))

    def discovery(self) -> bytes:
        """A neighbour solicitation or advertisement; where that is no IPv6 balancer, some ARP."""
        r = self.rng
        if not self.conf.v6:
            return self.arp_request()
        own = r.choice([s["vip"][0] for s in self.conf.services] + [raw("2001:db8:2::10")])
        src = raw(r.choice(["2001:db8:2::251", f"2001:db8:2::{r.randrange(2, 9)}"]))
        kind = r.choice([135, 136])
        dst = r.choice([own, raw("ff02::1:ff00:0")[:13] + own[13:], raw("ff02::1")])
        target = own if kind == 135 else src
        told = bytes([r.choice([1, 2]), 1]) + GATEWAY[:5] + bytes([r.randrange(1, 4)])
        body = pack(">BBHI", kind, r.choice([0] * 9 + [1]), 0, 0) + target + r.choice([told, told, told, b"", b"\1\0"])
        l3 = ip(ICMPV6, src, dst, with_sum(ICMPV6, src, dst, body, 2), ttl=r.choice([255] * 5 + [64]))
        to = OURS if dst == own else b"\x33\x33" + dst[-4:]
        return ethernet(l3, to, GATEWAY, r.choice([5, 6]) if self.conf.vlan and r.random() < 0.5 else None)

    def broken(self) -> bytes:
        """Headers that cannot be, checksums that are wrong, fragments."""
        r = self.rng
        flow = Flow(self.some_client(), r.choice(self.conf.services)["vip"], 1)
        l3 = bytearray(flow.tcp(SYN, b"", r.choice(SYN_OPTIONS), spoil=r.choice([0, 1]), spoil_ip=r.choice([0, 1])))
        kind = r.randrange(8)
        if kind == 0:
            l3[0] = r.choice([0x44, 0x55, 0x65, 0x4F, 0x46, 0x60])
        elif kind == 1:
            at = 4 if self.conf.v6 else 2
            l3[at : at + 2] = r.choice([0, 10, 19, 20, 30, 39, 400, len(l3) - 1]).to_bytes(2)
        elif kind == 2 and not self.conf.v6:
            l3[6:8] = r.choice([0x2000, 0x2001, 1, 0x8000]).to_bytes(2)
        elif kind == 3:
            del l3[r.randrange(len(l3)) :]
        elif kind == 4:
            l3[(40 if self.conf.v6 else 20) + 12] = r.randrange(16) << 4
        elif kind == 5 and self.conf.v6:
            l3 = bytearray(self.extended(flow))
        elif kind == 7:  # a datagram whose own length is not the packet's
            l3 = bytearray(flow.udp(bytes(20)))
            l3[-24:-22] = r.choice([0, 8, 20, 29, 60]).to_bytes(2)
        return OURS + GATEWAY + (b"\x86\xdd" if self.conf.v6 else b"\x08\0") + bytes(l3)

    def extended(self, flow: Flow) -> bytes:
        """An IPv6 extension header before TCP, or a fragment."""
        r = self.rng
        proto = r.choice([0, 60, 44, 43])
        extension = bytes([TCP, 0, 0, r.choice([0, 1, 8]) if proto == 44 else 4]) + bytes(4)
        body = pack(">HHIIBBHHH", flow.me[1], flow.peer[1], 1, 0, 0x50, SYN, 8192, 0, 0)
        body = with_sum(TCP, flow.me[0], flow.peer[0], body, 16)
        return ip(TCP, flow.me[0], flow.peer[0], body, extension=extension, next=proto)

    def echo(self) -> bytes:
        r = self.rng
        src = self.some_client()[0]
        service = r.choice(self.conf.services)
        dst = r.choice([service["vip"][0], service["laddrs"][0], raw(self.conf.name("vip", 7))])
        kind = r.choice([128, 128, 129] if self.conf.v6 else [8, 8, 0, 13])
        body = pack(">BBHHH", kind, r.choice([0, 0, 0, 1]), 0, 5, 6) + bytes(r.choice([r.randrange(9), 150, 2000]))
        spoil = r.choice([0, 0, 0, 1])
        if self.conf.v6:
            return self.framed(ip(ICMPV6, src, dst, with_sum(ICMPV6, src, dst, body, 2, spoil), ttl=r.choice([1, 64])))
        body = body[:2] + (checksum(body) ^ spoil).to_bytes(2) + body[4:]
        return self.framed(ip(ICMP, src, dst, body, tos=r.choice([0, 0x20]), ttl=r.choice([1, 9])))

    def other_protocol(self) -> bytes:
        r = self.rng
        dst = r.choice([r.choice(self.conf.services)["vip"][0], raw(self.conf.name("vip", 7))])
        proto = r.choice([2, 4, 41, 47, 50, 89, 103, 132, 250, 59])
        return self.framed(ip(proto, self.some_client()[0], dst, bytes(r.randrange(1, 40))))

    def cut(self) -> None:
        """A capture with a snap length: of a frame seen before, only the beginning is there."""
        r = self.rng
        whole = [rec for rec in self.records[-40:] if len(rec[2]) > 100 and rec[1] == len(rec[2]) < 1300]
        whole = [rec for rec in whole if (l3 := inside(rec[2])) and l3[6 if l3[0] >> 4 == 6 else 9] in (TCP, UDP)]
        if whole:
            _, length, data = r.choice(whole)
            size = max(r.choice([60, 68, 90, 96, len(data) - 1]), headers(data) if r.random() < 0.8 else 0)
            if size < length:
                self.receive(data[:size], length=length)

    def repeat(self) -> None:
        """A frame seen before comes once more."""
        if self.records:
            _, length, data = self.rng.choice(self.records[-60:])
            if length == len(data):
                self.receive(data)


@dataclass
class Scenario:
    seed: int
    text: str
    view: str
    records: list[craft.Record]
    oracle: Oracle


def scenario(seed: int, frames: int | None = None) -> Scenario:
    """Configuration and traffic of *seed*, seen by the oracle."""
    rng = random.Random(seed)
    view = rng.choices(["rx", "client", "lb"], [7, 3, 0.5])[0]
    conf = Configuration(rng, view)
    oracle = Oracle(load(None, (), view=view, text=conf.text))
    world = World(rng, conf, oracle)
    world.run(frames or rng.choice([rng.randrange(60, 180)] * 9 + [400]))
    return Scenario(seed, conf.text, view, world.records, oracle)
