"""JSON and CSV of any document."""

from __future__ import annotations

import csv
import io
import json

from lbreplay.report.texts import as_json, rows_as_csv


def test_json_ends_with_a_line_and_keeps_letters() -> None:
    """What is not ASCII stays readable."""
    text = as_json({"a": ["µ", 1]})
    assert text.endswith("}\n") and "µ" in text and json.loads(text) == {"a": ["µ", 1]}


def test_rows_have_the_names_of_the_first() -> None:
    """Unless others are given; commas and quotes are CSV's."""
    rows = [{"a": "1,5", "b": 'say "no"'}, {"a": "", "b": 2}]
    text = rows_as_csv(rows)
    assert text.splitlines()[0] == "a,b" and "\r" not in text
    assert next(csv.DictReader(io.StringIO(text))) == {"a": "1,5", "b": 'say "no"'}
    assert rows_as_csv(rows, ["b", "a"]).splitlines()[2] == "2,"


def test_no_row_at_all() -> None:
    """Only the head is left."""
    assert rows_as_csv([], ["a", "b"]) == "a,b\n"
