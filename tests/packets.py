"""Packets of a few words for tests that compare and anonymize: frames of lab.fields, made by scapy."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from lbreplay.lab.fields import Frame

START = 1_700_000_000 * 10**9
GOLDEN = Path(__file__).parent / "golden" / "dpvs"


def frame(packet: Any, n: int = 1, time_ns: int = START) -> Frame:
    """A scapy packet as a frame."""
    data = bytes(packet)
    return Frame(n, time_ns, data, len(data))


def tcp(n: int = 1, dst: str = "10.0.0.100", flags: str = "A", payload: bytes = b"", **fields: Any) -> Any:
    """A segment of flow *n*: client 172.16.0.n, port 3000 + n."""
    link = Ether(src="02:00:00:00:00:01", dst="02:70:63:61:70:00")
    return link / IP(src=f"172.16.0.{n}", dst=dst) / TCP(sport=3000 + n, dport=80, flags=flags, **fields) / payload


def udp(n: int = 1, payload: bytes = b"x") -> Any:
    link = Ether(src="02:00:00:00:00:01", dst="02:70:63:61:70:00")
    return link / IP(src=f"172.16.0.{n}", dst="10.0.0.100") / UDP(sport=3000 + n, dport=53) / payload


def numbered(packets: Sequence[Any], step_ns: int = 1_000_000) -> list[Frame]:
    """Packets as the frames of a capture, one each *step_ns*."""
    return [frame(packet, n, START + n * step_ns) for n, packet in enumerate(packets, 1)]


def write(path: Path, frames: Sequence[Frame]) -> str:
    """Write *frames* as a nanosecond pcap."""
    records = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)]
    for f in frames:
        records.append(struct.pack("<IIII", *divmod(f.time_ns, 10**9), len(f.data), f.length) + f.data)
    path.write_bytes(b"".join(records))
    return str(path)
