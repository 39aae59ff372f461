"""What gen says of its cases."""

import csv
import io
import json

from lbreplay.report.gen import as_csv, as_json, show
from lbreplay.report.tables import console

FOUND = {
    "schema": 1,
    "folder": "cases",
    "cases": [{"case": "life-web", "description": "A life.", "frames": 1200, "verdicts": ["ospf", "truncated"]}],
    "reached": ["ospf", "truncated"],
    "unreached": [
        {"verdict": "no_route_to_kernel", "reason": "no [[route]]: everything is reachable"},
        {"verdict": "nat_forwarded", "reason": "only profile ipvs"},
    ],
}


def test_table():
    """A line a case, a line a reason, nothing of the other profile."""
    out = io.StringIO()
    show(FOUND, console(out, "never"))
    said = out.getvalue()
    assert "life-web" in said and "1,200" in said and "no [[route]]" in said and "nat_forwarded" not in said


def test_for_programs():
    """JSON has everything, CSV the cases."""
    assert json.loads(as_json(FOUND)) == FOUND
    (row,) = csv.DictReader(io.StringIO(as_csv(FOUND)))
    assert row["verdicts"] == "ospf truncated" and row["frames"] == "1200"
