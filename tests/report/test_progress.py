"""A progress bar appears only on a terminal, and only when a job takes its time."""

from __future__ import annotations

import sys

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
