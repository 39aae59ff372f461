"""Rows of a sweep for people: a line a setting, a bar a worker; for programs JSON and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
LONGEST = 20  # characters of a value shown, as of keys in hex


def show(found: Document, out: Console) -> None:
    """Print the table, best first."""
    rows, axes = found["rows"], list(found["rows"][0]["setting"])
    numbers = ("imbalance\nmax/mean", "wrong\nworker", "\nredirected", "ports\nmissed", "\ntransmitted")
    table = Table(box=RULES, show_edge=False, pad_edge=False)
    for name in axes:
        table.add_column(f"\n{name}", no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("frames\nby worker", no_wrap=True)
    for row in rows:
        table.add_row(
            *(short(row["setting"][name]) for name in axes),
            *_numbers(row),
            bars(row["by_worker"], out.options.ascii_only),
        )
    out.print(table)
    out.print(f"{plural(found['frames'], 'frame')} under {plural(len(rows), 'setting')}, best first")


def _numbers(row: Document) -> list[Text]:
    strayed = row["wrong_worker"] - row["redirected"]
    return [
        Text(f"{row['imbalance']:.2f}"),
        Text(f"{row['wrong_worker']:,}", style="bold red" if strayed else ""),
        Text(f"{row['redirected']:,}"),
        Text(f"{row['port_missed']:,}", style="bold red" if row["port_missed"] else ""),
        Text(f"{row['transmitted']:,}"),
    ]


def bars(received: Sequence[int], ascii_only: bool = False) -> str:
    """A bar a worker, full for the busiest one (8 where bars cannot be shown); one without any frame has a dot."""
    most, marks, idle = max(received), *((ASCII_BARS, ASCII_IDLE) if ascii_only else (BARS, IDLE))
    return "".join(marks[min(7, 8 * n // most)] if n else idle for n in received)


def short(value: str) -> str:
    """A value that fits a column."""
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 3]}..."


def as_csv(found: Document) -> str:
    """A line a setting; frames by worker are joined by blanks."""
    flat = []
    for row in found["rows"]:
        named = {name: value for name, value in row.items() if name != "setting"}
        flat.append({**row["setting"], **named, "by_worker": " ".join(map(str, row["by_worker"]))})
    return texts.rows_as_csv(flat)
