"""`--html` says where the page lies, and nothing of the result hangs on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbreplay.cli import pages, status
from lbreplay.config.load import load

SAMPLE = str(Path(__file__).parents[2] / "samples" / "web.pcap")


def test_the_same_bytes_with_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Smaller bursts and somebody who looks on change nothing."""
    for name, more in (("a", []), ("b", ["--html", str(tmp_path / "page.html")])):
        files = ["-o", str(tmp_path / f"{name}.pcap"), "--stats", str(tmp_path / f"{name}.json")]
        assert status(["run", SAMPLE, *files, *more]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"{tmp_path / 'page.html'}: a page of it, open it in any browser"
    for suffix in ("pcap", "json"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_small_captures_take_small_bursts() -> None:
    """So that there is something to see in between."""
    setup = load(None, text="")
    assert pages.paced(setup, SAMPLE).burst_size <= 1293 // 10
    assert pages.paced(setup._replace(burst_size=7), SAMPLE).burst_size == 7
