"""Files as other machines know them: who can read the very same needs nothing sent, and who cannot gets them once.

A parcel is a file, or the files of a folder, each with its size and digest. A store keeps parcels for a process that
works for others: it looks whether their path leads to the very same here, and keeps what it was sent in a folder of its
own. What was looked at is looked at again only where its size or time has changed.
"""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from lbreplay.edge.output import Output
from lbreplay.edge.scratch import scratch
from lbreplay.errors import ConfigError

CHUNK = 8 << 20  # bytes that are read and sent at once
QUICK = 1  # of zlib's levels: as fast as a wire


class Member(NamedTuple):
    """A file of a parcel: its name below the parcel's path, "" where it is that itself."""

    name: str
    size: int
    digest: bytes

    def below(self, path: str) -> str:
        """Where it is when the parcel is at *path*."""
        return os.path.join(path, self.name) if self.name else path


class Parcel(NamedTuple):
    """A file or a folder, by its absolute path on the machine that has it."""

    path: str
    members: tuple[Member, ...]


class Piece(NamedTuple):
    """A part of a member on its way, compressed."""

    member: Member
    data: bytes
    first: bool
    last: bool


def wrap(path: str, names: Iterable[str] = ("",)) -> Parcel:
    """The parcel of the file *path*, or of the files *names* below it. Raises OSError."""
    root = os.path.abspath(path)
    return Parcel(root, tuple(_member(root, name) for name in names))


def _member(root: str, name: str) -> Member:
    with open(os.path.join(root, name) if name else root, "rb") as file:
        digest = hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).digest()
        return Member(name, os.fstat(file.fileno()).st_size, digest)


def pieces(parcel: Parcel, path: str) -> Iterator[Piece]:
    """What has to be sent of *parcel*, whose files are at *path* here. Raises OSError."""
    for member in parcel.members:
        with open(member.below(path), "rb") as file:
            chunk, first = file.read(CHUNK), True
            while first or chunk:
                following = file.read(CHUNK)
                yield Piece(member, zlib.compress(chunk, QUICK), first, not following)
                chunk, first = following, False


class Store:
    """What a process keeps of somebody else's files."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._room = self._stack.enter_context(scratch())
        self._places: dict[Parcel, str] = {}  # of what is sent
        self._coming: dict[Parcel, Output] = {}  # the member under way
        self._whole: set[Parcel] = set()
        self._seen: dict[Parcel, list[tuple[int, int]]] = {}  # what is the very same: size and time of each member
        self._lock = threading.Lock()

    def find(self, parcel: Parcel) -> str | None:
        """Where the files of *parcel* are here; None: they have to be sent."""
        with self._lock:
            if parcel in self._whole:
                return self._places[parcel]
            return parcel.path if self._is_here(parcel) else None

    def _is_here(self, parcel: Parcel) -> bool:
        """Whether its path leads to the very same files on this machine."""
        try:
            now = [_about(member.below(parcel.path)) for member in parcel.members]
            if self._seen.get(parcel) == now:
                return True
            sizes = [size for size, _ in now] == [member.size for member in parcel.members]
            same = sizes and all(_member(parcel.path, member.name) == member for member in parcel.members)
        except OSError:
            return False
        if same:
            self._seen[parcel] = now
        return same

    def take(self, parcel: Parcel, piece: Piece) -> None:
        """A piece of *parcel*; they come in order. Raises OutputError, and ConfigError: the file has changed."""
        with self._lock:
            root = self._places.setdefault(parcel, os.path.join(self._room, str(len(self._places)), "parcel"))
            path = piece.member.below(root)
            if piece.first:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                self._coming[parcel] = Output(path)
            self._coming[parcel].write(zlib.decompress(piece.data))
            if piece.last:
                self._coming.pop(parcel).commit()
                self._check(parcel, piece.member, root)

    def _check(self, parcel: Parcel, member: Member, root: str) -> None:
        if _member(root, member.name) != member:
            raise ConfigError(f"{member.below(parcel.path)}: it changed while it was sent")
        if member == parcel.members[-1]:
            self._whole.add(parcel)

    def close(self) -> None:
        """Take away what was sent."""
        self._stack.close()


def _about(path: str) -> tuple[int, int]:
    about = os.stat(path)
    return about.st_size, about.st_mtime_ns
