"""Findings as SARIF 2.1.0, which code review shows as annotations beside the line (OASIS, sections 3.13, 3.27, 3.28).

A finding has a `code`, a `severity` (error, warning), a `message`, a key path or frame it is `about`, and the `place`
of it: a file, and in a text file line and column.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from lbreplay import __version__

Finding = Mapping[str, Any]
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://github.com/lbreplay/lbreplay"


def as_sarif(findings: Sequence[Finding], rules: Mapping[str, str]) -> str:
    """The log of one run. *rules*: each code that a finding may have with its sentence."""
    ids = list(rules)
    driver = {
        "name": "lbreplay",
        "version": __version__,
        "informationUri": HOME,
        "rules": [{"id": code, "help": {"text": sentence}} for code, sentence in rules.items()],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, ids.index(finding["code"])) for finding in findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": finding["about"]}]}
    if finding["place"] is not None:
        location["physicalLocation"] = _physical(finding["place"])
    return {
        "ruleId": finding["code"],
        "ruleIndex": rule,
        "level": finding["severity"],
        "message": {"text": finding["message"]},
        "locations": [location],
    }


def _physical(place: Mapping[str, Any]) -> dict[str, Any]:
    """A file by its URI, relative as it was given; its line and column where it has lines."""
    file = place["file"]
    artifact = {"artifactLocation": {"uri": ("file://" if file.startswith("/") else "") + quote(file)}}
    if place.get("line") is None:
        return artifact
    return {**artifact, "region": {"startLine": place["line"], "startColumn": place["column"]}}
