"""The file behind a sink: nothing stands under the final name before the end, and an old file stays until then.

It is written beside its name and renamed by `commit`; `abandon` removes it. A device or a named pipe is written as is.
"""

from __future__ import annotations

import os
import stat
from typing import NoReturn

from lbreplay.errors import CaptureError, PipeClosed
from lbreplay.wire.capture.compressed import packer
from lbreplay.wire.capture.frames import CaptureInfo


class Output:
    """Bytes to *path* (`-`: standard output), compressed by its suffix. Raises CaptureError where that cannot be."""

    def __init__(self, path: str, info: CaptureInfo) -> None:
        self.path = path
        self._packer = packer(path)
        self._part = ""  # the name it has until the end
        self._final = os.path.realpath(path)
        try:
            self._fd = 1 if path == "-" else self._open(info)
        except OSError as error:
            self._refuse(error)

    def _open(self, info: CaptureInfo) -> int:
        old = os.stat(self.path) if os.path.exists(self.path) else None
        if old and not stat.S_ISREG(old.st_mode):
            return os.open(self.path, os.O_WRONLY)
        if old and _is_input(old, info):
            raise CaptureError(f"{self.path}: another file than the capture that is read expected")
        if old and not os.access(self.path, os.W_OK):
            raise PermissionError(13, "Permission denied")
        folder, name = os.path.split(self._final)
        self._part = os.path.join(folder, f".{name}.{os.getpid()}.part")
        return os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)

    def write(self, data: bytes | memoryview) -> None:
        """All of *data*. Raises PipeClosed, or CaptureError (a full disk)."""
        self._write(self._packer.compress(data) if self._packer else data)

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        try:
            while len(view):
                view = view[os.write(self._fd, view) :]
        except BrokenPipeError:
            raise PipeClosed from None
        except OSError as error:
            self._refuse(error)

    def commit(self) -> None:
        """Give the file its name."""
        try:
            if self._packer:
                self._write(self._packer.flush())
            self._close()
            if self._part:
                os.replace(self._part, self._final)
        except BaseException as error:
            self.abandon()
            if isinstance(error, OSError):
                self._refuse(error)
            raise

    def abandon(self) -> None:
        """Leave no half file."""
        self._close()
        if self._part and os.path.exists(self._part):
            os.unlink(self._part)

    def _close(self) -> None:
        if self._fd > 1:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _refuse(self, error: OSError) -> NoReturn:
        raise CaptureError(f"{self.path}: cannot be written: {error.strerror}") from None


def _is_input(old: os.stat_result, info: CaptureInfo) -> bool:
    try:
        return os.path.samestat(old, os.fstat(0) if info.path == "-" else os.stat(info.path))
    except OSError:
        return False
