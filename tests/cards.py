"""Captures as dpdk-dumpcap records them, from a card whose settings are known: key, table, hashed fields, rules.

    card = Card(seed=1, rules="narrow")
    path = card.record(tmp_path / "card.pcapng")     # card.key, card.reta, card.mask, card.queues: the truth

Clients talk to 203.0.113.10:443 (TCP) and :53 (UDP); with rules, real servers answer to the local addresses 10.1.1.1
and .2. The hash is written anew here, from its definition, and so are the blocks.
"""

from __future__ import annotations

import ipaddress
import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

TIME = 1_700_000_000 * 10**9
HASHED = {"4tuple": ("tcp", "udp"), "2tuple": (), "tcp-only": ("tcp",)}


def toeplitz(key: bytes, data: bytes) -> int:
    """XOR of the 32-bit windows of *key* that begin at each set bit of *data*."""
    bits, size, result = int.from_bytes(key), len(key) * 8, 0
    for i in range(len(data) * 8):
        if data[i // 8] >> (7 - i % 8) & 1:
            result ^= bits >> (size - 32 - i) & 0xFFFFFFFF
    return result


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def packet(src: bytes, dst: bytes, proto: int, sport: int, dport: int) -> bytes:
    """A frame whose checksums nobody looks at."""
    l4 = struct.pack(">HHIIBBHHH", sport, dport, 1000, 1, 0x50, 16, 65535, 0, 0) if proto == 6 else b""
    l4 = l4 or struct.pack(">HHHH", sport, dport, 12, 0) + b"ping"
    macs = bytes.fromhex("020000000001020000000002")
    if len(src) == 16:
        return macs + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(l4), proto, 64) + src + dst + l4
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(l4), 1, 0x4000, 64, proto, 0)
    return macs + b"\x08\x00" + head + src + dst + l4


def tagged(frame: bytes) -> bytes:
    return frame[:12] + b"\x81\x00\x00\x07" + frame[12:]


@dataclass
class Frame:
    """A received frame with what the card says beside it; None is not said."""

    data: bytes
    queue: int | None
    hash: int | None
    more: bytes = b""  # options as they are
    flags: int = 1  # received
    interface: int = 0


@dataclass
class Card:
    """The settings, and the frames that it received under them."""

    seed: int = 1
    frames: int = 300
    key: bytes = b""  # drawn
    size: int = 128
    queues: int = 4
    hashed: str = "4tuple"
    rules: str = "right"  # narrow: one bit of the port too few; none
    six: bool = False
    hashes: bool = True  # recorded
    received: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.key = self.key or rng.randbytes(40)
        drawn = [rng.randrange(self.queues) for _ in range(self.size)]
        self.reta = drawn if self.seed % 2 else [i % self.queues for i in range(self.size)]
        right = (1 << (self.queues - 1).bit_length()) - 1
        self.mask = {"right": right, "narrow": right >> 1, "none": None}[self.rules]
        self.received = [self._receive(rng) for _ in range(self.frames)]

    def _receive(self, rng: random.Random) -> Frame:
        name = "tcp" if rng.random() < 0.7 else "udp"
        if self.mask is not None and rng.random() < 0.4:
            ends = self.address(3, rng.randrange(2, 6)), self.address(4, rng.randrange(1, 3))
            ports = 8080, rng.randrange(1025, 65536)
        else:
            ends = self.address(1, rng.randrange(1, 254)), self.address(2, 10)
            ports = rng.randrange(1024, 65536), 443 if name == "tcp" else 53
        code = self.hash_of(name, *ends, *ports)
        queue = self.queue_of(ends[1], ports[1], code)
        return Frame(packet(*ends, 6 if name == "tcp" else 17, *ports), queue, code if self.hashes else None)

    def address(self, kind: int, n: int) -> bytes:
        four = {1: "198.51.100.", 2: "203.0.113.", 3: "10.1.0.", 4: "10.1.1."}[kind] + str(n)
        return ipaddress.ip_address(f"2001:db8:{kind}::{n:x}" if self.six else four).packed

    def hash_of(self, name: str, src: bytes, dst: bytes, sport: int, dport: int) -> int | None:
        ports = struct.pack(">HH", sport, dport) if name in HASHED[self.hashed] else b""
        return toeplitz(self.key, src + dst + ports) if ports or self.hashed == "2tuple" else None

    def queue_of(self, dst: bytes, dport: int, code: int | None) -> int:
        if self.mask is not None and dst in (self.address(4, 1), self.address(4, 2)):
            ranks = [k for k in range(self.queues) if dport & self.mask == k & self.mask]
            if ranks:
                return ranks[0]
        return 0 if code is None else self.reta[code & self.size - 1]

    def record(self, path: Path, some: slice = slice(None)) -> str:
        """Write *some* of the frames."""
        return record(path, self.received[some])


def record(path: Path, frames: list[Frame], interfaces: int = 1) -> str:
    """Write *frames*, a millisecond apart, as dpdk-dumpcap would."""
    described = struct.pack("<HHI", 1, 0, 262144) + option(9, b"\x09") + bytes(4)
    out = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), *[block(1, described)] * interfaces]
    for n, frame in enumerate(frames):
        time = TIME + n * 10**6
        head = struct.pack("<IIIII", frame.interface, time >> 32, time & 0xFFFFFFFF, len(frame.data), len(frame.data))
        said = option(2, struct.pack("<I", frame.flags)) if frame.flags else b""
        said += option(6, struct.pack("<I", frame.queue)) if frame.queue is not None else b""
        said += option(3, b"\x05" + struct.pack("<I", frame.hash)) if frame.hash is not None else b""
        said += frame.more
        out.append(block(6, head + frame.data + bytes(-len(frame.data) % 4) + said + (bytes(4) if said else b"")))
    path.write_bytes(b"".join(out))
    return str(path)
