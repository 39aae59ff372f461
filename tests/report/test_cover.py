"""What a suite exercises, shown."""

import csv
import io
import json

from lbreplay.report import cover
from lbreplay.report.tables import console


def part(name, exercised, missing):
    return {"part": name, "of": len(exercised) + len(missing), "exercised": exercised, "missing": missing}


ONE = {"cases": ["a", "b"], "parts": [part("rules", ["r1"], [f"[[r{n}]]" for n in range(2, 12)])]}
OTHER = {"cases": ["c"], "parts": [part("rules", ["[[r2]]"], ["r1"])]}
SETTINGS = [{"setting": "tcp.toa", "value": True, "case": None}, {"setting": "workers", "value": 4, "case": "a"}]
FOUND = {"schema": 1, "cases": 2, "configurations": [ONE], "settings": SETTINGS}


def test_table():
    """Some of what is missing, how much more, and the settings on which nothing depends."""
    out = io.StringIO()
    cover.show(FOUND, console(out, "never"))
    said = out.getvalue()
    assert "Exercised by a, b:" in said and "[[r2]]" in said and "and 4 more" in said
    assert "2 settings were changed; on 1 no case depends:" in said and "tcp.toa" in said


def test_many_configurations_are_one():
    """Missing is what none exercises that has it."""
    together = cover.together([ONE, OTHER])
    assert together["cases"] == ["a", "b", "c"]
    assert together["parts"][0]["exercised"] == ["r1", "[[r2]]"] and together["parts"][0]["of"] == 11


def test_for_programs():
    """JSON whole, CSV a line a part and one of the settings."""
    assert json.loads(cover.as_json(FOUND)) == FOUND
    rows = list(csv.DictReader(io.StringIO(cover.as_csv(FOUND))))
    assert [row["part"] for row in rows] == ["rules", "settings"] and rows[1]["missing"] == "tcp.toa"
