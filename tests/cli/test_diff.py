"""`lbreplay diff` compares captures, or what two configurations make of one."""

from __future__ import annotations

import json
from pathlib import Path

import packets
import pytest
from packets import numbered, tcp

from lbreplay.cli import status

Said = pytest.CaptureFixture[str]
CASE = packets.GOLDEN / "workers_4"
CAPTURE, CONFIG = str(next(CASE.glob("in.pcap*"))), str(CASE / "lb.toml")


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    some = numbered([tcp(n, seq=n) for n in range(1, 9)])
    other = [*some[:3], *some[4:6], some[6]._replace(time_ns=some[6].time_ns + 1000), some[7]]
    return [packets.write(tmp_path / "a.pcap", some), packets.write(tmp_path / "b.pcap", other)]


def test_two_captures(two: list[str], capsys: Said) -> None:
    assert status(["diff", *two]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("only a #4  1700000000.004000 172.16.0.4:3004 > 10.0.0.100:80 tcp ACK seq=4")
    assert lines[-1] == "equal 6, different 1, missing 1, extra 0" and lines[-2] == "fields: time 1"


def test_equal_captures(two: list[str], capsys: Said) -> None:
    assert status(["diff", two[0], two[0]]) == 0
    assert capsys.readouterr().out == "equal 8, different 0, missing 0, extra 0\n"


def test_json(two: list[str], capsys: Said) -> None:
    assert status(["diff", *two, "--format", "json", "--show", "1"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["equal"], document["missing"], len(document["differences"])) == (6, 1, 1)


def test_ignored_and_tolerated(two: list[str], capsys: Said) -> None:
    assert status(["diff", *two, "--tolerance", "0.001"]) == 1
    assert "different 0, missing 1" in capsys.readouterr().out
    assert status(["diff", *two, "--ignore", "sek"]) == 2
    assert "--ignore: a field expected, got 'sek'; nearest is 'seq'" in capsys.readouterr().err


def test_two_configurations(capsys: Said) -> None:
    given = ["diff", CAPTURE, "-a", CONFIG, "-b", CONFIG, "--view", "rx"]
    assert status([*given, "--set-b", "service.web.scheduler='wlc'"]) in (0, 1)
    assert status([*given, "--set-b", "service.web.real.192.168.100.3:8080.weight=0"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any("    real: 192.168.100.3:8080 -> 192.168.100." in line for line in lines)
    assert "flows changed" in lines[-1]
    assert status(given) == 0


@pytest.mark.parametrize("arguments", [[CAPTURE], [CAPTURE, CAPTURE, "-a", CONFIG], [CAPTURE, CAPTURE, CAPTURE]])
def test_one_or_the_other(capsys: Said, arguments: list[str]) -> None:
    assert status(["diff", *arguments]) == 2
    assert "two captures, or one capture and" in capsys.readouterr().err


def test_a_file_that_is_no_capture(tmp_path: Path, two: list[str], capsys: Said) -> None:
    (tmp_path / "x").write_text("hello")
    assert status(["diff", two[0], str(tmp_path / "x")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_one_configuration_for_both(capsys: Said) -> None:
    """-c is of both sides; what -a or -b name is in its place, and -q says nothing but the status."""
    assert status(["diff", CAPTURE, "-c", CONFIG, "--set-b", "workers=2"]) == 1
    told = capsys.readouterr().out
    assert status(["diff", CAPTURE, "-a", CONFIG, "-b", CONFIG, "--set-b", "workers=2"]) == 1
    assert capsys.readouterr().out == told
    assert status(["diff", CAPTURE, "-c", CONFIG, "--set-b", "workers=2", "-q"]) == 1
    assert capsys.readouterr() == ("", "")


def test_files_of_a_balancer(tmp_path: Path, capsys: Said) -> None:
    """Are both configurations, too, and no third beside -c."""
    script = tmp_path / "lb.sh"
    script.write_text("ipvsadm -A -t 10.0.0.100:80 -s rr\nipvsadm -a -t 10.0.0.100:80 -r 10.1.0.11:80 -g\n")
    assert status(["diff", CAPTURE, "--script", str(script), "-q"]) == 0
    assert status(["diff", CAPTURE, "-c", CONFIG, "--script", str(script)]) == 2
    assert "not both" in capsys.readouterr().err
