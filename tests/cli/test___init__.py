"""Errors become one line and an exit status, and help costs next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from lbreplay import cli
from lbreplay.errors import CaptureError, ConfigError

HEAVY = ("numpy", "rich", "scapy", "dpkt", "tomllib", "lbreplay.stats", "lbreplay.cli.run")


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """The group gets a command `boom` that raises *error*."""

    @click.command()
    def boom() -> None:
        raise error

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda self, ctx, name: boom)


@pytest.mark.parametrize(
    "error, code, line",
    [
        (ConfigError("lb.toml: workers: 1 to 64 expected, got 0"), 2, "lb.toml: workers: 1 to 64 expected, got 0"),
        (CaptureError("in.pcap: offset 24: a record was expected"), 2, "in.pcap: offset 24: a record was expected"),
        (FileNotFoundError(2, "No such file or directory", "x.pcap"), 2, "x.pcap: No such file or directory"),
        (OSError(28, "No space left on device"), 2, "lbreplay: No space left on device"),
        (click.UsageError("no"), 2, "lbreplay boom: no; lbreplay boom --help shows what is right"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    raising(monkeypatch, error)
    assert cli.status(["boom"]) == code
    assert capsys.readouterr() == ("", line + "\n")


def test_a_mistyped_command_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """As a mistyped key is; what resembles nothing is told nothing."""
    assert (cli.status(["rum", "in.pcap"]), cli.status(["zzzzzz"])) == (2, 2)
    near, far = capsys.readouterr().err.splitlines()
    assert near == "lbreplay: no such command 'rum', did you mean run?; lbreplay --help shows what is right"
    assert "did you mean" not in far


def test_an_error_of_its_own_says_where_to_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, ZeroDivisionError("two\nlines"))
    assert cli.status(["boom"]) == 3
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "ZeroDivisionError: two lines" in line and cli.REPORT_TO in line


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, ZeroDivisionError("zero"))
    assert cli.status(["--debug", "boom"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_every_command_takes_debug(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.status(["run", "--help"]) == 0
    assert "--debug" in capsys.readouterr().out


def test_wrong_usage_is_one_line_that_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.status(["run", "in.pcap", "--vieww", "lb"]) == 2
    assert capsys.readouterr().err.startswith("lbreplay run: No such option")
    assert cli.status(["rnu"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("words", [["run", "--help-verdicts"], ["run", "samples/web.pcap", "-q", "-o", "-"]])
def test_a_reader_that_hangs_up_is_no_error(words: list[str]) -> None:
    """Whether it read text or a capture."""
    code = f"from lbreplay.cli import main; main({words})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted there")
def test_a_run_has_one_thread_and_leaves_in_order() -> None:
    """numpy's threads for linear algebra are not started, and what waits for the end of the process is done."""
    code = "import atexit, os; from lbreplay.cli import main\n"
    code += "atexit.register(lambda: print(len(os.listdir('/proc/self/task'))))\n"
    code += "main(['run', 'samples/web.pcap', '-q'])"
    alone = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=alone)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from lbreplay.cli import status; status(['--help'])\n"
    code += f"sys.exit([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() in ("", "[]") and "run" in done.stdout


def test_help_takes_at_most_three_times_the_import_of_click() -> None:
    def seconds(*arguments: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=os.environ, check=True)
        return time.perf_counter() - start

    for _ in range(5):  # another process may have had the core
        if seconds("-m", "lbreplay", "--help") <= 3 * seconds("-c", "import click"):
            return
    raise AssertionError("lbreplay --help is slow")


def test_every_listed_command_can_be_loaded() -> None:
    context = click.Context(cli.lbreplay)
    for name in cli.lbreplay.list_commands(context):
        command = cli.lbreplay.get_command(context, name)
        assert isinstance(command, click.Command) and command.help
