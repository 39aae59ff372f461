"""What an import found: a raw document of the TOML, a note behind each value, and what was left out and why.

Readers (`dpvs_conf`, `ipvsadm`, `keepalived`) put values here with the place they came from; `text()` writes the TOML.
Nothing is dropped silently: what lbreplay does not model stands in `left_out`, what was wrong in `warnings`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lbreplay.config.kinds import spell
from lbreplay.errors import ConfigError

Path = tuple[str | int, ...]
SHORT = re.compile(r"(?:^|(?<=, ))\S*/")  # the folder before a file's name
FIRST = ("seed", "profile", "edition", "workers")


class Found:
    """A document in the making. With *strict* every warning is refused as a ConfigError."""

    def __init__(self, strict: bool = False) -> None:
        self.document: dict[str, Any] = {}
        self.notes: dict[Path, str] = {}
        self.warnings: list[str] = []
        self.left_out: list[str] = []
        self.remarks: list[str] = []  # how the files were taken
        self.skipped: list[str] = []  # commands of the balancer that only a run could tell
        self.strict = strict

    def put(self, path: Path, value: object, note: str) -> None:
        """Set the value at *path*, whose tables are made; *note* says where it came from."""
        at: Any = self.document
        for step in path[:-1]:
            at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
        at[path[-1]] = value
        self.notes[path] = note

    def append(self, path: Path, value: object, note: str) -> Path:
        """Add an entry to the list at *path*; the path of the entry."""
        at: Any = self.document
        for step in path[:-1]:
            at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
        entries = at.setdefault(path[-1], [])
        entries.append(value)
        entry = (*path, len(entries) - 1)
        self.notes[entry] = note
        return entry

    def warn(self, place: str, sentence: str) -> None:
        """Something is wrong but has a known meaning; refused when strict."""
        if self.strict:
            raise ConfigError(f"{place}: {sentence}")
        self.warnings.append(f"{place}: {sentence}")

    def leave(self, place: str, what: str) -> None:
        """Something that lbreplay does not model, or not understand."""
        self.left_out.append(f"{place}: {what}")

    def skip(self, place: str, what: str, commands: int) -> None:
        """Something that is not run, and *commands* of the balancer with it."""
        self.leave(place, what)
        self.skipped += [f"{place}: {what}"] * commands

    def text(self) -> str:
        """The TOML, with a comment behind each value that says where it came from."""
        lines = [*self._table((), self.document), *self._rest()]
        return "\n".join(lines).strip("\n") + "\n"

    def _rest(self) -> Iterator[str]:
        for title, entries in (
            ("Taken as", self.remarks),
            ("Warnings", self.warnings),
            ("Not modelled or not understood", self.left_out),
        ):
            if entries:
                yield ""
                yield f"# {title}:"
                yield from (f"#   {_one_line(SHORT.sub('', entry))}" for entry in entries)

    def _table(self, path: Path, table: dict[str, Any]) -> Iterator[str]:
        """Plain values first, then tables, then lists of tables."""
        later = {name: value for name, value in table.items() if _has_header(name, value)}
        for name in sorted((n for n in table if n not in later), key=_rank):
            yield from self._value((*path, name), table[name])
        for name, value in sorted(later.items(), key=lambda item: isinstance(item[1], list)):
            yield from self._below((*path, name), value)

    def _below(self, path: Path, value: Any) -> Iterator[str]:
        header = ".".join(str(step) for step in path if isinstance(step, str))
        if isinstance(value, dict):
            if any(not _has_header(name, below) for name, below in value.items()):
                yield from ("", f"[{header}]{self._note(path)}")
            yield from self._table(path, value)
            return
        for n, entry in enumerate(value):
            yield from ("", f"[[{header}]]{self._note((*path, n))}")
            yield from self._table((*path, n), entry)

    def _value(self, path: Path, value: Any) -> Iterator[str]:
        if isinstance(value, list) and any((*path, n) in self.notes for n in range(len(value))):
            yield f"{path[-1]} = [{self._note(path)}"
            yield from (f"  {inline(item)},{self._note((*path, n))}" for n, item in enumerate(value))
            yield "]"
        else:
            yield f"{path[-1]} = {inline(value)}{self._note(path)}"

    def _note(self, path: Path) -> str:
        return f"  # {_one_line(SHORT.sub('', self.notes[path]))}" if path in self.notes else ""


def _one_line(text: str) -> str:
    """Fit for a comment: TOML forbids control characters there."""
    return "".join(c if c.isprintable() else " " for c in text)


def _rank(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _has_header(name: str, value: Any) -> bool:
    """Tables get a header of their own, but for small ones that read better in line."""
    if name in ("workers", "vlan", "value", "persistent", "dest_check", "tunnel"):
        return False
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def inline(value: Any) -> str:
    """A value as TOML in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {inline(item)}" for name, item in value.items()) + " }" if value else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(inline(item) for item in value) + "]"
    if isinstance(value, str):
        return quoted(value)
    return spell(value)


def quoted(text: str) -> str:
    """A TOML string."""
    import json

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
