"""Outputs: nothing half, the old one intact, and one line where it cannot be."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from captures import frames, pcap_head, record, write

from lbreplay.edge import output as module
from lbreplay.edge.output import Output, judge, write_text
from lbreplay.edge.scratch import PART
from lbreplay.errors import OutputError, PipeClosed


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_commit_gives_the_name(tmp_path: Path) -> None:
    """Until commit an old file stays; then the new one has its place."""
    path = write(tmp_path, b"old", name="out.pcap")
    output = Output(str(path))
    output.write(b"new")
    assert path.read_bytes() == b"old"
    output.commit()
    assert path.read_bytes() == b"new" and names(tmp_path) == ["out.pcap"]


def test_abandon_leaves_nothing(tmp_path: Path) -> None:
    """An output that is given up leaves the old file and no half one."""
    path = write(tmp_path, b"old", name="out.pcap")
    output = Output(str(path))
    output.write(b"new")
    output.abandon()
    assert path.read_bytes() == b"old" and names(tmp_path) == ["out.pcap"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """An output that is a symbolic link is written where it points."""
    real, link = write(tmp_path, b"old", name="real.pcap"), tmp_path / "link.pcap"
    link.symlink_to("real.pcap")
    output = Output(str(link))
    output.write(b"new")
    output.commit()
    assert link.is_symlink() and real.read_bytes() == b"new"


@pytest.mark.parametrize(
    "name, why", [("no/no/out.pcap", "No such file or directory"), ("in.pcap/out.pcap", "Not a dir")]
)
def test_unwritable(tmp_path: Path, name: str, why: str) -> None:
    """A path that cannot be written is one line: the path, and why."""
    write(tmp_path, b"a file")
    with pytest.raises(OutputError, match=f"{name}: cannot be written: {why}"):
        Output(str(tmp_path / name))


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    """A folder cannot be written."""
    with pytest.raises(OutputError, match="Is a directory"):
        Output(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_protected_file(tmp_path: Path) -> None:
    """A file one may not write is not replaced either."""
    path = write(tmp_path, b"old")
    path.chmod(0o400)
    with pytest.raises(OutputError, match="Permission denied"):
        Output(str(path))


def test_full_disk(tmp_path: Path) -> None:
    """A disk that is full ends the run with a line and leaves the old file."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    output = Output("/dev/full")
    with pytest.raises(OutputError, match="/dev/full: cannot be written: No space left on device"):
        output.write(b"x")
    output.abandon()
    assert os.path.exists("/dev/full")


def test_mode_and_owner_of_an_old_file_are_kept(tmp_path: Path) -> None:
    """A capture holds secrets: who might not read the old one may not read the new one either."""
    path = write(tmp_path, b"old", name="out.pcap")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 5678)
    before = path.stat()
    write_text(str(path), "new")
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert path.read_bytes() == b"new"


def test_a_long_name(tmp_path: Path) -> None:
    """Every name that the file system takes will do; a longer one is refused in words, before and in time."""
    path = tmp_path / ("n" * 250 + ".pcap")
    write_text(str(path), "new")
    assert path.read_text() == "new"
    for attempt in (judge, Output):
        with pytest.raises(OutputError, match="cannot be written: File name too long"):
            attempt(str(tmp_path / ("n" * 256)))


def test_nobody_can_lay_a_link_at_the_name_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even whoever guessed the name: it is opened exclusively, and the victim stays."""
    victim = write(tmp_path, b"victim", name="victim")
    names = iter(("guessed", "fresh"))
    monkeypatch.setattr(module, "unguessable", lambda: next(names))
    (tmp_path / f"{PART}guessed.part").symlink_to(victim)
    with pytest.raises(OutputError, match="File exists"):
        Output(str(tmp_path / "out"))
    assert victim.read_bytes() == b"victim"


def test_what_a_killed_run_left_is_swept_and_what_lives_is_not(tmp_path: Path) -> None:
    """By the next one that writes into the folder."""
    code = (
        f"import os; from lbreplay.edge.output import Output; Output({str(tmp_path / 'a')!r}).write(b'x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(names(tmp_path)) == 1 and names(tmp_path)[0].startswith(PART)
    living = Output(str(tmp_path / "living"))
    with Output(str(tmp_path / "b")) as output:
        output.write(b"x")
    living.commit()
    assert names(tmp_path) == ["b", "living"]


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_any_name_is_written_through(tmp_path: Path, path: str) -> None:
    """And not replaced, whatever it leads to: what others write to it stays in order."""
    code = f"from lbreplay.edge.output import write_text; import os; os.write(1, b'a'); write_text({path!r}, 'b')"
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", f"{code}; os.write(1, b'c')"], stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == b"abc" and names(tmp_path) == ["out"]


def test_folders_are_made_where_that_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number below where one stands, one elsewhere: a disk that is not mounted is not filled."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for path in ("out/of/here/a", str(tmp_path / "there" / "b")):
        judge(path)
        write_text(path, "x")
        assert Path(path).read_text() == "x"
    for path in (str(tmp_path / "no" / "where" / "c"), "../no/where/c"):
        with pytest.raises(OutputError, match="No such file or directory"):
            judge(path)


def test_judged_before_as_it_is_done(tmp_path: Path) -> None:
    """What would be refused at the end is refused at the beginning."""
    write(tmp_path, b"a file")
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "in.pcap" / "x", "Not a directory")):
        with pytest.raises(OutputError, match=why):
            judge(str(path))


def test_a_limit_of_file_size(tmp_path: Path) -> None:
    """A sink that meets the limit of file size leaves no half file and the old one intact."""
    write(tmp_path, pcap_head(), *map(record, frames(2000)))
    write(tmp_path, b"old", name="out.pcap")
    code = """if True:
        import resource, signal
        from lbreplay.errors import OutputError
        from lbreplay.wire.capture import open_capture, open_sink
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
        try:
            with open_capture("in.pcap") as capture, open_sink("out.pcap", capture.info) as sink:
                for burst in capture.bursts(64):
                    burst.leaving[:] = True
                    sink.write(burst)
        except OutputError as error:
            print(error)
    """
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.stdout == "out.pcap: cannot be written: File too large\n", run.stderr
    assert (tmp_path / "out.pcap").read_bytes() == b"old" and names(tmp_path) == ["in.pcap", "out.pcap"]


def test_rename_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the last step fails nothing half stays."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    output = Output(str(tmp_path / "out.pcap"))
    monkeypatch.setattr(module.os, "replace", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        output.commit()
    assert names(tmp_path) == []


def test_a_pipe_closed_on_the_other_side(tmp_path: Path) -> None:
    """Nobody reading any more is no error but PipeClosed."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    output = Output(str(tmp_path / "pipe"))
    output.write(b"read")
    os.close(reader)
    with pytest.raises(PipeClosed):
        output.write(b"not read")
    output.abandon()
    assert names(tmp_path) == ["pipe"]
