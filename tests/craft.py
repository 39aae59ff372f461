"""Packets in a line, by scapy, and captures of them.

    frame = syn("172.16.0.1:3000", "10.0.0.100:80")
    answer = reply(seen)                       # what a real server says to the frame the balancer sent it
    write(path, [frame, answer])               # a capture, one frame a millisecond

A frame is bytes, a record is (time in nanoseconds, length on the wire, bytes).
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

Record = tuple[int, int, bytes]
START = 1_700_000_000 * 10**9
MILLISECOND = 10**6

OURS = "02:70:63:61:70:00"
GATEWAY = "02:00:00:00:00:01"
SYN_OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (111, 0)), ("NOP", None), ("WScale", 7)]


def split(endpoint: str) -> tuple[str, int]:
    address, _, port = endpoint.rpartition(":")
    return address.strip("[]"), int(port)


def ip(src: str, dst: str, **fields: Any) -> Packet:
    """IP or IPv6 by the look of the addresses; `ttl` goes to the hop limit."""
    if ":" in dst:
        if "ttl" in fields:
            fields["hlim"] = fields.pop("ttl")
        fields.pop("id", None), fields.pop("flags", None)
        return IPv6(src=src, dst=dst, **fields)
    return IP(src=src, dst=dst, **fields)


def frame(packet: Packet, dst: str = OURS, src: str = GATEWAY, vlan: int | None = None) -> bytes:
    link = Ether(dst=dst, src=src)
    return bytes(link / Dot1Q(vlan=vlan) / packet if vlan is not None else link / packet)


def tcp(
    client: str, vip: str, flags: str = "A", seq: int = 1, ack: int = 0, payload: bytes = b"", **fields: Any
) -> bytes:
    """A TCP segment; `options`, `window` and the fields of IP and `frame` by name."""
    (src, sport), (dst, dport) = split(client), split(vip)
    link = {k: fields.pop(k) for k in ("mac", "vlan") if k in fields}
    segment = {"options": fields.pop("options", []), "window": fields.pop("window", 8192)}
    if "tcp_sum" in fields:
        segment["chksum"] = fields.pop("tcp_sum")
    l4 = TCP(sport=sport, dport=dport, flags=flags, seq=seq % 2**32, ack=ack % 2**32, **segment)
    return frame(ip(src, dst, **fields) / l4 / Raw(payload), src=link.get("mac", GATEWAY), vlan=link.get("vlan"))


def syn(client: str, vip: str, seq: int = 1000, **fields: Any) -> bytes:
    return tcp(client, vip, "S", seq, options=fields.pop("options", SYN_OPTIONS), **fields)


def udp(client: str, vip: str, payload: bytes = b"x", **fields: Any) -> bytes:
    (src, sport), (dst, dport) = split(client), split(vip)
    link = {k: fields.pop(k) for k in ("mac", "vlan") if k in fields}
    l4 = UDP(sport=sport, dport=dport, **({"chksum": fields.pop("udp_sum")} if "udp_sum" in fields else {}))
    return frame(ip(src, dst, **fields) / l4 / Raw(payload), src=link.get("mac", GATEWAY), vlan=link.get("vlan"))


def ping(src: str, dst: str, payload: bytes = b"ping", **fields: Any) -> bytes:
    echo = ICMPv6EchoRequest(id=5, seq=6, data=payload) if ":" in dst else ICMP(type=8, id=5, seq=6) / Raw(payload)
    return frame(ip(src, dst, **fields) / echo)


def arp(target: str, sender: str = "192.168.100.1", op: int = 1) -> bytes:
    return frame(ARP(op=op, psrc=sender, pdst=target, hwsrc=GATEWAY), dst="ff:ff:ff:ff:ff:ff")


def tick() -> bytes:
    """A frame of an ethertype nobody handles: it goes to the kernel and only moves the clock."""
    return bytes(Ether(dst=OURS, src=GATEWAY, type=0x88B5) / Raw(b"tick".ljust(46, b"\0")))


def parse(data: bytes) -> Packet:
    return Ether(data)


def reply(sent: bytes, flags: str = "A", seq: int = 5000, payload: bytes = b"", **fields: Any) -> bytes:
    """What the receiver of *sent* answers: ends swapped, its sequence numbers acknowledged."""
    seen = parse(sent)
    l3 = seen[IPv6] if IPv6 in seen else seen[IP]
    ends = f"{l3.dst}:{l3.payload.dport}", f"{l3.src}:{l3.payload.sport}"
    if UDP in seen:
        return udp(*ends, payload=payload, mac=seen.dst, **fields)
    taken = len(seen[TCP].payload) + ("S" in seen[TCP].flags) + ("F" in seen[TCP].flags)
    return tcp(*ends, flags, seq, seen[TCP].seq + taken, payload, mac=seen.dst, **fields)


def records(frames: Iterable[bytes], step: int = MILLISECOND) -> list[Record]:
    """One frame every *step* nanoseconds."""
    return [(START + n * step, len(data), data) for n, data in enumerate(frames)]


def write(path: Path, frames: Iterable[bytes] | Iterable[Record]) -> Path:
    """A little-endian nanosecond pcap of frames or records."""
    rows = list(frames)
    if rows and isinstance(rows[0], bytes):
        rows = records(rows)  # type: ignore[arg-type]
    out = bytearray(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
    for time, length, data in rows:  # type: ignore[misc]
        out += struct.pack("<IIII", time // 10**9, time % 10**9, len(data), length) + data
    path.write_bytes(out)
    return path


def read(path: Path) -> list[Record]:
    """The records of a classic pcap, plain or gzip."""
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    magic = struct.unpack("<I", raw[:4])[0]
    order = "<" if magic in (0xA1B2C3D4, 0xA1B23C4D) else ">"
    unit = 1 if struct.unpack(order + "I", raw[:4])[0] == 0xA1B23C4D else 1000
    rows, at = [], 24
    while at < len(raw):
        seconds, fraction, size, length = struct.unpack(order + "IIII", raw[at : at + 16])
        rows.append((seconds * 10**9 + fraction * unit, length, raw[at + 16 : at + 16 + size]))
        at += 16 + size
    return rows
