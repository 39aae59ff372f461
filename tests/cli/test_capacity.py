"""`lbreplay capacity` on the command line: tables, JSON, CSV."""

import csv
import io
import json

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
    assert "run out first, at 36,279" in out
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
