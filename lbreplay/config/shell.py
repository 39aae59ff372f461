"""Shell scripts as people keep them -> the commands they would run: variables and simple `for` loops expanded.

Understood: comments, continued lines, quotes, `NAME=value`, `$NAME`, `${NAME}`, `${NAME:-default}`, `{1..5}`,
`$(seq 1 5)`, `$((i + 1))`, `for x in ...; do ... done`, here-documents, and `;`, `&&`, `||` between commands. Nothing
is run and no condition is judged: `if`, `while`, `case` and functions are named as skipped, with what is in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lbreplay.errors import ConfigError

MAX_COMMANDS = 100_000  # after expansion
CLOSES = {"if": "fi", "case": "esac", "while": "done", "until": "done", "select": "done", "{": "}"}
NAME = re.compile(r"[A-Za-z_]\w*")
REDIRECTION = re.compile(r"\d?>(&[\d-])|&?>>?|\d>>?|<")
HOLE = "\0"  # stands for a `$` that was quoted


class Command(NamedTuple):
    """A simple command: where, its words, and the text of a here-document given to it. A comment has the word `#`."""

    line: int
    words: list[str]
    document: str = ""


class Skipped(NamedTuple):
    line: int
    what: str


class Part(NamedTuple):
    """A piece of a word; quoted pieces are never split."""

    text: str
    quoted: bool


Word = tuple[Part, ...]


@dataclass
class Simple:
    line: int
    words: list[Word]
    document: str = ""


@dataclass
class For:
    line: int
    name: str
    words: list[Word]
    body: list[Node] = field(default_factory=list)


@dataclass
class Other:
    line: int
    what: str


@dataclass
class Comment:
    line: int
    text: str


Node = Simple | For | Other | Comment


def commands(name: str, text: str) -> Iterator[Command | Skipped]:
    """The commands of *text* in the order in which the shell would run them. ConfigError at a syntax error."""
    nodes = _Parser(name, _Lexer(name, text).items()).block(None)
    yield from _Run(name).run(nodes, {})


# --- words -----------------------------------------------------------------------------------------------------------


class Item(NamedTuple):
    """A word, or an operator (`;`, newline, `&&` ...) or a comment as `operator`."""

    line: int
    column: int
    word: Word = ()
    operator: str = ""

    @property
    def plain(self) -> str:
        """The word when it is one unquoted piece: a keyword may be meant."""
        return self.word[0].text if len(self.word) == 1 and not self.word[0].quoted else ""


class _Lexer:
    """Text -> words and operators."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text.replace("\r\n", "\n") + "\n"
        self.at = 0
        self.line = 1
        self.start = 0  # of the line
        self.documents: list[str] = []  # ends of here-documents that begin behind this line

    def items(self) -> Iterator[Item]:
        while self.at < len(self.text):
            line, column = self.line, self.at - self.start + 1
            if self.text.startswith("\\\n", self.at):
                self._newline(2)
            elif self.text[self.at] == "\n":
                self._newline(1)
                yield Item(line, column, operator="\n")
                yield from self._here(line)
            elif self.text[self.at] in " \t":
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.index("\n", self.at)
                yield Item(line, column, operator="#" + self.text[self.at + 1 : end])
                self.at = end
            elif operator := re.compile(r"<<-?\s*(['\"]?)(\w+)\1|&&|\|\||;;|\d?>&[\d-]|&?>>?|\d>>?|[;&|()<]").match(
                self.text, self.at
            ):
                self.at = operator.end()
                if operator.group(2):
                    self.documents.append(operator.group(2))
                else:
                    yield Item(line, column, operator=operator.group())
            else:
                yield Item(line, column, self._word())

    def _newline(self, width: int) -> None:
        self.at += width
        self.line += 1
        self.start = self.at

    def _here(self, line: int) -> Iterator[Item]:
        """The here-documents that belong to the line before."""
        for end in self.documents:
            found = re.compile(rf"(.*?)^\s*{re.escape(end)}\n", re.DOTALL | re.MULTILINE).match(self.text, self.at)
            if found is None:
                raise ConfigError(f"{self.name}:{line}: the here-document is not closed by {end}")
            self.line += found.group().count("\n")
            self.at = self.start = found.end()
            yield Item(line, 1, operator="<<" + found.group(1))
        self.documents = []

    def _word(self) -> Word:
        parts: list[Part] = []
        while self.at < len(self.text) and (c := self.text[self.at]) not in " \t\n;&|()<>":
            if self.text.startswith("\\\n", self.at):
                self._newline(2)
            elif c == "'":
                parts.append(Part(self._until("'").replace("$", HOLE), True))
            elif c == '"':
                parts.append(Part(self._double(), True))
            elif c == "\\":
                self.at += 2
                parts.append(Part(self.text[self.at - 1].replace("$", HOLE), True))
            else:
                parts.append(Part(self._bare(), False))
        return tuple(parts)

    def _until(self, quote: str) -> str:
        end = self.text.find(quote, self.at + 1)
        if end < 0:
            column = self.at - self.start + 1
            raise ConfigError(f"{self.name}:{self.line}: column {column}: the quote is not closed")
        inside = self.text[self.at + 1 : end]
        self.line += inside.count("\n")
        self.at = end + 1
        return inside

    def _double(self) -> str:
        found = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL).match(self.text, self.at)
        if found is None:
            return self._until('"')
        self.at = found.end()
        self.line += found.group().count("\n")
        return re.sub(r'\\([$"\\`\n])', lambda m: HOLE if m[1] == "$" else m[1].strip("\n"), found.group(1))

    def _bare(self) -> str:
        """Up to what ends or quotes; `$(...)` and `${...}` are swallowed whole."""
        bare = re.compile(r"(?:\$\(\([^)]*\)\)|\$\([^)]*\)|\$\{[^}]*\}|`[^`]*`|[^\s;&|()<>'\"\\])+")
        found = bare.match(self.text, self.at)
        assert found is not None, "the caller saw a character that is none of these"
        self.at = found.end()
        return found.group()


# --- statements ------------------------------------------------------------------------------------------------------


class _Parser:
    """Items -> nodes."""

    def __init__(self, name: str, items: Iterator[Item]) -> None:
        self.name = name
        self.items = list(items)
        self.at = 0

    def block(self, end: str | None, opened: int = 0) -> list[Node]:
        """Statements up to the keyword *end*."""
        nodes: list[Node] = []
        while self.at < len(self.items):
            item = self.items[self.at]
            if item.plain == end and end is not None:
                self.at += 1
                return nodes
            if item.operator:
                self._operator(item, nodes)
            elif item.plain == "for":
                nodes.append(self._for(item))
            elif item.plain in CLOSES or self._is_function():
                nodes.append(self._foreign(item))
            else:
                nodes.append(self._simple(item))
        if end is not None:
            raise ConfigError(f"{self.name}:{opened}: the loop is not closed by {end}")
        return nodes

    def _operator(self, item: Item, nodes: list[Node]) -> None:
        self.at += 1
        if item.operator.startswith("#"):
            nodes.append(Comment(item.line, item.operator[1:].strip()))
        elif item.operator.startswith("<<") and nodes and isinstance(nodes[-1], Simple):
            nodes[-1].document = item.operator[2:]
        elif item.operator in "()":
            nodes.append(Other(item.line, "a subshell or function"))

    def _simple(self, item: Item) -> Simple:
        words: list[Word] = []
        while self.at < len(self.items) and (here := self.items[self.at]).word:
            words.append(here.word)
            self.at += 1
        while self.at < len(self.items) and (found := REDIRECTION.fullmatch(self.items[self.at].operator)):
            self.at += 1 if found.group(1) else 2  # without or with a target
        return Simple(item.line, words)

    def _for(self, item: Item) -> For | Other:
        head: list[Item] = []
        start = self.at
        while self.at < len(self.items) and self.items[self.at].plain != "do":
            head.append(self.items[self.at])
            self.at += 1
        if self.at == len(self.items):
            raise ConfigError(f"{self.name}:{item.line}: column {item.column}: for NAME in WORDS; do ... done expected")
        words = [part for part in head[1:] if part.word]
        if len(words) < 2 or words[1].plain != "in" or not NAME.fullmatch(words[0].plain):
            self.at = start
            return self._foreign(item)
        self.at += 1
        return For(item.line, words[0].plain, [w.word for w in words[2:]], self.block("done", item.line))

    def _is_function(self) -> bool:
        following = [item.operator for item in self.items[self.at + 1 : self.at + 3]]
        return self.items[self.at].plain == "function" or following == ["(", ")"]

    def _foreign(self, item: Item) -> Other:
        """Pass over a statement that is not understood, up to what closes it."""
        stack: list[str] = []
        while self.at < len(self.items):
            word = self.items[self.at].plain
            if word in CLOSES or word == "for":
                stack.append(CLOSES.get(word, "done"))
            elif stack and word == stack[-1]:
                stack.pop()
                if not stack:
                    self.at += 1
                    break
            self.at += 1
        if stack:
            raise ConfigError(
                f"{self.name}:{item.line}: column {item.column}: {item.plain} is not closed by {stack[-1]}"
            )
        return Other(item.line, f"{item.plain} ... (not expanded, with all that is in it)")


# --- expansion -------------------------------------------------------------------------------------------------------

Variables = dict[str, str]


class _Run:
    """One execution, with a limit on its steps: loops multiply."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps = 0

    def run(self, nodes: list[Node], variables: Variables) -> Iterator[Command | Skipped]:
        for node in nodes:
            self.steps += 1
            if self.steps > MAX_COMMANDS:
                raise ConfigError(f"{self.name}:{node.line}: more than {MAX_COMMANDS} commands, loops expanded")
            if isinstance(node, Other):
                yield Skipped(node.line, node.what)
            elif isinstance(node, Comment):
                yield Command(node.line, ["#", node.text])
            elif isinstance(node, For):
                for value in [text for word in node.words for text in expand(word, variables)]:
                    variables[node.name] = value
                    yield from self.run(node.body, variables)
            else:
                yield from _simple(node, variables)


def _simple(node: Simple, variables: Variables) -> Iterator[Command | Skipped]:
    words = list(node.words)
    while words and (assigned := re.match(r"(?:export )?([A-Za-z_]\w*)=", words[0][0].text)) and not words[0][0].quoted:
        rest = (Part(words[0][0].text[assigned.end() :], True), *words[0][1:])
        variables[assigned.group(1)] = " ".join(expand(rest, variables))
        words.pop(0)
    if words and words[0] and words[0][0].text in ("export", "local", "declare", "readonly") and len(words) > 1:
        yield from _simple(Simple(node.line, words[1:]), variables)
    elif words:
        expanded = [text for word in words for text in expand(word, variables)]
        if unknown := [text for text in expanded if "$(" in text or "`" in text]:
            yield Skipped(node.line, f"{' '.join(expanded)}: {unknown[0]} is not run")
        elif expanded:
            yield Command(node.line, expanded, node.document)


def expand(word: Word, variables: Variables) -> list[str]:
    """A word -> the words it becomes: variables put in, what is not quoted split at white space, braces spread."""
    fields = [""]
    for part in word:
        text = _variables(part.text, variables)
        pieces = [text] if part.quoted else re.split(r"\s+", text)
        fields[-1] += pieces[0]
        fields += pieces[1:]
    quoted = any(part.quoted for part in word)
    spread = [text for one in fields for text in (_braces(one) if not quoted else [one])]
    return [text.replace(HOLE, "$") for text in spread if text or quoted]


def _variables(text: str, variables: Variables) -> str:
    text = re.sub(r"\$\(\(([^)]*)\)\)", lambda m: _arithmetic(m[1], variables), text)
    text = re.sub(r"\$\{(\w+)(?::?-([^}]*))?\}", lambda m: variables.get(m[1]) or m[2] or "", text)
    text = re.sub(r"\$(\w+)", lambda m: variables.get(m[1], ""), text)
    return re.sub(r"\$\(\s*seq ([^)]*)\)|`\s*seq ([^`]*)`", lambda m: _seq(m[1] or m[2]), text)


def _arithmetic(text: str, variables: Variables) -> str:
    """Whole numbers with + - * / % and names; anything else stays as it is."""
    filled = re.sub(r"\$?([A-Za-z_]\w*)", lambda m: variables.get(m[1], "0"), text)
    found = re.findall(r"\d+|[-+*/%]", filled)
    if re.sub(r"\s", "", filled) != "".join(found) or not re.fullmatch(r"\d+(?:[-+*/%]\d+)*", "".join(found)):
        return f"$(({text}))"
    return str(_left_to_right(found))


def _left_to_right(found: list[str]) -> int:
    """Evaluate numbers and operators, products before sums."""
    apply: dict[str, Callable[[int, int], int]] = {
        "*": lambda a, b: a * b, "/": lambda a, b: a // max(b, 1), "%": lambda a, b: a % max(b, 1),
        "+": lambda a, b: a + b, "-": lambda a, b: a - b,
    }  # fmt: skip
    values: list[str] = list(found)
    for level in ("*/%", "+-"):
        at = 1
        while at < len(values):
            if values[at] in level:
                values[at - 1 : at + 2] = [str(apply[values[at]](int(values[at - 1]), int(values[at + 1])))]
            else:
                at += 2
    return int(values[0])


def _seq(text: str) -> str:
    numbers = [int(number) for number in text.split() if number.lstrip("-").isdigit()]
    first, step, last = {1: [1, 1, *numbers], 2: [*numbers[:1], 1, *numbers[1:]], 3: numbers}.get(
        len(numbers), [1, 1, 0]
    )
    return " ".join(str(n) for n in range(first, last + 1, max(step, 1))[:MAX_COMMANDS])


def _braces(text: str) -> list[str]:
    """`a{1..3}b` -> a1b a2b a3b; `{x,y}` -> x y."""
    found = re.search(r"(?<!\$)\{(?:(-?\d+)\.\.(-?\d+)|([^{}]*,[^{}]*))\}", text)
    if found is None:
        return [text]
    if found[3] is not None:
        inside = found[3].split(",")
    else:
        low, high = int(found[1]), int(found[2])
        numbers = range(low, high + 1) if low <= high else range(low, high - 1, -1)
        inside = [str(n) for n in numbers[:MAX_COMMANDS]]
    return [whole for one in inside for whole in _braces(text[: found.start()] + one + text[found.end() :])]
