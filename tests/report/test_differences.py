"""Differences in words: each packet, each field, a summary at the end."""

from __future__ import annotations

from packets import numbered, tcp

from lbreplay.lab.diff import ACROSS, Change, Shift, compare
from lbreplay.report.differences import text


def test_captures() -> None:
    found = compare(numbered([tcp(1), tcp(2), tcp(3)]), numbered([tcp(1), tcp(2, window=9), tcp(3), tcp(4)]))
    lines = text(found.document()).splitlines()
    assert lines[0].startswith("a #2  1700000000.002000") and lines[1].startswith("b #2")
    assert lines[2] == "    win: a 8192, b 9"
    assert any(line.startswith("only b #4") for line in lines)
    assert lines[-1] == "equal 2, different 1, missing 0, extra 1"


def test_what_is_not_shown_is_counted() -> None:
    found = compare(numbered([tcp(1), tcp(2)]), [])
    assert "and 1 more" in text(found.document(1)).splitlines()


def test_configurations() -> None:
    shift = Shift(10, {"f", "g"}, 2, {"f": [Change("real", 3, "a", "b")]})
    assert text(shift.document()).splitlines() == [
        "f",
        "    real: a -> b (frame 3)",
        "flows that changed: real 1",
        "1 of 2 flows changed, 2 of 10 frames",
    ]


def test_balancers_beside_each_other() -> None:
    """What is compared across profiles is said."""
    shift = Shift(10, {"f"}, 1, {"f": [Change("age", 3, "kept", "ended")]}, ACROSS)
    assert text(shift.document()).splitlines()[2:4] == [
        "DPVS and the kernel beside each other are compared by service, real, age, fate",
        "flows that changed: age 1",
    ]
