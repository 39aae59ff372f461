"""A conversation as people see it: sides apart, workers between them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from lbreplay.report.ladder import show
from lbreplay.report.tables import console

CONN = {
    "conn": 5,
    "worker": 2,
    "service": "web",
    "client": "1.1.1.1:5",
    "virtual": "2.2.2.2:80",
    "laddr": "3.3.3.3:1026",
}
RUNG = {"n": 7, "t_ns": 10**9, "from": "client", "packet": "SYN", "worker": 2, "by": "rss", "owner": None,
        "lookup": "miss", "conn": 5, "new": True, "state": ["NONE", "SYN_RECV"], "verdict": "forwarded_slow",
        "fate": "transmitted", "sent": 1}  # fmt: skip
BACK = {**RUNG, "n": 9, "t_ns": 10**9 + 5000, "from": "real", "packet": "SYN|ACK", "by": "flow_director", "new": False,
        "lookup": "out", "state": ["SYN_RECV", "SYN_RECV"], "verdict": "forwarded_fast"}  # fmt: skip
ASTRAY = {
    **BACK,
    "worker": 0,
    "conn": None,
    "lookup": "miss",
    "state": None,
    "verdict": "local_to_kernel",
    "fate": "to_kernel",
}


def shown(*rungs: dict[str, Any], width: int = 200, color: str = "never") -> list[str]:
    out = io.StringIO()
    found = {"flow": "1.1.1.1:5 > 2.2.2.2:80", "connections": [{**CONN, "real": "4.4.4.4:8080"}], "frames": list(rungs)}
    show(found, console(out, color, width))
    return out.getvalue().splitlines()


def test_each_side_has_its_column() -> None:
    """The client's packet on the left, the answer on the right, arrows the way they go, the state where it changed."""
    lines = shown(RUNG, BACK)
    assert lines[0] == "1.1.1.1:5 > 2.2.2.2:80: 2 frames"
    ends = "client 1.1.1.1:5 > virtual 2.2.2.2:80;  local 3.3.3.3:1026 > real 4.4.4.4:8080"
    assert lines[1] == f"conn 5 of worker 2, service web:  {ends}"
    assert lines[-2].split() == ["7", "0.000000", "SYN", "->", "2", "rss", "->", "SYN_RECV", "forwarded_slow"]
    assert lines[-1].split() == ["9", "0.000005", "<-", "2", "rule", "<-", "SYN|ACK", "forwarded_fast"]
    head = lines[-4]
    assert (
        head.index("client")
        < head.index("worker")
        == lines[-2].index("->")
        < head.index("real")
        == lines[-1].index("SYN")
    )


@pytest.mark.parametrize(
    "rung, cell",
    [
        (ASTRAY, "x 0 rule <-"),
        ({**RUNG, "fate": "dropped"}, "-> 2 rss x"),
        ({**BACK, "worker": 0, "owner": 2}, "<- 0 rule, handed to 2 <-"),
        ({**RUNG, "worker": None, "by": "default"}, "-> kernel default ->"),
        ({**RUNG, "by": None, "fate": "ignored"}, "not received"),
    ],
)
def test_what_became_of_a_packet(rung: dict[str, Any], cell: str) -> None:
    """Lost where it ends, handed over, or not received at all."""
    assert cell in shown(rung)[-1]


def test_the_wrong_worker_is_red() -> None:
    """Of a conversation that has a connection elsewhere."""
    assert "\x1b[1;31m0 rule" in shown(ASTRAY, color="always")[-1]
    assert "\x1b[1;31m" not in shown(BACK, color="always")[-1]


def test_it_fits_eighty_columns() -> None:
    """An ordinary conversation does."""
    assert max(map(len, shown(RUNG, BACK, ASTRAY, width=80))) <= 80 and len(shown(RUNG, BACK, width=80)) <= 8
