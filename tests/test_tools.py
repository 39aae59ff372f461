"""Tools that no one here wrote read what lbreplay writes, and lbreplay reads what they write. Skipped where absent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import captures
import pytest

from lbreplay.config.load import load
from lbreplay.journey import replay
from lbreplay.stats import Result

SAMPLES = Path(__file__).parent.parent / "samples"
SAMPLE, CONFIG = SAMPLES / "web.pcap", SAMPLES / "web.toml"
CHECKS = [f"-o{name}.check_checksum:TRUE" for name in ("ip", "tcp", "udp")]
CHECKS += [f"--disable-protocol={name}" for name in ("http", "tls")]  # payloads of TCP are made up in the sample
WRONG = "_ws.malformed or ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0"


def tool(*command: str, cwd: Path | None = None) -> str:
    """What *command* prints; skips where it is not installed, fails where it does."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    run = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def run(capture: Path, out: Path) -> Result:
    return replay(load(str(CONFIG)), str(capture), str(out))


@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng", "out.pcap.gz", "out.pcapng.zst"])
def test_capinfos_counts_what_was_written(tmp_path: Path, name: str) -> None:
    """capinfos finds as many packets as were written, in time order, of the link type."""
    if name.endswith(".zst"):
        pytest.importorskip("zstandard")
    result = run(SAMPLE, tmp_path / name)
    said = tool("capinfos", "-T", "-M", "-c", "-E", "-o", "-r", str(tmp_path / name)).split("\t")
    assert said[1].strip() == "ether" and said[2].strip() == str(result.totals["written"])
    assert said[3].strip() == "True"


@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng"])
def test_tshark_finds_nothing_wrong(tmp_path: Path, name: str) -> None:
    """No packet of an output is malformed or has a wrong checksum in the eyes of tshark."""
    result = run(SAMPLE, tmp_path / name)
    assert len(tool("tshark", "-r", str(tmp_path / name)).splitlines()) == result.totals["written"]
    assert tool("tshark", *CHECKS, "-r", str(tmp_path / name), "-Y", WRONG) == ""


@pytest.mark.parametrize("kind", ["pcap", "nsecpcap", "pcapng", "modpcap"])
def test_what_editcap_writes(tmp_path: Path, kind: str) -> None:
    """The sample in every format that editcap writes and tcpdump reads is the same capture."""
    tool("editcap", "-F", kind, str(SAMPLE), str(tmp_path / "in"))
    assert captures.read(tmp_path / "in") == captures.read(SAMPLE)


def test_what_editcap_cuts(tmp_path: Path) -> None:
    """Frames that editcap cut keep their lengths."""
    tool("editcap", "-s", "60", str(SAMPLE), str(tmp_path / "in"))
    whole, cut = captures.read(SAMPLE), captures.read(tmp_path / "in")
    assert [(seen.frame[:60], seen.length) for seen in whole] == [(seen.frame, seen.length) for seen in cut]


@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz", "zstd", "lz4"])
def test_what_packers_write(tmp_path: Path, packer: str) -> None:
    """The sample packed by each tool on the command line is the same capture."""
    if packer in ("zstd", "lz4"):
        pytest.importorskip({"zstd": "zstandard"}.get(packer, packer))
    shutil.copy(SAMPLE, tmp_path / "in")
    tool(packer, "in", *(["in.lz4"] if packer == "lz4" else []), cwd=tmp_path)  # lz4 likes standard output else
    (packed,) = (path for path in tmp_path.iterdir() if path.name != "in")
    assert captures.read(packed) == captures.read(SAMPLE)


def test_tcpdump_on_both_sides(tmp_path: Path) -> None:
    """`tcpdump -w - | lbreplay run - -o - | tcpdump -r -` carries what a run from file to file does."""
    result = run(SAMPLE, tmp_path / "out.pcap")
    want = tool("tcpdump", "-nr", str(tmp_path / "out.pcap"))
    lbreplay = f"{sys.executable} -m lbreplay run - -c {CONFIG} -q -o -"
    line = f"tcpdump -r {SAMPLE} -w - | {lbreplay} | tcpdump -nr -"
    environment = {**os.environ, "PYTHONPATH": str(SAMPLES.parent)}
    piped = subprocess.run(line, shell=True, capture_output=True, text=True, env=environment)
    assert piped.stdout == want
    assert len(want.splitlines()) >= result.totals["written"]


@pytest.mark.parametrize("linktype, name", [(101, "rawip"), (113, "linux-sll"), (276, "linux-sll2")])
def test_other_link_types(tmp_path: Path, linktype: int, name: str) -> None:
    """A capture without Ethernet leaves as tshark expects that link type, with nothing wrong in it."""
    head = {
        101: lambda frame: b"",
        113: lambda frame: b"\0\0\0\1\0\6" + frame[6:12] + b"\0\0" + frame[12:14],
        276: lambda frame: frame[12:14] + bytes(6) + b"\0\1\0\6" + frame[6:12] + b"\0\0",
    }[linktype]
    some = [seen for seen in captures.read(SAMPLE) if seen.frame[12:14] == b"\x08\x00"]
    records = [
        captures.record(head(s.frame) + s.frame[14:], s.time_ns // 10**9, s.time_ns % 10**9 // 1000) for s in some
    ]
    path = captures.write(tmp_path, captures.pcap_head(linktype=linktype), *records)
    out, plain = tmp_path / "out.pcap", tmp_path / "plain.pcap"
    written = run(path, out).totals["written"]
    said = tool("capinfos", "-T", "-M", "-c", "-E", "-r", str(out)).split("\t")
    assert said[1].strip() == name and said[2].strip() == str(written)
    assert tool("tshark", *CHECKS, "-r", str(out), "-Y", WRONG) == ""
    arp_free = captures.write(tmp_path, captures.pcap_head(), *_ethernet(some), name="ether.pcap")
    assert run(arp_free, plain).totals["written"] == written
    assert [s.frame[14:] for s in captures.read(out)] == [s.frame[14:] for s in captures.read(plain)]


def _ethernet(some: list[captures.Seen]) -> list[bytes]:
    return [captures.record(s.frame, s.time_ns // 10**9, s.time_ns % 10**9 // 1000) for s in some]
