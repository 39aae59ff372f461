"""The kernel's own listings: as recorded after the last frame, but for seconds (L 18)."""

from __future__ import annotations

import re

import pytest
from golden_cases import GOLDEN

from lbreplay.config.load import load
from lbreplay.journey import replay
from lbreplay.report import ipvsadm

CASES = ("corpus_persistent", "sh_both", "persist_udp_ops", "tun_gue", "threshold_edit", "timeout_set")
NOT_RECORDED = ("# cat /proc/net/ip_vs", "# cat /proc/net/ip_vs_stats")
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
    assert [command for command in got if command not in NOT_RECORDED] == list(wanted)
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


SERVICE = {
    "proto": 6, "address": bytes((10, 0, 0, 1)), "port": 80, "mark": 0, "family": 4, "scheduler": "rr", "ops": False,
    "persistent": 0, "mask": "",
    "reals": [{"address": bytes((10, 0, 1, 2)), "port": 8080, "forward": "nat", "weight": 3, "actconns": 1,
               "inactconns": 0}],
}  # fmt: skip


def listed(pe: bool, **keys: object) -> list[str]:
    """The lines of /proc/net/ip_vs from the service on."""
    return ipvsadm._proc_services({"size": 4096, "pe": pe, "services": [SERVICE | keys]}).splitlines()[3:]


def test_services_in_proc() -> None:
    """Addresses and ports in hex, and the blanks of either kernel."""
    real = "  -> 0A000102:1F90      Masq    3      1          0         "
    assert listed(True) == ["TCP  0A000001:0050 rr  ", real]
    assert listed(False) == ["TCP  0A000001:0050 rr ", real]
    assert listed(True, ops=True)[0] == "TCP  0A000001:0050 rr ops  "
    assert listed(False, ops=True)[0] == "TCP  0A000001:0050 rr ops "
    assert listed(True, mark=7)[0] == "FWM  00000007 rr " == listed(False, mark=7)[0]


def test_persistence_in_proc() -> None:
    """The timeout in ticks, the mask in hex, of IPv6 the prefix length with its bytes turned."""
    assert listed(False, persistent=60)[0].endswith("rr persistent 15000 FFFFFFFF")
    assert listed(True, persistent=60, mask="255.255.255.0")[0].endswith("rr  persistent 15000 FFFFFF00")
    six = {"family": 6, "address": bytes(15) + bytes([1]), "persistent": 1}
    assert listed(True, **six)[0].endswith(":0001]:0050 rr  persistent 250 80000000")


def test_statistics_in_proc() -> None:
    """Totals and rates, all hexadecimal."""
    counts = dict(zip(ipvsadm.COUNTS, (1, 26, 10, 4096, 0), strict=True))
    lines = ipvsadm._proc_stats({"counts": counts, "rates": dict.fromkeys(ipvsadm.COUNTS, 12)}).splitlines()
    assert lines[2] == "       1       1A        A             1000                0"
    assert lines[3:5] == ["", " Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s"]
    assert lines[5].split() == ["C"] * 5
