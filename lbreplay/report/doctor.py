"""Findings of `doctor` for people: a block each (the mistake, what it leads to, the cure), then a line of counts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from lbreplay.lab.doctor import ERROR, Finding, document

STYLES = {"error": "bold red", "warning": "bold yellow"}


def show(findings: Sequence[Finding], out: Console) -> None:
    """Print *findings*, or that there are none."""
    for finding in findings:
        head = Text.assemble(
            (finding.severity, STYLES[finding.severity]), " ", (finding.code, "bold"), f"  {finding.where}"
        )
        out.print(head, soft_wrap=True)
        for label, text in (("", finding.what), ("so: ", finding.leads_to), ("cure: ", finding.cure)):
            out.print(Padding(Text.assemble((label, "dim"), text), (0, 0, 0, 4), expand=False))
        out.print()
    out.print(summary(findings))


def summary(findings: Sequence[Finding]) -> Text:
    """`2 errors, 1 warning`."""
    errors = sum(finding.severity == ERROR for finding in findings)
    parts = [(errors, "error"), (len(findings) - errors, "warning")]
    said = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for n, name in parts if n)
    return Text(said or "nothing wrong found", style=STYLES["error"] if errors else "")


def as_json(findings: Sequence[Finding]) -> str:
    """The findings as JSON, with a newline at the end."""
    return json.dumps(document(findings), indent=2, ensure_ascii=False) + "\n"


def as_csv(findings: Sequence[Finding]) -> str:
    """A line a finding."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Finding._fields)
    writer.writerows(findings)
    return text.getvalue()
