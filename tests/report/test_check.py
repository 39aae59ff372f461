"""Judgements for people and programs."""

import csv
import io
import json
from xml.etree import ElementTree

from lbreplay.report.check import as_csv, as_json, as_junit, as_sarif, show
from lbreplay.report.tables import console

HELD = {
    "name": "conservation",
    "sentence": "All adds up.",
    "holds": True,
    "frame": None,
    "others": 0,
    "detail": "",
    "line": "",
}
BROKEN = {
    "name": "home",
    "sentence": "Every answer comes home.",
    "holds": False,
    "frame": 3,
    "others": 1,
    "detail": "two of them",
    "line": "#3 worker 1 (default queue) local_to_kernel",
}
UNKNOWN = {**HELD, "name": "balance", "holds": None, "detail": "too few connections to judge"}


def found(*properties):
    failed = sum(p["holds"] is False for p in properties)
    return {
        "schema": 1,
        "capture": "a.pcap",
        "again": "a.pcap -c b.toml",
        "frames": 1234,
        "failed": failed,
        "judged": sum(p["holds"] is not None for p in properties),
        "properties": list(properties),
    }


def printed(*properties):
    out = io.StringIO()
    show(found(*properties), console(out, "never"))
    return out.getvalue().splitlines()


def test_broken():
    """The first frame, its story, how many more, and the command that tells everything."""
    assert printed(HELD, BROKEN) == [
        "conservation  All adds up.  holds",
        "home          Every answer comes home.  BROKEN",
        "    two of them",
        "    #3 worker 1 (default queue) local_to_kernel",
        "    1 other frame too; lbreplay explain a.pcap -c b.toml -n 3",
        "1,234 frames: 1 of 2 properties broken",
    ]


def test_held():
    """Nothing broken, and what could not be judged is not broken."""
    assert printed(HELD, UNKNOWN)[1:] == [
        "balance       All adds up.  too few connections to judge",
        "1,234 frames: nothing broken, 1 of 2 properties not judged",
    ]


def test_nothing_was_judged():
    """Green over nothing is not green."""
    assert printed(UNKNOWN)[1:] == ["1,234 frames: nothing was judged"]


def test_for_programs():
    """JSON has everything, CSV a line a property."""
    assert json.loads(as_json(found(HELD, BROKEN)))["properties"][1]["frame"] == 3
    rows = list(csv.DictReader(io.StringIO(as_csv(found(HELD, BROKEN)))))
    assert [row["holds"] for row in rows] == ["True", "False"]


def test_junit_counts_failures_and_what_was_not_judged():
    """A test case a property; control characters that XML refuses are replaced."""
    root = ElementTree.fromstring(as_junit(found(HELD, {**BROKEN, "detail": "a\x01b"}, UNKNOWN)).partition("\n")[2])
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("3", "1", "1")
    assert [[inner.tag for inner in case] for case in root] == [[], ["failure"], ["skipped"]]
    assert root[1][0].text.startswith("a?b\n#3 worker 1")


def test_sarif_has_a_result_for_what_is_broken():
    """Rules for all properties that were asked, results for the broken ones."""
    run = json.loads(as_sarif(found(HELD, BROKEN, UNKNOWN)))["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["conservation", "home", "balance"]
    assert [(r["ruleId"], r["ruleIndex"]) for r in run["results"]] == [("home", 1)]
