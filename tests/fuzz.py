"""Hostile input, for as long as one likes: `python tests/fuzz.py SECONDS [TARGET [SEED]]` (`make fuzz`).

A target takes bytes and may raise nothing: where lbreplay refuses, it does so with a LbreplayError. With atheris (`pip
install atheris` on Linux) the bytes follow the coverage, else they are mutations of the seeds. What was found once
stands in tests/corpus/TARGET and is tried by `test_fuzz.py` each time.
"""

from __future__ import annotations

import contextlib
import gc
import gzip
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from struct import pack
from typing import Any

import captures
import floods
import twins

from lbreplay.cli.inside import run_inside
from lbreplay.config.imports import Files, import_files
from lbreplay.config.load import load
from lbreplay.edge.within import within
from lbreplay.errors import CaptureError, ConfigError
from lbreplay.journey import replay
from lbreplay.lab.golden import run_case
from lbreplay.model import Endpoint, Setup
from lbreplay.report.ci import lines
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
KINDS = (*floods.KINDS, "kernel", "kernel", "kernel")
CONNECTIONS, CUT = 12, 0x5A  # of a flood; the byte that means an end
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
            written = 0
            for burst in capture.bursts(3):
                held(0 < burst.size <= 3 and bool((burst.caplen <= burst.length).all()))
                burst.leaving[:] = burst.caplen >= 14
                sink.write(burst)
                written += int(burst.leaving.sum())
        with open_capture(f"{folder}/out.pcapng") as again:
            held(len(captures.drain(again)) == written and again.damage is None)


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
        held(all(line and "\n" not in line for line in error.lines))


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


def fuzz_flood(data: bytes) -> None:
    """Many connections at once whose frames were changed under way: compiled or plain, the same becomes of them. Two
    bytes say which flood, one the burst, and then three each which frame gets which byte where, or ends there."""
    kind, seed, burst = (data + bytes(3))[:3]
    made = flood(KINDS[kind % len(KINDS)], seed % 4)
    records = list(made.records)
    for at in range(3, len(data) - 2, 3):
        row, place, value = data[at] * len(records) >> 8, data[at + 1], data[at + 2]
        when, _, frame = records[row]
        frame = frame[:place] if value == CUT else frame[:place] + bytes([value]) + frame[place + 1 :]
        records[row] = (when, len(frame), frame)
    with tempfile.TemporaryDirectory() as folder:
        differs = twins.disagreement(made.setup, records, Path(folder), (twins.BURSTS[burst % len(twins.BURSTS)],))
    assert not differs, differs


@cache
def flood(kind: str, seed: int) -> floods.Flood:
    """One of few connections; *kind* of floods.KINDS, or "kernel"."""
    return floods.kernel(seed, CONNECTIONS) if kind == "kernel" else floods.flood(seed, CONNECTIONS, kind)


def setup(number: int = 0) -> Setup:
    """One of several settings, each of which takes another way through the loop, in every view."""
    more, view = SETTINGS[number % len(SETTINGS)], ("client", "rx", "lb")[number % 3]
    return load(None, more, text=SETUP, view=view)


def found_in_c(unraisable: Any) -> None:
    """Compiled code that checks an index can only say so: that is a find."""
    print(f"in compiled code: {unraisable.exc_value!r}", file=sys.stderr, flush=True)
    os._exit(1)


def fuzz_import(data: bytes) -> None:
    """Files of a balancer are understood or refused, whatever stands in them. The first byte says whose they are."""
    option = IMPORTS[data[0] % len(IMPORTS)] if data else IMPORTS[0]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/file"
        Path(path).write_bytes(data[1:])
        try:
            import_files(Files(**{option: (path,) if option == "scripts" else path}))
        except ConfigError as error:
            held(str(error).startswith((path, "import")))


def fuzz_set(data: bytes) -> None:
    """An override is understood or refused, alone and behind others; they stand on lines of their own."""
    try:
        load(None, data.decode(errors="replace").split("\n"), text=SETUP)
    except ConfigError:
        pass


def fuzz_arguments(data: bytes) -> None:
    """Any words behind the command: done, differing, or refused in one line; what is read stays as it is."""
    words = [WORDS[byte % len(WORDS)] for byte in data[:12]]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), within([folder]):
        before = _files(Path(folder))
        code, said = run_inside(words)
        held(code in (0, 1, 2) and (code != 2 or bool(said)))
        held(said.isascii() and all(line.isprintable() for line in said.splitlines()))
        changed = [name for name, content in before.items() if Path(name).read_bytes() != content]
        named = [{before for before, word in _given(words) if word in (name, f"./{name}")} for name in changed]
        held(all(len(options) == 1 for options in named))  # an output by one option, and no input
        held(not [name for name in os.listdir() if ".part" in name])


def _given(words: list[str]) -> list[tuple[str, str]]:
    """Words with the one before; of an option that is given twice the last counts, but for scripts."""
    pairs = list(itertools.pairwise(words))
    return [pair for n, pair in enumerate(pairs) if pair[0] == "--script" or pair[0] not in dict(pairs[n + 1 :])]


def _files(folder: Path) -> dict[str, bytes]:
    """What the words name: a capture, a configuration, a script, a case."""
    captures.write(folder, captures.pcap_head(), *map(captures.record, _frames()))
    Path("lb.toml").write_text(SETUP)
    Path("s.sh").write_text("ipvsadm -A -t 10.0.0.100:80 -s rr\n")
    Path("case").mkdir()
    Path("case/case.toml").write_text('view = "rx"\n')
    return {name: Path(name).read_bytes() for name in ("in.pcap", "lb.toml", "s.sh", "case/case.toml")}


def fuzz_case(data: bytes) -> None:
    """A case.toml, a line of zeros, and stories: whatever is wrong is a problem of the case, and said in words."""
    about, _, stories = data.partition(b"\0\0\0\0")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        captures.write(path, captures.pcap_head(), *map(captures.record, _frames()))
        (path / "lb.toml").write_text(SETUP)
        (path / "case.toml").write_bytes(about)
        (path / "expected").mkdir()
        shutil.copyfile(path / "in.pcap", path / "expected" / "out.pcap")
        (path / "expected" / "frames.jsonl").write_bytes(stories)
        outcome = run_case("case", path, run_inside)
    held(not [problem for problem in outcome.problems if "not judged" in problem or "error of its own" in problem])
    held(all(line.isprintable() for line in lines(outcome)))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "capture": fuzz_capture,
    "frame": fuzz_frame,
    "options": fuzz_options,
    "config": fuzz_config,
    "replay": fuzz_replay,
    "flood": fuzz_flood,
    "import": fuzz_import,
    "set": fuzz_set,
    "arguments": fuzz_arguments,
    "case": fuzz_case,
}
IMPORTS = ("dpvs_conf", "scripts", "ipvsadm_save", "keepalived", "events")
COMMANDS = "run run explain check doctor capacity diff test new-case init import export schema keys"
OPTIONS = """-o -c --set --stats --trace --drops --also --format --view --seed --burst -q -n --flow --brief --assert -j
-k -a -b --max-imbalance --script --dpvs-conf --keepalived --force --duration --tolerance --order --ignore --junit
--keep --reals --to-script --to-dpvs-conf --profile --strict --key --anonymize --help"""
VALUES = """json csv table rx lb dropped received 1 2 1-2 workers=2 seed=1 service=[1] real=[1,2] device.vlan=[1]
event=3 seq flow ipvs conservation"""
NAMES = "in.pcap lb.toml s.sh case new new/a.pcap a.pcap ./in.pcap no/where/x o.pcapng.gz /dev/null .."
ODD = ["", "-", "--", "nan", "inf", "-1", "0", "9" * 400, "\x1b[2J", "a\nb", "\u202e", "\udcff", "[[[[", "x=y", "1 > 2"]
WORDS = [*f"{COMMANDS} {OPTIONS} {VALUES} {NAMES} {NAMES}".split(), *ODD]


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
            "flood": lambda: [bytes([kind, kind, kind]) + _patches(kind) for kind in range(len(KINDS))],
            "import": _imports,
            "set": lambda: [text.encode() for text in OVERRIDES],
            "arguments": lambda: [bytes(map(WORDS.index, text.split())) for text in TYPED],
            "case": lambda: [CASE.encode()],
        }[target]()
    )


def _patches(kind: int) -> bytes:
    """Some of the bytes that headers are told by: lengths, protocols, fragments, flags, offsets."""
    places = (12, 14, 16, 17, 20, 22, 23, 46, 47, 54, 60)
    return b"".join(bytes([(23 * n + kind) % 256, place, 0xFF >> n % 8]) for n, place in enumerate(places))


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


OVERRIDES = (
    "workers=2\nservice.tcp 10.0.0.100:80.real.192.168.100.2:8080.weight=3",
    "workers=[{ queues = [0] }]\nworkers.[0].queues=[1]",
    "service=[1]\nservice.[0].mode=nat",
    "device.vlan=[{ id = 100 }]\ndevice.vlan.[0].id=7\nevent=[{ at = 1, remove = 'service.x' }]",
)
TYPED = (
    "run in.pcap -c lb.toml -o a.pcap --stats new --trace o.pcapng.gz --format json",
    "run in.pcap -o a.pcap --also dropped --drops new/a.pcap --set workers=2",
    "diff in.pcap -a lb.toml --set seed=1 --ignore seq --order flow",
    "test case --junit new --keep no/where/x -j 1",
    "import --script s.sh -o new --force",
    "new-case in.pcap new -c lb.toml -n 1-2",
    "explain in.pcap -n 1 --format json",
    "export -c lb.toml --to-script new",
)
CASE = """view = "rx"
args = ["--seed", "1"]
ignore = ["seq", "mac"]
own_frames = [1]
time_tolerance_ms = 2.0
exit_code = 0
[[check]]
path = "totals.frames"
equals = 5
\0\0\0\0{"n": 1, "worker": 0, "out": [1], "kernel": false}
"""


def _imports() -> list[bytes]:
    """A file of each kind, its number before it: some of the recorded ones."""
    golden = Path(__file__).parent / "golden"
    conf = (golden / "dpvs" / "rr_3" / "dpvs.conf").read_bytes()
    script = (
        b"VIP=10.0.0.100\nfor i in $(seq 1 3) {4..5}; do ipvsadm -a -t $VIP:80 -r 192.168.100.$((i+1)):80 -b; done\n"
    )
    save = b"-A -t 10.0.0.100:80 -s wlc\n-a -t 10.0.0.100:80 -r 192.168.100.2:8080 -b -w 1\n"
    keepalived = b"""virtual_server group web {
    lvs_sched rr
    protocol TCP
    real_server 192.168.100.2 80 { weight 1 }
}
virtual_server_group web { 10.0.0.100-101 80 }
"""
    events = b"0.5 ipvsadm -d -t 10.0.0.100:80 -r 192.168.100.2:8080\n"
    return [bytes([n]) + text for n, text in enumerate((conf, script, save, keepalived, events))]


def _options() -> list[bytes]:
    return [
        _frames()[0][34:],
        bytes(12) + b"\xf0" + bytes(7) + bytes.fromhex("0101080a") + bytes(8) + bytes([5, 26] * 2),
    ]


# What means something to somebody: numbers, ends of lines, blanks that are none, brackets, escapes, repetition.
PIECES = [b"\0\0", b"\xff\xff", b"\x80\0", b"\n\r", b"\xc2\xa0", b"\x0b", b"\x1c", b"\x1b[2J", b"\xe2\x80\xae", b"\\"]
PIECES += [b'"=', b"[[", b"{", b"}", b"$A", b"$((", b"{1..9}", b"-", b"'", b"nan", b"1e999", b"9" * 1200, b"[" * 3000]


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
                work[at : at + 2] = chance.choice(PIECES)
    return bytes(work)


def with_mutations(target: str, seconds: float, seed: str) -> int:
    """Try mutations of the seeds for *seconds*, others for each *seed*; how many. What breaks is kept in the corpus."""
    chance, begin, count = random.Random(target + seed), time.monotonic(), 0
    pool = seeds(target)
    while time.monotonic() - begin < seconds:
        data = mutate(chance.choice(pool), chance)
        try:
            TARGETS[target](data)
        except BaseException:
            (CORPUS / target).mkdir(parents=True, exist_ok=True)
            (CORPUS / target / f"found-{seed}-{count}").write_bytes(data)
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


def main(seconds: float, only: str = "", seed: str = "") -> int:
    """Give each target its share of *seconds*; 1 where one broke. Without a *seed* every run tries something else."""
    sys.unraisablehook = found_in_c
    targets = [only] if only else list(TARGETS)
    try:
        import atheris  # noqa: F401
    except ImportError:
        for target in targets:
            tried = with_mutations(target, seconds / len(targets), seed or str(time.time_ns()))
            print(f"{target}: {tried} mutations held")
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
    sys.exit(main(float(sys.argv[1]), *sys.argv[2:4]))
