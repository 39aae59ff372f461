"""RSS keys for people: a line a key, how even, symmetric or not, and the setting that was found; and as JSON, CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from lbreplay.phrases import plural
from lbreplay.report import layout, texts
from lbreplay.report.sweep import bars

Document = Mapping[str, Any]  # of lab.keys.document
as_json = texts.as_json


def show(found: Document, out: Console) -> None:
    """Print the keys, the table and the settings."""
    rows = [(row, "yes" if row["symmetric"] else "no") for row in found["keys"]]
    if found["table"] is not None:
        rows.append(({**found["table"], "name": "configured, best table"}, ""))
    drawn_bars = [bars(row["by_worker"], out.options.ascii_only) for row, _ in rows]
    layout.show(
        [
            layout.Column("key", [row["name"] for row, _ in rows], "name"),
            layout.Column("symmetric", [symmetric for _, symmetric in rows], "words"),
            layout.Column("imbalance", [f"{row['imbalance']:.3f}" for row, _ in rows]),
            layout.Column("frames by worker", drawn_bars, "words"),
        ],
        out,
    )
    drawn = " (drawn, no capture was given)" if found["drawn"] else ""
    counts = [plural(found[f"{noun}s"], noun) for noun in ("flow", "frame", "worker")]
    out.print(f"{counts[0]}, {counts[1]}{drawn}, {counts[2]}")
    for setting in found["settings"]:
        out.print(setting, soft_wrap=True, markup=False)


def as_csv(found: Document) -> str:
    """A line a key; frames by worker are joined by blanks."""
    return texts.rows_as_csv({**key, "by_worker": " ".join(map(str, key["by_worker"]))} for key in found["keys"])
