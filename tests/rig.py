"""A balancer in a few lines, for tests of what it does to packets.

    run = play(WEB, [syn(CLIENT, VIP), tcp(REAL, LADDR, "SA", 5000, ISN + 1)])
    run.verdicts            # of the frames, in order
    run.packet(1)           # what left first, by scapy

A frame is bytes, or (milliseconds after the first frame, bytes), or (milliseconds, bytes, length on the wire); without
a time it comes a millisecond after the one before. One worker, no chance: local ports begin at 1025, and DPVS's
sequence number is the client's + 0x10000000.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import craft
import engine
from craft import ping, reply, syn, tcp, tick, udp
from scapy.packet import Packet

from lbreplay.config.load import load
from lbreplay.model import Setup

__all__ = ["Played", "ping", "play", "reply", "setup", "syn", "tcp", "tick", "udp"]

CLIENT, VIP, REAL, LADDR = "172.16.0.1:3000", "10.0.0.100:80", "192.168.100.2:8080", "192.168.100.200:1025"
CLIENT6, VIP6 = "[2001:db8:c::1]:3000", "[2001:db8:1::100]:80"
REAL6, LADDR6 = "[2001:db8:2::2]:8080", "[2001:db8:2::200]:1025"
DELTA = 0x10000000
SYN_SEQ = 1000  # of craft.syn
RS_MAC = "02:00:00:00:02:02"

BASE = """
workers = {workers}
[device]
mac = "02:70:63:61:70:00"
address = ["192.168.100.10/24", "2001:db8:2::10/64"]
{device}
[conn]
timer_jitter = false
laddr_step = false
{conn}
{more}
[[service]]
name = "web"
vip = "{vip}"
protocol = "{protocol}"
mode = "{mode}"
scheduler = "{scheduler}"
{service}
"""


def setup(
    service: str = "", *, reals: Sequence[str] = (REAL,), laddr: str = LADDR, mode: str = "fnat", vip: str = VIP,
    protocol: str = "tcp", workers: int = 1, device: str = "", conn: str = "", more: str = "", edition: str = "1.10",
    events: str = "", view: str = "rx", real: str = "", scheduler: str = "rr",
) -> Setup:  # fmt: skip
    """One service; each keyword is TOML that goes where its name says."""
    text = BASE.format(workers=workers, device=device, conn=conn, more=more, vip=vip, protocol=protocol, mode=mode,
                       service=service, scheduler=scheduler)  # fmt: skip
    if mode == "fnat":
        text += f'laddr = ["{craft.split(laddr)[0]}"]\n'
    for address in reals:
        text += f'[[service.real]]\naddress = "{address}"\n{real}\n'
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lb.toml"
        file.write_text(f'edition = "{edition}"\n' + text + events)
        return load(str(file), (), view=view)


class Played:
    """What a balancer did: `trace` by frame number, `sent` records, `own` packets without a cause, `document`."""

    def __init__(self, run: engine.Run) -> None:
        self.trace, self.sent, self.own, self.document = run.trace, run.sent, run.own, run.document

    @property
    def verdicts(self) -> list[str]:
        return [self.trace[n]["verdict"] for n in sorted(self.trace)]

    def states(self, n: int) -> list[str]:
        """State before and after frame *n*."""
        return self.trace[n]["state"]

    def packet(self, number: int) -> Packet:
        """The packet that left as *number*, counted from 1."""
        return craft.parse(self.sent[number - 1][2])

    def after(self, number: int) -> float:
        """Milliseconds between the first frame and the packet that left as *number*."""
        return (self.sent[number - 1][0] - craft.START) / 10**6

    @property
    def real(self) -> dict[str, Any]:
        """Statistics of the first real server."""
        return self.document["services"][0]["reals"][0]

    def counter(self, name: str) -> Any:
        return self.document["totals"]["verdicts"].get(name, 0)


def play(made: Setup, frames: Iterable[Any], burst: int = 4096) -> Played:
    """Send *frames* through the balancer."""
    records: list[craft.Record] = []
    at = -1.0
    for frame in frames:
        at, data, *length = (at + 1, frame) if isinstance(frame, bytes) else frame
        records.append((craft.START + int(at * 10**6), length[0] if length else len(data), data))
    with tempfile.TemporaryDirectory() as folder:
        return Played(engine.run(made, records, Path(folder), burst))


def handshake(rs_seq: int = 5000, mss: int = 1460) -> list[bytes]:
    """SYN, SYN|ACK of the real server, ACK: full NAT, first connection."""
    return [
        syn(CLIENT, VIP, SYN_SEQ),
        tcp(REAL, LADDR, "SA", rs_seq, SYN_SEQ + DELTA + 1, options=[("MSS", mss)], mac=RS_MAC),
        tcp(CLIENT, VIP, "A", SYN_SEQ + 1, rs_seq + 1),
    ]
