"""Standard streams as they may be: closed, full, hung up, of an ASCII terminal. Each command minds none of it alike."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ALL = {
    "run": ["run", "samples/web.pcap"],
    "explain": ["explain", "samples/web.pcap", "-n", "1"],
    "check": ["check", "samples/web.pcap", "-c", "samples/web.toml"],
    "doctor": ["doctor", "samples/web.pcap"],
    "capacity": ["capacity", "samples/web.pcap"],
    "sweep": ["sweep", "samples/web.pcap", "--workers", "2", "-j", "1"],
    "diff": ["diff", "samples/web.pcap", "--set-b", "workers=2"],
    "test": ["test", "tests/cases"],
    "init": ["init", "samples/web.pcap"],
    "export": ["export", "-c", "samples/web.toml"],
    "schema": ["schema"],
    "keys": ["keys", "samples/web.pcap"],
    "verdicts": ["run", "--help-verdicts"],
    "help": ["--help"],
}


def shell(words: list[str], more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a shell with *more* behind it."""
    command = " ".join([sys.executable, "-m", "lbreplay", *words, more])
    told = {**os.environ, "PYTHONPATH": os.getcwd(), **environment}
    return subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, env=told)


@pytest.mark.parametrize("name", ALL)
def test_a_reader_that_hangs_up_is_no_failure(name: str) -> None:
    """Not under pipefail either, and nothing is said about it."""
    done = shell(ALL[name], r"2> >(grep -v '^no\(te: \| configuration given\)' >&2) | sleep 0")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["run", "check", "diff", "init", "keys", "help"])
def test_a_full_disk_is_a_line(name: str) -> None:
    """And a failure: what was asked for is not there."""
    done = shell(ALL[name], r"> /dev/full 2> >(grep -v '^no\(te: \| configuration given\)' >&2)")
    assert done.returncode == 2 and "No space left on device" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["run", "sweep", "keys", "capacity", "check", "test"])
def test_a_terminal_that_knows_ascii_only(name: str) -> None:
    """Nothing is left out for it, and no line is an error."""
    done = shell(ALL[name], "", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode in (0, 1) and done.stdout and done.stdout.isascii() and "error of its own" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    """What is printed is lost, as asked; OUT is a capture, and no other file has a stream's number."""
    assert shell(["run", "samples/web.pcap", "-o", str(tmp_path / "o.pcap")], closed).returncode == 0
    assert (tmp_path / "o.pcap").stat().st_size > 24
    assert [path.name for path in tmp_path.iterdir()] == ["o.pcap"]


@pytest.mark.parametrize("words, closed", [(["run", "samples/web.pcap", "-o", "-"], ">&-"), (["run", "-"], "<&-")])
def test_a_closed_stream_that_is_needed_is_a_line(words: list[str], closed: str) -> None:
    """Which the capture should go to, or come from."""
    done = shell(words, closed)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith("-: ")
