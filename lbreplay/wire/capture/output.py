"""The file behind a sink: a capture, compressed by its suffix, and never the capture that is read."""

from __future__ import annotations

import os

from lbreplay.edge.output import Output
from lbreplay.errors import OutputError
from lbreplay.wire.capture.compressed import packer
from lbreplay.wire.capture.frames import CaptureInfo


class PackedOutput(Output):
    """Bytes to *path* (`-`: standard output). Raises as `Output`, and CaptureError for a suffix that cannot be."""

    def __init__(self, path: str, info: CaptureInfo) -> None:
        self._packer = packer(path)
        if _is_input(path, info):
            raise OutputError(f"{path}: another file than the capture that is read expected")
        super().__init__(path)

    def write(self, data: bytes | memoryview) -> None:
        """All of *data*."""
        super().write(self._packer.compress(data) if self._packer else data)

    def commit(self) -> None:
        """Write what the packer still holds, and give the file its name."""
        if self._packer:
            try:
                super().write(self._packer.flush())
            except BaseException:
                self.abandon()
                raise
        super().commit()


def _is_input(path: str, info: CaptureInfo) -> bool:
    try:
        old = os.stat(path)
        return os.path.isfile(path) and os.path.samestat(old, os.fstat(0) if info.path == "-" else os.stat(info.path))
    except OSError:
        return False
