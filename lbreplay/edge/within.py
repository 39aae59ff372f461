"""Which files a run may touch: all that its user may, unless what it runs was written by somebody else.

A golden case comes with a pull request. Its arguments and its configuration may name files; inside `within` only those
below the given places are opened, wherever links lead. Whoever opens a file asks here first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lbreplay.errors import LbreplayError

_places: ContextVar[tuple[str, ...] | None] = ContextVar("places", default=None)


@contextmanager
def within(places: Iterable[str] | None) -> Iterator[None]:
    """Only files at or below *places* are opened in the block; None: whatever is asked for."""
    token = _places.set(None if places is None else tuple(map(os.path.realpath, places)))
    try:
        yield
    finally:
        _places.reset(token)


def judge(path: str) -> None:
    """Raises LbreplayError where *path* may not be opened. `-` is a standard stream, and outside of every place."""
    places = _places.get()
    if places is not None and (path == "-" or not any(_below(os.path.realpath(path), place) for place in places)):
        raise LbreplayError(f"{path}: a file inside the case expected (lbreplay test --trust lifts this)")


def _below(path: str, place: str) -> bool:
    return path == place or path.startswith(os.path.join(place, ""))
