"""`lbreplay new-case` makes a folder that `lbreplay test` runs."""

from __future__ import annotations

from pathlib import Path

import packets
import pytest

from lbreplay.cli import status

Said = pytest.CaptureFixture[str]
CASE = packets.GOLDEN / "rr_3"
CAPTURE, CONFIG = str(next(CASE.glob("in.pcap*"))), str(CASE / "lb.toml")


def test_a_case_is_made_and_holds(tmp_path: Path, capsys: Said) -> None:
    new = str(tmp_path / "cases" / "new")
    assert status(["new-case", CAPTURE, new, "-c", CONFIG, "--view", "rx", "-n", "1-20", "--set", "seed=3"]) == 0
    assert "made; out.pcap: new, 20 packets" in capsys.readouterr().out
    assert status(["test", str(tmp_path / "cases")]) == 0


def test_without_a_configuration_it_is_drafted(tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "samples" / "web.pcap"
    assert status(["new-case", str(sample), str(tmp_path / "new"), "--anonymize", "--key", "k"]) == 0
    assert "203.0.113" not in (tmp_path / "new" / "lb.toml").read_text()
    assert status(["test", str(tmp_path / "new")]) == 0


def test_the_same_key_hides_the_same_way(tmp_path: Path) -> None:
    for name, key in (("a", "k"), ("b", "k"), ("c", "other")):
        given = ["new-case", CAPTURE, str(tmp_path / name), "-c", CONFIG, "--view", "rx", "--anonymize", "--key", key]
        assert status(given) == 0
    a, b, c = ((tmp_path / name / "in.pcap").read_bytes() for name in "abc")
    assert a == b != c


def test_a_wrong_wish_is_one_line(tmp_path: Path, capsys: Said) -> None:
    assert status(["new-case", CAPTURE, str(tmp_path / "new"), "-c", CONFIG, "-n", "x"]) == 2
    assert capsys.readouterr().err == "-n: frame numbers like 1-200,305 expected, got 'x'\n"


def test_a_case_that_shows_nothing_is_warned_of(tmp_path: Path, capsys: Said) -> None:
    config = tmp_path / "lb.toml"
    config.write_text(
        '[[service]]\nvip = "192.0.2.1:80"\nladdr = ["192.0.2.9"]\nreal = [{ address = "192.0.2.2:80" }]\n'
    )
    assert status(["new-case", CAPTURE, str(tmp_path / "new"), "-c", str(config), "--view", "rx"]) == 0
    assert "shows nothing" in capsys.readouterr().err
