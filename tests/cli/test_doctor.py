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


def test_sarif_names_the_line(config, tmp_path, capsys):
    """In the TOML the value of the key; of imported files the line that says it."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(TEXT + "  weight = 0\n[flow_director]\ndst_port_mask = 1\n")
    assert status(["doctor", "-c", str(wrong), "--format", "sarif"]) == 1
    mask, weight = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert mask["ruleId"] == "mask-narrow"
    assert _region(mask) == (wrong.as_uri(), 10, 17)
    assert _region(weight) == (wrong.as_uri(), 6, 1)

    script = tmp_path / "lb.sh"
    script.write_text(
        "ipvsadm -A -t 10.0.0.100:80 -s rr\nipvsadm --add-laddr -z 192.168.100.200 -t 10.0.0.100:80 -F dpdk0\n"
        "  ipvsadm -a -t 10.0.0.100:80 -r 192.168.100.2:8080 -b -w 0\n"
    )
    status(["doctor", "--script", str(script), "--format", "sarif"])
    results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert _region(next(r for r in results if r["ruleId"] == "no-weight"))[0] == script.as_uri()


def _region(result):
    place = result["locations"][0]["physicalLocation"]
    return place["artifactLocation"]["uri"], place["region"]["startLine"], place["region"]["startColumn"]
