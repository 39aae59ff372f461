"""Rows of a sweep for people: a line a setting, a bar a worker; for programs JSON and CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lbreplay.phrases import plural
from lbreplay.report import texts
from lbreplay.report.tables import RULES

Document = Mapping[str, Any]  # of lab.sweep.sweep
as_json = texts.as_json
BARS, IDLE = "▁▂▃▄▅▆▇█", "·"
ASCII_BARS, ASCII_IDLE = "12345678", "."  # where the terminal has no more
UNWRAPPED = 10_000  # columns of a file
BARRED, MOST_BARS = ("by_worker", "by_real"), 16
LONGEST = 20  # characters of a value shown, as of keys in hex


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
    """Print the table, best first."""
    rows, axes = found["rows"], list(found["rows"][0]["setting"])
    columns = [column for column in COLUMNS if not column.rare or any(row[column.rare] for row in rows)]
    table = Table(box=RULES, show_edge=False, pad_edge=False)
    for name in axes:
        table.add_column(f"\n{name}", no_wrap=True)
    for column in columns:
        table.add_column(column.heading, justify="right", no_wrap=True)
    table.add_column("frames\nby worker", no_wrap=True)
    table.add_column("packets\nby real", no_wrap=True)
    for row in rows:
        numbers = [Text(column.text(row), style="bold red" if column.bad(row) else "") for column in columns]
        drawn = (bars(row[name], out.options.ascii_only) for name in BARRED)
        table.add_row(*(short(row["setting"][name]) for name in axes), *numbers, *drawn)
    if not out.is_terminal:
        out.width = UNWRAPPED
    out.print(table)
    out.print(f"{plural(found['frames'], 'frame')} under {plural(len(rows), 'setting')}, best first")
    if any(row["imagined_rules"] for row in rows):
        told = "rules the NIC refuses are taken as installed: device.enforce = true replays the NIC as it is"
        out.print(Text(told, style="bold red"))


def bars(received: Sequence[int], ascii_only: bool = False) -> str:
    """A bar a worker, full for the busiest one (8 where bars cannot be shown); one without any frame has a dot. Of many
    the first ones."""
    most, marks, idle = max(received, default=0), *((ASCII_BARS, ASCII_IDLE) if ascii_only else (BARS, IDLE))
    drawn = "".join(marks[min(7, 8 * n // most)] if n else idle for n in received[:MOST_BARS])
    return drawn + ("..." if ascii_only else "…") * (len(received) > MOST_BARS)


def short(value: str) -> str:
    """A value that fits a column."""
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 3]}..."


def as_csv(found: Document) -> str:
    """A line a setting; frames by worker and packets by real server are joined by blanks."""
    flat = []
    for row in found["rows"]:
        named = {name: value for name, value in row.items() if name != "setting"}
        flat.append({**row["setting"], **named, **{name: " ".join(map(str, row[name])) for name in BARRED}})
    return texts.rows_as_csv(flat)
