"""A Result for programs: JSON (interface 5), CSV with a line a worker, and the list of verdicts."""

from __future__ import annotations

from typing import Any

from lbreplay.report import texts
from lbreplay.stats import Result
from lbreplay.verdict import NAMES, REASONS, Verdict


def as_json(result: Result) -> str:
    """The statistics document, two spaces deep, with a newline at its end."""
    return texts.as_json(result.document())


def as_csv(result: Result) -> str:
    """A line a worker and one of totals, nested names joined by dots (`steered.rss`); queues are joined by blanks."""
    rows = [_flat(worker) for worker in result.workers]
    return texts.rows_as_csv([*rows, _total(rows)] if rows else [])


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in table.items():
        if name == "verdicts":
            continue
        if isinstance(value, dict):
            row |= _flat(value, f"{prefix}{name}.")
        else:
            row[prefix + name] = " ".join(map(str, value)) if isinstance(value, list) else value
    return row


def _total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = {"worker": "total", "cpu_id": "", "queues": ""}
    return {name: names.get(name, sum(row[name] for row in rows) if name not in names else "") for name in rows[0]}


def verdicts() -> str:
    """Every verdict with its fate, its section and its sentence, a line each, then the reasons that are never final."""
    width = max(map(len, NAMES))
    lines = [f"{v.name.lower():{width}}  {v.fate.label:11}  {v.section:12} {v.sentence}" for v in Verdict]
    lines += ["", "Reasons in the trace, never final:"]
    lines += [f"{name:{width}}  {sentence}" for name, sentence in REASONS.items()]
    return "\n".join(lines) + "\n"
