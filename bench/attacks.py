"""Captures made to be expensive: what a frame of each costs in a large one over what it costs in one a tenth as large.

No table of the balancer may be made to walk: the same tuple that opens again and again, a million timers due at once,
ports that have run out, a template or a neighbour a frame, fragments whose first never comes, packets that wait for a
real server which never answers, a redirect a connection; the same of the kernel's tables. Cost follows the length of a
capture, whatever stands in it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from statistics import median
from typing import NamedTuple

from bench.growth import cost
from bench.load import CLIENT_MAC, SERVER_MAC, START, VIP
from bench.measure import CONFIG, DESK, ROOT, Figure

MOST = 1.5  # times what a frame costs in a capture of a tenth
ROUNDS = 3
SYN, ACK, DATA = 2, 16, 24

Frames = Iterator[tuple[float, bytes]]  # seconds after the start, and the frame


class Attack(NamedTuple):
    """`frames` of a capture of that many, and the configuration and settings under which it hurts most."""

    name: str
    frames: Callable[[int], Frames]
    sets: tuple[str, ...] = ()
    config: str = CONFIG


def _address(number: int) -> bytes:
    return struct.pack(">I", 0x0A000001 + number)


def _tcp(client: int, port: int, flags: int, seq: int = 1, ack: int = 0, payload: bytes = b"") -> bytes:
    segment = struct.pack(">HHIIBBHHH", port, 80, seq, ack, 0x50, flags, 8192, 0, 0) + payload
    return _ip(_address(client), VIP, 6, segment)


def _ip(source: bytes, dest: bytes, proto: int, payload: bytes, fragment: int = 0, number: int = 1) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), number & 0xFFFF, fragment, 64, proto, 0)
    return SERVER_MAC + CLIENT_MAC + b"\x08\x00" + head + source + dest + payload


def again(frames: int) -> Frames:
    """Half of them open a connection each, the other half is one tuple that opens when its last one has ended."""
    half = frames // 2
    yield from ((n / half, _tcp(n, 1024, SYN)) for n in range(half))
    yield from ((100 + 100 * n, _tcp(half, 1024, SYN)) for n in range(frames - half))


def at_once(frames: int) -> Frames:
    """All timers are due in one tick, and the last frame finds them so."""
    yield from ((0, _tcp(n, 1024, SYN)) for n in range(frames - 1))
    yield 1000, _tcp(0, 1025, SYN)


def openings(frames: int) -> Frames:
    """A client a frame."""
    yield from ((n / frames, _tcp(n, 1024, SYN)) for n in range(frames))


def fragments(frames: int) -> Frames:
    """Later fragments of datagrams whose first never comes, and first ones whose rest does not."""
    for n in range(frames):
        fragment = 185 if n % 2 else 0x2000
        yield n / frames, _ip(_address(n), VIP, 17, struct.pack(">HHHH", 1024, 53, 1500, 0), fragment, n)


def neighbours(frames: int) -> Frames:
    """An ARP request of another host each."""
    for n in range(frames):
        mac = b"\2\1" + struct.pack(">I", n)
        body = struct.pack(">HHBBH", 1, 0x800, 6, 4, 1) + mac + _address(n) + bytes(6) + VIP
        yield n / frames, b"\xff" * 6 + mac + b"\x08\x06" + body


def held(frames: int) -> Frames:
    """One client proves itself to the SYN proxy and then sends and sends; its real server never answers."""
    from lbreplay.config.load import load
    from lbreplay.journey import replay

    first = capture(Attack("proof", lambda _: iter([(0.0, _tcp(1, 1024, SYN))])), 1)
    answered = str(DESK / "proof.pcap")
    replay(load(CONFIG, PROXY), first, answered)
    with open(answered, "rb") as file:
        cookie = int.from_bytes(file.read()[24 + 16 + 38 :][:4])
    yield 0, _tcp(1, 1024, SYN)
    yield 0.01, _tcp(1, 1024, ACK, 2, cookie + 1)
    yield from ((0.02 + n / frames, _tcp(1, 1024, DATA, 2 + n, cookie + 1, b"x")) for n in range(frames - 2))


PROXY = ("service.web.synproxy=true",)
DEFENCE = ("ipvs.drop_entry=3", "ipvs.secure_tcp=3")
DIRECTOR = str(ROOT / "bench" / "director.toml")
ATTACKS = (
    Attack("the same tuple again and again", again),
    Attack("all timers at once", at_once),
    Attack("local ports run out", openings, ("sa_pool.high=1088",)),
    Attack("a persistence template a frame", openings, ("service.web.persistent={timeout=1}",)),
    Attack("templates of one network", openings, ("service.web.persistent={timeout=1,netmask=8}",)),
    Attack("a redirect a connection", openings, ("conn.redirect=true", "flow_director.enabled=false")),
    Attack("fragments without their rest", fragments),
    Attack("a neighbour a frame", neighbours),
    Attack("packets held by the SYN proxy", held, PROXY),
    Attack("IPVS: the same tuple again and again", again, (), DIRECTOR),
    Attack("IPVS: all timers at once, tracked", at_once, ("ipvs.conntrack=1",), DIRECTOR),
    Attack("IPVS: a template a frame, defended", openings, ("service.web.persistent={timeout=1}", *DEFENCE), DIRECTOR),
    Attack("IPVS: fragments without their rest", fragments, (), DIRECTOR),
)


def figures(quick: bool) -> Iterator[Figure]:
    """A line an attack."""
    size = 100_000 if quick else 500_000
    for attack in ATTACKS:
        yield Figure(attack.name, f"in {size // 10:,} frames", partial(ratio, attack, size), MOST, less=True)


def ratio(attack: Attack, size: int, rounds: int = ROUNDS) -> float:
    """What a frame costs among *size* over what it costs among a tenth of them."""
    large, small = capture(attack, size), capture(attack, size // 10)
    price = partial(cost, first=0, sets=attack.sets, config=attack.config)
    return median(price(large) / price(small) for _ in range(rounds))


def capture(attack: Attack, frames: int) -> str:
    """The path of the capture, made if it is not there yet."""
    DESK.mkdir(parents=True, exist_ok=True)
    version = zlib.crc32((ROOT / "bench" / "attacks.py").read_bytes() + attack.name.encode())
    path = DESK / f"attack-{frames}-{version:08x}.pcap"
    if not path.exists():
        making = path.with_suffix(".making")
        with making.open("wb") as file:
            file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
            for at, frame in islice(attack.frames(frames), frames):
                when = int(at * 1e6)
                head = struct.pack("<IIII", START + when // 10**6, when % 10**6, len(frame), len(frame))
                file.write(head + frame)
        making.rename(path)
    return str(path)
