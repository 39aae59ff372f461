"""How far a long job has come: whoever does it tells, whoever shows it listens.

A job is a phase; phases within a phase are a part of it, and say nothing. A phase that ends is no longer shown, so that
what is printed behind it stands alone; who prints in the middle of one pauses it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")
Tell = Callable[[int, "int | None"], None]  # done, and of how many; None: nobody knows


class Listener(Protocol):
    """Shows progress."""

    def show(self, what: str, done: int, total: int | None) -> None:
        """*done* of *total* units of *what* are done."""

    def hide(self) -> None:
        """Nothing is to be seen any more."""


_listener: Listener | None = None
_busy = False  # within a phase


@contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """*listener* is told of everything that happens in this block."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        pause()
        _listener = before


@contextmanager
def phase(what: str) -> Iterator[Tell]:
    """A job: call what this gives as often as one likes."""
    global _busy
    if _busy:
        yield _unheard
        return
    _busy = True
    try:
        yield lambda done, total: _listener.show(what, done, total) if _listener is not None else None
    finally:
        _busy = False
        pause()


def counted(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """*items*, of which there are *total*, told of one by one as they are done."""
    with phase(what) as tell:
        for done, item in enumerate(items):
            tell(done, total)
            yield item


def pause() -> None:
    """Somebody prints."""
    if _listener is not None:
        _listener.hide()


def _unheard(done: int, total: int | None) -> None:
    """Of a phase within another."""
