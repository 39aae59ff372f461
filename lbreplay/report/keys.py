"""RSS keys for people: a line a key, how even, symmetric or not, and the setting that was found; and as JSON, CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from lbreplay.phrases import plural
from lbreplay.report import texts
from lbreplay.report.sweep import bars
from lbreplay.report.tables import RULES

Document = Mapping[str, Any]  # of lab.keys.document
as_json = texts.as_json


def show(found: Document, out: Console) -> None:
    """Print the keys, the table and the settings."""
    table = Table(box=RULES, show_edge=False, pad_edge=False)
    for name in ("key", "symmetric", "imbalance", "frames by worker"):
        table.add_column(name, justify="right" if name == "imbalance" else "left", no_wrap=True)
    for row in found["keys"]:
        yes = "yes" if row["symmetric"] else "no"
        table.add_row(row["name"], yes, f"{row['imbalance']:.3f}", bars(row["by_worker"], out.options.ascii_only))
    if found["table"] is not None:
        made = found["table"]
        table.add_row(
            "configured, best table", "", f"{made['imbalance']:.3f}", bars(made["by_worker"], out.options.ascii_only)
        )
    out.print(table)
    drawn = " (drawn, no capture was given)" if found["drawn"] else ""
    counts = [plural(found[f"{noun}s"], noun) for noun in ("flow", "frame", "worker")]
    out.print(f"{counts[0]}, {counts[1]}{drawn}, {counts[2]}")
    for setting in found["settings"]:
        out.print(setting, soft_wrap=True, markup=False)


def as_csv(found: Document) -> str:
    """A line a key; frames by worker are joined by blanks."""
    return texts.rows_as_csv({**key, "by_worker": " ".join(map(str, key["by_worker"]))} for key in found["keys"])
