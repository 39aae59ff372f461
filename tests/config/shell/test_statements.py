"""Items become a tree of statements."""

from typing import Any

import pytest

from lbreplay.config.shell.statements import Brackets, Case, Function, If, Simple, head, inside, parse, shown_all
from lbreplay.config.shell.words import items
from lbreplay.errors import ConfigError


def tree(text: str) -> list[Any]:
    """The statements of *text*: kinds, with what is in them; simple commands as text."""

    def told(node: Any) -> Any:
        if isinstance(node, Simple):
            return " ".join(word.raw for word in node.words)
        return [type(node).__name__, *map(told, inside(node))]

    return [told(node) for node in parse("s", items("s", text))]


@pytest.mark.parametrize(
    "text, found",
    [
        ("a; b\nc &", ["a", "b", "c"]),
        ("a && b || c", [["Chain", "a", "b", "c"]]),
        ("a |\n b", [["Pipe", "a", "b"]]),
        ("! a", [["Pipe", "a"]]),
        ("if a; then b; elif c; then d; else e; fi", [["If", "a", "b", "c", "d", "e"]]),
        ("if a\nthen\n if b; then c; fi\nfi; d", [["If", "a", ["If", "b", "c"]], "d"]),
        ("while a; do b; done; until c; do d; done", [["While", "a", "b"], ["While", "c", "d"]]),
        ("for i in 1 2; do a; done", [["For", "a"]]),
        ("for i\ndo a; done", [["For", "a"]]),
        ("for ((i=0; i<3; i++)); do a; done", [["Count", "a"]]),
        ("case $x in\n a|b) c;;\n (d) e\n ;;\n *) f; esac", [["Case", "c", "e", "f"]]),
        ("f() { a; }\nfunction g {\n b\n}\nh ()\n{\n c; }", [["Function"], ["Function"], ["Function"]]),
        ("{ a; b; } > x; (c; d)", [["Group", "a", "b"], ["Group", "c", "d"]]),
        ("[[ $a == b && -n $c ]] && d", [["Chain", ["Brackets"], "d"]]),
        ("(( i++ ))", [["Arithmetic"]]),
        ("a > x 2>&1 b < y", ["a b"]),
    ],
)
def test_statements(text: str, found: list[Any]) -> None:
    """Each kind of statement, with what it holds in order."""
    assert tree(text) == found


def test_parts_of_statements() -> None:
    """Branches with their patterns and conditions, the name of a function, redirections with their targets."""
    case, function, branch, fed = parse(
        "s", items("s", "case $1 in a|b) c;; esac\nf() { a; }\nif a; then b; fi\nc < d <<X\n1\nX\n")
    )
    assert isinstance(case, Case) and [[p.raw for p in patterns] for patterns, _ in case.branches] == [["a", "b"]]
    assert isinstance(function, Function) and function.name == "f" and function.body is not None
    assert isinstance(branch, If) and len(branch.branches) == 1
    assert [(sign, word.raw) for sign, word in fed.redirects] == [("<", "d")] and fed.document is not None


def test_how_statements_are_named() -> None:
    """Short, for messages."""
    simple, loop, test = parse("s", items("s", "a b c d\nfor i in 1; do a; done\n[[ $a == b ]]"))
    assert (head(simple), head(loop)) == ("a b c", "for i")
    assert isinstance(test, Brackets) and shown_all([simple, test]) == "a b c d; $a == b"


@pytest.mark.parametrize(
    "text, message",
    [
        ("if a; then b", "s:1: column 1: if is not closed by fi"),
        ("for i in 1; do b", "s:1: the loop is not closed by done"),
        ("while a; do b", "s:1: the loop is not closed by done"),
        ("case a in b) c", "s:1: column 1: case is not closed by esac"),
        ("case a b", "s:1: column 1: case WORD in ... esac expected"),
        ("\n { a", "s:2: column 2: { is not closed by }"),
        ("( a", "s:1: column 1: ( is not closed by )"),
        ("f() a", "s:1: column 1: NAME() { ... } expected"),
        ("&& a", "s:1: column 1: a command expected, got &&"),
        ("a )", "s:1: column 3: a command expected, got )"),
        ("[[ a", "s:1: column 1: [[ is not closed by ]]"),
        ("a >", "s:1: column 3: a file behind the redirection expected"),
        ("for ((a)); do b; done", "s:1: column 1: for ((START; UNTIL; STEP)); do ... done expected"),
        ("( " * 200, "statements nested at most 100 deep expected"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """Statements that are not closed or not begun, with line and column."""
    with pytest.raises(ConfigError) as refused:
        tree(text)
    assert message in str(refused.value)
