"""Paths on the command line: each says whether it is read or written, and all of a command are judged together.

As each is met while options are parsed, before anything is opened: an output that is another output's or an input's
file, by whatever name, is refused, and so is one that cannot be written. No command has to ask for it.

    @click.option("--stats", type=paths.WRITTEN)
    @click.argument("capture", type=paths.READ)
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Any

import click

from lbreplay.edge import apart, folder, output
from lbreplay.errors import LbreplayError

FILES = "lbreplay.files"  # of a context: what was named so far
PRINTED = {1: "standard output", 2: "standard error"}


class File(click.Path):
    """A file that a command names; `-` is a standard stream. (As a click.Path a shell completes it.)"""

    def __init__(self, written: bool) -> None:
        super().__init__(allow_dash=True)
        self.written = written

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        assert param is not None and ctx is not None, "it belongs to a command"
        path = os.fsdecode(value)
        self.judge(path, ctx)
        named, known = apart.Named(_what(param), path, self.written), ctx.meta.setdefault(FILES, [])
        apart.judge(named, [*known, *_printed(path)])
        known.append(named)
        return path

    def judge(self, path: str, ctx: click.Context) -> None:
        """Raises LbreplayError where *path* by itself will not do."""


class Written(File):
    """A file that is written, `-` for standard output. *guarded*: an old one is what a person may have written by hand,
    and is replaced with --force only."""

    def __init__(self, guarded: bool = False) -> None:
        super().__init__(True)
        self.guarded = guarded

    def judge(self, path: str, ctx: click.Context) -> None:
        output.judge(path)
        if self.guarded and not ctx.params.get("force") and os.path.isfile(path) and path not in apart.STREAMS:
            raise LbreplayError(f"{path}: there already; another name, or --force to replace it, expected")


class WrittenCapture(Written):
    """A capture that is written: its suffix says in which form, and a terminal is no place for it."""

    def judge(self, path: str, ctx: click.Context) -> None:
        super().judge(path, ctx)
        number = apart.descriptor(path, True)
        if number is not None and os.isatty(number):
            raise LbreplayError(f"{path}: a capture is no text for a terminal; a file or a pipe expected")
        if number is None and (os.path.isfile(path) or not os.path.exists(path)):
            from lbreplay.wire.capture import judge_name

            judge_name(path)


class Folder(File):
    """A folder that is written into; *new*: one that is not there yet, or empty."""

    def __init__(self, new: bool = False) -> None:
        super().__init__(True)
        self.file_okay, self.new = False, new

    def judge(self, path: str, ctx: click.Context) -> None:
        (folder.judge_new if self.new else folder.judge)(path)


def also_read(what: str, files: Iterable[str]) -> None:
    """More *files* that the command turns out to read: none of its outputs may be one."""
    ctx = click.get_current_context(silent=True)
    known = [] if ctx is None else ctx.meta.get(FILES, [])
    for path in files:
        apart.judge(apart.Named(what, path, False), known)


def also_written(what: str, path: str) -> None:
    """One more output, which the environment names: none of the command's files may be it."""
    known = click.get_current_context().meta.setdefault(FILES, [])
    apart.judge(new := apart.Named(what, path, True), known)
    known.append(new)


def _printed(path: str) -> list[apart.Named]:
    """Files that what is printed goes to: a file that *path* names in a folder may not be one."""
    if apart.descriptor(path, True) is not None:
        return []
    return [apart.Named(what, f"/dev/fd/{number}", True) for number, what in PRINTED.items() if _is_file(number)]


def _is_file(number: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(number).st_mode)
    except OSError:
        return False


def _what(param: click.Parameter) -> str:
    """What a person calls the parameter."""
    return param.opts[0] if isinstance(param, click.Option) else (param.metavar or "").strip("[]. ")


READ = File(False)
WRITTEN = Written()
WRITTEN_BY_HAND = Written(guarded=True)
WRITTEN_CAPTURE = WrittenCapture()
FOLDER = Folder()
NEW_FOLDER = Folder(new=True)
force = click.option("--force", is_flag=True, is_eager=True, help="Replace the file of -o where there is one.")
