"""A folder that a command fills: new or empty before, and behind it whole, or as it was.

What a file is to `output`, a golden case or a folder of them is here. An empty folder that somebody made beforehand
stays that very folder (it may be a mount, or a link), so it is filled in place; a new one gets its name at the end.
Where that fails, or a signal ends it, all that was put into it goes again, and the folders that were made for it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lbreplay.edge import ending, output, within
from lbreplay.edge.scratch import PART, claim, sweep, unguessable
from lbreplay.errors import ConfigError, LbreplayError, OutputError


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
def filling(path: str) -> Iterator[str]:
    """A block that fills the folder it is given, which is *path*, new or empty, behind it. Raises as `judge_new`.

    What errors say of that folder they say of *path*.
    """
    judge_new(path)
    with ending.held():
        place, made, lock = _begin(path)
        known = ending.remember(lambda: _undo(place, made))
    try:
        yield place
        if place != path:
            os.rename(place, os.path.realpath(path))
    except BaseException as error:
        _undo(place, made)
        if isinstance(error, LbreplayError):
            raise type(error)(*(line.replace(place, path) for line in error.lines)) from None
        raise
    finally:
        os.close(lock)
        ending.forget(known)


def _begin(path: str) -> tuple[str, list[str], int]:
    """The folder to fill, the folders that had to be made, the outermost first, and a lock on it.

    One that is there is filled itself; a new one under a name that the next run sweeps, should this one be killed.
    """
    if os.path.isdir(path):
        return path, [], os.open(path, os.O_RDONLY)
    above = os.path.dirname(os.path.realpath(path))
    try:
        made = _make(above)
        sweep(above, PART)
        while True:
            place = os.path.join(above, f"{PART}{unguessable()}.part")
            os.mkdir(place)
            lock = os.open(place, os.O_RDONLY)
            if claim(lock, place):
                return place, [*made, place], lock
            os.close(lock)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made: {error.strerror}") from None


def empty(path: str) -> None:
    """Take away all that is in the folder."""
    import shutil  # 2 ms to load

    with os.scandir(path) as entries:
        for entry in list(entries):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)


def _make(place: str) -> list[str]:
    """The folders that had to be made, the outermost first."""
    missing: list[str] = []
    while not os.path.isdir(place):
        missing.insert(0, place)
        place = os.path.dirname(place)
    for folder in missing:
        os.mkdir(folder)
    return missing


def _undo(place: str, made: list[str]) -> None:
    with suppress(OSError):
        empty(place)
    for folder in reversed(made):
        with suppress(OSError):  # somebody else has put something there
            os.rmdir(folder)
