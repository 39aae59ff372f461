"""Documents for programs: JSON that is the contract's, CSV with a line a worker, every verdict with its sentence."""

from __future__ import annotations

import csv
import io
import json

from made_result import result

from lbreplay.report import document
from lbreplay.verdict import NAMES, REASONS


def test_json_is_the_document() -> None:
    assert json.loads(document.as_json(result())) == result().document()


def test_csv_has_a_line_a_worker_and_totals() -> None:
    rows = list(csv.DictReader(io.StringIO(document.as_csv(result()))))
    assert [row["worker"] for row in rows] == ["0", "1", "total"]
    assert [row["steered.rss"] for row in rows] == ["2", "2", "4"]
    assert rows[2]["ipackets"] == "5" and rows[2]["queues"] == ""


def test_every_verdict_and_reason_has_a_line() -> None:
    lines = document.verdicts().splitlines()
    assert [line.split()[0] for line in lines[: len(NAMES)]] == list(NAMES)
    assert {line.split()[0] for line in lines[-len(REASONS) :]} == set(REASONS)
