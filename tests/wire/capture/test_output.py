"""Outputs: nothing half, the old one intact, and one line where it cannot be."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from captures import frames, pcap_head, record, write

from lbreplay.errors import CaptureError
from lbreplay.wire.capture import CaptureInfo, PipeClosed
from lbreplay.wire.capture import output as module
from lbreplay.wire.capture.output import Output

INFO = CaptureInfo("-", "pcap", 1, False, 65535)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_commit_gives_the_name(tmp_path: Path) -> None:
    """Until commit an old file stays; then the new one has its place."""
    path = write(tmp_path, b"old", name="out.pcap")
    output = Output(str(path), INFO)
    output.write(b"new")
    assert path.read_bytes() == b"old"
    output.commit()
    assert path.read_bytes() == b"new" and names(tmp_path) == ["out.pcap"]


def test_abandon_leaves_nothing(tmp_path: Path) -> None:
    """An output that is given up leaves the old file and no half one."""
    path = write(tmp_path, b"old", name="out.pcap")
    output = Output(str(path), INFO)
    output.write(b"new")
    output.abandon()
    assert path.read_bytes() == b"old" and names(tmp_path) == ["out.pcap"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """An output that is a symbolic link is written where it points."""
    real, link = write(tmp_path, b"old", name="real.pcap"), tmp_path / "link.pcap"
    link.symlink_to("real.pcap")
    output = Output(str(link), INFO)
    output.write(b"new")
    output.commit()
    assert link.is_symlink() and real.read_bytes() == b"new"


def test_same_as_input(tmp_path: Path) -> None:
    """The capture that is read is no output, by whatever name; it stays as it is."""
    path = write(tmp_path, b"capture")
    link = tmp_path / "other.pcap"
    os.link(path, link)
    for name in (path, link):
        with pytest.raises(CaptureError, match="another file than the capture that is read expected"):
            Output(str(name), CaptureInfo(str(path), "pcap", 1, False, 65535))
    assert path.read_bytes() == b"capture" and names(tmp_path) == ["in.pcap", "other.pcap"]


@pytest.mark.parametrize("name, why", [("no/out.pcap", "No such file or directory"), ("in.pcap/out.pcap", "Not a dir")])
def test_unwritable(tmp_path: Path, name: str, why: str) -> None:
    """A path that cannot be written is one line: the path, and why."""
    write(tmp_path, b"a file")
    with pytest.raises(CaptureError, match=f"{name}: cannot be written: {why}"):
        Output(str(tmp_path / name), INFO)


@pytest.mark.parametrize("suffix", ["lz4", "bz2"])
def test_a_compression_that_is_only_read(tmp_path: Path, suffix: str) -> None:
    """A plain capture under its name would mislead."""
    with pytest.raises(
        CaptureError, match=r"out\.pcap\.\w+: a plain capture or one behind \.gz, \.zst or \.xz expected"
    ):
        Output(str(tmp_path / f"out.pcap.{suffix}"), INFO)
    assert names(tmp_path) == []


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    """A folder cannot be written."""
    with pytest.raises(CaptureError, match="Is a directory"):
        Output(str(tmp_path), INFO)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_protected_file(tmp_path: Path) -> None:
    """A file one may not write is not replaced either."""
    path = write(tmp_path, b"old")
    path.chmod(0o400)
    with pytest.raises(CaptureError, match="Permission denied"):
        Output(str(path), INFO)


def test_full_disk(tmp_path: Path) -> None:
    """A disk that is full ends the run with a line and leaves the old file."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    output = Output("/dev/full", INFO)
    with pytest.raises(CaptureError, match="/dev/full: cannot be written: No space left on device"):
        output.write(b"x")
    output.abandon()
    assert os.path.exists("/dev/full")


def test_a_limit_of_file_size(tmp_path: Path) -> None:
    """A sink that meets the limit of file size leaves no half file and the old one intact."""
    write(tmp_path, pcap_head(), *map(record, frames(2000)))
    write(tmp_path, b"old", name="out.pcap")
    code = """if True:
        import resource, signal
        from lbreplay.errors import CaptureError
        from lbreplay.wire.capture import open_capture, open_sink
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
        try:
            with open_capture("in.pcap") as capture, open_sink("out.pcap", capture.info) as sink:
                for burst in capture.bursts(64):
                    burst.leaving[:] = True
                    sink.write(burst)
        except CaptureError as error:
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

    output = Output(str(tmp_path / "out.pcap"), INFO)
    monkeypatch.setattr(module.os, "replace", refuse)
    with pytest.raises(CaptureError, match="Permission denied"):
        output.commit()
    assert names(tmp_path) == []


def test_a_pipe_closed_on_the_other_side(tmp_path: Path) -> None:
    """Nobody reading any more is no error but PipeClosed."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    output = Output(str(tmp_path / "pipe"), INFO)
    output.write(b"read")
    os.close(reader)
    with pytest.raises(PipeClosed):
        output.write(b"not read")
    output.abandon()
    assert names(tmp_path) == ["pipe"]
