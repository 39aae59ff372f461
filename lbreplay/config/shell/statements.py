"""Items of a shell script -> a tree of statements: lists, pipes, loops, branches, groups and functions.

The grammar of POSIX's shell, and of bash what such scripts use: `[[ ]]`, `(( ))`, `for ((;;))`, `function`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from lbreplay.config.shell.words import Item, Part, Word
from lbreplay.errors import ConfigError

CLOSES = {"if": "fi", "case": "esac", "while": "done", "until": "done", "for": "done", "select": "done", "{": "}"}
LOOPS = ("while", "until", "for", "select")
REDIRECTION = re.compile(r"\d?[<>]&[\d-]|&>>?|\d?>>?\|?|<<?<?")
SILENT = re.compile(r"\d?[<>]&[\d-]")  # without a target behind it
NAME = re.compile(r"[A-Za-z_][\w.:-]*")
MAX_DEPTH = 100  # of statements in statements


@dataclass
class Node:
    line: int
    redirects: list[tuple[str, Word]] = field(default_factory=list, kw_only=True)
    document: Part | None = field(default=None, kw_only=True)


@dataclass
class Simple(Node):
    words: list[Word] = field(default_factory=list)


@dataclass
class Arithmetic(Node):
    """`(( ... ))`"""

    text: str = ""


@dataclass
class Brackets(Node):
    """`[[ ... ]]`: words, and operators as words."""

    words: list[Word] = field(default_factory=list)


@dataclass
class Group(Node):
    """`{ ... }`, `( ... )`."""

    body: list[Node] = field(default_factory=list)


@dataclass
class Function(Node):
    name: str = ""
    body: Node | None = None


@dataclass
class Chain(Node):
    """Statements with `&&`, `||` or nothing before each."""

    links: list[tuple[str, Node]] = field(default_factory=list)


@dataclass
class Pipe(Node):
    stages: list[Node] = field(default_factory=list)
    negated: bool = False


@dataclass
class For(Node):
    name: str = ""
    words: list[Word] | None = None  # None: the positional parameters
    body: list[Node] = field(default_factory=list)


@dataclass
class Count(Node):
    """`for ((start; until; step))`"""

    parts: tuple[str, str, str] = ("", "", "")
    body: list[Node] = field(default_factory=list)


@dataclass
class While(Node):
    until: bool = False
    condition: list[Node] = field(default_factory=list)
    body: list[Node] = field(default_factory=list)


@dataclass
class If(Node):
    """Conditions with their bodies; the last, without a condition, is the else branch."""

    branches: list[tuple[list[Node], list[Node]]] = field(default_factory=list)


@dataclass
class Case(Node):
    subject: Word = field(default_factory=lambda: Word(()))
    branches: list[tuple[list[Word], list[Node]]] = field(default_factory=list)


@dataclass
class Comment(Node):
    text: str = ""


def parse(name: str, items: list[Item]) -> list[Node]:
    """The statements of a script. ConfigError with line and column where one is not closed."""
    parser = _Parser(name, items)
    nodes = parser.statements(())
    if parser.at < len(items):
        parser.fail(items[parser.at], "a command expected")
    return nodes


class _Parser:
    def __init__(self, name: str, items: list[Item]) -> None:
        self.name = name
        self.items = items
        self.at = 0
        self.depth = 0

    def fail(self, item: Item, why: str) -> NoReturn:
        got = item.operator.strip() or item.plain
        got = f", got {got}" if got else ""
        raise ConfigError(f"{self.name}:{item.line}: column {item.column}: {why}{got}")

    @property
    def here(self) -> Item | None:
        return self.items[self.at] if self.at < len(self.items) else None

    def is_operator(self, *operators: str) -> bool:
        return self.here is not None and self.here.operator in operators

    def word(self, *plain: str) -> bool:
        return self.here is not None and self.here.plain in plain

    def statements(self, ends: tuple[str, ...]) -> list[Node]:
        """Up to a keyword or operator of *ends*, which stays."""
        nodes: list[Node] = []
        while (item := self.here) is not None:
            if (item.plain in ends and item.plain) or (item.operator in ends and item.operator):
                break
            if item.operator.startswith("#"):
                nodes.append(Comment(item.line, text=item.operator[1:].strip()))
                self.at += 1
            elif item.operator in ("\n", ";", "&"):
                self.at += 1
            else:
                nodes.append(self._chain())
        return nodes

    def _chain(self) -> Node:
        first = self._pipe()
        chain = Chain(first.line, links=[("", first)])
        while self.is_operator("&&", "||"):
            operator = self.items[self.at].operator
            self.at += 1
            self._newlines()
            chain.links.append((operator, self._pipe()))
        return chain if len(chain.links) > 1 else first

    def _pipe(self) -> Node:
        negated = self.word("!")
        self.at += negated
        first = self._command()
        pipe = Pipe(first.line, stages=[first], negated=negated)
        while self.is_operator("|", "|&"):
            self.at += 1
            self._newlines()
            pipe.stages.append(self._command())
        return pipe if len(pipe.stages) > 1 or negated else first

    def _newlines(self) -> None:
        while self.here is not None and (self.here.operator == "\n" or self.here.operator.startswith("#")):
            self.at += 1

    def _command(self) -> Node:
        item = self.here
        if item is None:
            self.fail(self.items[-1], "a command expected after the last one")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(item, f"statements nested at most {MAX_DEPTH} deep expected")
        node = self._compound(item)
        self._redirects(node)
        self.depth -= 1
        return node

    def _compound(self, item: Item) -> Node:
        if item.operator.startswith("(("):
            self.at += 1
            return Arithmetic(item.line, text=item.operator[2:])
        if item.operator == "(":
            return Group(item.line, body=self._until(item, ")"))
        if item.operator and not REDIRECTION.fullmatch(item.operator):
            self.fail(item, "a command expected")
        if self._is_function():
            return self._function(item)
        read = {"if": self._if, "case": self._case, "while": self._while, "until": self._while, "for": self._for,
                "select": self._for, "[[": self._test, "{": self._braces}.get(item.plain)  # fmt: skip
        return read(item) if read else self._simple(item)

    def _until(self, item: Item, *ends: str) -> list[Node]:
        """What stands behind the keyword *item*, up to one of *ends*, which is passed over."""
        self.at += 1
        nodes = self.statements(ends)
        if self.here is None:
            closing = CLOSES.get(item.plain, ends[-1])
            if item.plain in LOOPS and ends == ("done",):
                raise ConfigError(f"{self.name}:{item.line}: the loop is not closed by {closing}")
            place, opening = f"{self.name}:{item.line}: column {item.column}", item.plain or item.operator
            raise ConfigError(f"{place}: {opening} is not closed by {closing}")
        self.at += 1
        return nodes

    def _braces(self, item: Item) -> Node:
        return Group(item.line, body=self._until(item, "}"))

    def _simple(self, item: Item) -> Simple:
        node = Simple(item.line)
        while (here := self.here) is not None:
            if here.word is not None:
                node.words.append(here.word)
                self.at += 1
            elif not self._redirect(node):
                break
        return node

    def _redirects(self, node: Node) -> None:
        while self.here is not None and self._redirect(node):
            pass

    def _redirect(self, node: Node) -> bool:
        """One redirection onto *node*; False where none stands here."""
        item = self.here
        if item is None or not item.operator or not REDIRECTION.fullmatch(item.operator):
            return False
        self.at += 1
        if item.operator == "<<":
            node.document = item.document
        elif not SILENT.fullmatch(item.operator):
            if self.here is None or self.here.word is None:
                self.fail(item, "a file behind the redirection expected")
            node.redirects.append((item.operator, self.here.word))
            self.at += 1
        return True

    def _is_function(self) -> bool:
        following = [item.operator for item in self.items[self.at + 1 : self.at + 3]]
        return self.word("function") or (bool(NAME.fullmatch(self.items[self.at].plain)) and following == ["(", ")"])

    def _function(self, item: Item) -> Function:
        self.at += self.word("function")
        name = self.here.plain if self.here else ""
        self.at += 1
        if self.is_operator("("):
            self.at += 2
        self._newlines()
        if not (self.word("{") or self.is_operator("(")):
            self.fail(item, "NAME() { ... } expected")
        return Function(item.line, name=name, body=self._command())

    def _for(self, item: Item) -> Node:
        self.at += 1
        head = self.here
        if head is not None and head.operator.startswith("(("):
            self.at += 1
            parts = [part.strip() for part in head.operator[2:].split(";")]
            if len(parts) != 3:
                self.fail(item, "for ((START; UNTIL; STEP)); do ... done expected")
            return Count(item.line, parts=(parts[0], parts[1], parts[2]), body=self._do(item))
        if head is None or not NAME.fullmatch(head.plain):
            self.fail(item, "for NAME in WORDS; do ... done expected")
        self.at += 1
        self._newlines()
        words = self._words() if self.word("in") else None
        return For(item.line, name=head.plain, words=words, body=self._do(item))

    def _words(self) -> list[Word]:
        self.at += 1
        words: list[Word] = []
        while self.here is not None and self.here.word is not None:
            words.append(self.here.word)
            self.at += 1
        return words

    def _do(self, item: Item) -> list[Node]:
        while self.is_operator(";") or (self.here is not None and self.here.operator[:1] in ("\n", "#")):
            self.at += 1
        if not self.word("do"):
            self.fail(item, "for NAME in WORDS; do ... done expected")
        return self._until(item, "done")

    def _while(self, item: Item) -> While:
        condition = self._until(item, "do")
        self.at -= 1
        return While(item.line, until=item.plain == "until", condition=condition, body=self._until(item, "done"))

    def _if(self, item: Item) -> If:
        node, keyword = If(item.line), "if"
        while keyword in ("if", "elif"):
            condition = self._until(item, "then")
            self.at -= 1
            body = self._until(item, "elif", "else", "fi")
            node.branches.append((condition, body))
            keyword = self.items[self.at - 1].plain
            self.at -= keyword == "elif" or keyword == "else"
        if keyword == "else":
            node.branches.append(([], self._until(item, "fi")))
        return node

    def _case(self, item: Item) -> Case:
        self.at += 1
        subject = self.here.word if self.here and self.here.word else None
        self.at += 1
        self._newlines()
        if subject is None or not self.word("in"):
            self.fail(item, "case WORD in ... esac expected")
        self.at += 1
        node = Case(item.line, subject=subject)
        while True:
            self._newlines()
            if self.here is None:
                self.fail(item, "case is not closed by esac")
            if self.word("esac"):
                self.at += 1
                return node
            node.branches.append(self._branch(item))

    def _branch(self, case: Item) -> tuple[list[Word], list[Node]]:
        patterns: list[Word] = []
        self.at += self.is_operator("(")
        while (here := self.here) is not None and here.operator != ")":
            if here.word is None and here.operator != "|":
                self.fail(here, "PATTERN) expected")
            patterns += [here.word] if here.word else []
            self.at += 1
        self.at += 1
        body = self.statements((";;", ";;&", ";&", "esac"))
        if self.here is None:
            self.fail(case, "case is not closed by esac")
        self.at += not self.word("esac")
        return patterns, body

    def _test(self, item: Item) -> Brackets:
        self.at += 1
        node = Brackets(item.line)
        while (here := self.here) is not None and here.plain != "]]":
            if here.operator == "\n":
                break
            node.words.append(here.word or Word((Part(here.operator),)))
            self.at += 1
        if not self.word("]]"):
            self.fail(item, "[[ is not closed by ]]")
        self.at += 1
        return node


# --- what a statement is ---------------------------------------------------------------------------------------------


def inside(node: Node) -> Iterator[Node]:
    """The statements directly in *node*."""
    if isinstance(node, (Group, For, Count)):
        yield from node.body
    elif isinstance(node, While):
        yield from (*node.condition, *node.body)
    elif isinstance(node, Chain):
        yield from (link for _, link in node.links)
    elif isinstance(node, Pipe):
        yield from node.stages
    elif isinstance(node, If):
        yield from (inner for condition, body in node.branches for inner in (*condition, *body))
    elif isinstance(node, Case):
        yield from (inner for _, body in node.branches for inner in body)


def head(node: Node) -> str:
    """How *node* begins, for a message."""
    if isinstance(node, (Simple, Brackets)):
        return " ".join(word.raw for word in node.words[:3])
    if isinstance(node, For):
        return f"for {node.name}"
    if isinstance(node, While):
        return "until" if node.until else "while"
    return {Group: "{ ... }", Pipe: "a pipe", Case: "case", If: "if"}.get(type(node), "a statement")


def shown_all(nodes: list[Node]) -> str:
    """Statements in one line, for a message."""
    return "; ".join(
        " ".join(word.raw for word in node.words) if isinstance(node, (Simple, Brackets)) else head(node)
        for node in nodes
    )
