"""Folders for the time of a run, and what killed runs left."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lbreplay.edge import scratch as module
from lbreplay.edge.scratch import FOLDER, claim, scratch, sweep


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))


def test_a_folder_of_our_own_goes_with_the_block(tmp_path: Path) -> None:
    """Nobody else may look into it."""
    with scratch() as folder:
        assert os.stat(folder).st_mode & 0o777 == 0o700
        Path(folder, "file").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path) -> None:
    """What lives stays, and so does what somebody else calls alike."""
    code = f"import tempfile, os; tempfile.tempdir = {str(tmp_path)!r}\nfrom lbreplay.edge.scratch import scratch\n"
    subprocess.run([sys.executable, "-c", f"{code}with scratch(): os._exit(9)"], check=False)
    (dead,) = tmp_path.iterdir()
    (tmp_path / f"{FOLDER}link").symlink_to(tmp_path)
    with scratch() as living:
        sweep(str(tmp_path), FOLDER)
        assert not dead.exists() and Path(living).exists() and (tmp_path / f"{FOLDER}link").is_symlink()


def test_what_is_swept_before_it_is_locked_is_not_claimed(tmp_path: Path) -> None:
    """Another name is taken then."""
    path = tmp_path / "part"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    path.unlink()
    assert not claim(fd, str(path))
    os.close(fd)


def test_two_do_not_claim_the_same(tmp_path: Path) -> None:
    """The one that has it keeps it."""
    path = str(tmp_path / "part")
    first, second = os.open(path, os.O_CREAT | os.O_WRONLY), os.open(path, os.O_WRONLY)
    assert claim(first, path) and not claim(second, path)
    os.close(first)
    assert claim(second, path)
    os.close(second)


def test_a_folder_without_locks_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have none; nobody sweeps there."""

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    path = tmp_path / f"{FOLDER}x"
    path.write_bytes(b"")
    with path.open("rb") as file:
        monkeypatch.setattr(module.fcntl, "flock", refuse)
        assert claim(file.fileno(), str(path))
        sweep(str(tmp_path), FOLDER)
    assert path.exists()
