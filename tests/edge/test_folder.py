"""Folders that a command fills: whole, or as they were."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from machine import as_nobody, open_to_all

from lbreplay.edge.folder import filling, judge, judge_new
from lbreplay.errors import ConfigError, LbreplayError, OutputError


def fail(path: Path) -> None:
    """Fill *path* with all sorts of things, then fail."""
    with suppress(ZeroDivisionError), filling(str(path)) as place:
        Path(place, "file").write_text("x")
        Path(place, "folder").mkdir()
        Path(place, "folder", "link").symlink_to(path.parent)
        raise ZeroDivisionError
    assert not (path / "file").exists()


def test_a_new_folder_goes_with_those_above_that_were_made_for_it(tmp_path: Path) -> None:
    """And what they stand in stays, with what links lead to."""
    (tmp_path / "other").write_text("x")
    fail(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_an_empty_folder_stays_that_very_folder(tmp_path: Path) -> None:
    """Its mode and number too, also behind a link."""
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir(0o750)
    link.symlink_to("folder")
    before = folder.stat()
    for name in (folder, link):
        fail(name)
        after = folder.stat()
        assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode) and not list(folder.iterdir())
    assert link.is_symlink()


def test_what_somebody_else_put_there_meanwhile_stays(tmp_path: Path) -> None:
    """Only what was made for the block is taken away."""
    with suppress(ZeroDivisionError), filling(str(tmp_path / "a" / "b")):
        (tmp_path / "a" / "theirs").write_text("x")
        raise ZeroDivisionError
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["theirs"]


def test_a_signal_leaves_none(tmp_path: Path) -> None:
    """The folders go as files without a name do."""
    code = f"""if True:
        import os, signal
        from lbreplay.edge import ending
        from lbreplay.edge.folder import filling
        ending.listen()
        with filling({str(tmp_path / "a" / "b")!r}) as place:
            open(place + "/c", "w").write("x")
            os.kill(os.getpid(), signal.SIGTERM)
    """
    assert subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE).returncode == 128 + 15
    assert not list(tmp_path.iterdir())


def test_a_new_one_has_its_name_at_the_end(tmp_path: Path) -> None:
    """Until then it is nowhere, and errors call it as it will be."""
    with filling(str(tmp_path / "a" / "b")) as place:
        Path(place, "c").write_text("x")
        assert not (tmp_path / "a" / "b").exists()
    assert [path.name for path in (tmp_path / "a").rglob("*")] == ["b", "c"]
    with pytest.raises(ConfigError, match=f"^{tmp_path}/d/x: no$"), filling(str(tmp_path / "d")) as place:
        raise ConfigError(f"{place}/x: no")


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path) -> None:
    """And what lives is not."""
    code = f"""if True:
        import os
        from lbreplay.edge.folder import filling
        with filling({str(tmp_path / "a")!r}) as place:
            open(place + "/c", "w").write("x")
            os._exit(9)
    """
    subprocess.run([sys.executable, "-c", code])
    assert len(list(tmp_path.iterdir())) == 1
    with filling(str(tmp_path / "a")), filling(str(tmp_path / "b")):
        assert len(list(tmp_path.iterdir())) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("name", ["full", "file", "dangling"])
def test_what_is_there_is_not_filled(tmp_path: Path, name: str) -> None:
    """Neither a folder with something in it, nor what is no folder."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / ".hidden").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=f"{name}: there already; a new or empty folder expected"):
        judge_new(str(tmp_path / name))


@pytest.mark.parametrize(
    "name, why", [("file/x", "Not a directory"), ("n" * 300, "File name too long"), ("/proc/x", "No such file|denied")]
)
def test_what_cannot_be_made(tmp_path: Path, name: str, why: str) -> None:
    """One line: the path, and why."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=f"{name}: cannot be (written|made): ({why})"), filling(str(tmp_path / name)):
        pass


def test_a_stream_is_no_folder() -> None:
    """`-o -` neither makes a folder of that name nor prints."""
    with pytest.raises(LbreplayError, match="-: a folder expected, no stream"):
        judge("-")


def test_a_folder_that_may_not_be_written() -> None:
    """Is told before the work."""
    with open_to_all() as folder:

        def attempt() -> None:
            for name in (folder, folder / "new"):
                with pytest.raises(OutputError, match="cannot be written: Permission denied"):
                    judge_new(str(name))

        os.chmod(folder, 0o555)
        as_nobody(attempt)
