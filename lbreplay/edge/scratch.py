"""Folders for the time of a run; and what runs that were killed left behind, files without a name yet as well.

Whoever makes such a thing holds a lock on it as long as he lives (flock, which the kernel lets go with the process). So
a thing of that name without a lock is nobody's, and the next one who makes one beside it takes it away. Names cannot be
guessed, and only what belongs to this user is touched: others may write to /tmp, too.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lbreplay.edge import ending

FOLDER, PART = "lbreplay.", ".lbreplay."  # how names begin

_ours: set[str] = set()  # folders for the time of this run


@contextmanager
def scratch(where: str | None = None) -> Iterator[str]:
    """A folder of our own in *where*, by default that for temporary files; gone at the end of the block or the process.

    Processes that work for this one make theirs in its own, so that whoever is left at the end clears them all away.
    """
    import shutil  # 2 ms to load, and as many the other

    if where is None:
        import tempfile

        where = tempfile.gettempdir()
        sweep(where, FOLDER)
    with ending.held():
        path, lock = _folder(where)
        known = ending.remember(lambda: shutil.rmtree(path, ignore_errors=True))
    _ours.add(path)
    try:
        yield path
    finally:
        _ours.discard(path)
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
        ending.forget(known)


def holds(path: str) -> bool:
    """Whether *path* is of a run's own folder, which nobody but lbreplay chose."""
    return any(path.startswith(os.path.join(folder, "")) for folder in _ours)


def _folder(where: str) -> tuple[str, int]:
    while True:
        path = os.path.join(where, FOLDER + unguessable())
        os.mkdir(path, 0o700)
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY)
            if claim(lock, path):
                return path, lock
            os.close(lock)  # swept between the two


def unguessable() -> str:
    """Sixteen digits nobody knows before."""
    return os.urandom(8).hex()


def claim(fd: int, path: str) -> bool:
    """Whether *fd*, opened as *path*, is ours from now on: locked by nobody else, and still what *path* leads to.

    Where there are no locks (some network file systems) it is ours too, and nobody sweeps it.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def sweep(folder: str, begins: str) -> None:
    """Take away what dead runs left in *folder* under names that begin so."""
    with suppress(OSError), os.scandir(folder or ".") as entries:
        for name in [entry.name for entry in entries if entry.name.startswith(begins)]:
            with suppress(OSError):
                _take_away(os.path.join(folder, name))


def _take_away(path: str) -> None:
    about = os.lstat(path)
    if about.st_uid != os.geteuid() or not (stat.S_ISDIR(about.st_mode) or stat.S_ISREG(about.st_mode)):
        return
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISDIR(about.st_mode):
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        elif os.path.samestat(os.fstat(fd), os.lstat(path)):
            os.unlink(path)
    finally:
        os.close(fd)
