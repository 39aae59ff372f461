"""Make samples/cases/: mistakes as users met them, each a small capture, a configuration, and the one command that names
the cause, with its output. `python samples/make_cases.py [NAME ...]`; the captures are the same bytes every time.

A folder per mistake: in.pcap.gz, lb.toml, mistake.toml (title, symptom, command, cause, cure), expected.txt. README.md
shows them all. The tests run every command and compare.
"""

from __future__ import annotations

import gzip
import json
import shlex
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

HERE = Path(__file__).parent / "cases"
OURS, CLIENTS, SERVERS, ROUTER = (f"02:00:00:00:00:{n:02x}" for n in (1, 2, 3, 4))
VIP, WEB, DNS = "192.0.2.10", 80, 53
LADDR, REAL = "192.168.100.200", "192.168.100.2"
START = 1_700_000_000 * 10**9
MILLISECOND = 10**6

WORKERS = "workers = {workers}\n"
DEVICE = """
[device]
driver = "{driver}"
"""
CONN = """
[conn]
timer_jitter = false
"""
SERVICE = """
[[service]]
name = "web"
vip = "192.0.2.10:80"
scheduler = "rr"
laddr = ["192.168.100.200"]

[[service.real]]
address = "192.168.100.2:8080"

[[service.real]]
address = "192.168.100.3:8080"
"""
DNS_SERVICE = """
[[service]]
name = "dns"
vip = "192.0.2.10:53"
protocol = "udp"
scheduler = "rr"
laddr = ["192.168.100.200"]

[[service.real]]
address = "192.168.100.2:53"
"""


Frame = Packet | tuple[float, Packet]  # with the second at which it comes; else a millisecond after the one before


OUT_SERVICE = """
[[service]]
name = "out"
protocol = "icmp"
mode = "snat"
scheduler = "rr"
match = "proto=icmp,src-range=192.168.100.0-192.168.100.254,oif=dpdk0"

[[service.real]]
address = "203.0.113.4:0"
"""
LOG_SERVICE = """
[[service]]
name = "logs"
vip = "192.0.2.10:514"
protocol = "udp"
scheduler = "wrr"
laddr = ["192.168.100.200"]

[[service.real]]
address = "192.168.100.2:514"

[[service.real]]
address = "192.168.100.3:514"

[[service.real]]
address = "192.168.100.4:514"
"""
NAT_SERVICE = """
[[service]]
name = "web"
vip = "192.0.2.10:80"
scheduler = "rr"
mode = "nat"

[[service.real]]
address = "192.168.100.2:8080"
"""
KERNEL = """profile = "ipvs"
edition = "{edition}"

[device]
address = ["192.168.100.1/24"]

[ipvs]
conntrack = 1
"""


class Mistake(NamedTuple):
    """`frames` makes the capture; `command` is what follows `lbreplay`."""

    name: str
    title: str
    symptom: str
    command: str
    cause: str
    cure: str
    toml: str
    frames: Callable[[], Iterable[Frame]]


# --- packets -------------------------------------------------------------------------------------------------


def client(number: int) -> str:
    return f"198.51.100.{number % 250 + 1}"


def ask(source: str, sport: int, dport: int = WEB, flags: str = "S", seq: int = 1000, **more: object) -> Packet:
    """A segment of a client to the virtual address."""
    tcp = TCP(sport=sport, dport=dport, flags=flags, seq=seq, **more)
    return Ether(src=CLIENTS, dst=OURS) / IP(src=source, dst=VIP) / tcp


def told(source: str, sport: int, dport: int = WEB, flags: str = "SA", seq: int = 5000, ack: int = 1001) -> Packet:
    """A segment of the virtual address to a client."""
    tcp = TCP(sport=dport, dport=sport, flags=flags, seq=seq, ack=ack)
    return Ether(src=OURS, dst=CLIENTS) / IP(src=VIP, dst=source) / tcp


def conversation(source: str, sport: int) -> Iterator[Packet]:
    """Handshake, a request, an answer: what a client sees."""
    yield ask(source, sport)
    yield told(source, sport)
    yield ask(source, sport, flags="A", seq=1001, ack=5001)
    yield ask(source, sport, flags="PA", seq=1001, ack=5001) / Raw(b"GET / HTTP/1.0\r\n\r\n")
    yield told(source, sport, flags="PA", seq=5001, ack=1019) / Raw(b"HTTP/1.0 200 OK\r\n\r\n")


def conversations(count: int = 40) -> list[Packet]:
    return [frame for n in range(count) for frame in conversation(client(n), 40000 + 7 * n)]


def datagrams(count: int = 40) -> list[Packet]:
    """Questions and answers over UDP."""
    frames: list[Packet] = []
    for n in range(count):
        ends = client(n), 40000 + 7 * n
        frames.append(Ether(src=CLIENTS, dst=OURS) / IP(src=ends[0], dst=VIP) / UDP(sport=ends[1], dport=DNS) / Raw(bytes(24)))  # fmt: skip
        frames.append(Ether(src=OURS, dst=CLIENTS) / IP(src=VIP, dst=ends[0]) / UDP(sport=DNS, dport=ends[1]) / Raw(bytes(64)))  # fmt: skip
    return frames


def opened(count: int) -> list[Packet]:
    """SYNs only."""
    return [ask(client(n), 1024 + n) for n in range(count)]


def leftovers() -> list[Packet]:
    """Real servers go on sending on connections from before a restart: to local ports of the old owners."""
    frames = [frame for frame in conversations(6) if frame.src != OURS]
    for port in (1030, 1031, 1032):
        tcp = TCP(sport=8080, dport=port, flags="PA", seq=9000, ack=77) / Raw(b"still here")
        frames.append(Ether(src=SERVERS, dst=OURS) / IP(src=REAL, dst=LADDR) / tcp)
    return frames


def fragmented() -> list[Packet]:
    """A request over a tunnel whose MTU is too small: the second segment comes in two fragments."""
    frames = list(conversation(client(1), 40001))[:3]
    whole = (
        IP(src=client(1), dst=VIP, id=7)
        / TCP(sport=40001, dport=WEB, flags="PA", seq=1001, ack=5001)
        / Raw(bytes(1480))
    )
    payload = bytes(whole)[20:]
    for offset, more in ((0, 1), (1000, 0)):
        part = payload[offset : offset + 1000]
        ip = IP(src=client(1), dst=VIP, id=7, proto=6, flags=more, frag=offset // 8)
        frames.append(Ether(src=CLIENTS, dst=OURS) / ip / Raw(part))
    return frames


def path_mtu() -> list[Packet]:
    """A router behind the balancer says that a segment to the real server is too long: an ICMP error to the laddr."""
    frames = conversations(4)
    quoted = IP(src=LADDR, dst="192.168.100.3") / TCP(sport=1028, dport=8080, flags="A", seq=268436457)
    error = IP(src="192.168.100.1", dst=LADDR) / ICMP(type=3, code=4, nexthopmtu=1400) / Raw(bytes(quoted))
    return [*frames, Ether(src=ROUTER, dst=OURS) / error]


def full_options() -> list[Packet]:
    """A client behind a lossy path: the first segment with data carries three SACK blocks and a timestamp."""
    frames = list(conversation(client(1), 40001))[:3]
    sack = [("Timestamp", (1, 2)), ("NOP", None), ("NOP", None), ("SAck", (6000, 6500, 7000, 7500, 8000, 8500))]
    frames.append(ask(client(1), 40001, flags="PA", seq=1001, ack=5001, options=sack) / Raw(b"GET / HTTP/1.0\r\n\r\n"))
    return frames


def outbound() -> list[Packet]:
    """An inside host opens a connection to the outside."""
    inside = Ether(src=SERVERS, dst=OURS) / IP(src="192.168.100.20", dst="198.51.100.9")
    return [inside / TCP(sport=50000, dport=443, flags="S", seq=1)]


def exhausting() -> list[Packet]:
    """4,040 connections that RSS gives to worker 0 of 16, all to one real server."""
    from lbreplay.config.load import load
    from lbreplay.nic.steer import Nic

    nic, frames = Nic(load(None, ["workers=16"])), []
    for n in range(200_000):
        source, sport = client(n), 1024 + n // 250
        raw = bytes(int(part) for part in source.split("."))
        if nic.steer_flow(3, 4, raw, sport, bytes([192, 0, 2, 10]), WEB).rank == 0:
            frames.append(ask(source, sport))
            if len(frames) == 4040:
                return frames
    raise AssertionError("not enough clients")


def foreign() -> list[Packet]:
    """The same conversations, replayed from a capture taken before another machine."""
    frames = conversations(4)
    for frame in frames:
        if frame.dst == OURS:
            frame.dst = "02:00:00:00:00:99"
    return frames


def pings() -> list[Packet]:
    """Four inside hosts ping four hosts outside, and are answered, as the port receives it."""
    frames: list[Packet] = []
    for n in range(4):
        inside, outside = f"192.168.100.{20 + n}", f"198.51.100.{30 + n}"
        frames.append(Ether(src=SERVERS, dst=OURS) / IP(src=inside, dst=outside) / ICMP(type=8, id=n + 1, seq=1))
        frames.append(Ether(src=CLIENTS, dst=OURS) / IP(src=outside, dst="203.0.113.4") / ICMP(type=0, id=n + 1, seq=1))
    return frames


def idle() -> Iterator[Frame]:
    """A connection of a pool: a query, two minutes of nothing, a query."""
    yield from conversation(client(1), 40001)
    yield 120.0, ask(client(1), 40001, flags="PA", seq=1019, ack=5020) / Raw(b"GET / HTTP/1.0\r\n\r\n")


def queries() -> Iterator[Frame]:
    """A client asks every three seconds from one port."""
    for n in range(8):
        ends = {"src": client(1), "dst": VIP}
        yield 3.0 * n, Ether(src=CLIENTS, dst=OURS) / IP(**ends) / UDP(sport=40001, dport=DNS) / Raw(bytes(24))


def few_long_flows() -> Iterator[Packet]:
    """Eight senders of logs, one of them busy."""
    for sender, count in enumerate((300, 9, 8, 7, 6, 5, 4, 3)):
        for _ in range(count):
            ends = {"src": client(sender), "dst": VIP}
            yield Ether(src=CLIENTS, dst=OURS) / IP(**ends) / UDP(sport=40000, dport=514) / Raw(bytes(80))


def port_used_again() -> Iterator[Frame]:
    """A connection that both ends close, and another one from the same port; its SYN comes again after a second."""
    yield from conversation(client(1), 40001)
    yield told(client(1), 40001, flags="FA", seq=5020, ack=1019)
    yield ask(client(1), 40001, flags="FA", seq=1019, ack=5021)
    yield told(client(1), 40001, flags="A", seq=5021, ack=1020)
    for second in (10.0, 11.0):
        yield second, ask(client(1), 40001, seq=90000)


def direct_too() -> list[Packet]:
    """A client of the service that also talks to its real server, from the same port."""
    straight = (
        Ether(src=CLIENTS, dst=OURS) / IP(src=client(1), dst=REAL) / TCP(sport=40001, dport=8080, flags="S", seq=7)
    )
    return [*list(conversation(client(1), 40001))[:3], straight]


def beside() -> list[Packet]:
    """A client on the network of the real servers."""
    return [Ether(src=SERVERS, dst=OURS) / IP(src="192.168.100.77", dst=VIP) / TCP(sport=40001, dport=WEB, flags="S")]


def forged() -> list[Packet]:
    """A client that sends a client-address option itself."""
    option = [(254, bytes([0x9C, 0x40, 10, 0, 0, 1]))]
    return [
        *list(conversation(client(1), 40001))[:2],
        ask(client(1), 40001, flags="A", seq=1001, ack=5001, options=option),
    ]


def short_quote() -> list[Packet]:
    """A router's `fragmentation needed` that quotes the eight bytes that RFC 792 asks for."""
    quoted = bytes(IP(src=VIP, dst=client(1), len=1500) / TCP(sport=WEB, dport=40001, flags="A", seq=5001))[:28]
    error = IP(src="203.0.113.1", dst=VIP) / ICMP(type=3, code=4, nexthopmtu=1400) / Raw(quoted)
    return [*conversation(client(1), 40001), Ether(src=ROUTER, dst=OURS) / error]


# --- the mistakes --------------------------------------------------------------------------------------------


def setting(workers: object = 8, driver: str = "ixgbe", more: str = "", services: str = SERVICE) -> str:
    """A configuration; *more* goes into or behind the device's table."""
    return WORKERS.format(workers=workers) + DEVICE.format(driver=driver) + more + CONN + services


MISTAKES = [
    Mistake(
        "nic-without-port-masks",
        "A NIC that cannot compare part of a port",
        "One connection in eight works; the others time out. Service InPkts grow, OutPkts do not.",
        "doctor -c lb.toml",
        "DPVS asks the NIC to compare the low bits of the destination port. The i40e compares whole ports or none, so no rule can be installed and answers go where RSS sends them: to the right worker once in eight.",
        "Another NIC (ixgbe, mlx5), one worker, or `conn.redirect = true`.",
        setting(driver="i40e", more="enforce = true\n"),
        conversations,
    ),
    Mistake(
        "virtual-machine",
        "DPVS with eight workers in a virtual machine",
        "As above, in a virtual machine: 1 of n connections works, and which one depends on the client's port.",
        "check in.pcap.gz -c lb.toml --assert home,no-kernel",
        "virtio has no flow director at all. The first answer that came to the wrong worker is shown: RSS chose, not a rule.",
        "`conn.redirect = true`, or as many virtual machines of one worker.",
        setting(driver="virtio", more="enforce = true\n"),
        conversations,
    ),
    Mistake(
        "byte-order",
        "The port mask in the byte order of another DPDK",
        "After an upgrade of DPDK nearly everything is lost; only local ports with bits 8 to 10 clear work.",
        "explain in.pcap.gz -c lb.toml -n 7",
        "DPDK 16.04 changed the mask to network order. Given in the host's order, the NIC compares bits 8 to 10 of the port instead of 0 to 2, as the marked bits show.",
        'flow_director.byte_order = "network": a DPVS that fits its DPDK.',
        setting(more='\n[flow_director]\nbyte_order = "host"\n'),
        conversations,
    ),
    Mistake(
        "mask-of-one-worker",
        "Several workers, but the mask of one",
        "Every answer arrives at the first worker; only its own connections work.",
        "explain in.pcap.gz -c lb.toml -n 7",
        "A mask of 0 compares no bit, so the first rule of the address takes every answer.",
        'flow_director.dst_port_mask = "auto", which is 0x7 for eight workers.',
        setting(more="\n[flow_director]\ndst_port_mask = 0\n"),
        conversations,
    ),
    Mistake(
        "mask-too-narrow",
        "Eight workers with the mask for four",
        "Connections of workers 4 to 7 time out, those of 0 to 3 work.",
        "doctor -c lb.toml",
        "With two bits the rules of ranks 4 to 7 repeat those of 0 to 3: a real NIC refuses them as conflicts, and the answers go to the lower rank.",
        'flow_director.dst_port_mask = "auto".',
        setting(more="\n[flow_director]\ndst_port_mask = 3\n"),
        conversations,
    ),
    Mistake(
        "mask-too-wide",
        "Eight workers with the mask for sixteen",
        "Half of the answers are lost, on every worker.",
        "explain in.pcap.gz -c lb.toml -n 2",
        "Bit 3 of the port must be 0 for a rule to match, but half of a worker's ports have it set: for those no rule matches and RSS decides.",
        'flow_director.dst_port_mask = "auto".',
        setting(more="\n[flow_director]\ndst_port_mask = 15\n"),
        lambda: conversations(120),
    ),
    Mistake(
        "udp-on-one-core",
        "UDP on one core",
        "One core is full while the others idle; only the UDP service suffers.",
        "check in.pcap.gz -c lb.toml --assert balance --max-imbalance 3",
        "`rss tcp` hashes TCP only. What has no hash goes to the default queue, and the worker of queue 0 carries all UDP.",
        '`rss = "all"` (in dpvs.conf: `rss all`; without the line DPVS means `tcp`).',
        setting(more='rss = "tcp"\n', services=DNS_SERVICE),
        datagrams,
    ),
    Mistake(
        "rss-ip-on-i40e",
        "`rss ip` on an i40e",
        "All clients arrive at one core.",
        "explain in.pcap.gz -c lb.toml -n 1 --brief",
        "The i40e puts each packet into exactly one class; `ip` covers neither its TCP nor its UDP class, so they have no hash and go to queue 0.",
        '`rss = "all"`.',
        setting(driver="i40e", more='rss = "ip"\n'),
        conversations,
    ),
    Mistake(
        "ports-exhausted",
        "No local port left at 4,031 connections of a core",
        "New connections are dropped while the balancer has thousands of ports free.",
        "check in.pcap.gz -c lb.toml --assert no-port-missed",
        "With 16 workers a worker owns a sixteenth of the ports, worker 0 exactly 4,031. A single real server is one bucket of one local address, so the 4,032nd concurrent connection of that worker finds none.",
        "More local addresses, or more real servers (other buckets).",
        setting(workers=16, services=SERVICE.rpartition("\n[[service.real]]")[0]),
        exhausting,
    ),
    Mistake(
        "laddr-without-pool",
        "An address without a port pool",
        "Nobody inside reaches the outside; the log warns of an address without sa_pool.",
        "explain in.pcap.gz -c lb.toml --view rx -n 1",
        "The SNAT address was added without `sapool`, so no worker has ports of it.",
        '`dpip addr add ... sapool`; here `device.sapool_address = ["203.0.113.1"]`.',
        setting(
            more='address = ["203.0.113.1/24", "192.168.100.1/24"]\n',
            services='\n[[service]]\nmode = "snat"\nscheduler = "rr"\nmatch = "proto=tcp,src-range=192.168.100.1-192.168.100.254"\n\n[[service.real]]\naddress = "203.0.113.1:0"\n',
        ),
        outbound,
    ),
    Mistake(
        "vip-as-laddr",
        "The virtual address used as local address",
        "A whole service runs on one core.",
        "explain in.pcap.gz -c lb.toml -n 1 --brief",
        "The rules of a local address match whatever is sent to it, clients' packets too: the low bits of the service's port choose the worker, 80 & 7 = 0.",
        "A local address of its own.",
        setting(services=SERVICE.replace(LADDR, VIP)),
        conversations,
    ),
    Mistake(
        "fragments",
        "Fragments",
        "Short requests work, long ones hang.",
        "explain in.pcap.gz -c lb.toml -n 4",
        "DPVS drops every IPv4 fragment before it looks for a connection; a fragment also has no ports for RSS, so even the first one may reach another worker than its connection's.",
        "A path MTU that works: let ICMP through, or lower the MSS (`device.mtu`, synproxy mss).",
        setting(),
        fragmented,
    ),
    Mistake(
        "icmp-on-the-wrong-core",
        "An ICMP error on the wrong core",
        "Path MTU discovery towards real servers works for some connections only.",
        "explain in.pcap.gz -c lb.toml -n 21",
        "No rule matches ICMP: RSS over the router's and the local address chose the worker, not the connection. Redirect does not help, because it looks for the outer packet.",
        "One worker, or a route MTU that makes the error unnecessary.",
        setting(),
        path_mtu,
    ),
    Mistake(
        "toa-without-room",
        "No room for the client's address",
        "A real server logs the balancer's address for a few clients.",
        "explain in.pcap.gz -c lb.toml -n 4",
        "The TCP header is full (timestamp and three SACK blocks, 60 bytes), so the option with the client's address does not fit. DPVS 1.8 leaves it out; newer ones take other options out to make room.",
        "A newer DPVS, or proxy protocol (`service.proxy_protocol`), which is payload.",
        'edition = "1.8"\n' + setting(),
        full_options,
    ),
    Mistake(
        "queue-of-the-kni-worker",
        "RSS spreads clients over the queue of the KNI worker",
        "A fifth of the clients gets no answer at all; the kernel sees their SYNs.",
        "explain in.pcap.gz -c lb.toml -n 6",
        "Before 1.9.2 DPVS left the driver's table in place, which names all queues, the KNI worker's too. What arrives there goes to the kernel.",
        "DPVS 1.9.2 or newer, or `device.reta = [0, 1, 2, 3]`.",
        'edition = "1.8"\nworkers = [\n'
        + "".join(f"    {{ cpu_id = {n + 1}, queues = [{n}] }},\n" for n in range(4))
        + '    { cpu_id = 5, kind = "kni", queues = [4] },\n]\n'
        + DEVICE.format(driver="ixgbe")
        + "reta = [0, 1, 2, 3, 4]\n"
        + SERVICE,
        conversations,
    ),
    Mistake(
        "nine-workers",
        "A ninth worker",
        "With one more core the balancer holds fewer connections than before.",
        "capacity -c lb.toml",
        "Nine workers need four bits of the port, and seven of the sixteen residues belong to nobody: a worker owns 4,032 ports a bucket instead of 8,064.",
        "Eight workers, or more local addresses.",
        setting(workers=9),
        conversations,
    ),
    Mistake(
        "shared-buckets",
        "Real servers that share a bucket",
        "Ports run out at half of what the number of real servers promises.",
        "capacity -c lb.toml",
        "A pool has 16 buckets, chosen by address and port of the real server. These two fall into the same one, so they share its ports.",
        "Other ports or addresses, or a larger `sa_pool.hash_size`.",
        setting(services=SERVICE.replace("192.168.100.3:8080", "192.168.100.18:8080")),
        conversations,
    ),
    Mistake(
        "redirect-as-cure",
        "Redirect as a cure",
        "The NIC has no rules, and nobody can change it.",
        "sweep in.pcap.gz -c lb.toml --strategy off,redirect,rss-port -j 1",
        "Without rules most answers stray. With redirect every one still arrives, at the price of a hand-over between cores; ports chosen so that RSS brings the answer home (an extension) need none.",
        "`conn.redirect = true`.",
        setting(driver="virtio", more="enforce = true\n"),
        conversations,
    ),
    Mistake(
        "workers-changed",
        "Connections from before a restart",
        "After a restart with another number of workers real servers keep sending on old connections, and get RSTs.",
        "check in.pcap.gz -c lb.toml --view rx --assert no-kernel",
        "Nobody knows the connection any more; whoever owns the local port now has a miss, and the packet goes to the kernel.",
        "Nothing to mend: they time out. Drain before a restart.",
        setting(),
        leftovers,
    ),
    Mistake(
        "ipv6-on-ixgbe",
        "IPv6 local addresses on an ixgbe",
        "IPv4 works, every IPv6 connection is dropped.",
        "doctor -c lb.toml",
        "The ixgbe takes no IPv6 rule in perfect mode, so the pool of an IPv6 local address is not made.",
        "`fdir_mode signature`, or a NIC that can (mlx5).",
        setting(
            services='\n[[service]]\nname = "web6"\nvip = "[2001:db8::10]:80"\nladdr = ["2001:db8:1::200"]\n\n[[service.real]]\naddress = "[2001:db8:1::2]:8080"\n',
        ),
        conversations,
    ),
    Mistake(
        "another-host",
        "Frames for another host",
        "A replayed capture does nothing: no connection, no drop in any counter.",
        "explain in.pcap.gz -c lb.toml -n 1",
        "The frames carry another destination MAC than the port's. DPVS takes such a packet for another host's and frees it without counting.",
        "Leave `device.mac` unset, or rewrite the MACs.",
        setting(more=f'mac = "{OURS}"\n'),
        foreign,
    ),
    Mistake(
        "ping-through-snat",
        "Ping through SNAT over several cores",
        "Inside hosts reach the Internet by TCP and UDP, but most pings get no answer.",
        "check in.pcap.gz -c lb.toml --view rx --assert home,no-kernel",
        "No rule of a NIC is about ICMP. RSS spreads echo replies over another pair of addresses than the requests, so they reach a core without their session.",
        '`conn.icmp_redirect_core`, `conn.redirect = true`, or `device.rss = "tcp|udp"`: all ICMP on one core.',
        setting(4, more='sapool_address = ["203.0.113.4"]\n', services=OUT_SERVICE),
        pings,
    ),
    Mistake(
        "one-packet-full-nat",
        "One packet scheduling with full NAT",
        "Service InPkts grow, OutPkts stay 0, no client gets an answer.",
        "explain in.pcap.gz -c lb.toml -n 1 --brief",
        "A connection of one packet is never put into a table, and its local port is given back at once: the answer finds nobody.",
        "`one_packet = false`, or direct routing, whose answers do not pass the balancer. `lbreplay doctor` tells it without a capture.",
        setting(
            services="\n[udp]\nuoa_max_trail = 0\n"
            + DNS_SERVICE.replace('scheduler = "rr"\n', 'scheduler = "rr"\none_packet = true\n')
        ),
        queries,
    ),
    Mistake(
        "idle-connection",
        "The first request after a pause is reset",
        "Connections of a pool fail after some minutes without traffic; a retry works.",
        "check in.pcap.gz -c lb.toml --assert timeouts",
        "DPVS ends an established connection after 90 s without a packet. What comes later has no connection and is answered with a RST.",
        "`conn_timeout` of the service above the longest pause, or keepalives more often. `lbreplay explain -n 6` tells the connection's end.",
        setting(),
        idle,
    ),
    Mistake(
        "deleted-real-server",
        "A UDP client keeps failing after its real server was deleted",
        "Queries of one socket time out for minutes; other clients are served.",
        "check in.pcap.gz -c lb.toml --assert living",
        "The connection outlives its real server, and each datagram renews it.",
        "`expire_quiescent = true` of the service.",
        setting(
            services=DNS_SERVICE + '\n[[service.real]]\naddress = "192.168.100.3:53"\n'
            '\n[[event]]\nat = 7\nremove = "service.dns.real.192.168.100.2:53"\n'
        ),
        queries,
    ),
    Mistake(
        "few-long-flows",
        "Equal real servers, unequal load",
        "wrr over three equal real servers; one of them writes most of the logs.",
        "check in.pcap.gz -c lb.toml --assert even",
        "UDP is scheduled once a flow. A few long flows are as even as dice, whatever the scheduler.",
        "More flows (source ports) at the senders; one packet scheduling where no answer is needed (direct routing). `lbreplay run` shows the real servers' shares.",
        setting(services=LOG_SERVICE),
        few_long_flows,
    ),
    Mistake(
        "datagrams-with-an-address",
        "The first datagrams of a client are lost",
        "Only the fourth query is answered; on the real server no UDP is seen of the first three.",
        "explain in.pcap.gz -c lb.toml -n 1 --brief",
        "UOA puts the client's address in front of the first datagrams and sends them as IP protocol 248. A host without the module `uoa` takes none of them.",
        "Load `uoa.ko` at the real servers, or `udp.uoa_max_trail = 0`.",
        setting(services=DNS_SERVICE),
        queries,
    ),
    Mistake(
        "forged-client-address",
        "A client that brings its own client address",
        "A real server logs 10.0.0.1 for a client of the Internet.",
        "explain in.pcap.gz -c lb.toml -n 3 --brief",
        "DPVS puts its TCP option in front of the client's, which stays. A real server that reads another than the first one is deceived.",
        "A real server's module that reads the first option, or a filter for option 254 in front.",
        setting(services=SERVICE),
        forged,
    ),
    Mistake(
        "short-icmp-quote",
        "Path MTU discovery stalls behind an old router",
        "Large answers to some networks hang, though `fragmentation needed` arrives.",
        "explain in.pcap.gz -c lb.toml -n 6 --brief",
        "RFC 792 lets a router quote eight bytes of TCP; DPVS wants the whole header before it looks for the connection, and leaves the error to the kernel.",
        "A smaller MSS (`tcp.synproxy.mss`, or at the real servers), until the router quotes more.",
        setting(1),
        short_quote,
    ),
    Mistake(
        "client-beside-the-servers",
        "A client on the real servers' own network",
        "Everybody reaches the service, but not the hosts beside the real servers.",
        "explain in.pcap.gz -c lb.toml -n 1 --brief",
        "NAT keeps the client's address, so the real server answers a neighbour directly, from an address that the client never asked.",
        "Full NAT or direct routing, or real servers on a network of their own. `lbreplay doctor` warns of it.",
        'workers = 1\n\n[device]\naddress = ["192.168.100.1/24"]\n' + NAT_SERVICE,
        beside,
    ),
    Mistake(
        "second-of-delay",
        "Each port that is used again costs a second",
        "Under load from few clients some connections take exactly a second longer (kube-proxy, Docker swarm; Linux before 5.9).",
        "explain in.pcap.gz -c lb.toml -n 9 --brief",
        "A SYN on a connection in TIME_WAIT is scheduled anew, but where connection tracking is in use the kernel dropped it with the old entry; the client repeats it after a second.",
        "`conn_reuse_mode = 0` (the real server then stays the same), or Linux 5.9.",
        KERNEL.format(edition="5.4") + NAT_SERVICE,
        port_used_again,
    ),
    Mistake(
        "one-port-two-ways",
        "A port used for the service and for its real server",
        "Now and then a connection straight to a pod hangs, when the client's port is in use for the service.",
        "explain in.pcap.gz -c lb.toml -n 4 --brief",
        "Behind the director both look the same, and connection tracking lets only one live.",
        "Masquerading for direct connections, or none of them through the director.",
        KERNEL.format(edition="6.1") + "tracking = true\n\n[ipv4]\nforwarding = true\n" + NAT_SERVICE,
        direct_too,
    ),
]


# --- files ---------------------------------------------------------------------------------------------------


def capture(frames: Iterable[Frame]) -> bytes:
    """A pcap, gzipped without a time of its own."""
    raw = bytearray(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
    at = START - MILLISECOND
    for frame in frames:
        second, packet = frame if isinstance(frame, tuple) else (None, frame)
        at = at + MILLISECOND if second is None else START + round(second * 10**9)
        data = bytes(packet)
        raw += struct.pack("<IIII", at // 10**9, at % 10**9, len(data), len(data)) + data
    return gzip.compress(bytes(raw), 9, mtime=0)


def make(mistake: Mistake) -> None:
    """Write the folder of a mistake."""
    folder = HERE / mistake.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "in.pcap.gz").write_bytes(capture(mistake.frames()))
    (folder / "lb.toml").write_text(mistake.toml)
    done = subprocess.run(
        [sys.executable, "-m", "lbreplay", *shlex.split(mistake.command)], cwd=folder, capture_output=True, text=True
    )
    if done.stderr or done.returncode > 1:
        raise SystemExit(f"{mistake.name}: exit {done.returncode}: {done.stderr}")
    (folder / "expected.txt").write_text(done.stdout)
    told = {"title": mistake.title, "symptom": mistake.symptom, "command": mistake.command}
    told |= {"cause": mistake.cause, "cure": mistake.cure}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in told.items()]
    (folder / "mistake.toml").write_text("\n".join([*lines, f"exit_code = {done.returncode}"]) + "\n")


def section(mistake: Mistake) -> str:
    """A mistake in the README."""
    output = (HERE / mistake.name / "expected.txt").read_text()
    output = "\n".join(line.rstrip() for line in output.splitlines())
    return "\n\n".join(
        (
            f"## {mistake.title}",
            mistake.symptom,
            f"```console\n$ cd samples/cases/{mistake.name}\n$ lbreplay {mistake.command}\n{output}\n```",
            f"{mistake.cause}",
            f"Cure: {mistake.cure}",
        )
    )


def readme() -> str:
    """All of them, the table of contents first."""
    opening = """# Mistakes, and the command that names them

Each folder has a capture, a configuration with a mistake that users of full-NAT balancers really make, and the one command
that names the cause. The outputs below are checked by the tests. `python samples/make_cases.py` makes this page."""
    listed = [f"| [{m.title}](#{anchor(m.title)}) | `lbreplay {m.command}` |" for m in MISTAKES]
    table = "\n".join(["| mistake | command |", "|---|---|", *listed])
    return "\n\n".join((opening, table, *map(section, MISTAKES))) + "\n"


def anchor(title: str) -> str:
    """The fragment that a title has on a page."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")


if __name__ == "__main__":
    chosen = sys.argv[1:]
    for one in MISTAKES:
        if not chosen or one.name in chosen:
            make(one)
    (HERE / "README.md").write_text(readme())
