"""How fast and in how much memory: `lbreplay run` from file to file beside tools that rewrite a capture without state.

tcprewrite (Debian package tcpreplay) maps addresses and ports on the same capture; a dpkt and a scapy script do so on
fewer frames, and count by the frame.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from bench.measure import DESK, MIB, Figure, capture, paired, peak, python, replay, seconds

FULL, QUICK = 1_000_000, 100_000
# profile: what the replay must reach, in frames a second over those of tcprewrite
ASKED = {"steady": 1.5, "web": 0.7, "syn": 0.4, "udp": 1.0, "imix": 1.2}
SCRIPTS = {"dpkt": 20, "scapy": 400}  # how many times fewer frames they get
BASE, MOST = 150 * MIB, 300  # bytes of a run, and more of each live connection


def figures(quick: bool) -> Iterator[Figure]:
    frames = QUICK if quick else FULL
    for profile, asked in ASKED.items():
        yield Figure(f"{profile}, frames a second", "tcprewrite", partial(_tcprewrite, profile, frames), asked)
    wlc = ("--set", 'service.web.scheduler="wlc"')
    yield Figure("web under wlc, frames a second", "tcprewrite", partial(_tcprewrite, "web", frames, *wlc))
    for tool, fewer in SCRIPTS.items():
        yield Figure("web, frames a second", f"a {tool} script", partial(_script, tool, frames, fewer), 1)
    steady, live = (frames if quick else 4 * FULL), (frames if quick else FULL)
    yield Figure(f"peak memory, {steady:,} steady frames", "300 MiB", partial(_peak, steady), 1, less=True)
    yield Figure(f"memory a connection, {live:,} live", f"{MOST} bytes", partial(_connection, live), 1, less=True)


def _tcprewrite(profile: str, frames: int, *more: str) -> float:
    path = capture(profile, frames)
    maps = (
        "--srcipmap=10.0.0.0/8:198.18.0.0/16",
        "--dstipmap=192.0.2.10/32:198.18.0.1/32",
        "--portmap=80:8080,53:5353",
    )
    beside = ("tcprewrite", *maps, f"--infile={path}", f"--outfile={DESK / 'beside.pcap'}")
    return paired(partial(seconds, *beside), partial(seconds, *replay(path, *more)))


def _script(tool: str, frames: int, fewer: int) -> float:
    path, some = capture("web", frames), capture("web", frames // fewer)
    beside = python(f"rewrite/with_{tool}.py", some, str(DESK / "beside.pcap"))
    return fewer * paired(partial(seconds, *beside), partial(seconds, *replay(path)))


def _peak(frames: int) -> float:
    return peak(*replay(capture("steady", frames))) / (300 * MIB)


def _connection(frames: int) -> float:
    """A flood within a second: nothing expires before the last frame, so all connections live at the peak."""
    stats = DESK / "stats.json"
    most = peak(*replay(capture("syn", frames, within=1), "--stats", str(stats)))
    live = sum(worker["conns"]["peak"] for worker in json.loads(stats.read_text())["workers"])
    return (most - BASE) / live / MOST
