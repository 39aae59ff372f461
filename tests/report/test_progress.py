"""A progress bar appears only on a terminal, and only when a job takes its time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lbreplay.report import progress


def test_no_bar_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    with progress.Progress() as bar:
        bar.show(1, 2)
        assert bar._bar is None


def test_a_bar_after_some_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.Progress() as bar:
        bar.show(1, 2)
        assert bar._bar is None
        monkeypatch.setattr(progress, "PATIENCE", 0.0)
        bar.show(1, 2)
        assert bar._bar is not None


def test_a_capture_moves_the_bar_by_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.pcap").write_bytes(bytes(24 + 2 * (16 + 60)))
    bar, shown = progress.Progress(), []
    monkeypatch.setattr(bar, "show", lambda done, total: shown.append((done, total)))
    move = progress.through(str(tmp_path / "in.pcap"), bar)
    move(1, 60)
    move(2, 60)
    move(3, 60)  # more than the file's size: it was compressed
    assert shown == [(76, 176), (152, 176), (228, None)]


def test_a_pipe_has_no_size() -> None:
    bar = progress.Progress(enabled=False)
    progress.through("-", bar)(1, 60)
    assert bar._bar is None
