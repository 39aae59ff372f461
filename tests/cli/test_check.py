"""`lbreplay check` on the command line."""

import json
from xml.etree import ElementTree

import pytest
from lab.made_capture import TEXT, capture

from lbreplay.cli import status

MISTAKE = ("--set", "flow_director.dst_port_mask=0")


@pytest.fixture
def given(tmp_path):
    """The arguments of a capture and its configuration."""
    (tmp_path / "lb.toml").write_text(TEXT)
    return [capture(tmp_path), "-c", str(tmp_path / "lb.toml")]


def test_sound(given, capsys):
    """Exit 0 and a line a property."""
    assert status(["check", *given, "--max-imbalance", "4"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "96 frames: nothing broken, 1 of 14 properties not judged"


def test_broken(given, capsys):
    """Exit 1, and a command that can be run as it stands."""
    assert status(["check", *given, *MISTAKE, "--assert", "home"]) == 1
    command = capsys.readouterr().out.splitlines()[2].partition("lbreplay ")[2]
    assert "--set flow_director.dst_port_mask=0" in command
    assert status(command.split()) == 0
    assert "was not asked, but has conn" in capsys.readouterr().out


def test_names(given, capsys):
    """Some of the properties, in one option or several."""
    assert status(["check", *given, "--assert", "home,checksums", "--assert", "conservation", "--format", "json"]) == 0
    assert [p["name"] for p in json.loads(capsys.readouterr().out)["properties"]] == [
        "home",
        "checksums",
        "conservation",
    ]


def test_list(capsys):
    """The properties with their sentences, without any capture."""
    assert status(["check", "--list"]) == 0
    assert "home            Every answer comes home" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, line", [(["--assert", "homes"], "nearest is 'home'"), (["--max-imbalance", "0.5"], "--max-imbalance")]
)
def test_refused(given, capsys, arguments, line):
    """One line, exit 2."""
    assert status(["check", *given, *arguments]) == 2
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1


def test_nothing_to_judge(given, capsys):
    """A configuration that nobody calls is not sound, and a property without a frame does not hold."""
    assert status(["check", *given, "--set", "service.web.vip='192.0.2.7:9'"]) == 1
    said = capsys.readouterr().out
    assert "the capture opens 24 connections to tcp 10.0.0.100:80" in said
    assert (
        "unique-ports    No two live connections share local address, local port and real server.  nothing to" in said
    )
    assert status(["check", *given, "--set", "service.web.vip='192.0.2.7:9'", "--assert", "home"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "96 frames: nothing was judged"


def test_sarif_and_junit(given, tmp_path, capsys):
    """A result for what is broken, with the command that tells its story; a test case a property."""
    junit = tmp_path / "check.xml"
    assert status(["check", *given, *MISTAKE, "--assert", "home", "--format", "sarif", "--junit", str(junit)]) == 1
    (result,) = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert result["ruleId"] == "home" and "lbreplay explain" in result["message"]["text"]
    (case,) = ElementTree.parse(junit).getroot()
    assert case.get("name") == "home" and "lbreplay explain" in case.find("failure").text
