"""Floods, from a seed: many connections at once, the traffic that takes the engine's columns.

    flood(seed) -> Flood: setup and records; flood(seed, kind="nat"): of one kind of KINDS
    kernel(seed) -> the same, of profile ipvs

Where `traffic.py` looks for everything a packet can be, this looks for everything a *burst* can be: first packets by
the score, connections opened, answered, closed, expired and opened again inside one burst, ports and real servers that
run out, events and pauses in the middle, services that share local addresses, answers that come home and that do not.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from struct import unpack_from

import craft
import numpy as np
from oracle import ACK, FIN, PSH, RST, SYN
from traffic import GATEWAY, OURS, SYN_OPTIONS, Flow, ethernet, mac, raw

from lbreplay.burst import PAD, RECORD, Burst
from lbreplay.config.load import load
from lbreplay.journey import Replay
from lbreplay.model import Setup

SACK = b"\x01\x01\x05\x0a" + bytes(range(8))
TIMESTAMP = b"\x01\x01\x08\x0a" + bytes(8)
FULL = b"\x01" * 40  # no room for the client's address
OPTIONS = [b"", b"", b"", TIMESTAMP, SACK, TIMESTAMP + SACK, FULL, b"\x01" * 32]
STORIES = ["early", "reset early", "silent", "storm"]  # behind a SYN proxy
PAUSES = [0, 0, 0, 1_000, 50_000, 10**6]
LONG = [10**9, 3 * 10**9, 8 * 10**9, 31 * 10**9]
# kind: mode, family, protocol of all services ("": any), what is said of each, and where else what is said
KINDS: dict[str, tuple[str, bool | None, str, str, dict[str, str]]] = {
    "": ("", None, "", "", {}),
    "nat": ("nat", False, "", "", {}),
    "nat6": ("nat", True, "", "", {}),
    "dr": ("dr", False, "", "", {}),
    "dr6": ("dr", True, "", "", {}),
    "tunnel": ("tunnel", False, "", "", {}),
    "tunnel6": ("tunnel", True, "", "", {}),
    "persistent": ("", False, "", "persistent = { timeout = 2 }", {}),
    "persistent6": ("", True, "", "persistent = { timeout = 1, netmask = 126 }", {}),
    "persistent net": (
        "",
        False,
        "",
        "persistent = { timeout = 3, netmask = 28 }",
        {"conn": "expire_quiescent_template = true"},
    ),
    "tagged": (
        "",
        None,
        "",
        "",
        {"device": "vlan = [{ id = 5, address = ['192.168.100.10/24'] }, { id = 6, mac = '02:00:00:00:66:66' }]"},
    ),
    "tagged reals": ("nat", False, "", "", {"device": "vlan = [{ id = 5, address = ['192.168.100.10/24'] }]"}),
    "transit": ("", None, "", "", {"ipv4": "forwarding = true", "ipv6": "forwarding = true"}),
    "lb": ("", None, "", "", {"view": "lb"}),
    "snat": ("snat", False, "", "", {"device": "sapool_address = ['198.51.100.1', '198.51.100.2']"}),
    "snat udp": ("snat", False, "udp", "", {"device": "sapool_address = ['198.51.100.1']", "conn": "redirect = true"}),
    "proxy": ("", None, "tcp", 'proxy_protocol = "v2"', {}),
    "proxy1": ("", None, "", 'proxy_protocol = "v1-insecure"', {}),
    "slow": ("", None, "", "", {"conn": "fast_xmit = false"}),
    "uoa": ("", False, "udp", "", {"udp": "uoa_max_trail = 2"}),
    "uoa6": ("", True, "udp", "", {"udp": "uoa_max_trail = 1"}),
    "ipo": ("", None, "udp", "", {"udp": 'uoa_mode = "ipo"\nuoa_max_trail = 3'}),
    "bucket": ("", None, "", 'whitelist = ["172.16.0.0/25"]', {"behaviour": 'whitelist = "bucket"'}),
    "white6": ("", True, "", 'whitelist = ["2001:db8:c::/123"]', {}),
    "no rules": ("", None, "", "", {"flow_director": 'strategy = "off"', "conn": "redirect = true"}),
    "redirect": ("", None, "", "", {"flow_director": "dst_port_mask = 1", "conn": "redirect = true"}),
    "mask": ("", None, "", "", {"flow_director": "dst_port_mask = 0"}),
    "syn proxy": ("", False, "tcp", "synproxy = true", {"tcp.synproxy": "ack_storm_thresh = 2"}),
    "syn proxy6": ("", True, "tcp", "synproxy = true", {"tcp.synproxy": ""}),
    "syn proxy nat": ("nat", None, "tcp", "synproxy = true", {"tcp.synproxy": ""}),
    "syn proxy dr": ("dr", None, "tcp", "synproxy = true", {"tcp.synproxy": ""}),
    "syn proxy seen": ("", None, "tcp", "synproxy = true", {"tcp.synproxy": "ack_storm_thresh = 2", "view": "client"}),
    "syn proxy heard": ("", None, "tcp", "synproxy = true", {"tcp.synproxy": "wscale = 5", "view": "rx"}),
}
BASE = 1_700_000_000 * 10**9


@dataclass
class Flood:
    text: str
    setup: Setup
    records: list[craft.Record]


class Closed:
    """A balancer that is shown one frame at a time, each on the plain path, and says what left."""

    def __init__(self, setup: Setup) -> None:
        self.run = Replay(setup, None, None, None)  # type: ignore[arg-type]
        self.run.balancer.plainly = True
        self.seen = 0

    def send(self, time_ns: int, frame: bytes) -> list[bytes]:
        self.seen += 1
        buffer = np.frombuffer(bytes(RECORD) + frame + bytes(PAD), np.uint8).copy()
        burst = Burst.of(self.seen, buffer, *(np.array([n]) for n in (RECORD, len(frame), len(frame), time_ns)))
        self.run.journey(burst)
        return [made.frame for made in burst.made] + ([burst.frame(0)] if burst.leaving[0] else [])


class World:
    """Clients, real servers, and the wire between them."""

    def __init__(self, rng: random.Random, connections: int, kind: str = "") -> None:
        self.rng = rng
        self.mode, self.six, self.proto, self.words, self.settings = KINDS[kind]
        self.wait = 0  # until the next packet of the flow at hand
        self.view = self.settings.get("view") or rng.choice(["client", "client", "rx"])
        self.ordinary = rng.random() < 0.5
        self.lines: list[str] = []
        self.vips: list[tuple[str, bytes, int]] = []  # protocol, address, port
        self.configure()
        self.text = "\n".join(self.lines) + "\n"
        self.setup = load(None, (), view=self.view, text=self.text)
        self.balancer = Closed(self.setup)
        self.records: list[craft.Record] = []
        self.now = BASE
        self.serial = itertools.count()
        self.todo: list[tuple[int, int, Callable[[], None]]] = []
        self.patience = rng.choice([0, 0, 10**7])  # before anybody answers: a rush of first packets
        self.slow = rng.choice([0, 0, 0.02])  # chance of a pause
        start = 0
        for number in range(connections):
            if number % 60 == 0:
                start += rng.choice([0, 10**6, *LONG]) if number and self.slow else 10**6
            self.at(start + rng.choice(PAUSES), partial(self.open, rng.choice([number, rng.randrange(connections)])))
        while self.todo:
            self.now, _, act = heapq.heappop(self.todo)
            act()

    # ---------------------------------------------------------------- configuration

    def configure(self) -> None:
        r, say = self.rng, self.lines.append
        say(f"workers = {r.choice([1, 2, 2, 4])}")
        self.maybe(0.1, 'edition = "1.8"')
        self.section("device", (0.8, 'mac = "02:70:63:61:70:00"'), (0.15, "mtu = 600"))
        self.section(
            "conn", (0.5, "timer_jitter = false"), (0.5, "laddr_step = false"), (0.1, "fast_xmit = false"),
            (0.15, "redirect = true"), (0.15, 'table = "shared"'), (0.1, "pool_size = 100"),
        )  # fmt: skip
        self.section("sa_pool", (0.3, f"high = {r.choice([1060, 1100, 1200])}"), (0.3, "hash_size = 2"))
        self.section(
            "flow_director", (0.15, f"dst_port_mask = {r.choice([0, 1, 3, 7])}"), (0.1, 'byte_order = "host"'),
            (0.1, "enabled = false"), (0.1, 'strategy = "off"'),
        )  # fmt: skip
        self.section("tcp", (0.1, "toa = false"), (0.1, "seq_adjust = false"), (0.1, "defence_drop = true"))
        self.maybe(0.3, "timeout = { syn_recv = 2, established = 3, close = 1, time_wait = 1, fin_wait = 1 }")
        if "tcp.synproxy" in self.settings:
            self.section(
                "tcp.synproxy", (0.3, "wscale = 3"), (0.3, "timestamp = true"), (0.2, "sack = false"),
                (0.2, "mss = 1300"),
                (0.15, "defer_rs_syn = true"), (0.15, "close_client_window = true"), (0.3, "max_ack_saved = 1"),
                (0.2, "conn_reuse = ['fin_wait', 'close_wait', 'time_wait', 'close']"), (0.1, "secrets = 77"),
            )  # fmt: skip
        self.section("udp", (0.8, "uoa_max_trail = 0"), (0.3, "timeout = { oneway = 2, normal = 2 }"))
        for name in ("behaviour", "ipv4", "ipv6"):
            if name in self.settings:
                self.section(name)
        laddrs = [f"192.168.100.{200 + n}" for n in range(r.choice([1, 2, 4]))]
        laddrs6 = [f"2001:db8:2::2{n:02}" for n in range(2)]
        for number in range(r.choice([1, 1, 2, 3])):
            six = r.random() < 0.2 if self.six is None else self.six
            proto = r.choice(["tcp", "tcp", "tcp", "udp"])
            self.service(number, self.proto or proto, laddrs6 if six else laddrs, six)
        for _ in range(r.choice([0, 0, 1, 3])):
            self.event()

    def section(self, name: str, *chances: tuple[float, str]) -> None:
        self.lines.append(f"[{name}]")
        said = self.settings.get(name, "")
        self.lines.append(said)
        for chance, line in chances:
            if line.split()[0] not in said:
                self.maybe(chance, line)

    def maybe(self, chance: float, line: str) -> None:
        """Say *line* with that chance; in an ordinary world never what is unlikely."""
        if self.rng.random() < chance and (chance >= 0.5 or not self.ordinary):
            self.lines.append(line)

    def service(self, number: int, proto: str, laddrs: list[str], six: bool) -> None:
        r, say = self.rng, self.lines.append
        port = 80 + number
        vip = "2001:db8:1::a00:64" if six else "10.0.0.100"
        self.vips.append((proto, raw(vip), port))
        if self.mode == "snat":
            return self.outwards(number, proto)
        say(f'[[service]]\nname = "s{number}"\nvip = "{f"[{vip}]" if six else vip}:{port}"\nprotocol = "{proto}"')
        say(f'scheduler = "{"rr" if self.ordinary else r.choice(["rr", "rr", "wrr", "wlc", "conhash", "mh"])}"')
        say(f'mode = "{self.mode}"' if self.mode else f"laddr = {laddrs}")
        say(self.words)
        self.maybe(0.15, "expire_quiescent = true")
        self.maybe(0.1, "conn_timeout = 2")
        if not self.words.startswith("synproxy"):
            self.maybe(0.03, "one_packet = true" if proto == "udp" else "synproxy = false")
        for host in range(2, 2 + r.choice([1, 2, 3, 5])):
            end = f"[2001:db8:2::{host}]" if six else f"192.168.100.{host}"
            say(f'[[service.real]]\naddress = "{end}:8080"')
            self.maybe(0.05, "weight = 0")
            self.maybe(0.05, "max_conn = 40")

    def outwards(self, number: int, proto: str) -> None:
        """Clients are inside hosts, some of them at least, and what they talk to is remote."""
        say = self.lines.append
        say(f'[[service]]\nname = "s{number}"\nmode = "snat"\nscheduler = "{self.rng.choice(["rr", "wlc"])}"')
        inside = f"172.16.0.{number}-172.16.0.{self.rng.choice([20, 255])}"
        say(f'protocol = "{proto}"\nmatch = "proto={proto},src-range={inside},oif=dpdk0"')
        for host in range(self.rng.choice([1, 2])):
            say(f'[[service.real]]\naddress = "198.51.100.{host + 1}:0"')
            self.maybe(0.05, "max_conn = 40")

    def event(self) -> None:
        r = self.rng
        real = "[2001:db8:2::2]" if len(self.vips[0][1]) == 16 else "192.168.100.2"
        if self.mode == "snat":
            real = "198.51.100.1"
        what = r.choice(["weight=0", "weight=1", "max_conn=9"])
        self.lines.append(f"[[event]]\nat = {r.choice([0.0005, 0.001, 1, 3])}")
        self.lines.append(f'set = "service.s0.real.{real}:{0 if self.mode == "snat" else 8080}.{what}"')

    # ---------------------------------------------------------------- traffic

    def at(self, delay: int, act: Callable[[], None]) -> None:
        heapq.heappush(self.todo, (self.now + delay, next(self.serial), act))

    def open(self, number: int) -> None:
        r = self.rng
        proto, vip, port = r.choice(self.vips)
        if "ipv4" in self.settings and r.random() < 0.5:
            vip = vip[:-1] + bytes((r.randrange(1, 9),))
        client = raw(f"2001:db8:c::{number:x}" if len(vip) == 16 else f"172.16.{number >> 8}.{number & 255}")
        flow = Flow((client, 3000), (vip, port), r.choice([1000, 2**32 - 1]))
        self.talk(flow) if proto == "tcp" else self.datagrams(flow)

    def datagrams(self, flow: Flow) -> None:
        self.wait = 0
        for _ in range(self.rng.choice([1, 1, 3])):
            self.later(lambda: self.receive(flow.udp(bytes(self.rng.choice([0, 5, 30]))), flow))
            self.maybe_answer(flow, 0)

    def maybe_answer(self, flow: Flow, flags: int) -> None:
        if self.rng.random() < 0.6:
            self.later(lambda: self.answer(flow, flags))

    def later(self, act: Callable[[], None]) -> None:
        """After what the flow at hand has planned already."""
        self.at(self.wait, act)
        self.wait += self.rng.choice(PAUSES) + self.patience
        if self.rng.random() < self.slow:
            self.wait += self.rng.choice(LONG)

    def talk(self, flow: Flow) -> None:
        r, self.wait = self.rng, 0
        tell, hear = partial(self.tell, flow), partial(self.answer, flow)
        self.later(lambda: tell(SYN, options=r.choice(SYN_OPTIONS)))
        stories = ["syn", "syn", "twice", "reset", "refused", "whole", "whole", "whole", "again"]
        story = r.choice([*stories, *STORIES] if "tcp.synproxy" in self.settings else stories)
        if story in STORIES:
            return self.besiege(story, tell, hear)
        if story == "syn":
            return
        if story == "twice":
            self.later(lambda: tell(SYN, again=True))
        if story == "refused":
            self.later(lambda: hear(RST | ACK))
            return
        self.later(lambda: hear(SYN | ACK, options=r.choice(SYN_OPTIONS[:4])))
        self.later(lambda: tell(ACK, options=r.choice(OPTIONS)))
        for _ in range(r.choice([0, 1, 3])):
            self.later(lambda: tell(ACK | PSH, bytes(r.choice([1, 5, 100, 590])), r.choice(OPTIONS)))
            self.later(lambda: hear(ACK, options=r.choice(OPTIONS)))
            self.later(lambda: hear(ACK | PSH, bytes(r.choice([0, 80])), r.choice(OPTIONS)))
        if story == "reset":
            self.later(lambda: tell(RST))
        if story in ("whole", "again"):
            self.later(lambda: tell(FIN | ACK))
            self.later(lambda: hear(FIN | ACK))
            self.later(lambda: tell(ACK))
        if story == "again":
            self.later(lambda: self.talk(Flow(flow.me, flow.peer, 77)))

    def besiege(self, story: str, tell: Callable[..., None], hear: Callable[..., None]) -> None:
        """What a SYN proxy is there for, and what may go wrong about it."""
        ack = partial(tell, ACK, options=self.rng.choice(OPTIONS))
        if story == "early":
            self.later(ack)
        for _ in range(self.rng.choice([1, 2, 5])):
            self.later(partial(tell, ACK | PSH, bytes(self.rng.choice([1, 40]))))
        if story == "reset early":
            self.later(partial(tell, self.rng.choice([RST, FIN | ACK])))
        if story != "silent":
            self.later(lambda: hear(SYN | ACK, options=self.rng.choice(SYN_OPTIONS[:4])))
        self.later(ack)
        for _ in range(4 if story == "storm" else 0):
            self.later(lambda: hear(ACK, options=SACK))
        self.later(partial(tell, FIN | ACK))
        self.later(lambda: hear(FIN | ACK))
        self.later(ack)

    def tell(self, flow: Flow, flags: int, payload: bytes = b"", options: bytes = b"", again: bool = False) -> None:
        flow.ack = getattr(flow, "theirs", 0)
        self.receive(flow.tcp(flags, payload, options), flow)
        flow.seq += 0 if again else len(payload) + (flags & (SYN | FIN) != 0)

    def answer(self, flow: Flow, flags: int, payload: bytes = b"", options: bytes = b"") -> None:
        """What the real server says: as the client hears it, or as the balancer does."""
        ends = (flow.peer, flow.me) if self.view == "client" else getattr(flow, "behind", None)
        if ends is None:
            return
        theirs, cookie = getattr(flow, "theirs", 0) or 5000, getattr(flow, "cookie", None)
        delta = 0 if self.view == "client" else getattr(flow, "delta", 0)
        if cookie is None:
            there = Flow(*ends, theirs, (flow.seq + delta) % 2**32)
        else:  # it knows nothing of the number that the client was given
            there = Flow(*ends, (theirs - cookie + 5000 - (flags & SYN != 0)) % 2**32, (flow.seq + delta) % 2**32)
        flow.theirs = theirs + len(payload) + (flags & (FIN if cookie is not None else SYN | FIN) != 0)
        self.receive(there.tcp(flags, payload, options) if flags else there.udp(payload))

    def receive(self, l3: bytes, flow: Flow | None = None) -> None:
        r = self.rng
        source = l3[8:24] if l3[0] >> 4 == 6 else l3[12:16]
        own = any(source == vip for _, vip, _ in self.vips)
        inside = source[:3] == b"\xc0\xa8\x64" or source[:6] == raw("2001:db8:2::")[:6]
        frame = ethernet(l3, GATEWAY, OURS) if own else ethernet(l3, OURS, mac(source) if inside else GATEWAY)
        if "vlan" in self.settings.get("device", "") and r.random() < 0.9:
            frame = frame[:12] + b"\x81\0" + r.choice([5, 5, 5, 6, 6, 9]).to_bytes(2) + frame[12:]
        if r.random() < 0.1:
            frame = frame.ljust(60, b"\0")
        for _ in range(2 if r.random() < 0.02 else 1):
            self.records.append((self.now, len(frame), frame))
            left = self.balancer.send(self.now, frame)
        for sent in left if self.view == "lb" else ():
            self.records.append((self.now, len(sent), sent))
            self.balancer.send(self.now, sent)
        if flow is not None and left and self.view != "client":
            learn(flow, left[-1][18 if left[-1][12:14] == b"\x81\0" else 14 :])


def learn(flow: Flow, l3: bytes) -> None:
    """Where a real server answers *flow*, from the packet that it got."""
    six = l3[0] >> 4 == 6
    at, (src, dst) = (40, (l3[8:24], l3[24:40])) if six else (20, (l3[12:16], l3[16:20]))
    sport, dport, seq = unpack_from(">HHI", l3, at)
    if (dst, dport) == flow.me:  # of a SYN proxy
        if l3[at + 13] & (SYN | ACK) == SYN | ACK:
            flow.cookie, flow.theirs = seq, seq + 1  # type: ignore[attr-defined]
        return
    flow.behind, flow.delta = ((dst, dport), (src, sport)), seq - flow.seq  # type: ignore[attr-defined]


def flood(seed: int, connections: int = 150, kind: str = "") -> Flood:
    """Configuration and traffic of *seed*, of one *kind* of KINDS."""
    world = World(random.Random(seed), connections, kind)
    return Flood(world.text, world.setup, world.records)


SWITCHES = (  # chance, key of [ipvs]
    (0.1, "conn_reuse_mode = 0"), (0.1, "expire_nodest_conn = 1"), (0.05, "sloppy_tcp = 1"), (0.1, "pmtu_disc = 0"),
    (0.05, "secure_tcp = 3"), (0.03, "nat_icmp_send = 1"), (0.03, "conntrack = 1"), (0.03, "drop_packet = 3"),
    (0.1, "sync_refresh_period = 20"), (0.1, 'sync_threshold = "1 2"'), (0.1, "sync_persist_mode = 1"),
    (0.1, "expire_quiescent_template = 1"), (0.3, "timeout = { tcp = 3, tcpfin = 1, udp = 2 }"),
)  # fmt: skip
KERNELS = ("2.6", "2.6", "6.1.192", "6.1.192", "6.1", "5.10", "4.15", "4.11", "4.9")
OLD = ("expire_", "secure_tcp", "nat_icmp_send", "drop_packet", "timeout", "sync_threshold")  # keys that 2.6 has too
LATER, HAVE_THEM = ("mh", "ovf", "fo"), ("6.1.192", "6.1", "5.10")  # schedulers that came late
SCHEDULERS = ("rr", "rr", "wrr", "wlc", "lc", "sed", "nq", "sh", "dh", "mh", "lblc", "lblcr", "ovf", "fo")


class KernelWorld(World):
    """The same world around the kernel's director; `edition` "": any."""

    edition, mode = "", ""

    def configure(self) -> None:
        r, say = self.rng, self.lines.append
        self.era = self.edition or r.choice(KERNELS)
        say(f'profile = "ipvs"\nedition = "{self.era}"')
        self.maybe(0.1, "seed = 7")
        self.section("device", (0.8, 'mac = "02:70:63:61:70:00"'), (0.15, "mtu = 600"), (0.5, ADDRESSES))
        known = [switch for switch in SWITCHES if self.era != "2.6" or any(name in switch[1] for name in OLD)]
        self.section("ipvs", *known)
        self.section("ipv4", (0.3, "forwarding = true"))
        for number in range(r.choice([1, 1, 2, 3])):
            self.service(number, r.choice(["tcp", "tcp", "tcp", "udp"]), [], r.random() < 0.25)
        for left in reversed(range(r.choice([0, 0, 1, 3]))):
            self.happen(last=left == 0)

    def service(self, number: int, proto: str, laddrs: list[str], six: bool) -> None:
        r, say, mode = self.rng, self.lines.append, self.mode or self.rng.choice(["nat", "nat", "dr", "tunnel"])
        vip, port = "2001:db8:1::a00:64" if six else "10.0.0.100", r.choice([80, 80, 80, 21]) + number
        self.vips.append((proto, raw(vip), port))
        say(f'[[service]]\nname = "s{number}"\nvip = "{f"[{vip}]" if six else vip}:{port}"\nprotocol = "{proto}"')
        say(f'mode = "{mode}"\nscheduler = "{"rr" if self.ordinary else self.scheduler()}"')
        self.maybe(0.1, "persistent = { timeout = 2 }")
        self.maybe(0.03, "one_packet = true" if proto == "udp" else "one_packet = false")
        for host in range(2, 2 + r.choice([1, 2, 3, 5])):
            end = f"[2001:db8:2::{host}]" if six else f"192.168.100.{host}"
            say(f'[[service.real]]\naddress = "{end}:{8080 if mode == "nat" else port}"')
            self.maybe(0.1, f"weight = {r.choice([0, 2, 5])}")
            self.maybe(0.1, "max_conn = 9\nmin_conn = 5")
            self.maybe(0.05, 'mode = "dr"' if mode == "nat" else 'mode = "tunnel"')

    def scheduler(self) -> str:
        found = self.rng.choice(SCHEDULERS)
        return "rr" if found in LATER and self.era not in HAVE_THEM else found

    def happen(self, last: bool) -> None:
        """An event; the last one may take something out."""
        r, say = self.rng, self.lines.append
        real = "service.s0.real." + next(line for line in self.lines if "[[service.real]]" in line).split('"')[1]
        say(f"[[event]]\nat = {r.choice([0.0005, 0.001, 1, 3])}")
        said = [f'set = "{real}.{what}"' for what in ("weight=0", "weight=3", "max_conn=3")]
        said += [f'set = "ipvs.{what}"' for what in ("expire_nodest_conn=1", "secure_tcp=3")]
        said += [f'remove = "{real}"', 'remove = "service.s0"'] if last else []
        say(r.choice(said))


ADDRESSES = 'address = ["192.168.100.1/24", "2001:db8:2::1/64"]'


def kernel(seed: int, connections: int = 150, world: type[KernelWorld] = KernelWorld) -> Flood:
    """Configuration and traffic of *seed*, for a director."""
    made = world(random.Random(seed), connections)
    return Flood(made.text, made.setup, made.records)
