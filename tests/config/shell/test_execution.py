"""Shell scripts are expanded to the commands they would run."""

import pytest

from lbreplay.config.shell import Command, Skipped, commands
from lbreplay.errors import ConfigError


def run(text: str) -> list[str]:
    """The commands of *text* as lines, skipped ones in brackets, comments left out."""
    found = []
    for one in commands("s.sh", text):
        if isinstance(one, Skipped):
            found.append(f"[{one.what}]")
        elif one.words[0] != "#":
            found.append(" ".join(one.words))
    return found


@pytest.mark.parametrize(
    "text, lines",
    [
        ("a b  c", ["a b c"]),
        ("a; b && c || d\n\ne &", ["a", "b", "c", "e"]),
        ("a b \\\n  c", ["a b c"]),
        ("ab\\\nc d\\", ["abc d"]),
        ("a # b\n#c\nd#e", ["a", "d#e"]),
        ("X=1 Y=2\na $X ${Y}z ${Z:-3} $Z.", ["a 1 2z 3 ."]),
        ("export X=1; a $X", ["a 1"]),
        ("X='1 2'; a $X \"$X\" '$X'", ["a 1 2 1 2 $X"]),
        ("for i in 1 2; do a $i; done", ["a 1", "a 2"]),
        ("for i in 1 2\ndo\n for j in x y; do a $i$j; done\ndone\nb", ["a 1x", "a 1y", "a 2x", "a 2y", "b"]),
        ("L='p q'\nfor i in $L r; do a $i; done", ["a p", "a q", "a r"]),
        ("for i in {1..3} {x,y}; do a $i; done", ["a 1", "a 2", "a 3", "a x", "a y"]),
        ("for i in $(seq 2 4) `seq 1`; do a 10.$i; done", ["a 10.2", "a 10.3", "a 10.4", "a 10.1"]),
        ("for i in 1 2; do a $((80 + i * 2)) $((7 / 2 - 1)); done", ["a 82 2", "a 84 2"]),
        ("a > x 2>&1; b 2>/dev/null; c < y >> z; d &> w", ["a", "b", "c", "d"]),
        ("if a; then b; for i in 1; do c; done; else x; fi; d", ["a", "b", "c", "d"]),
        ("f() { a $1; }\nb; f x; f y", ["b", "a x", "a y"]),
        ("while read x; do a $x; done; b", ["[while read: its input is not read]", "b"]),
        ("x=a; case $x in b) d;; a) b;; esac; c", ["b", "c"]),
        ("a $(hostname)", ["[a $(hostname): $(hostname) is not run]"]),
        ('a \\$x "\\$y"', ["a $x $y"]),
        ("a\r\nb\r\n", ["a", "b"]),
    ],
)
def test_expansion(text: str, lines: list[str]) -> None:
    """Each construct people keep in such scripts."""
    assert run(text) == lines


def test_lines_are_those_of_the_file() -> None:
    """A command knows the line it began on, behind here-documents and continued lines too."""
    text = "a\nb \\\n c\nd <<EOF\n1\n2\nEOF\ne 'x\ny'\nf"
    found = [one for one in commands("s.sh", text) if isinstance(one, Command)]
    assert [(one.line, one.words[0]) for one in found] == [(1, "a"), (2, "b"), (4, "d"), (8, "e"), (10, "f")]
    assert found[2].document == "1\n2\n"


def test_comments_are_kept() -> None:
    """A comment may carry what a reader looks for."""
    assert list(commands("s.sh", "a # $x `y`\n")) == [Command(1, ["a"]), Command(1, ["#", "$x `y`"])]


@pytest.mark.parametrize(
    "text, message",
    [
        ("a 'b\nc", "s.sh:1: column 3: the quote is not closed"),
        ('a\nb "c', "s.sh:2: column 3: the quote is not closed"),
        ("a\nfor i in 1; do b", "s.sh:2: the loop is not closed by done"),
        ("for i in 1; b", "s.sh:1: column 1: for NAME in WORDS; do ... done expected"),
        ("if a; then b", "s.sh:1: column 1: if is not closed by fi"),
        ("a <<EOF\nb", "s.sh:1: the here-document is not closed by EOF"),
        ("for i in {1..1000}; do for j in {1..1000}; do x=1; done; done", "more than 100000 commands"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """Syntax errors have line and column; loops without end are ended."""
    with pytest.raises(ConfigError) as refused:
        run(text)
    assert message in str(refused.value)
