"""Findings of `doctor` for people: a block each (the mistake, what it leads to, the cure), then a line of counts.

For programs: JSON, CSV, SARIF.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from lbreplay.report import sarif, texts
from lbreplay.report.tables import WIDTH

STYLES = {"error": "bold red", "warning": "bold yellow"}
FIELDS = ("code", "severity", "where", "what", "leads_to", "cure", "source")

Document = Mapping[str, Any]  # of lab.doctor.document
as_json = texts.as_json


def show(found: Document, out: Console) -> None:
    """Print the findings, or that there are none."""
    for finding in found["findings"]:
        severity = finding["severity"]
        head = Text.assemble((severity, STYLES[severity]), " ", (finding["code"], "bold"), f"  {finding['where']}")
        out.print(head, soft_wrap=True)
        for label, key in (("", "what"), ("so: ", "leads_to"), ("cure: ", "cure")):
            text = Padding(Text.assemble((label, "dim"), finding[key]), (0, 0, 0, 4), expand=False)
            out.print(text, width=min(out.width, WIDTH))
        out.print()
    out.print(summary(found))


def summary(found: Document) -> Text:
    """`2 errors, 1 warning`."""
    parts = [(found["errors"], "error"), (found["warnings"], "warning")]
    said = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for n, name in parts if n)
    return Text(said or "nothing wrong found", style=STYLES["error"] if found["errors"] else "")


def as_csv(found: Document) -> str:
    """A line a finding."""
    return texts.rows_as_csv(({name: finding[name] for name in FIELDS} for finding in found["findings"]), FIELDS)


def as_sarif(found: Document) -> str:
    """For code review: what is wrong, what follows and the cure, where the key stands."""
    findings = [
        {
            **finding,
            "about": finding["where"],
            "message": f"{finding['where']}: {finding['what']}; so: {finding['leads_to']}; cure: {finding['cure']}",
        }
        for finding in found["findings"]
    ]
    return sarif.as_sarif(findings, {finding["code"]: finding["cure"] for finding in found["findings"]})
