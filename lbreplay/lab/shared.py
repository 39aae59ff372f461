"""A capture read and parsed once, for many replays: what parsing found, a file a column, mapped by every process.

`share` writes the columns into a folder; `Shared` gives the bursts back without reading or parsing anything. Maps are
copied on write, so that no replay sees what another one did. A process that works for others keeps the last (`kept`).
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lbreplay.burst import Burst, Room
from lbreplay.edge.output import Output, write_text
from lbreplay.edge.scratch import scratch
from lbreplay.errors import CaptureError
from lbreplay.loop.parse import COLUMNS as PARSED
from lbreplay.loop.parse import parse
from lbreplay.model import Setup
from lbreplay.nic.cards import judging
from lbreplay.wire.capture import CaptureInfo, open_capture

GIVEN = ("buffer", "at", "caplen", "length", "time_ns")  # what a Burst is made of
INTERFACE = "interface"  # where the capture says it, for several ports
TABLE = "shared.json"
COUNTED = ("frames", "bytes", "first_ns", "last_ns", "warnings")

Arrays = Mapping[str, Any]


def share(path: str, setup: Setup, burst_size: int, folder: Path) -> Shared:
    """Read and parse the capture *path* for the ports of *setup* into *folder*. Raises CaptureError."""
    files: dict[str, Output] = {}
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    sizes: list[dict[str, int]] = []
    with open_capture(path, setup.several) as source:
        for burst in source.bursts(burst_size):
            parse(burst, *judging(setup))
            sizes.append(_append(burst, folder, files, shapes))
        about = {
            "info": source.info._asdict(),
            **{name: getattr(source, name) for name in COUNTED},
            "damage": None if source.damage is None else str(source.damage),
            "judging": _spelled(setup),
            "names": source.names,
            "shapes": shapes,
            "sizes": sizes,
        }
    for file in files.values():
        file.commit()
    write_text(str(folder / TABLE), json.dumps(about))
    return Shared.mapped(folder)


def _append(burst: Burst, folder: Path, files: dict[str, Output], shapes: dict[str, Any]) -> dict[str, int]:
    """Write the columns of *burst* behind those of the bursts before; how long each is."""
    sizes = {}
    for name in (*GIVEN, *PARSED, *({INTERFACE} & vars(burst).keys())):
        column = getattr(burst, name)
        if name not in files:
            files[name] = Output(str(folder / name))
            shapes[name] = column.dtype.str, column.shape[1:]
        files[name].write(np.ascontiguousarray(column).data.cast("B") if column.size else b"")
        sizes[name] = len(column)
    return sizes


class Kept(NamedTuple):
    """What this process parsed last for others: of which file, for which ports, in which folder; `gone` ends it."""

    known: tuple[object, ...]
    folder: Path
    gone: ExitStack


_kept: list[Kept] = []  # at most one


def kept(path: str, setup: Setup) -> Path:
    """The folder that *path* is shared in; it is parsed now if it is another than the last. Raises CaptureError."""
    about = os.stat(path)
    known = (path, about.st_size, about.st_mtime_ns, _spelled(setup), setup.burst_size)
    if not _kept or _kept[0].known != known:
        forget()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(scratch()))
            share(path, setup, setup.burst_size, folder)
            _kept.append(Kept(known, folder, stack.pop_all()))
    return _kept[0].folder


def forget() -> None:
    """Take away what is kept."""
    while _kept:
        _kept.pop().gone.close()


atexit.register(forget)


class Shared:
    """A parsed capture as a replay reads it: see `wire.capture.Capture`. `about` is what `share` wrote down."""

    def __init__(self, about: Mapping[str, Any], arrays: Arrays) -> None:
        self.about, self.arrays = about, arrays
        self.info = CaptureInfo(**about["info"])
        self.frames: int = about["frames"]
        self.bytes: int = about["bytes"]
        self.first_ns: int = about["first_ns"]
        self.last_ns: int = about["last_ns"]
        self.warnings: list[str] = list(about["warnings"])

    @classmethod
    def mapped(cls, folder: Path) -> Shared:
        """What `share` wrote into *folder*."""
        about = json.loads((folder / TABLE).read_text())
        return cls(about, {name: _map(folder / name, *shape) for name, shape in about["shapes"].items()})

    @property
    def damage(self) -> CaptureError | None:
        """See `wire.capture.Capture`."""
        text = self.about["damage"]
        return None if text is None else CaptureError(text)

    @property
    def names(self) -> list[str]:
        """See `wire.capture.Capture`."""
        return list(self.about["names"])

    def suits(self, setup: Setup) -> bool:
        """Whether the columns say of the frames of *setup*'s ports what parsing for them would."""
        return bool(self.about["judging"] == _spelled(setup))

    def bursts(self, size: int) -> Iterator[Burst]:
        """The bursts as they were shared, whatever *size*."""
        return map(Burst.copy, self.lent(size))

    def lent(self, size: int) -> Iterator[Burst]:
        """The same, each burst in the memory of the one before."""
        first, start = 1, dict.fromkeys(self.arrays, 0)
        room = Room(max((sizes["at"] for sizes in self.about["sizes"]), default=0))
        for sizes in self.about["sizes"]:
            parts = {name: column[start[name] : start[name] + sizes[name]] for name, column in self.arrays.items()}
            yield (burst := _burst(first, parts, room))
            first += burst.size
            for name, count in sizes.items():
                start[name] += count


def _burst(first: int, parts: Arrays, room: Room) -> Burst:
    buffer, at, caplen, length, time_ns = (parts[name] for name in GIVEN)
    burst = Burst.of(first, buffer, at, caplen, length, time_ns, room)
    for name in PARSED:
        getattr(burst, name)[:] = parts[name]
    if INTERFACE in parts:
        burst.interface = parts[INTERFACE]
    return burst


def _map(path: Path, dtype: str, shape: list[int]) -> Any:
    """A column, private on write. An empty file cannot be mapped."""
    if not path.stat().st_size:
        return np.empty((0, *shape), dtype)
    flat = np.memmap(path, dtype, "c")
    return flat.reshape(-1, *shape).view(np.ndarray) if shape else flat.view(np.ndarray)


def _spelled(setup: Setup) -> list[Any]:
    mac, check, vlans = judging(setup)
    own = [[vid, mac.hex() if mac else None] for vid, mac in vlans]
    return [mac.hex() if mac else None, check, setup.several, own]
