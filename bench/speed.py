"""How fast and in how much memory: `lbreplay run` from file to file beside tools that rewrite a capture without state.

tcprewrite (Debian package tcpreplay) maps addresses and ports on the same capture; a dpkt and a scapy script do so on
fewer frames, and count by the frame.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from bench.measure import DESK, MIB, ROOT, Figure, capture, paired, peak, python, replay, seconds

FULL, QUICK = 1_000_000, 100_000
# profile: what the replay must reach, in frames a second over those of tcprewrite
ASKED = {"steady": 3, "web": 2, "syn": 1.5, "udp": 2.5, "imix": 2.5}
# kind of traffic or setting: the profile, what is set (or an option), what it must reach beside tcprewrite
KINDS: dict[str, tuple[str, tuple[str, ...], float]] = {
    "web under wlc": ("web", ('service.web.scheduler="wlc"',), 1.6),
    "web under conhash": ("web", ('service.web.scheduler="conhash"',), 1.6),
    "web under mh": ("web", ('service.web.scheduler="mh"',), 1.6),
    "web by NAT, handed to owners": ("web", ('service.web.mode="nat"', "conn.redirect=true"), 1),
    "web by direct routing": ("web", ('service.web.mode="dr"',), 1),
    "web, redirect under a wrong mask": ("web", ("conn.redirect=true", "flow_director.dst_port_mask=1"), 1),
    "web, one address in a blacklist": ("web", ('service.web.blacklist=["10.9.9.9"]',), 1),
    "web, one address in a white list": ("web", ('edition="1.8"', 'service.dns.whitelist=["10.0.0.0/8"]'), 1),
    "web, persistent": ("web", ("service.web.persistent={timeout=300}",), 1.6),
    "web through tunnels": ("web", ('service.web.mode="tunnel"',), 1),
    "web, tagged": ("vlan", ("device.vlan=[{id=5}]",), 1),
    "web by the slow path": ("web", ("conn.fast_xmit=false",), 1),
    "web without rules, redirect": ("web", ('flow_director.strategy="off"', "conn.redirect=true"), 1),
    "web, answers led astray": ("web", ("flow_director.dst_port_mask=1",), 1),
    "web, view lb": ("web", ("--view=lb",), 1),
    "web over IPv6": ("web6", (), 1),
    "web over IPv6 by NAT": ("web6", ('service.web6.mode="nat"', "conn.redirect=true"), 1),
    "web over IPv6 by direct routing": ("web6", ('service.web6.mode="dr"',), 1),
    "web over IPv6 through tunnels": ("web6", ('service.web6.mode="tunnel"',), 1),
    "web in transit": ("web", ('service.web.vip="203.0.113.1:80"', "ipv4.forwarding=true"), 1),
    "web by SNAT": ("web", ("bench/snat.toml", "--view=rx"), 1),
    "web, proxy protocol": ("web", ('service.web.proxy_protocol="v2"',), 1),
    "web behind a SYN proxy": ("web", ("service.web.synproxy=true",), 0.3),
    "a flood of SYNs, answered by a SYN proxy": ("syn", ("service.web.synproxy=true",), 0.3),
    "udp that tells its client (UOA)": ("udp", ("udp.uoa_max_trail=3",), 1),
    "web that meets no service": ("web", ('service.web.vip="203.0.113.1:80"',), 1),
    "web, traced": ("web", ("--trace=out/bench/trace.jsonl",), 0.3),
    "web, annotated as pcapng": ("web", ("--output=out/bench/out.pcapng",), 0.3),
    "web by the kernel's NAT": ("web", ("bench/director.toml",), 1),
    "web by the kernel's direct routing": ("web", ("bench/director.toml", 'service.web.mode="dr"'), 1),
    "web through the kernel's tunnels": ("web", ("bench/director.toml", 'service.web.mode="tunnel"'), 1),
}
IPV4_MAPS = "10.0.0.0/8:198.18.0.0/16", "192.0.2.10/32:198.18.0.1/32"
IPV6_MAPS = "[2001:db8::a00:0/104]:[2001:db8:ff::/112]", "[2001:db8::c000:20a/128]:[2001:db8:fe::1/128]"
OVER_IPV6 = ("web6",)
SCRIPTS = {"dpkt": 20, "scapy": 400}  # how many times fewer frames they get
BASE, MOST = 100 * MIB, 200  # bytes of a run, and more of each live connection


def figures(quick: bool) -> Iterator[Figure]:
    frames = QUICK if quick else FULL
    for profile, asked in ASKED.items():
        yield Figure(f"{profile}, frames a second", "tcprewrite", partial(_tcprewrite, profile, frames), asked)
    for kind, (profile, settings, asked) in KINDS.items():
        more = [word for setting in settings for word in words(setting)]
        yield Figure(f"{kind}, frames a second", "tcprewrite", partial(_tcprewrite, profile, frames, *more), asked)
    for tool, fewer in SCRIPTS.items():
        yield Figure("web, frames a second", f"a {tool} script", partial(_script, tool, frames, fewer), 1)
    steady, live = (frames if quick else 4 * FULL), (frames if quick else FULL)
    yield Figure(f"peak memory, {steady:,} steady frames", "100 MiB", partial(_peak, steady), 1, less=True)
    yield Figure(f"memory a connection, {live:,} live", f"{MOST} bytes", partial(_connection, live), 1, less=True)


def words(setting: str) -> tuple[str, ...]:
    """A setting of KINDS on the command line: an option, another configuration, or what `--set` takes."""
    if setting.endswith(".toml"):
        return "-c", str(ROOT / setting)
    return (setting,) if setting.startswith("--") else ("--set", setting)


def maps(profile: str) -> tuple[str, ...]:
    """What tcprewrite does to a profile: clients become local addresses, the virtual address a real server, and the
    ports with it."""
    source, dest = IPV6_MAPS if profile in OVER_IPV6 else IPV4_MAPS
    return f"--srcipmap={source}", f"--dstipmap={dest}", "--portmap=80:8080,53:5353"


def _tcprewrite(profile: str, frames: int, *more: str) -> float:
    path = capture(profile, frames)
    beside = ("tcprewrite", *maps(profile), f"--infile={path}", f"--outfile={DESK / 'beside.pcap'}")
    return paired(partial(seconds, *beside), partial(seconds, *replay(path, *more)))


def _script(tool: str, frames: int, fewer: int) -> float:
    path, some = capture("web", frames), capture("web", frames // fewer)
    beside = python(f"rewrite/with_{tool}.py", some, str(DESK / "beside.pcap"))
    return fewer * paired(partial(seconds, *beside), partial(seconds, *replay(path)))


def _peak(frames: int) -> float:
    return peak(*replay(capture("steady", frames))) / (100 * MIB)


def _connection(frames: int) -> float:
    """A flood within a second: nothing expires before the last frame, so all connections live at the peak."""
    stats = DESK / "stats.json"
    most = peak(*replay(capture("syn", frames, within=1), "--stats", str(stats)))
    live = sum(worker["conns"]["peak"] for worker in json.loads(stats.read_text())["workers"])
    return (most - BASE) / live / MOST
