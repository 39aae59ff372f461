"""A progress bar appears only on a terminal, only when a job takes its time, and goes when it is done."""

from __future__ import annotations

import io
import sys

import pytest

from lbreplay.report import progress


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


def opened(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error, with a bar at once; by the test itself, before which pytest takes the stream again."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    return made


def test_no_bar_without_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    progress.Progress().show("reading", 1, 2)
    assert capsys.readouterr().err == ""


def test_no_bar_for_who_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """-q and --no-progress."""
    terminal = opened(monkeypatch)
    progress.Progress(lambda: False).show("reading", 1, 2)
    assert terminal.getvalue() == ""


def test_how_much_is_done_and_how_long_the_rest_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or, where nobody knows the whole, how much was done and how long that took."""
    terminal = opened(monkeypatch)
    bar = progress.Progress()
    bar.show("reading in.pcap", 1, 4)
    bar.hide()
    bar.show("reading -", 12_345, None)
    bar.hide()
    text = terminal.getvalue()
    assert "reading in.pcap" in text and "25%" in text and "left" in text
    assert "12,345" in text and "left" not in text[text.index("reading -") :]


def test_a_bar_after_some_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each job: the next one has to take its time, too."""
    terminal = opened(monkeypatch)
    bar, now = progress.Progress(), [0.0]
    monkeypatch.setattr(progress, "PATIENCE", 1.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    bar.show("one", 1, 9)
    assert terminal.getvalue() == ""
    now[0] = 1.5
    bar.show("two", 1, 9)
    bar.show("two", 0, 9)
    assert terminal.getvalue() == ""
    now[0] = 3.0
    bar.show("two", 5, 9)
    assert "two" in terminal.getvalue() and "one" not in terminal.getvalue()
    bar.hide()


def test_hiding_twice_is_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """And shows the cursor again."""
    terminal = opened(monkeypatch)
    bar = progress.Progress()
    bar.hide()
    bar.show("reading", 1, 2)
    bar.hide()
    bar.hide()
    assert terminal.getvalue().count("\x1b[?25h") == 1
