"""`lbreplay who` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import merged
import pytest

from lbreplay.cli import status


def test_as_table_json_and_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The names of the contract."""
    path = merged.capture(merged.case("dpvs", "workers_5"), tmp_path / "both.pcap")
    assert status(["who", "10.20.1.1:1028", path, "--at", "0.05"]) == 0
    assert "198.51.0.1:10000" in capsys.readouterr().out
    assert status(["who", "10.20.1.1:1028", path, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found[0]) == ["client", "virtual", "local", "real", "worker", "from_s", "to_s"]
    assert status(["who", "10.20.1.1:1028", path, "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "client,virtual,local,real,worker,from_s,to_s"


def test_without_second_legs_the_draft_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """And says that it is a draft."""
    assert status(["who", "198.19.0.1:1025", "samples/web.pcap"]) == 0
    captured = capsys.readouterr()
    assert "drafted" in captured.err and "203.0.113." in captured.out


@pytest.mark.parametrize("end", ["nonsense", "10.0.0.1", "10.0.0.1:99999"])
def test_refused(end: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit 2."""
    assert status(["who", end, "samples/web.pcap"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
