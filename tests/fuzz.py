"""Hostile input, for as long as one likes: `python tests/fuzz.py SECONDS [TARGET]` (`make fuzz`).

A target takes bytes and may raise nothing: where lbreplay refuses, it does so with a LbreplayError. With atheris (`pip
install atheris` on Linux) the bytes follow the coverage, else they are mutations of the seeds. What was found once
stands in tests/corpus/TARGET and is tried by `test_fuzz.py` each time.
"""

from __future__ import annotations

import gc
import gzip
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

import captures

from lbreplay.config.load import load
from lbreplay.errors import CaptureError, ConfigError
from lbreplay.model import Endpoint, Setup
from lbreplay.replay import replay
from lbreplay.wire import icmp, options, proxy_protocol
from lbreplay.wire.capture import open_capture, open_sink
from lbreplay.wire.packet import Packet

CORPUS = Path(__file__).parent / "corpus"
SETUP = """
[[service]]
name = "web"
vip = "10.0.0.100:80"
laddr = ["192.168.100.200"]
scheduler = "rr"
[[service.real]]
address = "192.168.100.2:8080"
[[service]]
vip = "[2001:db8::1]:53"
protocol = "udp"
laddr = ["2001:db8::200"]
[[service.real]]
address = "[2001:db8::2]:53"
"""
SETTINGS: list[list[str]] = [
    [], ["udp.uoa_max_trail=0"], ['service.web.mode="nat"'], ['service.web.mode="dr"'], ["conn.redirect=true"],
    ['service.web.blacklist=["10.0.0.1"]'], ["workers=2", "flow_director.dst_port_mask=0"],
]  # fmt: skip
CLIENT, VIP = Endpoint(bytes([10, 0, 0, 1]), 1025), Endpoint(bytes([10, 0, 0, 100]), 80)


def held(promise: bool) -> None:
    """Break where a promise did."""
    assert promise


def fuzz_capture(data: bytes) -> None:
    """Whatever a file holds, it is read to the end or refused, and its frames can be written again."""
    with tempfile.TemporaryDirectory() as folder:
        path = captures.write(Path(folder), data)
        try:
            capture = open_capture(str(path))
        except CaptureError as error:
            held(str(error).startswith(str(path)))
            return
        with capture, open_sink(f"{folder}/out.pcapng", capture.info) as sink:
            for burst in capture.bursts(3):
                held(0 < burst.size <= 3 and bool((burst.caplen <= burst.length).all()))
                burst.leaving[:] = burst.caplen >= 14
                sink.write(burst)
        with open_capture(f"{folder}/out.pcapng") as again:
            held(len(captures.drain(again)) == sink.written and again.damage is None)


def fuzz_frame(data: bytes) -> None:
    """A frame can be taken apart, whatever it holds; so can what stands in it."""
    packet = Packet(data, len(data) + 5)
    packet.untag()
    l3 = packet.l3
    if packet.family and len(l3) >= 20 and packet.family == l3[0] >> 4 and packet.proto in (1, 58):
        icmp.related(l3, packet.l4_at)
        icmp.may_answer(packet, True)
    try:
        proxy_protocol.parse(data)
    except proxy_protocol.Refused:
        pass


def fuzz_options(data: bytes) -> None:
    """TCP options can be walked and edited, whatever they are, and no byte is lost or won but where it is meant."""
    segment = bytearray(data[:60].ljust(20, b"\0"))
    size = len(segment)
    for option in options.walk(segment):
        assert option.at >= 20 and option.at + option.length <= size
    options.blank_timestamp(segment)
    options.lower_mss(segment, 8)
    options.shift_sack(segment, 0x10000000)
    assert len(segment) == size
    l3 = bytes([0x45, 0]) + (20 + size).to_bytes(2) + bytes(5) + b"\6" + bytes(10) + bytes(segment)
    if (segment[12] >> 4) * 4 in range(20, size + 1):
        packet, _ = options.insert_toa(l3, 20, CLIENT, 1500)
        assert int.from_bytes(packet[2:4]) == len(packet)


def fuzz_config(data: bytes) -> None:
    """A configuration is understood or refused in one line."""
    try:
        load(None, text=data.decode(errors="replace"))
    except ConfigError as error:
        held("\n" not in str(error))


def fuzz_replay(data: bytes) -> None:
    """Frames of any kind go through the balancer, each to one verdict. A frame is a byte of length, then its bytes."""
    frames, at = [], 0
    while at < len(data):
        frames.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    with tempfile.TemporaryDirectory() as folder:
        path = captures.write(Path(folder), captures.pcap_head(), *map(captures.record, frames))
        try:
            result = replay(setup(len(data)), str(path), f"{folder}/out.pcap")
        except CaptureError:
            held(not frames)
            return
    assert sum(result.totals["verdicts"].values()) == len(frames)
    gc.collect()  # a run's cycles hold its tables; under atheris nobody comes by in time


def setup(number: int = 0) -> Setup:
    """One of several settings, each of which takes another way through the loop, in every view."""
    more, view = SETTINGS[number % len(SETTINGS)], ("client", "rx", "lb")[number % 3]
    return load(None, more, text=SETUP, view=view)


def found_in_c(unraisable: Any) -> None:
    """Compiled code that checks an index can only say so: that is a find."""
    print(f"in compiled code: {unraisable.exc_value!r}", file=sys.stderr, flush=True)
    os._exit(1)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "capture": fuzz_capture,
    "frame": fuzz_frame,
    "options": fuzz_options,
    "config": fuzz_config,
    "replay": fuzz_replay,
}


def seeds(target: str) -> list[bytes]:
    """Inputs to begin with: ordinary ones, and what was found before."""
    found = [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]
    return (
        found
        + {
            "capture": _captures,
            "frame": _frames,
            "options": _options,
            "config": lambda: [SETUP.encode()],
            "replay": lambda: [b"".join(bytes([len(f)]) + f for f in _frames() if len(f) < 256)],
        }[target]()
    )


def _captures() -> list[bytes]:
    some = captures.frames(3)
    records = b"".join(captures.record(frame, length=99) for frame in some)
    big = b"".join(captures.record(frame, order=">") for frame in some)
    blocks = [captures.enhanced(some[0], 5), captures.simple(some[1]), captures.block(4, b"names")]
    ng = captures.section() + captures.interface(options=captures.option(9, b"\x09")) + b"".join(blocks)
    cooked = captures.pcap_head(linktype=113) + captures.record(bytes(16) + some[0])
    raw = captures.pcap_head(linktype=101) + captures.record(b"\x45" + bytes(30))
    plain = captures.pcap_head() + records
    return [plain, captures.pcap_head(">", 0xA1B23C4D) + big, ng, ng + ng, cooked, raw, gzip.compress(plain)]


def _frames() -> list[bytes]:
    syn = pack(">HHIIBBHHH", 1025, 80, 1, 0, 0xA0, 2, 65535, 0, 0) + bytes.fromhex(
        "020405b40402080a00000001000000000103"
    )
    syn += bytes.fromhex("0307")
    v4 = pack(">BBHHHBBH", 0x45, 0, 20 + len(syn), 1, 0x4000, 64, 6, 0) + CLIENT.address + VIP.address + syn
    udp = pack(">HHHH", 1025, 53, 12, 0) + b"data"
    v6 = (
        pack(">IHBB", 6 << 28, len(udp), 17, 64)
        + bytes(15)
        + b"\1"
        + bytes.fromhex("20010db8" + "00" * 11 + "01")
        + udp
    )
    error = b"\3\4\0\0" + bytes(4) + v4[:28]
    icmp4 = pack(">BBHHHBBH", 0x45, 0, 20 + len(error), 1, 0, 64, 1, 0) + CLIENT.address + VIP.address + error
    macs = bytes.fromhex("020000000001020000000002")
    bodies = [b"\x08\x00" + v4, b"\x86\xdd" + v6, b"\x08\x00" + icmp4, b"\x81\x00\0\1\x08\x00" + v4]
    return [macs + body for body in bodies] + [macs + b"\x08\x06" + b"\0\1\x08\0\6\4\0\1" + bytes(20)]


def _options() -> list[bytes]:
    return [
        _frames()[0][34:],
        bytes(12) + b"\xf0" + bytes(7) + bytes.fromhex("0101080a") + bytes(8) + bytes([5, 26] * 2),
    ]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """*data* with a few bytes changed, cut, doubled or made extreme."""
    work = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(work) + 1)
        match chance.randrange(6):
            case 0:
                work[at : at + 1] = chance.randbytes(1)
            case 1:
                work[at : at + 4] = chance.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, len(work))).to_bytes(4, "little")
            case 2:
                del work[at : at + chance.randint(1, 8)]
            case 3:
                work[at:at] = work[at : at + chance.randint(1, 40)]
            case 4:
                del work[at:]
            case _:
                work[at : at + 2] = chance.choice((b"\0\0", b"\xff\xff", b"\x80\0", b"\n\r", b'"=', b"[["))
    return bytes(work)


def with_mutations(target: str, seconds: float) -> int:
    """Try mutations of the seeds for *seconds*; how many. What breaks is kept in the corpus."""
    chance, begin, count = random.Random(target), time.monotonic(), 0
    pool = seeds(target)
    while time.monotonic() - begin < seconds:
        data = mutate(chance.choice(pool), chance)
        try:
            TARGETS[target](data)
        except BaseException:
            (CORPUS / target).mkdir(parents=True, exist_ok=True)
            (CORPUS / target / f"found-{count}").write_bytes(data)
            raise
        count += 1
    return count


def with_atheris(target: str, seconds: float) -> None:
    """Let atheris look, in a process of its own, with the seeds as its first corpus."""
    import atheris

    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds(target)):
            Path(folder, str(number)).write_bytes(seed)
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        limits = [
            f"-max_total_time={int(seconds)}",
            "-max_len=4096",
            "-rss_limit_mb=4096",
            f"-artifact_prefix={CORPUS / target}/",
        ]
        atheris.Setup([sys.argv[0], *limits, folder], TARGETS[target])
        atheris.Fuzz()


def main(seconds: float, only: str = "") -> int:
    """Give each target its share of *seconds*; 1 where one broke."""
    sys.unraisablehook = found_in_c
    targets = [only] if only else list(TARGETS)
    try:
        import atheris  # noqa: F401
    except ImportError:
        for target in targets:
            print(f"{target}: {with_mutations(target, seconds / len(targets))} mutations held")
        return 0
    if only:
        with_atheris(only, seconds)
    command = [sys.executable, __file__, str(seconds / len(targets))]
    broken = [target for target in targets if subprocess.run([*command, target]).returncode]
    for target in set(targets) - set(broken):
        if not any((CORPUS / target).iterdir()):
            (CORPUS / target).rmdir()
    print(f"broken: {', '.join(broken)}" if broken else "all held")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), *sys.argv[2:3]))
