"""Tables that use the width there is: nothing that is compared is cut, no word is broken, addresses stay whole.

A table that is too wide becomes narrower in this order, until it fits:

    1. columns stand one space apart instead of two
    2. prose is folded between words
    3. what names a row gets a line of its own above the row's figures, where it would take most of the width;
       else the table goes on below, with the names of the rows again

A file has no width: there every table is as wide as it is.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from rich.console import Console
from rich.text import Text

Cell = Text | str
Kind = Literal["name", "figure", "words", "prose"]
GAPS = (2, 1)  # spaces between columns
LEAST = 24  # characters that prose is folded to, at least
NAMED = 0.4  # share of the width that names of rows may take beside figures
INDENT = 4  # of figures below the names of their row
RULE, HEAD = "─", "bold"


class Column(NamedTuple):
    """A heading, a cell a row, and what stands below the rows. Newlines begin another line of a cell.

    Leading columns of kind `name` say which row it is; a `figure` is aligned to the right; `prose` may be folded.
    """

    heading: str
    cells: Sequence[Cell]
    kind: Kind = "figure"
    foot: Cell = ""


def show(columns: Sequence[Column], out: Console) -> None:
    """Print the table as wide as *out* is."""
    for line in table(columns, out.width):
        out.print(line, soft_wrap=True)


def table(columns: Sequence[Column], width: int) -> Iterator[Text]:
    """The lines of the table, or of several one below the other. Without any heading, the rows alone."""
    gap = next((gap for gap in GAPS if _wide(columns, gap) <= width), None)
    if gap is None and (prose := [column for column in columns if column.kind == "prose"]):
        rest = [column for column in columns if column.kind != "prose"]
        room = (width - _wide(rest, GAPS[-1])) // len(prose) - GAPS[-1]
        columns = [_folded(column, max(room, LEAST)) if column.kind == "prose" else column for column in columns]
        gap = next((gap for gap in GAPS if _wide(columns, gap) <= width), None)
    if gap is not None:
        yield from _block(columns, gap)
    else:
        yield from _parts(columns, width)


def _parts(columns: Sequence[Column], width: int) -> Iterator[Text]:
    """The table in parts, none wider than *width* if any column fits."""
    count = next((n for n, column in enumerate(columns) if column.kind != "name"), len(columns))
    names, rest = columns[:count], columns[count:]
    stacked = _wide(names, GAPS[0]) > NAMED * width
    room = width - (INDENT if stacked else _wide(names, GAPS[0]) + GAPS[0])
    for number, part in enumerate(_fitting(rest, room)):
        if number:
            yield Text()
        yield from _stacked(names, part) if stacked else _block([*names, *part], GAPS[0])


def _fitting(columns: Sequence[Column], width: int) -> Iterator[list[Column]]:
    """*columns* in their order, as many at a time as fit, at least one."""
    part: list[Column] = []
    for column in columns:
        if part and _wide([*part, column], GAPS[0]) > width:
            yield part
            part = []
        part.append(column)
    yield part


def _stacked(names: Sequence[Column], part: Sequence[Column]) -> Iterator[Text]:
    """Figures in line, above each row what it is called."""
    drawn = _drawn(part, GAPS[0])
    called = [_joined(row) for row in zip(*(column.cells for column in names), strict=True)]
    if drawn.head:
        yield Text("  ".join(" ".join(column.heading.split()) for column in names), HEAD)
    yield from map(_indented, drawn.head)
    for name, row in zip(called, drawn.rows, strict=True):
        yield from (name, *map(_indented, row))
    if drawn.foot:
        yield from (_indented(drawn.foot[0]), _joined([column.foot for column in names]))
        yield from map(_indented, drawn.foot[1:])


def _block(columns: Sequence[Column], gap: int) -> Iterator[Text]:
    """One table: headings, a rule, the rows, and where there are any a rule and what stands below."""
    drawn = _drawn(columns, gap)
    yield from (*drawn.head, *(line for row in drawn.rows for line in row), *drawn.foot)


class Drawn(NamedTuple):
    """The lines of each part of a table: headings with the rule below, rows, and what stands below a rule."""

    head: list[Text]
    rows: list[list[Text]]
    foot: list[Text]


def _drawn(columns: Sequence[Column], gap: int) -> Drawn:
    widths = [_natural(column) for column in columns]
    rule = Text(RULE * (sum(widths) + gap * (len(widths) - 1)))
    heads, feet = [_headed(columns, column) for column in columns], [column.foot for column in columns]
    rows = [_row(cells, columns, widths, gap) for cells in zip(*(column.cells for column in columns), strict=True)]
    return Drawn(
        [*_row(heads, columns, widths, gap), rule] if any(heads) else [],
        rows,
        [rule, *_row(feet, columns, widths, gap)] if any(feet) else [],
    )


def _headed(columns: Sequence[Column], column: Column) -> Text:
    """A heading that ends where the tallest of them ends."""
    tallest = max(other.heading.count("\n") for other in columns)
    return Text("\n" * (tallest - column.heading.count("\n")) + column.heading, HEAD)


def _row(cells: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], gap: int) -> list[Text]:
    """The lines of a row; cells with fewer lines than others stand at the top."""
    parts = [_lines(cell) for cell in cells]
    made = []
    for number in range(max(map(len, parts))):
        texts = (part[number] if number < len(part) else Text() for part in parts)
        line = Text(" " * gap).join(map(_aligned, texts, columns, widths))
        line.rstrip()
        made.append(line)
    return made


def _aligned(text: Text, column: Column, width: int) -> Text:
    space = " " * (width - text.cell_len)
    return Text.assemble(space, text) if column.kind == "figure" else Text.assemble(text, space)


def _folded(column: Column, width: int) -> Column:
    """*column* with its cells folded between words."""
    cells = [
        "\n".join(textwrap.wrap(str(cell), width, break_long_words=False, break_on_hyphens=False))
        for cell in column.cells
    ]
    return column._replace(cells=cells)


def _wide(columns: Sequence[Column], gap: int) -> int:
    return sum(map(_natural, columns)) + gap * max(len(columns) - 1, 0)


def _natural(column: Column) -> int:
    """The widest line of all its cells."""
    return max(line.cell_len for cell in (column.heading, *column.cells, column.foot) for line in _lines(cell))


def _lines(cell: Cell) -> list[Text]:
    text = cell if isinstance(cell, Text) else Text(cell)
    return list(text.split("\n", allow_blank=True)) or [Text()]


def _joined(cells: Sequence[Cell]) -> Text:
    """Names side by side."""
    return Text("  ").join(line for cell in cells for line in _lines(cell) if line)


def _indented(line: Text) -> Text:
    return Text.assemble(" " * INDENT, line)
