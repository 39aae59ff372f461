"""samples/cases: every mistake is named by its one command, with the output that its page shows."""

import contextlib
import shlex
import tomllib
from pathlib import Path

import pytest

from lbreplay.cli import status

CASES = Path(__file__).parent.parent / "samples" / "cases"
FOLDERS = sorted(path.parent for path in CASES.glob("*/mistake.toml"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_command_names_the_cause(folder, capsys, monkeypatch):
    """The command's output and exit status are those that are written down."""
    told = tomllib.loads((folder / "mistake.toml").read_text())
    monkeypatch.chdir(folder)
    code = status(shlex.split(told["command"]))
    out, error = capsys.readouterr()
    assert (error, code) == ("", told["exit_code"])
    assert out == (folder / "expected.txt").read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_page_shows_it(folder):
    """README.md has the title, the command and the output of every case."""
    page = (CASES / "README.md").read_text()
    told = tomllib.loads((folder / "mistake.toml").read_text())
    shown = "\n".join(line.rstrip() for line in (folder / "expected.txt").read_text().splitlines())
    assert f"## {told['title']}\n" in page
    assert f"$ cd samples/cases/{folder.name}\n$ lbreplay {told['command']}\n{shown}\n```" in page


def test_there_are_enough():
    """The catalogue of mistakes is covered."""
    assert len(FOLDERS) >= 20


def test_the_cure_cures(monkeypatch, capsys):
    """Settings that a cure names make the broken property hold."""
    cures = {
        "virtual-machine": "conn.redirect=true",
        "mask-of-one-worker": "flow_director.dst_port_mask=auto",
        "mask-too-wide": "flow_director.dst_port_mask=auto",
        "byte-order": "flow_director.byte_order=network",
        "nic-without-port-masks": "conn.redirect=true",
    }
    for name, cure in cures.items():
        with contextlib.chdir(CASES / name):
            given = ["check", "in.pcap.gz", "-c", "lb.toml", "-q", "--assert", "home,no-kernel"]
            assert status(given) == 1, name
            assert status([*given, "--set", cure]) == 0, name
    capsys.readouterr()
