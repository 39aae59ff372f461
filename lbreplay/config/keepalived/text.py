"""The text of a keepalived.conf -> blocks, by the rules of its manual, keepalived.conf(5).

A line goes through them in keepalived's order: `include` first, then comments (`!` and `#`, anywhere outside quotes),
`@id` conditions, `$NAME=` definitions, `~SEQ` and `~LST` repetitions, and `$NAME`, `${NAME}` at each use, so that a
value may name what is defined later. What is left is split into words and nested by its braces.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lbreplay.config.texts import read_text
from lbreplay.errors import ConfigError

INCLUDE = re.compile(r"\s*include[rmwba]?\s+(\S.*?)\s*$")
DEFINITION = re.compile(r"\s*\$([A-Za-z_]\w*)=(.*)$", re.DOTALL)
CONDITION = re.compile(r"\s*@(\^?)(\S*)\s?(.*)$", re.DOTALL)
REPEAT = re.compile(r"\s*~(SEQx?|LST)\(\s*(\{[^}]*\}|\w+)\s*,\s*([^)]*)\)\s*(.*)$", re.DOTALL)
USE = re.compile(r"\$\{(\w+)\}|\$(\w+)(?=\s|$)")
WORD = re.compile(r"(?P<brace>[{}])|(?P<word>(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\$\{[^}]*\}|\\.|[^\s{}])+)")
QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|\\(.)")
PLAIN = re.compile(r"(?:[^!#\"'\\]|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\\.|[\"'\\])*?(?=[!#]|$)", re.DOTALL)
MAX_INCLUDES = 32
MAX_LINES = 200_000  # after includes, macros and repetitions
MAX_DEPTH = 64  # of macros in macros
MAX_LENGTH = 1 << 16  # of a line with its macros put in
Tell = Callable[[str, str], None]


class Line(NamedTuple):
    place: str  # of the line that the user wrote
    text: str


@dataclass
class Block:
    """A keyword with its words, and the lines in its braces."""

    words: list[str]
    place: str
    inside: list[Block] = field(default_factory=list)

    def last(self, *names: str) -> Block | None:
        """The last line that begins with one of *names*."""
        return next((block for block in reversed(self.inside) if block.words[0] in names), None)

    def get(self, *names: str) -> str | None:
        """The value of that line; empty where the word stands alone."""
        found = self.last(*names)
        return None if found is None else " ".join(found.words[1:])

    def __str__(self) -> str:
        return " ".join(self.words)


def parse(name: str, text: str, leave: Tell, warn: Tell) -> list[Block]:
    """Blocks of *text*; *leave* and *warn* are told of lines not taken. ConfigError at braces that do not fit."""
    top = Block(["top"], name)
    stack = [top]
    for line in _Lines(leave, warn).of(name, text):
        words: list[str] = []
        for token in WORD.finditer(line.text):
            if token["brace"] is None:
                words.append(QUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", token[0]))
            elif token["brace"] == "{":
                _open(stack, words, line)
                words = []
            else:
                _close(stack, words, line, token.start() + 1)
                words = []
        if words:
            stack[-1].inside.append(Block(words, line.place))
    if len(stack) > 1:
        raise ConfigError(f"{stack[-1].place}: block {stack[-1]} is not closed")
    return top.inside


def _open(stack: list[Block], words: list[str], line: Line) -> None:
    """A brace behind its keyword, or on the line after it."""
    waiting = stack[-1].inside
    if words or not waiting or waiting[-1].inside:
        waiting.append(Block(words or ["?"], line.place))
    stack.append(waiting[-1])


def _close(stack: list[Block], words: list[str], line: Line, column: int) -> None:
    if words:
        stack[-1].inside.append(Block(words, line.place))
    if len(stack) == 1:
        raise ConfigError(f"{line.place}: column {column}: a brace closes nothing")
    stack.pop()


class _Lines:
    """Raw text -> the lines that keepalived would act on."""

    def __init__(self, leave: Tell, warn: Tell) -> None:
        self.leave = leave
        self.warn = warn
        self.macros: dict[str, list[str]] = {"_HASH": ["#"], "_BANG": ["!"]}
        self.count = 0

    def of(self, name: str, text: str, depth: int = 0) -> Iterator[Line]:
        outer, self.macros["_PWD"] = self.macros.get("_PWD", ["."]), [os.path.dirname(name) or "."]
        for line in _joined(name, text):
            if found := INCLUDE.match(line.text):
                yield from self._include(line, name, found[1].strip("\"'"), depth)
            else:
                yield from self._read(Line(line.place, decommented(line.text)), 0)
        self.macros["_PWD"] = outer

    def _include(self, line: Line, name: str, pattern: str, depth: int) -> Iterator[Line]:
        if depth >= MAX_INCLUDES:
            raise ConfigError(f"{line.place}: includes nested deeper than {MAX_INCLUDES}")
        paths = [
            path for path in sorted(glob.glob(os.path.join(os.path.dirname(name), pattern))) if os.path.isfile(path)
        ]
        if not paths:
            self.warn(line.place, f"include {pattern}: no such file")
        for path in paths:
            yield from self.of(path, read_text(path), depth + 1)

    def _read(self, line: Line, depth: int) -> Iterator[Line]:
        """One line through conditions, definitions, repetitions and macros."""
        self._bound(line, depth)
        if found := CONDITION.match(line.text):
            if found[1]:
                yield from self._read(Line(line.place, found[3]), depth)
            else:
                self.leave(line.place, f"{line.text.strip()}: only where keepalived runs with --config-id {found[2]}")
        elif found := DEFINITION.match(line.text):
            self.macros[found[1]] = found[2].strip().split("\n")
        elif found := REPEAT.match(line.text):
            for values in _repeated(found, line):
                self.macros.update(values)
                yield from self._read(Line(line.place, found[4]), depth + 1)
        elif (found := self._use(line.text)) is None:
            yield from [line] if line.text.strip() else []
        else:
            yield from self._replaced(line, found, depth)

    def _bound(self, line: Line, depth: int) -> None:
        self.count += 1
        if self.count > MAX_LINES or len(line.text) > MAX_LENGTH or depth > MAX_DEPTH:
            raise ConfigError(f"{line.place}: at most {MAX_LINES} lines expected with all macros put in")

    def _use(self, text: str) -> re.Match[str] | None:
        """The first macro in *text* that is defined; others stay as they stand."""
        return next((found for found in USE.finditer(text) if (found[1] or found[2]) in self.macros), None)

    def _replaced(self, line: Line, found: re.Match[str], depth: int) -> Iterator[Line]:
        value = self.macros[found[1] or found[2]]
        whole = line.text[: found.start()] + "\n".join(value) + line.text[found.end() :]
        for text in whole.split("\n"):
            yield from self._read(Line(line.place, text), depth + 1)


def _joined(name: str, text: str) -> Iterator[Line]:
    """Lines with their places; one that ends in a backslash goes on in the next, as a line of its own in a macro."""
    kept: list[str] = []
    for n, content in enumerate(text.splitlines(), 1):
        stripped = content.rstrip()
        kept.append(stripped.removesuffix("\\"))
        if not stripped.endswith("\\") or stripped.endswith("\\\\"):
            yield Line(f"{name}:{n - len(kept) + 1}", _join(kept))
            kept = []
    if kept:
        yield Line(f"{name}:{n - len(kept) + 1}", _join(kept))


def _join(lines: list[str]) -> str:
    if not DEFINITION.match(lines[0]):
        return " ".join(lines)
    return "\n".join([lines[0].rstrip(), *map(decommented, lines[1:])]) if len(lines) > 1 else lines[0]


def decommented(text: str) -> str:
    """*text* up to a `!` or `#` that no quotes hold."""
    found = PLAIN.match(text)
    assert found is not None, "the pattern takes the empty text too"
    return found[0]


def _repeated(found: re.Match[str], line: Line) -> Iterator[dict[str, list[str]]]:
    """The values of the variables of `~SEQ(...)` or `~LST(...)`, turn by turn."""
    kind, head, rest = found[1], found[2].strip("{} "), found[3]
    names = [name.strip() for name in head.split(",")]
    if kind != "LST":
        yield from ({names[0]: [one]} for one in _sequence(kind, rest, line))
        return
    groups = re.findall(r"\{([^}]*)\}", rest) or rest.split(",")
    for group in groups:
        values = group.split(",") if len(names) > 1 else [group]
        yield {name: [value.strip()] for name, value in zip(names, values, strict=False)}


def _sequence(kind: str, text: str, line: Line) -> list[str]:
    """`START, STEP, END`, the first two of which may be missing."""
    try:
        numbers = [int(word, 0) for word in text.replace(" ", "").split(",")]
    except ValueError:
        raise ConfigError(f"{line.place}: ~{kind}(VAR, START, STEP, END) expected, got {text}") from None
    end = numbers[-1]
    start = numbers[0] if len(numbers) > 1 else (1 if end > 0 else -1)
    step = numbers[1] if len(numbers) > 2 else (1 if end >= start else -1)
    if not step or len(numbers) > 3:
        raise ConfigError(f"{line.place}: ~{kind}(VAR, START, STEP, END) expected, got {text}")
    turns = range(start, end + (1 if step > 0 else -1), step)[: MAX_LINES + 1]
    return [f"{n:x}" if kind == "SEQx" else str(n) for n in turns]
