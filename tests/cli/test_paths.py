"""Paths on the command line: two names of one file, and what cannot be written, are refused before the work."""

from __future__ import annotations

import os
import pty
import shutil
import socket
from pathlib import Path

import pytest
from machine import as_nobody, open_to_all

from lbreplay.cli import status

SAMPLE = Path("samples/web.pcap").resolve()
CONFIG = Path("samples/web.toml").resolve()
Said = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a capture, a configuration with a list, and a script, each with another name."""
    shutil.copy(SAMPLE, tmp_path / "a.pcap")
    (tmp_path / "lb.toml").write_text(
        CONFIG.read_text().replace("[[service]]", '[[service]]\nblacklist = ["@list"]', 1)
    )
    (tmp_path / "list").write_text("203.0.113.0/24\n")
    (tmp_path / "s.sh").write_text("ipvsadm -A -t 10.0.0.100:80 -s rr\n")
    (tmp_path / "link").symlink_to("a.pcap")
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "case.toml").write_text("")
    os.link(tmp_path / "a.pcap", tmp_path / "hard.pcap")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    """Every file below."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "words",
    [
        "run a.pcap -o o.pcap --trace a.pcap",
        "run a.pcap --stats a.pcap -q",
        "run a.pcap --stats link -q",
        "run link --trace hard.pcap",
        "run --stats a.pcap a.pcap",
        "run a.pcap -c lb.toml --stats lb.toml",
        "run a.pcap -c lb.toml --stats list",
        "run a.pcap -c lb.toml --trace ./list",
        "run a.pcap -o hard.pcap",
        "init a.pcap -o a.pcap --force",
        "import --script s.sh -o s.sh --force",
        "export -c lb.toml --to-script lb.toml",
        "export -c lb.toml --to-script x --to-dpvs-conf ./x",
        "run a.pcap -o o.pcap --also dropped --drops o.pcap",
        "run a.pcap -o o.pcap --trace o.pcap",
        "run a.pcap --trace o --stats ../{here}/o",
        "run a.pcap --trace - --stats -",
        "run a.pcap -o - --stats /dev/stdout",
        "run a.pcap --drops t.pcap --trace t.pcap",
        "run a.pcap --html h --stats ./h",
        "check a.pcap -c lb.toml --junit a.pcap",
        "check a.pcap -c lb.toml --junit lb.toml",
        "check a.pcap -c lb.toml --junit list",
        "check a.pcap --junit r --html {there}/r",
        "check a.pcap --junit r --format sarif --html r",
        "sweep a.pcap --workers 1,2 --html hard.pcap",
        "diff a.pcap link --html a.pcap",
        "audit a.pcap --html link",
        "test case --keep case",
        "test case --keep .",
        "test . --junit r --html r",
    ],
)
def test_one_file_is_not_two(here: Path, capsys: Said, words: str) -> None:
    """By name, link or number: one line, exit 2, and nothing written or changed."""
    before = content(here)
    assert status(words.format(here=here.name, there=here).split()) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and ": another f" in said
    assert content(here) == before


def test_standard_input_is_a_file_too(here: Path, capsys: Said) -> None:
    """`run - -o a.pcap < a.pcap`, with and without a configuration, by its other names too."""
    before, kept = content(here), os.dup(0)
    for given in (["-"], ["-", "-c", "lb.toml"], ["/dev/stdin"], ["/dev/fd/0"]):
        file = os.open("a.pcap", os.O_RDONLY)
        os.dup2(file, 0)
        os.close(file)
        try:
            assert status(["run", *given, "-o", "a.pcap", "-q"]) == 2
        finally:
            os.dup2(kept, 0)
        assert "another file than the capture that is read expected" in capsys.readouterr().err
    os.close(kept)
    assert content(here) == before


@pytest.mark.parametrize(
    "words, line",
    [
        ("run a.pcap -o out.txt", "out.txt: .pcap or .pcapng expected"),
        ("run a.pcap -o out", "out: .pcap or .pcapng expected"),
        ("run a.pcap -o out.pcap.lz4", "out.pcap.lz4: .pcap or .pcapng expected"),
        ("run a.pcap --stats no/", "no/: cannot be written: Is a directory"),
        ("run a.pcap --stats .", ".: cannot be written: Is a directory"),
        ("run a.pcap --trace a.pcap/t", "a.pcap/t: cannot be written: Not a directory"),
        ("run a.pcap --stats /no/where/s", "/no/where/s: cannot be written: No such file or directory"),
        ("init a.pcap -o lb.toml", "lb.toml: there already; another name, or --force"),
        ("import --script s.sh -o lb.toml", "lb.toml: there already; another name, or --force"),
        ("test . --junit /no/where/j", "/no/where/j: cannot be written"),
        ("schema -o /no/where/s", "/no/where/s: cannot be written"),
        ("check a.pcap --junit /no/where/j", "/no/where/j: cannot be written"),
        ("check a.pcap --html .", ".: cannot be written: Is a directory"),
        ("run a.pcap --stats /proc/no/s", "/proc/no/s: cannot be written"),
        ("new-case a.pcap case", "case: there already; a new or empty folder expected"),
        ("new-case a.pcap a.pcap", "a.pcap: there already; a new or empty folder expected"),
        ("gen -c lb.toml -o lb.toml", "lb.toml: there already; a new or empty folder expected"),
        ("new-case a.pcap -", "-: a folder expected, no stream"),
        ("gen -c lb.toml -o a.pcap/x", "a.pcap/x: cannot be written: Not a directory"),
        ("shrink a.pcap --verdict accept -o list", "list: there already; a new or empty folder expected"),
        ("test case --keep a.pcap", "a.pcap: cannot be written: Not a directory"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(here: Path, capsys: Said, words: str, line: str) -> None:
    """In the words of the command line; the old file stays."""
    before = content(here)
    assert status(words.split()) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and line in said
    assert content(here) == before


def test_force_replaces(here: Path) -> None:
    """Wherever it stands."""
    assert status(["init", "a.pcap", "-o", "lb.toml", "--force"]) == 0
    assert status(["init", "--force", "-o", "lb.toml", "a.pcap"]) == 0
    assert "[[service]]" in (here / "lb.toml").read_text()


def test_devices_may_be_named_as_often_as_one_likes(here: Path) -> None:
    """They stay what they are."""
    assert status(["run", "a.pcap", "-o", os.devnull, "--stats", os.devnull, "--trace", os.devnull, "-q"]) == 0
    assert not Path(os.devnull).is_file()


def test_folders_of_outputs_are_made(here: Path) -> None:
    """As `-o out/web.pcap` means."""
    assert status(["run", "a.pcap", "-q", "-o", "out/a.pcap", "--stats", "out/of/here.json"]) == 0
    assert (here / "out" / "a.pcap").exists() and (here / "out" / "of" / "here.json").exists()


def test_a_capture_is_no_text_for_a_terminal(here: Path, capsys: Said) -> None:
    """A file or a pipe is."""
    kept, (outside, terminal) = os.dup(1), pty.openpty()
    os.dup2(terminal, 1)
    try:
        assert status(["run", "a.pcap", "-o", "-", "-q"]) == 2
    finally:
        os.dup2(kept, 1)
        for fd in (kept, outside, terminal):
            os.close(fd)
    assert "a capture is no text for a terminal" in capsys.readouterr().err


def test_what_can_be_read_once_is_read_once(here: Path, capsys: Said) -> None:
    """A named pipe, as a process substitution or /dev/stdin is one, without a configuration."""
    os.mkfifo("pipe")
    if not os.fork():
        Path("pipe").write_bytes((here / "a.pcap").read_bytes())
        os._exit(0)
    assert status(["run", "pipe", "-o", "piped.pcap", "--stats", "s.json", "-q"]) == 0
    os.wait()
    assert status(["run", "a.pcap", "-o", "plain.pcap", "-q"]) == 0
    assert (here / "piped.pcap").read_bytes() == (here / "plain.pcap").read_bytes()
    assert '"path": "pipe"' in (here / "s.json").read_text()


def test_damage_in_a_pipe_is_told_by_the_name_it_was_given(here: Path, capsys: Said, standard_input: object) -> None:
    """And not by that of the file it is kept in."""
    standard_input(b"no capture at all")  # type: ignore[operator]
    assert status(["run", "/dev/stdin", "-q"]) == 2
    assert capsys.readouterr().err.startswith("/dev/stdin: offset 0: ")


def test_what_github_shows_with_a_job_is_an_output_too(
    here: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file of the command is it, it grows by the run's summary, and where it cannot a line says so."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary")
    (here / "summary").write_text("before\n")
    assert status(["test", "case", "--junit", "./summary"]) == 2
    assert capsys.readouterr().err == ("GITHUB_STEP_SUMMARY summary: another file than that of --junit expected\n")
    assert (here / "summary").read_text() == "before\n"
    assert status(["test", "case", "--junit", "j.xml"]) == 1
    assert (here / "summary").read_text().startswith("before\n#") and (here / "j.xml").exists()
    capsys.readouterr()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/dev/full")
    assert status(["test", "case"]) == 2
    said = capsys.readouterr()
    assert said.err == "/dev/full: cannot be written: No space left on device\n" and "0 of 1 case" in said.out


def test_neither_root_nor_a_network_is_needed(tmp_path: Path) -> None:
    """The main job by somebody who may do nothing, where no socket can be had."""
    sample = Path("samples/web.pcap").read_bytes()
    assert status(["run", "samples/web.pcap", "-o", str(tmp_path / "o.pcap"), "-q"]) == 0  # all is imported then
    with open_to_all() as folder:

        def attempt() -> None:
            def refuse(*_: object, **__: object) -> None:
                raise AssertionError("a socket is asked for")

            socket.socket = socket.create_connection = refuse  # type: ignore[assignment, misc]
            os.chdir(folder)
            assert status(["run", "in.pcap", "-o", "out/o.pcap", "--stats", "s.json", "--trace", "t", "-q"]) == 0

        (folder / "in.pcap").write_bytes(sample)
        os.chmod(folder, 0o777)
        as_nobody(attempt)
        assert (folder / "out" / "o.pcap").read_bytes() == (tmp_path / "o.pcap").read_bytes()
