"""Judgements of `check` for people: a line a property, below a broken one its first frame; for programs JSON, CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from lbreplay.report import texts

Document = Mapping[str, Any]  # of lab.check.Checked.document
as_json = texts.as_json
SIGNS = {True: ("holds", "green"), False: ("BROKEN", "bold red"), None: ("too few connections to judge", "yellow")}


def show(found: Document, out: Console) -> None:
    """Print the judgements and how many failed."""
    width = max(len(judged["name"]) for judged in found["properties"])
    for judged in found["properties"]:
        sign, style = SIGNS[judged["holds"]]
        line = Text.assemble((f"{judged['name']:{width}}", "bold"), f"  {judged['sentence']}  ", (sign, style))
        out.print(line, soft_wrap=True)
        if judged["holds"] is False:
            _show_failure(found, judged, out)
    count = len(found["properties"])
    summary = f"{found['frames']:,} frames: " + (
        f"{found['failed']} of {count} properties broken" if found["failed"] else "nothing broken"
    )
    out.print(Text(summary, style="bold red" if found["failed"] else ""))


def _show_failure(found: Document, judged: Document, out: Console) -> None:
    if judged["detail"]:
        out.print(f"    {judged['detail']}", soft_wrap=True)
    if judged["frame"] is None:
        return
    out.print(f"    {judged['line']}", soft_wrap=True)
    count = judged["others"]
    others = f"{count:,} other frame{'' if count == 1 else 's'} too; " if count else ""
    out.print(f"    {others}lbreplay explain {found['again']} -n {judged['frame']}", soft_wrap=True)


def as_csv(found: Document) -> str:
    """A line a property."""
    return texts.rows_as_csv(found["properties"])
