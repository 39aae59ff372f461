"""Rows of a sweep for people: a line a setting, a bar a worker, how they are ranked, and what is recommended.

For programs: JSON and CSV.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from lbreplay.phrases import plural
from lbreplay.report import layout, texts

Document = Mapping[str, Any]  # of lab.sweep.sweep
as_json = texts.as_json
BARS, IDLE = "▁▂▃▄▅▆▇█", "·"
ASCII_BARS, ASCII_IDLE = "12345678", "."  # where the terminal has no more
BARRED, MOST_BARS = ("by_worker", "by_real"), 16


class Column(NamedTuple):
    """A number of a row: its heading, how it is written, whether a row of it is bad news, and whether it is left out
    where no row has any."""

    heading: str
    text: Callable[[Document], str]
    bad: Callable[[Document], bool] = lambda row: False
    rare: str = ""  # the name of what it is about


COLUMNS = (
    Column("imbalance\nmax/mean", lambda row: f"{row['imbalance']:.2f}"),
    Column(
        "wrong\nworker", lambda row: f"{row['wrong_worker']:,}", lambda row: row["wrong_worker"] > row["redirected"]
    ),
    Column("\nredirected", lambda row: f"{row['redirected']:,}"),
    Column("rules the\nNIC refuses", lambda row: f"{row['imagined_rules']:,}",
           lambda row: row["imagined_rules"] > 0, "imagined_rules"),
    Column("ports\nmissed", lambda row: f"{row['port_missed']:,}", lambda row: row["port_missed"] > 0),
    Column("\ntransmitted", lambda row: f"{row['transmitted']:,}"),
    Column("reals\nmost/due", lambda row: f"{row['uneven']:.2f}" if row["by_real"] else ""),
)  # fmt: skip


def show(found: Document, out: Console) -> None:
    """Print the table, best first, then the order, the recommendation and what it is worth."""
    rows, ascii_only = found["rows"], out.options.ascii_only
    names = [layout.Column(axis, [row["setting"][axis] for row in rows], "name") for axis in rows[0]["setting"]]
    columns = [column for column in COLUMNS if not column.rare or any(row[column.rare] for row in rows)]
    figures = [layout.Column(column.heading, [_cell(column, row) for row in rows]) for column in columns]
    drawn = [
        layout.Column(heading, [bars(row[name], ascii_only) for row in rows], "words")
        for name, heading in zip(BARRED, ("frames\nby worker", "packets\nby real"), strict=True)
    ]
    layout.show([*names, *figures, *drawn], out)
    out.print(
        f"{plural(found['frames'], 'frame')} under {plural(len(rows), 'setting')}, best first: {found['ranking']}"
    )
    out.print(Text(found["recommendation"], style="bold"))
    if any(row["imagined_rules"] for row in rows):
        told = "rules the NIC refuses are taken as installed: device.enforce = true replays the NIC as it is"
        out.print(Text(told, style="bold red"))


def _cell(column: Column, row: Document) -> Text:
    return Text(column.text(row), style="bold red" if column.bad(row) else "")


def bars(received: Sequence[int], ascii_only: bool = False) -> str:
    """A bar a worker, full for the busiest one (8 where bars cannot be shown); one without any frame has a dot. Of many
    the first ones."""
    most, marks, idle = max(received, default=0), *((ASCII_BARS, ASCII_IDLE) if ascii_only else (BARS, IDLE))
    drawn = "".join(marks[min(7, 8 * n // most)] if n else idle for n in received[:MOST_BARS])
    return drawn + ("..." if ascii_only else "…") * (len(received) > MOST_BARS)


def as_csv(found: Document) -> str:
    """A line a setting; frames by worker and packets by real server are joined by blanks."""
    flat = []
    for row in found["rows"]:
        named = {name: value for name, value in row.items() if name != "setting"}
        flat.append({**row["setting"], **named, **{name: " ".join(map(str, row[name])) for name in BARRED}})
    return texts.rows_as_csv(flat)
