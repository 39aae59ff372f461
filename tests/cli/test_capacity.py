"""`lbreplay capacity` on the command line: tables, JSON, CSV."""

import csv
import io
import json
from struct import pack

import pytest

from lbreplay.cli import status

TEXT = """
workers = 9
[[service]]
name = "web"
vip = "10.0.0.100:80"
laddr = ["192.168.100.200"]
[[service.real]]
address = "192.168.100.2:8080"
"""


@pytest.fixture
def config(tmp_path):
    """A configuration file of nine workers."""
    path = tmp_path / "lb.toml"
    path.write_text(TEXT)
    return str(path)


def test_table(config, capsys):
    """The tables name ports, orphans, what runs out first and what would help."""
    assert status(["capacity", "-c", config]) == 0
    out = capsys.readouterr().out
    assert "4,031 + 8 × 4,032" in out and "28,224" in out
    assert "worker 0 in bucket 2 (192.168.100.2:8080), at 36,279" in out
    assert "8 instead of 9 workers: 64,504 (+28,225)" in out


def test_json(config, capsys):
    """JSON carries every number."""
    assert status(["capacity", "-c", config, "--format", "json", "--duration", "2.5"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["laddrs"][0]["ports"] == [4031] + [4032] * 8
    assert told["services"][0]["hold_seconds"] == 10.0
    assert told["services"][0]["buckets"][0]["connections"] == 36287


def test_csv(config, capsys):
    """CSV is a line a real server."""
    assert status(["capacity", "-c", config, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["real"], row["connections"]) for row in rows] == [("192.168.100.2:8080", "36287")]


def test_nothing_to_reckon(capsys):
    """Neither a configuration nor a capture: wrong usage in one line."""
    assert status(["capacity"]) == 2
    assert "-c FILE" in capsys.readouterr().err


def test_peaks_of_a_capture(config, tmp_path, capsys):
    """With a capture its peaks stand beside what fits; one that cannot be read ends in one line."""
    path = tmp_path / "in.pcap"
    path.write_bytes(b"no capture")
    assert status(["capacity", str(path), "-c", config]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    tcp = pack(">HHIIBBHHH", 4000, 80, 1000, 0, 0x50, 2, 8192, 0, 0)
    ip = pack(">BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, bytes([172, 16, 0, 1]), bytes([10, 0, 0, 100]))
    frame = bytes.fromhex("0270636170000200000000010800") + ip + tcp
    head = pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1, 1_700_000_000, 0, len(frame), len(frame))
    path.write_bytes(head + frame)
    assert status(["capacity", str(path), "-c", config, "--format", "json"]) == 0
    peaks = [worker["peak"] for worker in json.loads(capsys.readouterr().out)["workers"]]
    assert sorted(peaks) == [0] * 8 + [1]


def test_the_kernel_has_no_ports_to_run_out(config, capsys):
    """Under profile ipvs one line says what limits it; no number is made up."""
    text = 'profile = "ipvs"\n[[service]]\nvip = "10.0.0.100:80"\nreal = [{ address = "10.1.0.2:80" }]\n'
    with open(config, "w") as file:
        file.write(text)
    assert status(["capacity", "-c", config]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith('profile: "dpvs" expected') and printed.err.count("\n") == 1 and not printed.out
