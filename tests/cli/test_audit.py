"""`lbreplay audit` on the command line: exit statuses, formats, and that its TOML is what `run -c` takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cards import Card

from lbreplay.cli import status


def test_worked_out_and_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0; the TOML of the document, given back, agrees and runs."""
    path = Card().record(tmp_path / "in.pcapng")
    assert status(["audit", path, "--format", "json"]) == 0
    (tmp_path / "lb.toml").write_text(json.loads(capsys.readouterr().out)["toml"])
    assert status(["audit", path, "-c", str(tmp_path / "lb.toml")]) == 0
    assert "rule" in capsys.readouterr().out
    assert status(["run", path, "-c", str(tmp_path / "lb.toml"), "--view", "rx"]) == 0


def test_a_configuration_that_disagrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, and the first frame with the reason."""
    path = Card().record(tmp_path / "in.pcapng")
    assert status(["audit", path, "--set", "workers=4"]) == 1
    assert "frame 1: recorded" in capsys.readouterr().out


def test_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the exit status."""
    assert status(["audit", "-q", Card(frames=60).record(tmp_path / "in.pcapng")]) == 0
    captured = capsys.readouterr()
    assert not captured.out + captured.err


def test_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a class and a way."""
    assert status(["audit", Card().record(tmp_path / "in.pcapng"), "--format", "csv"]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()][0:3] == ["received", "TCP", "UDP"]


def test_nothing_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says how to record it, exit 2."""
    assert status(["audit", "samples/web.pcap"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "dpdk-dumpcap -i" in error and "tcpdump -i" in error
