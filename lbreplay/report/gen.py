"""What `gen` made: a line a case, and why some verdicts are not among what the cases show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from lbreplay.report import layout, texts

Document = Mapping[str, Any]  # of lab.gen.cases.make
as_json = texts.as_json


def show(found: Document, out: Console) -> None:
    """The cases, then the verdicts of this profile that none of them reaches."""
    cases = found["cases"]
    layout.show(
        [
            layout.Column("case", [case["case"] for case in cases], "name"),
            layout.Column("frames", [f"{case['frames']:,}" for case in cases]),
            layout.Column("verdicts", [f"{len(case['verdicts'])}" for case in cases]),
            layout.Column("what it shows", [case["description"] for case in cases], "prose"),
        ],
        out,
    )
    frames = sum(case["frames"] for case in cases)
    out.print(f"{len(cases)} cases with {frames:,} frames in {found['folder']}", markup=False, soft_wrap=True)
    out.print(f"{len(found['reached'])} verdicts reached; not reached:")
    missing = [entry for entry in found["unreached"] if not entry["reason"].startswith("only profile")]
    names = layout.Column("", [f"  {entry['verdict']}" for entry in missing], "name")
    layout.show([names, layout.Column("", [entry["reason"] for entry in missing], "prose")], out)


def as_csv(found: Document) -> str:
    """A line a case; its verdicts are joined by blanks."""
    return texts.rows_as_csv([{**case, "verdicts": " ".join(case["verdicts"])} for case in found["cases"]])
