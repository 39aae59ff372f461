"""Files of one command that are one file are refused, by whatever name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lbreplay.edge.apart import Named, descriptor, judge
from lbreplay.errors import LbreplayError


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A file with names: itself, a hard link, a symbolic one, one through a linked folder."""
    path = tmp_path / "a"
    path.write_bytes(b"x")
    os.link(path, tmp_path / "hard")
    (tmp_path / "soft").symlink_to("a")
    (tmp_path / "folder").symlink_to(".")
    return tmp_path


@pytest.mark.parametrize("name", ["a", "./a", "hard", "soft", "folder/a"])
def test_an_output_is_no_input(there: Path, name: str) -> None:
    """Whichever is named first, the output is the one that is wrong."""
    read, written = Named("IN", f"{there}/a", False), Named("--stats", f"{there}/{name}", True)
    for one, other in ((read, written), (written, read)):
        with pytest.raises(LbreplayError, match=rf"--stats {there}/{name}: another file than the capture that is read"):
            judge(one, [other])


@pytest.mark.parametrize("name", ["new", "./new", "folder/new", "../{}/new"])
def test_two_outputs_are_two_files(there: Path, name: str) -> None:
    """Also where the file is not there yet."""
    name = name.format(there.name)
    with pytest.raises(LbreplayError, match="another file than that of -o expected"):
        judge(Named("--trace", f"{there}/{name}", True), [Named("-o", f"{there}/new", True)])


def test_what_harms_nobody(there: Path) -> None:
    """Two inputs, two files, and a device as often as one likes."""
    judge(Named("-c", f"{there}/a", False), [Named("IN", f"{there}/a", False)])
    judge(Named("-o", f"{there}/b", True), [Named("--stats", f"{there}/c", True), Named("IN", f"{there}/a", False)])
    judge(Named("-o", os.devnull, True), [Named("--stats", os.devnull, True)])


@pytest.mark.parametrize("other", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_is_one_output(other: str) -> None:
    """By all its names."""
    with pytest.raises(LbreplayError):
        judge(Named("--stats", other, True), [Named("--trace", "-", True)])


def test_standard_input_is_read_once() -> None:
    """A second reader would get nothing."""
    with pytest.raises(LbreplayError):
        judge(Named("--script", "-", False), [Named("IN", "/dev/stdin", False)])
    judge(Named("-o", "-", True), [Named("IN", "-", False)])


def test_names_of_open_files() -> None:
    """A name in a folder is none."""
    assert [descriptor(path, False) for path in ("-", "/dev/stdin", "/dev/fd/7", "/dev/fd/x", "a")] == [
        0,
        0,
        7,
        None,
        None,
    ]
