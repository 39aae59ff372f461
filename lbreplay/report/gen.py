"""What `gen` made: a line a case, and why some verdicts are not among what the cases show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lbreplay.report import texts
from lbreplay.report.tables import RULES

Document = Mapping[str, Any]  # of lab.gen.cases.make
as_json = texts.as_json


def show(found: Document, out: Console) -> None:
    """The cases, then the verdicts of this profile that none of them reaches."""
    table = Table("case", "frames", "verdicts", "what it shows", box=RULES, show_edge=False, pad_edge=False)
    table.columns[1].justify = table.columns[2].justify = "right"
    for case in found["cases"]:
        told = (case["case"], f"{case['frames']:,}", f"{len(case['verdicts'])}", case["description"])
        table.add_row(*map(Text, told))
    out.print(table)
    frames = sum(case["frames"] for case in found["cases"])
    out.print(f"{len(found['cases'])} cases with {frames:,} frames in {found['folder']}", markup=False, soft_wrap=True)
    out.print(f"{len(found['reached'])} verdicts reached; not reached:")
    reasons = Table(box=None, show_header=False, pad_edge=False)
    for entry in found["unreached"]:
        if not entry["reason"].startswith("only profile"):
            reasons.add_row(Text(f"  {entry['verdict']}"), Text(entry["reason"]))
    out.print(reasons)


def as_csv(found: Document) -> str:
    """A line a case; its verdicts are joined by blanks."""
    return texts.rows_as_csv([{**case, "verdicts": " ".join(case["verdicts"])} for case in found["cases"]])
