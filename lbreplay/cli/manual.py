"""Manual pages, made from the commands: `man lbreplay`, `man lbreplay-run`; a wheel puts them where man looks.

    python -m lbreplay.cli.manual FOLDER

What is written is roff with the macros of man(7). Pages have the version and no date, so that a wheel is the same
whenever it is built.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path

import click

from lbreplay import __version__
from lbreplay.cli import COMMANDS, EXIT_STATUS, GROUPS, lbreplay
from lbreplay.edge.output import write_text

FILES = (
    (
        "lb.toml",
        "A configuration; lbreplay schema says what it may hold, lbreplay init and lbreplay import write one.",
    ),
    ("case.toml", "What a golden case is about, beside its in.pcap, lb.toml and expected/."),
)


def pages() -> dict[str, str]:
    """The text of each page by its file name: one of the program, one a command."""
    return {"lbreplay.1": _text(_program()), **{f"lbreplay-{name}.1": _text(_command(name)) for name in COMMANDS}}


def write(folder: Path) -> list[Path]:
    """Every page into *folder*."""
    written = []
    for name, text in pages().items():
        write_text(str(folder / name), text)
        written.append(folder / name)
    return written


def _program() -> Iterator[str]:
    """The page that leads to the others."""
    context = click.Context(lbreplay, info_name="lbreplay")
    yield from _head("lbreplay", cleandoc(lbreplay.help or ""))
    yield from (".SH SYNOPSIS", r"\fBlbreplay\fP \fICOMMAND\fP [\fIOPTIONS\fP] [\fIARGUMENTS\fP]")
    yield ".SH COMMANDS"
    for title, commands in GROUPS.items():
        yield f".SS {plain(title)}"
        for name, (_, _, sentence) in commands.items():
            yield from (".TP", rf"\fB{plain(f'lbreplay-{name}')}\fP(1)", plain(sentence))
    yield from _options(lbreplay, context)
    yield from _status()
    yield ".SH FILES"
    for name, about in FILES:
        yield from (".TP", rf"\fI{plain(name)}\fP", plain(about))
    yield from _see_also(f"lbreplay-{name}" for name in COMMANDS)


def _command(name: str) -> Iterator[str]:
    """The page of a command."""
    context = click.Context(lbreplay, info_name="lbreplay")
    command = lbreplay.get_command(context, name)
    assert command is not None
    own = click.Context(command, context, info_name=name)
    yield from _head(f"lbreplay-{name}", COMMANDS[name][2])
    usage = " ".join(command.collect_usage_pieces(own))
    yield from (".SH SYNOPSIS", rf"\fB{plain(f'lbreplay {name}')}\fP {plain(usage)}")
    yield ".SH DESCRIPTION"
    for number, paragraph in enumerate(cleandoc(command.help or "").split("\n\n")):
        yield from ([".PP"] if number else [])
        yield plain(paragraph)
    yield from _options(command, own)
    yield from _status()
    kin = (other for group in GROUPS.values() if name in group for other in group if other != name)
    yield from _see_also(["lbreplay", *(f"lbreplay-{other}" for other in kin)])


def _head(name: str, sentence: str) -> Iterator[str]:
    yield rf'.TH "{plain(name.upper())}" "1" "" "lbreplay {plain(__version__)}" "lbreplay"'
    yield from (".SH NAME", rf"{plain(name)} \- {plain(sentence.rstrip('.'))}")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    yield ".SH OPTIONS"
    for option in command.get_params(context):
        if isinstance(option, click.Option) and (record := option.get_help_record(context)) is not None:
            yield from (".TP", rf"\fB{plain(record[0])}\fP", plain(record[1]))


def _status() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for code, sentence in EXIT_STATUS.items():
        yield from (".TP", rf"\fB{code}\fP", plain(sentence))


def _see_also(pages: Iterable[str]) -> Iterator[str]:
    yield from (".SH SEE ALSO", ", ".join(rf"\fB{plain(name)}\fP(1)" for name in pages))


def plain(text: str) -> str:
    """*text* as roff prints it letter by letter: its backslashes, hyphens, and dots and quotes that begin a line."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    escaped = "".join(c if c.isascii() else rf"\[u{ord(c):04X}]" for c in escaped)
    return "\n".join(rf"\&{line}" if line.startswith((".", "'")) else line for line in escaped.split("\n"))


def _text(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
