"""Captures of several ports, named as one: `--port dpdk0=a.pcap --port dpdk1=b.pcap` (interface 2).

They are read by merged.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbreplay.errors import CaptureError
from lbreplay.wire.capture.compressed import open_source
from lbreplay.wire.capture.source import Source


class Merged(str):
    """The path of no file: those of several, each with the name of its port. In messages it reads `a.pcap + b.pcap`."""

    parts: tuple[tuple[str, str], ...]

    def __new__(cls, parts: Sequence[tuple[str, str]]) -> Merged:
        made = super().__new__(cls, " + ".join(path for _, path in parts))
        made.parts = tuple(parts)
        return made

    def __str__(self) -> str:
        return self  # with its parts

    def __getnewargs__(self) -> tuple[tuple[tuple[str, str], ...]]:  # type: ignore[override]
        return (self.parts,)


class Files:
    """The opened files of a Merged."""

    live = False  # a file has an end

    def __init__(self, merged: Merged) -> None:
        self.path, self.names = str(merged), [name for name, _ in merged.parts]
        self.sources: list[Source] = []
        try:
            for _, path in merged.parts:
                self.sources.append(open_source(path))
        except CaptureError:
            self.close()
            raise

    def come(self) -> tuple[int, int] | None:
        """Bytes that were read of all files, and how many they have."""
        each = [come for source in self.sources if (come := source.come()) is not None]
        read, size = (sum(column) for column in zip(*each, strict=True)) if each else (0, 0)
        return (read, size) if len(each) == len(self.sources) else None

    def close(self) -> None:
        for source in self.sources:
            source.close()
