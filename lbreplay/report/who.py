"""Whose connection a local end is, for people: a line a connection, with its times; and as JSON, CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from lbreplay.report import texts

Document = Sequence[Mapping[str, Any]]  # of lab.who.Answer.document
NAMES = ("client", "virtual", "local", "real", "worker", "from_s", "to_s")


HEADS = ("client", "virtual", "local", "real server", "worker", "from", "to")


def show(found: Document, out: Console) -> None:
    """Print the connections by time, as wide as they are."""
    rows = [HEADS, *(_cells(row) for row in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    for place, row in enumerate(rows):
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        out.print(Text(line, style="" if place else "bold"), soft_wrap=True)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    worker = "?" if row["worker"] is None else str(row["worker"])
    until = "lives" if row["to_s"] is None else f"{row['to_s']:.6f} s"
    return (*(row[name] for name in NAMES[:4]), worker, f"{row['from_s']:.6f} s", until)


def as_json(found: Document) -> str:
    """A list of connections."""
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def as_csv(found: Document) -> str:
    """A line a connection."""
    return texts.rows_as_csv(found, NAMES)
