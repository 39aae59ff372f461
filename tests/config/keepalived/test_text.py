"""The text of keepalived.conf: comments, quotes, includes, conditions, macros and repetitions, as in its manual."""

from pathlib import Path

import pytest

from lbreplay.config.keepalived.text import Block, decommented, parse
from lbreplay.errors import ConfigError


def read(text: str, name: str = "k") -> tuple[list[Block], list[str]]:
    """The blocks, and what was said of lines not taken."""
    said: list[str] = []

    def tell(place: str, what: str) -> None:
        said.append(f"{place}: {what}")

    return parse(name, text, tell, tell), said


def words(text: str) -> list[str]:
    """The lines of *text* that are left, as words."""
    return [str(block) for block in read(text)[0]]


def test_braces_may_stand_anywhere() -> None:
    """On the keyword's line, on the next, or all on one."""
    for text in ("a b {\n c\n}", "a b\n{\n c\n}", "a b { c }", "a b{c}"):
        (block,) = read(text)[0]
        assert (block.words, [inner.words for inner in block.inside]) == (["a", "b"], [["c"]])


def test_a_brace_on_its_own_line_never_joins_a_finished_block() -> None:
    """It belongs to the keyword before it, and to nothing where that has its block already."""
    first, second = read("a { b }\n{\n c\n}")[0]
    assert (str(first), str(second)) == ("a", "?")


@pytest.mark.parametrize(
    "text, left",
    [
        ("a b # c", "a b "),
        ("a!b", "a"),
        ('a "b # c" ! d', 'a "b # c" '),
        ("a 'b!' c", "a 'b!' c"),
        (r"a \# b # c", r"a \# b "),
        ('a "b', 'a "b'),
        ("# a", ""),
    ],
)
def test_comments(text: str, left: str) -> None:
    """From `!` or `#` to the end, anywhere but in quotes."""
    assert decommented(text) == left


def test_quoted_strings() -> None:
    """Quotes join what touches them, and end where they stand; a backslash takes the next character as it is."""
    assert read('abcd" efg h "mnop')[0][0].words == ["abcd efg h mnop"]
    assert read("abcd 'efg h jkl' mnop")[0][0].words == ["abcd", "efg h jkl", "mnop"]
    assert read(r"a\"b")[0][0].words == ['a"b']
    assert read('quorum_up "ip addr add {x} dev lo;"')[0][0].words == ["quorum_up", "ip addr add {x} dev lo;"]


def test_macros_are_put_in_where_they_are_used() -> None:
    """A value may name what is defined later; braces allow text behind; what is not defined stays."""
    text = "$BASE=10.2.${SUB}\n$SUB=0\nx ${BASE}.100\n$SUB=10\nx ${BASE}.100\ny $SUB ${NONE} $NONE $SUB.1\n"
    assert words(text) == ["x 10.2.0.100", "x 10.2.10.100", "y 10 ${NONE} $NONE $SUB.1"]


def test_a_macro_of_several_lines() -> None:
    """Each of its lines is a line, definitions too; its place is where it was used."""
    blocks, _ = read("$RS= \\\n real_server 1.1.1.${N} 80 { \\\n weight $N \\\n }\n$N=1\n$RS\n$N=2\n$RS\n")
    assert [(str(b), str(b.inside[0]), b.place) for b in blocks] == [
        ("real_server 1.1.1.1 80", "weight 1", "k:6"),
        ("real_server 1.1.1.2 80", "weight 2", "k:8"),
    ]


def test_conditions() -> None:
    """Nobody told whose it is: what is only for one is left out and named, what is for all but one is taken."""
    blocks, said = read("@main priority 240\n@^main priority 100\n")
    assert [str(block) for block in blocks] == ["priority 100"]
    assert said == ["k:1: @main priority 240: only where keepalived runs with --config-id main"]


@pytest.mark.parametrize(
    "text, found",
    [
        ("~SEQ(N, 0, 3) x 10.0.${N}.1", ["x 10.0.0.1", "x 10.0.1.1", "x 10.0.2.1", "x 10.0.3.1"]),
        ("~SEQ(N, 3) x $N", ["x 1", "x 2", "x 3"]),
        ("~SEQ(N, 9, -4, 1) x $N", ["x 9", "x 5", "x 1"]),
        ("~SEQx(N, 0x90, 0x10, 0xa0) x ${N}", ["x 90", "x a0"]),
        ("~LST(A, 1, 2) ~LST(B, 5, 6) ${A}.${B}", ["1.5", "1.6", "2.5", "2.6"]),
        ("~LST({A, B}, {10,1},{20,4}) ${A}.${B}", ["10.1", "20.4"]),
    ],
)
def test_repetitions(text: str, found: list[str]) -> None:
    """~SEQ counts, ~LST lists, several on a line nest."""
    assert words(text) == found


def test_include(tmp_path: Path) -> None:
    """Files come where they are named, relative to the one that names them, with their own places."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text("weight 1\ninclude b.conf\n")
    (tmp_path / "conf.d" / "b.conf").write_text("path ${_PWD}\n")
    name = str(tmp_path / "k.conf")
    (block,), said = read("real_server 1.1.1.1 80 {\n include conf.d/a*.conf\n}\n", name)
    assert [(str(b), b.place) for b in block.inside] == [
        ("weight 1", f"{tmp_path}/conf.d/a.conf:1"),
        (f"path {tmp_path}/conf.d", f"{tmp_path}/conf.d/b.conf:1"),
    ]
    assert said == []
    assert read("include no/*.conf\nincluder nothing\n", name)[1] == [
        f"{name}:1: include no/*.conf: no such file",
        f"{name}:2: include nothing: no such file",
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        ("virtual_server 1.1.1.1 80 {\n", "k:1: block virtual_server 1.1.1.1 80 is not closed"),
        ("a {\n}\n  }\n", "k:3: column 3: a brace closes nothing"),
        ("$A=x ${A}\n$A\n", "k:2: at most 1000 lines"),
        ("~SEQ(N, a, b) x\n", "k:1: ~SEQ(VAR, START, STEP, END) expected, got a, b"),
        ("~SEQ(N, 1, 0, 3) x\n", "k:1: ~SEQ(VAR, START, STEP, END) expected, got 1, 0, 3"),
        ("~SEQ(N, 900000) x $N\n", "k:1: at most 1000 lines"),
    ],
)
def test_refused(text: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Braces that do not fit, macros without end, counts that are none: with their line."""
    monkeypatch.setattr("lbreplay.config.keepalived.text.MAX_LINES", 1000)
    with pytest.raises(ConfigError) as refused:
        read(text)
    assert message in str(refused.value)


def test_files_that_include_each_other(tmp_path: Path) -> None:
    """A circle ends in a line that says so."""
    name = tmp_path / "k.conf"
    name.write_text("include k.conf\n")
    with pytest.raises(ConfigError, match="nested deeper than 32"):
        read(name.read_text(), str(name))
