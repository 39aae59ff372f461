"""Documents as text for programs: JSON, and rows of CSV."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lbreplay.edge import text


def as_json(document: Mapping[str, Any]) -> str:
    """The document two spaces deep, with a newline at its end."""
    return text.as_json(document) + "\n"


def rows_as_csv(rows: Iterable[Mapping[str, Any]], names: Sequence[str] | None = None) -> str:
    """A head of *names* (default: those of the first row), then a line a row."""
    import csv  # half a millisecond, of no use to most runs

    listed = list(rows)
    made = io.StringIO()
    writer = csv.DictWriter(made, names or list(listed[0] if listed else ()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(text.all_shown(listed))
    return made.getvalue()
