"""How capacity is shown: equal ports are grouped, empty columns left out, rates said only where there are any."""

import csv
import io
import json

import pytest

from lbreplay.report.capacity import as_csv, as_json, grouped, rate, show
from lbreplay.report.tables import console

REAL = {"address": "10.0.0.1:80", "bucket": 3, "shares_with": [], "connections": 7, "max_conn": 0}
SERVICE = {
    "service": "web",
    "connections": 7,
    "first": {"what": "ports", "connections": 6},
    "hold_seconds": 2.0,
    "per_second": 3.0,
    "per_second_and_worker": 1.5,
    "buckets": [],
    "reals": [REAL],
    "changes": [{"what": "one more local address", "connections": 14}],
    "shares_with": ["dns"],
}
LADDR = {"address": "10.9.0.1", "ports": [3, 4], "orphans": 1, "buckets": 1, "pool": 7, "connections": 7}
WORKER = {"worker": 0, "cpu_id": 1, "connections": 3, "peak": None, "missed": None}
ROOM = {"services": [SERVICE], "laddrs": [LADDR], "workers": [WORKER], "pool_size": 9, "total": 7}


def shown(room):
    """What is printed of *room*."""
    out = io.StringIO()
    show(room, console(out, "never"))
    return out.getvalue()


def test_what_is_said():
    """What runs out first, what a change brings, and who else uses the addresses."""
    text = shown(ROOM)
    assert "7 connections at most; first to run out with even traffic: ports, at 6: 3 new a second (2 a worker)" in text
    assert "one more local address: 14 (+8)" in text
    assert "its local addresses serve dns too" in text
    assert text.endswith("7 connections fit; the connection pool has 9 entries\n")


def test_columns_without_anything_are_left_out():
    """Peaks stand there only after a replay, max_conn only where there is one."""
    assert "peak" not in shown(ROOM) and "max_conn" not in shown(ROOM)
    assert "peak" in shown(ROOM | {"workers": [WORKER | {"peak": 2, "missed": 0}]})
    assert "max_conn" in shown(ROOM | {"services": [SERVICE | {"reals": [REAL | {"max_conn": 4}]}]})


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ([], ""),
        ([64511], "64,511"),
        ([8063] + [8064] * 7, "8,063 + 7 × 8,064"),
        ([1, 2, 3, 4, 5], "1 + 2 + 3 + 4 + …"),
    ],
)
def test_grouped(ports, text):
    """Equal neighbours are counted, long lists cut."""
    assert grouped(ports) == text


def test_no_rate():
    """Where ports are given back at once there is no rate to tell."""
    assert rate(SERVICE | {"per_second": None, "per_second_and_worker": None}) == ""


def test_json_and_csv():
    """JSON is the document, CSV a line a real server."""
    assert json.loads(as_json(ROOM)) == ROOM
    row = next(csv.DictReader(io.StringIO(as_csv(ROOM))))
    assert (row["real"], row["first_at"]) == ("10.0.0.1:80", "6")
