"""`lbreplay keys` on the command line."""

import json

import pytest
from lab.made_capture import TEXT, capture

from lbreplay.cli import status


def test_without_a_capture(capsys):
    """The known keys over made-up flows."""
    assert status(["keys", "--set", "workers=8"]) == 0
    out = capsys.readouterr().out
    assert "symmetric" in out and "drawn" in out


def test_a_found_key_does_what_it_promises(tmp_path, capsys):
    """The setting that is printed, set, has the imbalance that was printed beside it."""
    (tmp_path / "lb.toml").write_text(TEXT)
    given = [capture(tmp_path), "-c", str(tmp_path / "lb.toml"), "--format", "json"]
    assert status(["keys", *given, "--search", "8", "--table"]) == 0
    found = json.loads(capsys.readouterr().out)
    setting = found["settings"][0].replace(" ", "")
    assert status(["keys", *given, "--set", setting]) == 0
    assert json.loads(capsys.readouterr().out)["keys"][0]["imbalance"] == found["keys"][-1]["imbalance"]
    assert status(["keys", *given, "--set", found["settings"][1].replace(" ", "")]) == 0
    assert json.loads(capsys.readouterr().out)["keys"][0]["imbalance"] == found["table"]["imbalance"]


@pytest.mark.parametrize("options", [["--symmetric"], ["--search", "0"]])
def test_refused(capsys, options):
    """One line, exit 2."""
    assert status(["keys", *options]) == 2
    assert capsys.readouterr().err.count("\n") == 1
