"""Tables that use the width there is: nothing cut, no word broken."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from lbreplay.report.layout import Column, show, table
from lbreplay.report.tables import console

NAMES = Column("name", ["a", "bb"], "name", "all")
FIGURES = [Column(f"heading\n{n}", [f"{n}", f"{n}000"], foot=f"{n}") for n in range(1, 9)]


def drawn(columns: list[Column], width: int) -> list[str]:
    return [line.plain for line in table(columns, width)]


def test_as_wide_as_it_is() -> None:
    """Names to the left, figures to the right, headings end on one line, totals below a rule."""
    assert drawn([NAMES, Column("n", ["1", "20"], foot="21"), Column("two\nlines", ["x", "y"], "words")], 100) == [
        "          two",
        "name   n  lines",
        "───────────────",
        "a      1  x",
        "bb    20  y",
        "───────────────",
        "all   21",
    ]


def test_columns_move_together_first() -> None:
    """A table that is a little too wide loses spaces, no column."""
    wide = drawn([NAMES, *FIGURES], 100)
    near = drawn([NAMES, *FIGURES], len(wide[2]) - 1)
    assert len(near) == len(wide) and len(near[2]) == len(wide[2]) - 8


def test_it_goes_on_below() -> None:
    """Each part has the names of the rows and as many columns as fit."""
    lines = drawn([NAMES, *FIGURES], 36)
    assert max(map(len, lines)) <= 36 and lines.count("") == 2
    assert sum(line.startswith("bb") for line in lines) == 3 and sum(line.startswith("all") for line in lines) == 3
    assert [word for line in lines if line.startswith("bb") for word in line.split()[1:]] == [
        f"{n}000" for n in range(1, 9)
    ]


def test_long_names_stand_above() -> None:
    """Where names would take most of the width; they are whole at any width."""
    names = ["2001:db8:1111:2222:3333:4444:5555:6666", "short"]
    lines = drawn([Column("name", names, "name", "all"), *FIGURES[:4]], 30)
    assert [line for line in lines if line in ("name", *names, "all")] == 2 * ["name", *names, "all"]
    assert [line.split() for line in lines if "1000" in line] == [["1000", "2000", "3000"]]


def test_prose_is_folded_between_words() -> None:
    """And never within one, however narrow."""
    text = "a sentence of several words and the-word-with-hyphens"
    lines = drawn([NAMES, Column("why", [text, "none"], "prose")], 30)
    assert max(map(len, lines)) <= 30 and [word for line in lines[2:-3] for word in line.replace("a  ", " ", 1).split()]
    assert " ".join(line[6:].strip() for line in lines[2:-3]) == text
    assert "the-word-with-hyphens" in " ".join(drawn([NAMES, Column("why", [text, ""], "prose")], 5))


@pytest.mark.parametrize("width", range(1, 130, 7))
def test_at_any_width_everything_is_there(width: int) -> None:
    """Rows, headings, figures; and no line is wider than there is room where a column fits at all."""
    columns = [NAMES, *FIGURES, Column("prose", ["words of some length to fold", "and others"], "prose")]
    words = {word for line in drawn(columns, 1000) for word in line.replace("─", "").split()}
    narrow = drawn(columns, width)
    assert words <= {word for line in narrow for word in line.replace("─", "").split()}
    assert max(map(len, narrow)) <= max(width, 30)


def test_without_headings_and_without_rows() -> None:
    """A list needs no rule; an empty table has its headings."""
    assert drawn([Column("", ["a", "b"], "name"), Column("", ["1", "2"])], 80) == ["a  1", "b  2"]
    assert drawn([Column("name", [], "name"), Column("n", [])], 80) == ["name  n", "───────"]


def test_styles_stay() -> None:
    """A cell's style is printed where colour is wanted."""
    out = io.StringIO()
    show([Column("n", [Text("5", "red")])], console(out, "always", 80))
    assert "\x1b[31m5\x1b[0m" in out.getvalue()
