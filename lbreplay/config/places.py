"""Where the keys of a configuration stand: key path -> file, line and column, for messages and annotations.

tomllib gives values without their places. `toml` walks a text that tomllib has taken, so it knows every form of TOML
and judges none. Values of an imported file stand where the line of the balancer stands that made them.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

BETWEEN = re.compile(r"(?:\s|,|#[^\n]*)*")
BLANK = re.compile(r"[ \t]*")
NAME = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{1,2}(?!"))?|\'\'\'.*?\'\'\'(?:\'{1,2}(?!\'))?|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.S
)
PLAIN = re.compile(r"[^,\]}#\n]+")  # a number, a date, true or false
STEP = re.compile(r"(?:\[\d+\]|(?:^|\.)[^.\[]*)$")  # the last of a key path
LINE = re.compile(r"(?P<file>.+?):(?P<line>\d+)")  # how an import notes where a value came from


class Place(NamedTuple):
    """Line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Places:
    """Key path -> where its name and where its value stands."""

    def __init__(self, found: Mapping[str, tuple[Place, Place]]) -> None:
        self._found = found

    def of(self, path: str, name: bool = False) -> Place | None:
        """Where the value of *path* stands, or its *name*; else the nearest table around it; None: no part of it."""
        there = path
        while there and there not in self._found:
            there = STEP.sub("", there)
        if not there:
            return None
        at_name, at_value = self._found[there]
        return at_name if name or there != path else at_value


NOWHERE = Places({})


def toml(file: str, text: str) -> Places:
    """The places in *text*, which tomllib has taken."""
    scan = _Scan(text)
    scan.document()
    starts = [0, *(at.end() for at in re.finditer("\n", text))]

    def place(offset: int) -> Place:
        line = bisect_right(starts, offset)
        return Place(file, line, offset - starts[line - 1] + 1)

    return Places({path: (place(name), place(value)) for path, (name, value) in scan.found.items()})


def imported(notes: Mapping[tuple[str | int, ...], str]) -> Places:
    """The places that an import noted: a line, its column the first that is not blank."""
    files: dict[str, list[str]] = {}
    found = {}
    for path, note in notes.items():
        if noted := LINE.match(note):
            place = _first_column(noted["file"], int(noted["line"]), files)
            found[_spelled(path)] = place, place
    return Places(found)


def _first_column(file: str, line: int, files: dict[str, list[str]]) -> Place:
    if file not in files:
        try:
            with open(file, encoding="utf-8", errors="replace") as given:
                files[file] = given.read().split("\n")
        except OSError:
            files[file] = []  # standard input, a file that another names
    text = files[file][line - 1] if line <= len(files[file]) else ""
    return Place(file, line, len(text) - len(text.lstrip()) + 1)


def _spelled(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _below(table: str, name: str) -> str:
    return f"{table}.{name}" if table else name


class _Scan:
    """One walk over the text; `found` has for every key path the offsets of its name and of its value."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[str, tuple[int, int]] = {}
        self._entries: dict[str, int] = {}  # of lists of tables

    def document(self) -> None:
        table = ""
        while self._next():
            table = self._header() if self._next() == "[" else self._pair(table)

    def _next(self) -> str:
        """The character behind blanks, commas and comments; empty at the end."""
        self._take(BETWEEN)
        return self.text[self.at : self.at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match is not None, "tomllib has taken this text"
        self.at = match.end()
        return match.group()

    def _names(self) -> list[tuple[str, int]]:
        """`a."b".c` with the offset of each."""
        found = []
        while True:
            self._take(BLANK)
            at, name = self.at, self._take(NAME)
            found.append((str(tomllib.loads(f"x = {name}")["x"]) if name[0] in "\"'" else name, at))
            self._take(BLANK)
            if self.text[self.at] != ".":
                return found
            self.at += 1

    def _header(self) -> str:
        """`[a.b]` or `[[a.b]]`: the key path of the table."""
        start, many = self.at, self.text.startswith("[[", self.at)
        self.at += 1 + many
        table = ""
        names = self._names()
        self.at += 1 + many
        for name, _ in names[:-1]:
            table = _below(table, name)
            table += f"[{self._entries[table]}]" if table in self._entries else ""
        table = _below(table, names[-1][0])
        self.found.setdefault(table, (start, start))
        if many:
            self._entries[table] = self._entries.get(table, -1) + 1
            table += f"[{self._entries[table]}]"
            self.found[table] = start, start
        return table

    def _pair(self, table: str) -> str:
        """`a.b = value` in *table*, which is returned."""
        path, names = table, self._names()
        self.at += 1
        self._take(BLANK)
        for name, at in names:
            path = _below(path, name)
            self.found.setdefault(path, (at, self.at))
        self._value(path)
        return table

    def _value(self, path: str) -> None:
        opening = self.text[self.at]
        if opening == "[":
            self._list(path)
        elif opening == "{":
            self.at += 1
            while self._next() != "}":
                self._pair(path)
            self.at += 1
        else:
            self._take(TEXT if opening in "\"'" else PLAIN)

    def _list(self, path: str) -> None:
        self.at += 1
        n = 0
        while self._next() != "]":
            self.found[f"{path}[{n}]"] = self.at, self.at
            self._value(f"{path}[{n}]")
            n += 1
        self.at += 1
