"""The one writer: every file that lbreplay writes goes through here.

Nothing stands under its final name before it is whole, and an old file stays until then: bytes go to a file beside it,
made under a name that nobody can guess or have laid a link at, and renamed by `commit`; `abandon` and the end of the
process, whatever ends it, take it away. Links are followed, mode and owner of an old file are kept. What is no file of
its own (a device, a named pipe, standard output by any of its names) is written as it is and never replaced. An old
file whose name is not ours to give (mounted by itself as containers do, in a folder that we may not write) is filled
with the new one when that is whole, and room for it is taken first.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import NoReturn, Self

from lbreplay.edge import ending, within
from lbreplay.edge.apart import descriptor
from lbreplay.edge.scratch import PART, claim, holds, sweep, unguessable
from lbreplay.edge.text import shown
from lbreplay.errors import OutputError, PipeClosed

BOUND = (errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES)  # why a name cannot be given where a file can be made
FULL = (errno.ENOSPC, errno.EDQUOT)
CHUNK = 1 << 20


class Output:
    """Bytes to *path* (`-`: standard output). A context manager: a clean exit gives the file its name.

    Raises OutputError, which names the path as it was given, and PipeClosed where nobody reads any more.
    """

    def __init__(self, path: str) -> None:
        within.judge(path)
        self.path = path
        self._part = ""  # the name it has until the end
        self._final = ""
        try:
            self._fd = self._open()
        except OSError as error:
            self._refuse(error)

    def _open(self) -> int:
        number = descriptor(self.path, True)
        if number is not None:
            return os.dup(number)
        _make_folder(self.path)
        old = os.stat(self.path) if os.path.exists(self.path) else None
        if old and not stat.S_ISREG(old.st_mode):
            return os.open(self.path, os.O_WRONLY)
        if old and not os.access(self.path, os.W_OK):
            raise denied(self.path)
        self._final = os.path.realpath(self.path)
        folder = os.path.dirname(self._final)
        judge_name(self.path, folder)
        if old and not os.access(folder, os.W_OK | os.X_OK):
            folder = _elsewhere()
        sweep(folder, PART)
        with ending.held():
            fd = self._beside(folder, old)
            self._known = ending.remember(self._unlink)
        return fd

    def _beside(self, folder: str, old: os.stat_result | None) -> int:
        """A new file in *folder*, of the mode and owner of the *old* one."""
        while True:
            self._part = os.path.join(folder, f"{PART}{unguessable()}.part")
            fd = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if old else 0o666)
            if claim(fd, self._part):
                break
            os.close(fd)
        if old:
            for owner in ((old.st_uid, old.st_gid), (-1, old.st_gid)):
                with suppress(PermissionError):  # only root may give a file away
                    os.fchown(fd, *owner)
                    break
            os.fchmod(fd, stat.S_IMODE(old.st_mode))
        return fd

    def write(self, data: bytes | memoryview) -> None:
        """All of *data*."""
        try:
            _write_all(self._fd, data)
        except BrokenPipeError:
            raise PipeClosed from None
        except OSError as error:
            self._refuse(error)

    def commit(self) -> None:
        """Give the file its name."""
        try:
            if self._part:
                os.close(os.dup(self._fd))  # some file systems say only now that the disk is full; the lock stays
                self._give_name()
                ending.forget(self._known)
                self._part = ""
            self._close()
        except OSError as error:
            self.abandon()
            self._refuse(error)

    def _give_name(self) -> None:
        try:
            os.replace(self._part, self._final)
        except OSError as error:
            if error.errno not in BOUND or not os.path.exists(self._final):
                raise
            _fill(self._final, self._part)
            self._unlink()

    def abandon(self) -> None:
        """Leave no half file."""
        self._close()
        if self._part:
            self._unlink()
            ending.forget(self._known)

    def _unlink(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._part)

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _refuse(self, error: OSError) -> NoReturn:
        more = "; TMPDIR names another place for temporary files" if error.errno in FULL and holds(self.path) else ""
        raise OutputError(f"{self.path}: cannot be written: {error.strerror}{more}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.commit()
        else:
            self.abandon()


def _write_all(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while len(view):
        view = view[os.write(fd, view) :]


@contextmanager
def _opened(path: str, how: int) -> Iterator[int]:
    fd = os.open(path, os.O_WRONLY | how, 0o666)
    try:
        yield fd
    finally:
        os.close(fd)


def _fill(path: str, source: str) -> None:
    """The file *path* with what is in *source*; for that there is room before a byte of the old one is touched."""
    size, old = os.stat(source).st_size, os.stat(path).st_size
    with open(source, "rb") as new, _opened(path, 0) as fd:
        try:
            os.posix_fallocate(fd, 0, max(size, 1))
        except OSError:
            os.ftruncate(fd, old)
            raise
        while data := new.read(CHUNK):
            _write_all(fd, data)
        os.ftruncate(fd, size)


def _elsewhere() -> str:
    """The folder for a file that is not whole yet where its own may not be written."""
    import tempfile  # 2 ms to load

    return tempfile.gettempdir()


def write_text(path: str, text: str) -> None:
    """All of *text* as UTF-8 to *path*; to `-` as everything else that is printed. Raises as `Output`."""
    if path == "-":
        within.judge(path)
        sys.stdout.write("\n".join(map(shown, text.split("\n"))) if sys.stdout.isatty() else text)
        sys.stdout.flush()
        return
    with Output(path) as output:
        output.write(text.encode("utf-8", "surrogateescape"))


def append_text(path: str, text: str) -> None:
    """*text* as UTF-8 behind what is in the file *path*, which others write too. Raises OutputError."""
    within.judge(path)
    try:
        with _opened(path, os.O_APPEND | os.O_CREAT) as fd:
            _write_all(fd, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None


def judge(path: str) -> None:
    """Raises OutputError where writing *path* will not do, as far as can be told before."""
    within.judge(path)
    number = descriptor(path, True)
    try:
        if number is not None:
            os.fstat(number)
        elif os.path.isdir(path):
            raise refusal(errno.EISDIR)
        else:
            _judge_folder(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None


def _judge_folder(path: str) -> None:
    """An old file may be written, or the folder of a new one, or the one that the folder would be made in."""
    if os.path.exists(path):
        if not os.access(path, os.W_OK):
            raise denied(path)
        return
    folder = os.path.dirname(os.path.realpath(path))
    judge_name(path, folder)
    if not os.path.isdir(folder):
        if not _meant(path):
            raise refusal(errno.ENOENT)
        folder = nearest(folder)
        if not os.path.isdir(folder):
            raise refusal(errno.ENOTDIR)
    try_folder(folder)


def try_folder(folder: str) -> None:
    """Raises OSError where no file can be made in *folder*, which is there: one is made, and goes again.

    Rights alone do not tell: /proc seems to be root's to write, a server of files may think otherwise.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        raise denied(folder)
    with ending.held():
        name = os.path.join(folder, f"{PART}{unguessable()}.part")
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(name)


def judge_name(path: str, folder: str) -> None:
    """A name, and not too long: the one beside is shorter, so nobody else would say it before the end."""
    if not os.path.basename(path):
        raise refusal(errno.EISDIR if path else errno.ENOENT)
    if len(os.fsencode(os.path.basename(path))) > os.pathconf(nearest(folder), "PC_NAME_MAX"):
        raise refusal(errno.ENAMETOOLONG)


def refusal(number: int) -> OSError:
    """As the system would say it."""
    return OSError(number, os.strerror(number))


def denied(path: str) -> OSError:
    """Why *path*, which is there, may not be written."""
    return refusal(errno.EROFS if os.statvfs(path).f_flag & os.ST_RDONLY else errno.EACCES)


def nearest(folder: str) -> str:
    """The nearest of *folder* and those above it that is there."""
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return folder


def _meant(path: str) -> bool:
    """Whether a missing folder is to be made: any below where one stands, elsewhere the last one only: else a mistyped
    path, or that of a disk that is not mounted, would be filled."""
    folder = os.path.dirname(path)
    below = not os.path.isabs(path) and os.pardir not in folder.split(os.sep)
    return below or os.path.isdir(os.path.dirname(folder))


def _make_folder(path: str) -> None:
    """Make the folder of *path* where it is missing and meant."""
    folder = os.path.dirname(path)
    if folder and not os.path.lexists(folder) and _meant(path):
        os.makedirs(folder, exist_ok=True)
