"""RSS keys for people and programs."""

import csv
import io
import json

from lbreplay.report.keys import as_csv, as_json, show
from lbreplay.report.tables import console

KEY = {"name": "ixgbe", "key": "6d5a", "symmetric": True, "imbalance": 1.25, "by_worker": [5, 3]}
FOUND = {
    "schema": 1,
    "workers": 2,
    "flows": 8,
    "frames": 8000,
    "drawn": True,
    "keys": [KEY],
    "table": {"queues": [0, 1], "imbalance": 1.0, "by_worker": [4, 4]},
    "settings": ['device.rss_key = "6d5a"', "device.reta = [0, 1]"],
}


def test_table():
    """A line a key, one for the table, the settings as they go into the configuration."""
    out = io.StringIO()
    show(FOUND, console(out, "never"))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[2].split() == ["ixgbe", "yes", "1.250", "█▅"]
    assert "best table" in lines[3] and "1.000" in lines[3]
    assert lines[-3:] == [
        "8 flows, 8,000 frames (drawn, no capture was given), 2 workers",
        'device.rss_key = "6d5a"',
        "device.reta = [0, 1]",
    ]


def test_for_programs():
    """JSON and CSV."""
    assert json.loads(as_json(FOUND))["keys"] == [KEY]
    assert next(csv.DictReader(io.StringIO(as_csv(FOUND))))["by_worker"] == "5 3"
