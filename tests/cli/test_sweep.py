"""`lbreplay sweep` on the command line."""

import json

import pytest
from lab.made_capture import TEXT, capture

from lbreplay.cli import status


@pytest.fixture
def given(tmp_path):
    """The arguments of a capture and its configuration."""
    (tmp_path / "lb.toml").write_text(TEXT)
    return [capture(tmp_path), "-c", str(tmp_path / "lb.toml"), "-j", "1"]


def test_axes(given, capsys):
    """Every option is an axis, in their order."""
    options = [
        "--workers",
        "2,4",
        "--strategy",
        "port-low,redirect",
        "--rss-key",
        "default,symmetric",
        "--format",
        "json",
    ]
    assert status(["sweep", *given, *options]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == 8
    assert list(rows[0]["setting"]) == ["workers", "strategy", "rss key"]


def test_any_setting(given, capsys):
    """--vary takes any key."""
    assert status(["sweep", *given, "--vary", "service.web.scheduler=rr,wlc", "--driver", "ixgbe,virtio"]) == 0
    out = capsys.readouterr().out
    assert "service.web.scheduler" in out and "96 frames under 4 settings, best first: fewest rules" in out
    assert out.splitlines()[-1].startswith("recommended: driver ixgbe, service.web.scheduler rr (32 frames on")


@pytest.mark.parametrize(
    "options, line",
    [
        ([], "something to vary is needed"),
        (["--workers", "many"], "--workers: 1..16 or 2,4,8 expected, got 'many'"),
        (["--strategy", "best"], "--strategy: port-low"),
        (["--driver", "e1000"], "device.driver"),
        (["--vary", "workers"], "--vary KEY=V1,V2 expected"),
        (["--vary", "wokers=1,2"], "unknown key"),
    ],
)
def test_refused(given, capsys, options, line):
    """One line, exit 2."""
    assert status(["sweep", *given, *options]) == 2
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1
