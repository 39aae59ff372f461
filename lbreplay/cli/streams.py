"""Standard streams as they may be: closed, full, hung up, or of a terminal that knows nothing but ASCII."""

from __future__ import annotations

import os
import sys

import click

from lbreplay.edge import pace, text
from lbreplay.errors import OutputError


def prepare() -> None:
    """Of a process of our own, before anything is opened: a closed stream's number goes to no other file.

    What is printed to a closed stream is lost, as its owner wants it; what is written to its number is an error.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if _closed(number):
            os.open(os.devnull, os.O_RDONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="lbreplay")  # type: ignore[union-attr]


def _closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def say(sentence: str, err: bool = False) -> None:
    """A line for people, *err* on standard error, harmless whatever stands in it."""
    pace.pause()
    click.echo(text.line(sentence), err=err)


def flush() -> None:
    """What was printed is out. Raises OutputError (a full disk), BrokenPipeError."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from None


def give_up() -> None:
    """Nothing more is printed, and Python says nothing about it when it flushes at the end.

    A command line inside another process (a golden case) has a stream of its own, and that process keeps its.
    """
    if sys.stdout is not sys.__stdout__:
        return
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.close(devnull)
