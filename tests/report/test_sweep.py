"""Rows of a sweep for people and programs."""

import csv
import io
import json

from lbreplay.report.sweep import as_csv, as_json, bars, show
from lbreplay.report.tables import console

ROW = {
    "setting": {"workers": "2", "rss key": "6d5a" * 20},
    "imbalance": 1.5,
    "wrong_worker": 7,
    "redirected": 0,
    "imagined_rules": 0,
    "port_missed": 3,
    "transmitted": 1000,
    "to_kernel": 7,
    "dropped": 3,
    "connections": 9,
    "busiest": 30,
    "by_worker": [30, 10],
    "uneven": 1.25,
    "by_real": [20, 12, 0],
}
FOUND = {
    "schema": 1,
    "capture": "a.pcap",
    "frames": 40,
    "rows": [ROW, {**ROW, "setting": {"workers": "4", "rss key": "symmetric"}}],
    "ranking": "fewest strays",
    "recommendation": "none of these is sound; the least bad: workers 2",
}


def test_bars():
    """Full for the busiest one, a dot for a worker without a frame."""
    assert bars([80, 40, 1, 0]) == "█▅▁·"
    assert bars([0, 0]) == "··"


def test_table():
    """A line a setting in the order given, long values whole; below, how they are ranked and what to take."""
    out = io.StringIO()
    show(FOUND, console(out, "never"))
    lines = out.getvalue().splitlines()
    assert [word for word in lines[3].split() if word.isdigit()] == ["2", "7", "0", "3"][:1] + ["7", "0", "3"]
    assert (
        "1.50" in lines[3]
        and "1.25" in lines[3]
        and "█▅·" in lines[3]
        and "1,000" in lines[3]
        and "█▃" in lines[3]
        and "6d5a" * 20 in lines[3]
    )
    assert lines[-2:] == ["40 frames under 2 settings, best first: fewest strays", FOUND["recommendation"]]


def test_for_programs():
    """JSON has the whole key, CSV a line a setting with the frames by worker."""
    assert json.loads(as_json(FOUND))["rows"][0]["setting"]["rss key"] == "6d5a" * 20
    rows = list(csv.DictReader(io.StringIO(as_csv(FOUND))))
    assert (rows[0]["rss key"], rows[0]["by_worker"], rows[1]["workers"]) == ("6d5a" * 20, "30 10", "4")


def test_bars_of_a_terminal_that_knows_nothing_but_ascii():
    """Digits in place of bars, 8 for the busiest."""
    assert bars([80, 40, 1, 0], ascii_only=True) == "851."
