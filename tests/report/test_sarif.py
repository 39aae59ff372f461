"""Findings as SARIF: what the schema of 2.1.0 demands, and where code review shows them."""

import json

import pytest

from lbreplay.report.sarif import as_sarif

LEVELS = {"none", "note", "warning", "error"}
FINDING = {"code": "mask", "severity": "error", "message": "wrong", "about": "device.rss"}
PLACE = {"file": "etc/my lb.toml", "line": 3, "column": 17}


def judge(document: dict) -> None:
    """The shape that the schema of SARIF 2.1.0 demands of what lbreplay writes."""
    assert set(document) == {"$schema", "version", "runs"} and document["version"] == "2.1.0"
    for run in document["runs"]:
        assert set(run) <= {"tool", "results", "columnKind"} and run["columnKind"] == "unicodeCodePoints"
        driver = run["tool"]["driver"]
        assert isinstance(driver["name"], str) and driver["informationUri"].startswith("https://")
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(ids) == len(set(ids))
        for result in run["results"]:
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert result["level"] in LEVELS and result["message"]["text"]
            for location in result["locations"]:
                assert set(location) <= {"physicalLocation", "logicalLocations"}
                region = location.get("physicalLocation", {}).get("region", {"startLine": 1, "startColumn": 1})
                assert region["startLine"] >= 1 and region["startColumn"] >= 1


@pytest.mark.parametrize("place", [PLACE, {"file": "/a/b.pcap"}, None])
def test_shape(place: dict | None) -> None:
    """A place in a text, a capture as a whole, or none."""
    judge(json.loads(as_sarif([{**FINDING, "place": place}], {"other": "O", "mask": "M"})))
    judge(json.loads(as_sarif([], {})))


def test_place() -> None:
    """A relative path stays one, as an URI; line and column count from 1."""
    document = json.loads(as_sarif([{**FINDING, "place": PLACE}], {"mask": "M"}))
    place = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "etc/my%20lb.toml"
    assert place["region"] == {"startLine": 3, "startColumn": 17}


def test_a_capture_has_no_lines() -> None:
    """It is named, and no more."""
    document = json.loads(as_sarif([{**FINDING, "place": {"file": "/a/b.pcap"}}], {"mask": "M"}))
    place = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "file:///a/b.pcap"}}
