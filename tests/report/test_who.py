"""Connections of a local end, as people and programs read them."""

from __future__ import annotations

import io
import json

from lbreplay.report.tables import console
from lbreplay.report.who import as_csv, as_json, show

FOUND = [
    {"client": "198.51.0.1:10000", "virtual": "203.0.113.80:80", "local": "10.20.1.1:1028", "real": "10.20.8.14:9000",
     "worker": 4, "from_s": 0.0, "to_s": 0.116},
    {"client": "[2001:db8:ffff:ffff:ffff:fffe]:65535", "virtual": "203.0.113.80:80", "local": "10.20.1.1:1028",
     "real": "10.20.8.14:9000", "worker": None, "from_s": 32.137, "to_s": None},
]  # fmt: skip


def test_for_people() -> None:
    """A line a connection, whole whatever its length."""
    out = io.StringIO()
    show(FOUND, console(out))
    lines = out.getvalue().splitlines()
    assert len(lines) == 3 and lines[1].endswith("0.116000 s") and lines[2].endswith("lives") and "65535" in lines[2]


def test_for_programs() -> None:
    """JSON and CSV of the same."""
    assert json.loads(as_json(FOUND)) == FOUND
    assert as_csv(FOUND).splitlines()[1].startswith("198.51.0.1:10000,")
