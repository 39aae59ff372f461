"""A folder that a command fills: new or empty before, and behind it whole, or as it was.

What a file is to `output`, a golden case or a folder of them is here. An empty folder that somebody made beforehand
stays that very folder (it may be a mount, or a link), so it is filled in place; where that fails, or a signal ends it,
all that was put into it goes again, and the folders that were made for it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lbreplay.edge import ending, output, within
from lbreplay.errors import ConfigError, OutputError


def judge(path: str) -> None:
    """Raises OutputError where *path* is no folder, or cannot be made or written, as far as can be told before."""
    within.judge(path)
    if path == "-":
        raise OutputError("-: a folder expected, no stream")
    try:
        place = output.nearest(os.path.realpath(path))
        if not os.path.isdir(place):
            raise output.refusal(errno.ENOTDIR)
        output.judge_name(path.rstrip(os.sep), place)
        output.try_folder(place)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None


def judge_new(path: str) -> None:
    """The same, and ConfigError where something is there already that is no empty folder."""
    if os.path.lexists(path) and not (os.path.isdir(path) and _is_empty(path)):
        raise ConfigError(f"{path}: there already; a new or empty folder expected")
    judge(path)


def _is_empty(path: str) -> bool:
    with suppress(PermissionError), os.scandir(path) as entries:
        return next(entries, None) is None
    return False


@contextmanager
def filling(path: str) -> Iterator[None]:
    """A block that fills *path*, new or empty. Raises as `judge_new`."""
    judge_new(path)
    with ending.held():
        made = _make(path)
        known = ending.remember(lambda: _undo(path, made))
    try:
        yield
    except BaseException:
        _undo(path, made)
        raise
    finally:
        ending.forget(known)


def empty(path: str) -> None:
    """Take away all that is in the folder."""
    with os.scandir(path) as entries:
        for entry in list(entries):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)


def _make(path: str) -> list[str]:
    """The folders that had to be made, the outermost first."""
    missing: list[str] = []
    place = os.path.realpath(path)
    while not os.path.isdir(place):
        missing.insert(0, place)
        place = os.path.dirname(place)
    try:
        for folder in missing:
            os.mkdir(folder)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made: {error.strerror}") from None
    return missing


def _undo(path: str, made: list[str]) -> None:
    with suppress(OSError):
        empty(path)
    for folder in reversed(made):
        with suppress(OSError):  # somebody else has put something there
            os.rmdir(folder)
