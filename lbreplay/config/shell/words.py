"""Text of a shell script -> words, operators, comments and here-documents.

A word is a sequence of parts, quoted or not, with `$...` still in it; what quotes or a backslash protected from
expansion carries marks in place of `$` and the backtick.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lbreplay.errors import ConfigError

DOLLAR, BACKTICK = "\0", "\3"  # stand for `$` and the backtick where they mean themselves
OPERATOR = re.compile(
    r"(?P<here><<-?)[ \t]*(?P<quote>['\"\\]?)(?P<end>[\w.+-]+)['\"]?"
    r"|<<<|&&|\|\||;;&?|;&|\|&|\d?[<>]&[\d-]|&>>?|\d?>>?\|?|<|[;&|()]"
)
BARE = re.compile(r"[^\s;&|()<>'\"\\$`]+")
MAX_ARITHMETIC = 500  # characters of `(( ... ))`, else it is a subshell in a subshell
NAMED = re.compile(r"[A-Za-z_]\w*(?:\[[^\]\s]*\])?\+?=$")


class Part(NamedTuple):
    """A piece of a word; quoted pieces are never split."""

    text: str
    quoted: bool = False


class Word(NamedTuple):
    """Parts that touch; `NAME=( ... )` has the words in its parentheses too."""

    parts: tuple[Part, ...]
    array: tuple[Word, ...] | None = None

    @property
    def plain(self) -> str:
        """The word when it is one unquoted piece: a keyword may be meant."""
        return self.parts[0].text if len(self.parts) == 1 and not self.parts[0].quoted and self.array is None else ""

    @property
    def raw(self) -> str:
        """As it stands, without quotes."""
        return "".join(part.text for part in self.parts).replace(DOLLAR, "$").replace(BACKTICK, "`")


@dataclass
class Item:
    """A word; or an operator, a newline or a comment as `operator`."""

    line: int
    column: int
    word: Word | None = None
    operator: str = ""
    document: Part | None = None  # behind `<<`

    @property
    def plain(self) -> str:
        return self.word.plain if self.word else ""


def items(name: str, text: str) -> list[Item]:
    """All of *text*. ConfigError with line and column at a quote or here-document without end."""
    return list(_Lexer(name, text).items())


def protected(text: str) -> str:
    """*text* where nothing is expanded."""
    return text.replace("$", DOLLAR).replace("`", BACKTICK)


class _Lexer:
    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text.replace("\r\n", "\n") + "\n"
        self.at = 0
        self.line = 1
        self.start = 0  # of the line
        self.waiting: list[tuple[Item, str, bool]] = []  # here-documents that begin behind this line

    def items(self) -> Iterator[Item]:
        while self.at < len(self.text):
            line, column = self.line, self.at - self.start + 1
            if self.text.startswith("\\\n", self.at):
                self._newline(2)
            elif self.text[self.at] == "\n":
                self._newline(1)
                yield Item(line, column, operator="\n")
                self._here()
            elif self.text[self.at].isspace():
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.index("\n", self.at)
                yield Item(line, column, operator=self.text[self.at : end])
                self.at = end
            elif self.text.startswith("((", self.at) and (end := self._closed("((", "))", MAX_ARITHMETIC)):
                yield Item(line, column, operator="((" + self._taken(end)[2:-2])
            elif operator := OPERATOR.match(self.text, self.at):
                yield self._operator(operator, line, column)
            else:
                yield Item(line, column, self._word())

    def _newline(self, width: int) -> None:
        self.at += width
        self.line += 1
        self.start = self.at

    def _taken(self, end: int) -> str:
        """Pass over what is before *end*."""
        taken = self.text[self.at : end]
        if "\n" in taken:
            self.line += taken.count("\n")
            self.start = self.at + taken.rindex("\n") + 1
        self.at = end
        return taken

    def _operator(self, found: re.Match[str], line: int, column: int) -> Item:
        if found.group()[:2] in ("<(", ">("):
            return Item(line, column, self._word())
        self.at = found.end()
        item = Item(line, column, operator="<<" if found["here"] else found.group())
        if found["here"]:
            self.waiting.append((item, found["end"], bool(found["quote"])))
        return item

    def _here(self) -> None:
        """The here-documents that belong to the line before."""
        for item, end, quoted in self.waiting:
            closing = re.compile(rf"(.*?)^[ \t]*{re.escape(end)}[ \t]*\n", re.DOTALL | re.MULTILINE)
            found = closing.match(self.text, self.at)
            if found is None:
                raise ConfigError(f"{self.name}:{item.line}: the here-document is not closed by {end}")
            self._taken(found.end())
            text = found[1] if quoted else re.sub(r"\\([$`\\])", lambda m: protected(m[1]), found[1])
            item.document = Part(protected(text) if quoted else text.replace("\\\n", ""), True)
        self.waiting = []

    def _word(self) -> Word:
        parts: list[Part] = []
        while self.at < len(self.text) and (c := self.text[self.at]) not in " \t\n;&|()<>":
            if self.text.startswith("\\\n", self.at):
                self._taken(self.at + 2)
            elif c == "'":
                parts.append(Part(protected(self._until("'")), True))
            elif c == '"':
                parts.append(Part(self._double(), True))
            elif c == "\\":
                parts.append(Part(protected(self._taken(self.at + 2)[1:]), True))
            else:
                before = parts.pop().text if parts and not parts[-1].quoted else ""
                parts.append(Part(before + self._bare()))
        if self.text.startswith("(", self.at) and len(parts) == 1 and NAMED.match(parts[0].text):
            return Word(tuple(parts), self._array())
        return Word(tuple(parts))

    def _array(self) -> tuple[Word, ...]:
        """The words between the parentheses of `NAME=( ... )`."""
        line, column = self.line, self.at - self.start + 1
        self.at += 1
        found: list[Word] = []
        while self.at < len(self.text):
            if self.text[self.at] == ")":
                self.at += 1
                return tuple(found)
            if self.text[self.at].isspace():
                self._taken(self.at + 1)
            elif self.text[self.at] == "#":
                self.at = self.text.index("\n", self.at)
            elif self.text[self.at] in ";&|<>(":
                break
            else:
                found.append(self._word())
        raise ConfigError(f"{self.name}:{line}: column {column}: the list is not closed by )")

    def _until(self, quote: str) -> str:
        end = self.text.find(quote, self.at + 1)
        if end < 0:
            column = self.at - self.start + 1
            raise ConfigError(f"{self.name}:{self.line}: column {column}: the quote is not closed")
        return self._taken(end + 1)[1:-1]

    def _double(self) -> str:
        """Between double quotes: escapes are protected, `$(...)` may hold quotes of its own."""
        line, column = self.line, self.at - self.start + 1
        pieces: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            if self.text[self.at] == '"':
                self.at += 1
                return "".join(pieces)
            if self.text[self.at] == "\\":
                pieces.append(_escaped(self._taken(self.at + 2)[1:]))
            else:
                pieces.append(self._taken(self._substitution() or self.at + 1))
        raise ConfigError(f"{self.name}:{line}: column {column}: the quote is not closed")

    def _bare(self) -> str:
        """Up to what ends or quotes; `$(...)`, `${...}` and backticks are swallowed whole."""
        if end := self._substitution():
            return self._taken(end)
        found = BARE.match(self.text, self.at)
        return self._taken(found.end() if found else self.at + 1)

    def _substitution(self) -> int:
        """Where the `$(...)`, `$((...))`, `${...}`, `$[...]` or backticks end that begin here; 0 where none do."""
        for opening, closing in (("$((", "))"), ("$(", ")"), ("${", "}"), ("$[", "]"), ("`", "`")):
            if self.text.startswith(opening, self.at):
                if end := self._closed(opening, closing, len(self.text)):
                    return end
                if opening != "$((":
                    column = self.at - self.start + 1
                    raise ConfigError(f"{self.name}:{self.line}: column {column}: {opening} is not closed by {closing}")
        return 0

    def _closed(self, opening: str, closing: str, most: int) -> int:
        """The place behind the *closing* that belongs to the *opening* here, within *most*; 0 where there is none."""
        if opening == "`":
            return self.text.find("`", self.at + 1) + 1
        up, down = opening[-1], closing[0]
        at, depth = self.at + len(opening), len(closing)
        last = min(self.at + most, len(self.text))
        while at < last and depth:
            c = self.text[at]
            if c in "\"'":
                at = max(self.text.find(c, at + 1), at)
            depth += (c == up) - (c == down)
            at += 1 + (c == "\\")
        whole = self.text.startswith(closing, at - len(closing))
        return at if not depth and whole else 0


def _escaped(character: str) -> str:
    """A backslash within double quotes: it protects `$`, the backtick, `"` and itself, and joins lines."""
    if character in "$`":
        return protected(character)
    return {"\n": "", '"': '"', "\\": "\\"}.get(character, "\\" + character)
