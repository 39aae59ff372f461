"""`lbreplay doctor` on the command line: what is printed, and the exit status."""

import json

import pytest

from lbreplay.cli import status

TEXT = """
workers = 8
[[service]]
vip = "10.0.0.100:80"
laddr = ["192.168.100.200"]
[[service.real]]
address = "192.168.100.2:8080"
"""


@pytest.fixture
def config(tmp_path):
    """A sound configuration file."""
    path = tmp_path / "lb.toml"
    path.write_text(TEXT)
    return str(path)


def test_sound(config, capsys):
    """Nothing wrong: exit 0 and a sentence."""
    assert status(["doctor", "-c", config]) == 0
    assert capsys.readouterr().out == "nothing wrong found\n"


def test_error(config, capsys):
    """An error: exit 1, the code, the place, the cure."""
    assert status(["doctor", "-c", config, "--set", "flow_director.dst_port_mask=1"]) == 1
    out = capsys.readouterr().out
    assert "error mask-narrow  flow_director.dst_port_mask" in out
    assert "cure: flow_director.dst_port_mask = 0x7" in out
    assert out.endswith("1 error\n")


def test_strict(config):
    """Warnings fail only when asked to."""
    arguments = ["doctor", "-c", config, "-q", "--set", "workers=9"]
    assert status(arguments) == 0
    assert status([*arguments, "--strict"]) == 1


def test_json(config, capsys):
    """JSON carries every field."""
    assert status(["doctor", "-c", config, "--set", "workers=9", "--format", "json"]) == 0
    finding = json.loads(capsys.readouterr().out)["findings"][0]
    assert (finding["code"], finding["severity"]) == ("rank-not-power-of-two", "warning")


def test_csv(config, capsys):
    """CSV is a line a finding below the names."""
    status(["doctor", "-c", config, "--set", "workers=9", "--format", "csv"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "code,severity,where,what,leads_to,cure,source"
    assert lines[1].startswith("rank-not-power-of-two,warning,workers,")


def test_nothing_to_judge(capsys):
    """Neither a configuration nor a capture: wrong usage in one line."""
    assert status(["doctor"]) == 2
    assert "-c FILE" in capsys.readouterr().err
