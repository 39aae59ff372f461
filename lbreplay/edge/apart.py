"""Files of one command that have to be different ones: nothing is opened before all of them are known to be.

A file is known by what it is, not by its name: device and inode where it is there (so links are seen through, and what
standard input and output were redirected to), the resolved path where it is not yet. Devices may be named as often as
one likes, two outputs into /dev/null do no harm; a pipe may not, they would mix.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from typing import NamedTuple

from lbreplay.errors import LbreplayError

DESCRIPTOR = re.compile(r"(?:/dev|/proc/self)/fd/(\d+)")
STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


class Named(NamedTuple):
    """A file as the command line names it: *what* it is there (`--stats`), and whether it is written."""

    what: str
    path: str
    written: bool


def descriptor(path: str, written: bool) -> int | None:
    """The open file that *path* is a name of: `-`, /dev/stdout, /dev/fd/3. None: it is a name in a folder."""
    if path == "-":
        return 1 if written else 0
    found = DESCRIPTOR.fullmatch(path)
    return int(found[1]) if found else STREAMS.get(path)


def judge(new: Named, others: Iterable[Named]) -> None:
    """Raises LbreplayError where *new* and one of *others* are one file, and one of the two is written.

    Standard input is read once, so two inputs may not be it either.
    """
    own = _identity(new)
    for other in others:
        shared = own & _identity(other)
        if shared and (new.written or other.written or ("descriptor", 0) in shared):
            wrong, right = (new, other) if new.written or not other.written else (other, new)
            told = "the capture that is read" if right.what == "IN" else f"that of {right.what}"
            raise LbreplayError(f"{wrong.what} {wrong.path}: another file than {told} expected")


def _identity(named: Named) -> set[tuple[str | int, ...]]:
    """What two names of one file have in common."""
    number = descriptor(named.path, named.written)
    known: set[tuple[str | int, ...]] = set() if number is None else {("descriptor", number)}
    try:
        about = os.stat(named.path) if number is None else os.fstat(number)
    except OSError:
        return known or {("path", os.path.realpath(named.path))}
    if not stat.S_ISCHR(about.st_mode):
        known.add((about.st_dev, about.st_ino))
    return known
