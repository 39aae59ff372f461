"""Judgements of `check` for people: a line a property, below a broken one its first frame; for programs JSON, CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from lbreplay.phrases import plural
from lbreplay.report import texts

Document = Mapping[str, Any]  # of lab.check.Checked.document
as_json = texts.as_json
SIGNS = {True: ("holds", "green"), False: ("BROKEN", "bold red")}


def show(found: Document, out: Console) -> None:
    """Print the judgements and how many failed."""
    width = max(len(judged["name"]) for judged in found["properties"])
    for judged in found["properties"]:
        sign, style = SIGNS.get(judged["holds"]) or (judged["detail"], "yellow")
        line = Text.assemble((f"{judged['name']:{width}}", "bold"), f"  {judged['sentence']}  ", (sign, style))
        out.print(line, soft_wrap=True)
        if judged["holds"] is False:
            _show_failure(found, judged, out)
    bad = found["failed"] or not found["judged"]
    out.print(Text(f"{plural(found['frames'], 'frame')}: {_summary(found)}", style="bold red" if bad else ""))


def _summary(found: Document) -> str:
    count, unjudged = len(found["properties"]), len(found["properties"]) - found["judged"]
    if found["failed"]:
        return f"{found['failed']} of {count} properties broken"
    if unjudged == count:
        return "nothing was judged"
    return "nothing broken" + (f", {unjudged} of {count} properties not judged" if unjudged else "")


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
