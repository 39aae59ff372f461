"""Outputs: nothing half, the old one intact, and one line where it cannot be."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from captures import frames, pcap_head, record, write
from machine import alone, as_nobody, mounted, open_to_all

from lbreplay.edge import output as module
from lbreplay.edge.output import Output, append_text, judge, write_text
from lbreplay.edge.scratch import PART, scratch
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


def test_a_protected_file() -> None:
    """A file one may not write is not replaced either, though its folder might be written."""
    with open_to_all() as folder:

        def attempt() -> None:
            for refused in (judge, Output):
                with pytest.raises(OutputError, match="Permission denied"):
                    refused(str(folder / "out"))

        (folder / "out").write_bytes(b"old")
        os.chmod(folder / "out", 0o444)
        os.chmod(folder, 0o777)
        as_nobody(attempt)
        assert (folder / "out").read_bytes() == b"old"


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


def test_a_name_that_is_not_ours_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is mounted by itself (a container's) is filled with the new one when that is whole."""

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    path = write(tmp_path, b"an old file that is longer", name="out.pcap")
    number = path.stat().st_ino
    monkeypatch.setattr(module.os, "replace", busy)
    output = Output(str(path))
    output.write(b"new")
    assert path.read_bytes() == b"an old file that is longer"
    output.commit()
    assert (path.read_bytes(), path.stat().st_ino, names(tmp_path)) == (b"new", number, ["out.pcap"])


def test_a_mounted_file_without_room_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is taken before a byte of the old one is touched."""

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = write(tmp_path, b"old", name="out.pcap")
    monkeypatch.setattr(module.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.EBUSY, "busy")))
    monkeypatch.setattr(module.os, "posix_fallocate", no_room)
    with pytest.raises(OutputError, match=r"out.pcap: cannot be written: No space left on device$"):
        write_text(str(path), "new" * 100)
    assert path.read_bytes() == b"old" and names(tmp_path) == ["out.pcap"]


RUN = f"{sys.executable} -m lbreplay run {os.path.abspath('samples/web.pcap')} -q"


@pytest.mark.skipif(not alone(), reason="this system lets tests mount nothing")
def test_a_file_that_is_really_mounted(tmp_path: Path) -> None:
    """As `docker run -v ./o.pcap:/o.pcap` does."""
    (tmp_path / "real.pcap").write_bytes(b"old")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "o.pcap").touch()
    mounted(f"mount --bind real.pcap in/o.pcap; {RUN} -o in/o.pcap", tmp_path)
    assert (tmp_path / "real.pcap").stat().st_size > 10_000 and names(tmp_path / "in") == ["o.pcap"]


@pytest.mark.skipif(not alone(), reason="this system lets tests mount nothing")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """The old files stay, nothing half does, and each line names the file as it was given."""
    said = mounted(
        f"""mkdir m; mount -t tmpfs -o size=64k none m; cd m
        for name in s.json o.pcap t.jsonl i.toml; do echo old > $name; done; cat /dev/zero > z 2>&- || true
        for words in "--stats s.json" "-o o.pcap" "--trace t.jsonl" "--html new.html"
        do {RUN} $words 2>&1 || echo $?; done
        echo there: *; cat s.json o.pcap t.jsonl; ls -A | grep lbreplay || true""",
        tmp_path,
    )
    full = "cannot be written: No space left on device\n2\n"
    told = "".join(f"{name}: {full}" for name in ("s.json", "o.pcap", "t.jsonl", "new.html"))
    assert said == f"{told}there: i.toml o.pcap s.json t.jsonl z\nold\nold\nold\n"


@pytest.mark.skipif(not alone(), reason="this system lets tests mount nothing")
def test_a_disk_that_may_only_be_read(tmp_path: Path) -> None:
    """Is told as such, before the work."""
    said = mounted(
        f"""mkdir m; mount -t tmpfs none m; echo old > m/s.json; mount -o remount,ro m
        for name in m/s.json m/new.json; do {RUN} --stats $name 2>&1 || echo $?; done""",
        tmp_path,
    )
    assert said == "".join(
        f"m/{name}: cannot be written: Read-only file system\n2\n" for name in ("s.json", "new.json")
    )


@pytest.mark.skipif(not alone(), reason="this system lets tests mount nothing")
def test_no_room_for_temporary_files(tmp_path: Path) -> None:
    """Whoever did not choose the place is told how to choose another."""
    said = mounted(
        f"""mkdir m; mount -t tmpfs -o size=8k none m
        cat {os.path.abspath("samples/web.pcap")} |
            TMPDIR=$PWD/m {sys.executable} -m lbreplay run - -q 2>&1 || echo $?; ls -A m""",
        tmp_path,
    )
    assert "/capture: cannot be written: No space left on device; TMPDIR names another place" in said
    assert said.endswith("temporary files\n2\n")


def test_a_file_in_a_folder_that_may_not_be_written() -> None:
    """Is filled when the new one is whole, as any other tool would; a new one is refused."""
    with open_to_all() as folder:

        def attempt() -> None:
            judge(str(folder / "out"))
            output = Output(str(folder / "out"))
            output.write(b"new")
            assert (folder / "out").read_bytes() == b"old"
            output.commit()
            for refused in (judge, Output):
                with pytest.raises(OutputError, match="new: cannot be written: Permission denied"):
                    refused(str(folder / "new"))

        (folder / "out").write_bytes(b"old")
        os.chmod(folder / "out", 0o666)
        os.chmod(folder, 0o555)
        as_nobody(attempt)
        assert (folder / "out").read_bytes() == b"new" and names(folder) == ["out"]


def test_a_file_of_somebody_elses_in_a_folder_of_all() -> None:
    """/tmp lets nobody rename over it; who may write it does."""
    if os.geteuid():
        pytest.skip("only root makes a file of somebody else's")
    with open_to_all() as folder:
        (folder / "out").write_bytes(b"old")
        os.chmod(folder / "out", 0o666)
        os.chmod(folder, 0o1777)
        as_nobody(lambda: write_text(str(folder / "out"), "new"))
        assert (folder / "out").read_bytes() == b"new" and names(folder) == ["out"]


def test_other_names_of_an_old_file_keep_it(tmp_path: Path) -> None:
    """A hard link, as backups lay them, is of the old file and not of the new one."""
    path = write(tmp_path, b"old", name="out.pcap")
    os.link(path, tmp_path / "backup")
    write_text(str(path), "new")
    assert ((tmp_path / "backup").read_bytes(), path.read_bytes()) == (b"old", b"new")


@pytest.mark.parametrize("path", ["/proc/lbreplay.json", "/proc/self/comm", "/sys/lbreplay.json"])
def test_what_the_kernel_shows_is_no_place(path: str) -> None:
    """One line, whatever the system says of it."""
    if not os.path.isdir(os.path.dirname(path)):
        pytest.skip("not on this system")
    with pytest.raises(OutputError, match=f"^{path}: cannot be written: [A-Z][a-z -]+$"):
        write_text(path, "x")


def test_behind_what_is_there(tmp_path: Path) -> None:
    """A file that others write too grows; where it cannot, a line says so."""
    for word in ("one\n", "two\n"):
        append_text(str(tmp_path / "summary"), word)
    assert (tmp_path / "summary").read_text() == "one\ntwo\n"
    with pytest.raises(OutputError, match="/dev/full: cannot be written: No space left"):
        append_text("/dev/full", "x")


def test_a_temporary_place_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only for files that nobody chose a place for, TMPDIR is named."""

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "write", no_room)
    with scratch() as ours:
        for folder, end in ((ours, "; TMPDIR names another place for temporary files$"), (tmp_path, "device$")):
            with pytest.raises(OutputError, match=end):
                write_text(f"{folder}/x", "x")
