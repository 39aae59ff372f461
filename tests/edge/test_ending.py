"""Signals: whenever they come, one line at most, the conventional status, and nothing left."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lbreplay.edge import ending

SAMPLE, CONFIG = Path("samples/web.pcap").resolve(), Path("samples/web.toml").resolve()
SIGNALS = sorted(ending.SIGNALS)
COMMAND = [sys.executable, "-m", "lbreplay"]


def start(folder: Path, *words: str, **more: object) -> subprocess.Popen[bytes]:
    """A run in *folder*, in a session of its own."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "TMPDIR": str(folder)}
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [*COMMAND, *words], cwd=folder, env=environment, start_new_session=True, **{**pipes, **more}
    )


def listens(pid: int) -> bool:
    """Whether a process catches SIGTERM."""
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def wait_for(condition: object) -> None:
    """Until *condition* holds; at most ten seconds."""
    end = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    """In the middle of a run: its status is 128 and the signal's number, the old file stays."""
    (tmp_path / "o.pcap").write_bytes(b"old")
    with start(tmp_path, "run", "-", "-c", str(CONFIG), "-o", "o.pcap", "-q") as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(SAMPLE.read_bytes())
        process.stdin.flush()
        wait_for(lambda: len(os.listdir(tmp_path)) > 1)
        process.send_signal(number)
        assert (process.wait(), process.stderr.read()) == (128 + number, b"interrupted\n")
    assert os.listdir(tmp_path) == ["o.pcap"] and (tmp_path / "o.pcap").read_bytes() == b"old"


def test_kept_input_is_not_left_either(tmp_path: Path) -> None:
    """The folder in which standard input waits for its end."""
    with start(tmp_path, "run", "-", "-q") as process:
        assert process.stdin is not None
        process.stdin.write(SAMPLE.read_bytes())
        process.stdin.flush()
        wait_for(lambda: os.listdir(tmp_path))
        process.send_signal(signal.SIGHUP)
        assert process.wait() == 128 + signal.SIGHUP
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_at_any_moment_and_three_at_a_time(tmp_path: Path, number: signal.Signals) -> None:
    """Also while the interpreter imports. (Before our first line Python itself answers Ctrl-C, with a traceback.)"""
    chance = random.Random(int(number))
    for _ in range(4):
        process = start(tmp_path, "run", str(SAMPLE), "-o", "o.pcap", "-q")
        if number == signal.SIGINT:
            wait_for(lambda: process.poll() is not None or listens(process.pid))  # noqa: B023
        time.sleep(chance.uniform(0, 0.3))
        for _ in range(3):
            process.send_signal(number)
        said = process.communicate()[1]
        assert process.returncode in (-number, 128 + number, 0) and said in (b"", b"interrupted\n")
        assert set(os.listdir(tmp_path)) <= {"o.pcap"}


def test_what_was_ignored_stays_ignored(tmp_path: Path) -> None:
    """As nohup wants it."""
    code = "import signal, sys, os; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    before = [sys.executable, "-c", code]
    with subprocess.Popen(
        [*before, *COMMAND, "run", "-", "-c", str(CONFIG), "-o", str(tmp_path / "o.pcap"), "-q"],
        stdin=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(SAMPLE.read_bytes())
        process.stdin.flush()
        wait_for(lambda: os.listdir(tmp_path))
        process.send_signal(signal.SIGHUP)
        process.stdin.close()
        assert process.wait() == 0
    assert os.listdir(tmp_path) == ["o.pcap"]


def test_a_block_that_is_held_is_done_as_a_whole(tmp_path: Path) -> None:
    """A signal waits for its end; then what was remembered in it is undone, last things first."""
    code = (
        "import os, signal; from lbreplay.edge import ending; ending.listen()\n"
        "with ending.held():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    ending.remember(lambda: os.write(1, b'first '))\n"
        "    ending.forget(ending.remember(lambda: os.write(1, b'forgotten ')))\n"
        "    ending.remember(lambda: os.write(1, b'last '))\n"
        "os.write(1, b'not reached')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (143, b"last first ", b"interrupted\n")
