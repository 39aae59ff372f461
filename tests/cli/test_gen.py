"""lbreplay gen: cases from a configuration."""

import json

from lab.gen.made_scene import written

from lbreplay.cli import status


def test_cases_are_made_and_hold(tmp_path, capsys):
    """The table names them; the suite holds; verdicts out of reach have their reason."""
    config = written(tmp_path)
    assert status(["gen", "-c", str(config), "-o", str(tmp_path / "cases"), "-k", "life", "-k", "rules"]) == 0
    said = capsys.readouterr().out
    assert "life-web" in said and "device.mac is unset" in said and "[[route]]" in said
    assert status(["test", str(tmp_path / "cases"), "-j", "1", "-q"]) == 0
    assert "3 of 3 cases hold" in capsys.readouterr().out


def test_json(tmp_path, capsys):
    """Cases with their verdicts, and every verdict reached or with a reason."""
    config = written(tmp_path)
    args = ["gen", "-c", str(config), "-o", str(tmp_path / "cases"), "-k", "life-dns", "--format", "json"]
    assert status(args) == 0
    found = json.loads(capsys.readouterr().out)
    assert [case["case"] for case in found["cases"]] == ["life-dns"]
    assert set(found["reached"]) == {"forwarded_slow", "forwarded_fast"}
    assert all(entry["reason"] for entry in found["unreached"])


def test_settings_go_into_the_cases(tmp_path):
    """Overrides and the seed become arguments of each case."""
    config = written(tmp_path)
    args = ["gen", "-c", str(config), "-o", str(tmp_path / "cases"), "-k", "life-dns", "-q", "--set", "workers=2"]
    assert status([*args, "--seed", "7", "--view", "rx"]) == 0
    about = (tmp_path / "cases" / "life-dns" / "case.toml").read_text()
    assert 'args = ["--set", "workers=2", "--seed", "7"]' in about and 'view = "rx"' in about


def test_from_a_running_balancer(tmp_path, capsys):
    """Imported files do as well as a configuration."""
    saved = tmp_path / "saved"
    saved.write_text("-A -t 203.0.113.10:80 -s rr\n-a -t 203.0.113.10:80 -r 198.18.0.1:8080 -m -w 1\n")
    args = ["gen", "--ipvsadm-save", str(saved), "--set", 'profile="ipvs"', "-o", str(tmp_path / "cases"), "-k", "life"]
    assert status([*args, "-q"]) == 0, capsys.readouterr().err
    assert len(list((tmp_path / "cases").iterdir())) == 1


def test_what_is_refused(tmp_path, capsys):
    """One line, exit 2, nothing written."""
    config = written(tmp_path)
    broken = ["gen", "-c", str(config), "-o", str(tmp_path / "new"), "--set", "flow_director.dst_port_mask=1"]
    assert status(broken) == 2
    assert "mask-narrow" in capsys.readouterr().err and not (tmp_path / "new").exists()
    assert status([*broken, "--anyway", "-k", "life-dns", "-q"]) == 0
    assert status(["gen", "-c", str(config), "-o", str(tmp_path)]) == 2
    assert "there already" in capsys.readouterr().err and config.exists()
    assert status(["gen", "-o", str(tmp_path / "other")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_only_what_is_missing(tmp_path, capsys):
    """What another suite exercises is not made again; where nothing is missing nothing is made."""
    config = written(tmp_path)
    first = ["gen", "-c", str(config), "-q", "-o", str(tmp_path / "first"), "-k", "life", "-k", "rules"]
    assert status(first) == 0
    more = ["gen", "-c", str(config), "--cover", str(tmp_path / "first"), "--format", "json"]
    capsys.readouterr()
    assert status([*more, "-o", str(tmp_path / "more"), "-k", "life", "-k", "timeouts-dns"]) == 0
    assert [case["case"] for case in json.loads(capsys.readouterr().out)["cases"]] == ["timeouts-dns"]
    assert status([*more, "-o", str(tmp_path / "none"), "-k", "life"]) == 0
    assert json.loads(capsys.readouterr().out)["cases"] == [] and not list((tmp_path / "none").glob("*"))
