"""The kernel's own listings: as recorded after the last frame, but for seconds (L 18)."""

from __future__ import annotations

import re

import pytest
from golden_cases import GOLDEN

from lbreplay.config.load import load
from lbreplay.replay import replay
from lbreplay.report import ipvsadm

CASES = ("corpus_persistent", "sh_both", "persist_udp_ops", "tun_gue", "threshold_edit", "timeout_set")
SHUFFLED = ("# ipvsadm -ln --nosort",)  # buckets of services depend on a word of the boot


def sections(text: str) -> dict[str, list[str]]:
    """Lines by command; seconds of connections are left out, and with them the order of equal rows."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("# "):
            lines = found.setdefault(line, [])
            continue
        line = re.sub(r"^(\w+ +)\d\d:\d\d ", r"\1", line)
        lines.append(re.sub(r"^(\w+ +(?:[0-9A-F]{8} [0-9A-F]{4} ){3}\S+ +)\d+$", lambda m: m[1].rstrip(), line))
    return {name: sorted(filter(None, lines)) if "conn" in name or "-lcn" in name else [*filter(None, lines)]
            for name, lines in found.items()}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_as_recorded(name: str) -> None:
    """Every section, line by line, trailing blanks included."""
    folder = GOLDEN / "ipvs" / name
    capture = folder / "in.pcap"
    capture = capture if capture.exists() else folder / "in.pcap.gz"
    result = replay(load(str(folder / "lb.toml"), (), view="rx"), str(capture), None)
    assert result.listing is not None
    got = sections(ipvsadm.as_text(result.listing()))
    wanted = sections((folder / "expected" / "ipvsadm.txt").read_text())
    assert list(got) == list(wanted)
    for command in wanted:
        if command not in SHUFFLED:
            assert got[command] == wanted[command], command


def test_minutes_and_long_times() -> None:
    """Minutes are not bounded; /proc has plain seconds."""
    conn = {"proto": 6, "client": (bytes((1, 2, 3, 4)), 5), "virtual": (bytes(4), 80), "real": (bytes(4), 0),
            "state": "NONE", "seconds": 36610, "pe": ("sip", "abc")}  # fmt: skip
    listing = {"conns": [conn], "pe": True}
    assert ipvsadm._connections(listing).splitlines()[2].startswith("TCP 610:10 NONE        1.2.3.4:5          ")
    assert ipvsadm._proc_connections(listing).splitlines()[1].endswith("NONE          36610 sip abc")


def test_ipv6() -> None:
    """In brackets; whole words in /proc."""
    assert ipvsadm._endpoint(bytes(15) + b"\1", 80) == "[::1]:80"
    assert ipvsadm._raw(bytes(15) + b"\1") == "0000:0000:0000:0000:0000:0000:0000:0001"
