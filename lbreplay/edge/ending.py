"""How a run ends before its time: a signal undoes what would stay behind, says so in a line, and the process is gone.

An exception out of a signal handler may rise anywhere: in an import, where it leaves a traceback, or in a finalizer,
where Python swallows it and the run goes on. So the handler raises nothing. It undoes what was remembered here (files
without a name yet, folders, processes, a hidden cursor), last things first, and leaves with 128 + the signal's number,
as a shell would say it. A signal that was ignored from the start (nohup, a shell's background) stays so.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # see __main__.py
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name))

_undo: dict[int, Callable[[], object]] = {}
_held: list[None] = []  # an entry for each block that must not be interrupted
_came: list[int] = []  # signals that wait for its end
_numbers = iter(range(1 << 62))

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_undo.clear)  # what stands there is the parent's


def listen() -> None:
    """From now on signals end the process in order. For the main thread of a process of our own."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def ignore() -> None:
    """For a process that ends with its parent, whom a terminal's signals are sent to as well."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def interruptible() -> Iterator[None]:
    """A block that Ctrl-C ends with KeyboardInterrupt: whoever began it keeps what there is."""
    before = signal.getsignal(signal.SIGINT)
    if before is not _end:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def remember(undo: Callable[[], object]) -> int:
    """*undo* is called if the process ends before `forget`."""
    _undo[number := next(_numbers)] = undo
    return number


def forget(number: int) -> None:
    """What was remembered is done in order, or undone already."""
    _undo.pop(number, None)


@contextmanager
def held() -> Iterator[None]:
    """A block that is done as a whole, or not begun: making something and remembering it."""
    _held.append(None)
    try:
        yield
    finally:
        _held.pop()
        if _came and not _held:
            _end(_came[0], None)


def undo() -> None:
    """Undo everything, last things first; what cannot be undone is left."""
    while _undo:
        _, action = _undo.popitem()
        with suppress(OSError):
            action()


def _end(number: int, _: FrameType | None) -> None:
    if _held:
        _came.append(number)
    else:
        ignore()
        leave(128 + number, b"interrupted\n")


def leave(status: int, word: bytes = b"") -> NoReturn:
    """Undo everything and end the process at once, with a *word* on standard error."""
    undo()
    with suppress(OSError):
        os.write(2, word)
    os._exit(status)
