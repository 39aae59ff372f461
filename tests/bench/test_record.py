"""What is slower than before is found, whichever way a figure is better; the documentation shows the recorded run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import growth, record
from bench.measure import Figure
from bench.record import Row


def row(ratio: float, less: bool = False, asked: float | None = None) -> Row:
    return Row("part", Figure("this", "that", lambda: ratio, asked, less), ratio)


@pytest.mark.parametrize(
    "now, before, less, slower",
    [(1.0, 1.05, False, False), (1.0, 1.2, False, True), (1.2, 1.0, True, True), (1.0, 1.2, True, False)],
)
def test_more_than_a_tenth_is_slower(now: float, before: float, less: bool, slower: bool) -> None:
    """A larger ratio is worse where less is better, a smaller one elsewhere."""
    rows = {"part: this / that": row(before, less).document()}
    assert row(now, less).slower(rows) is slower
    assert not row(now, less).slower({})


@pytest.mark.parametrize(
    "ratio, less, short", [(0.9, False, True), (1.1, False, False), (1.1, True, True), (-1, True, False)]
)
def test_short_of_what_is_asked(ratio: float, less: bool, short: bool) -> None:
    """1 is asked, at least or at most."""
    assert row(ratio, less, 1).short is short
    assert not row(ratio, less).short


def test_a_curve_bends_where_it_leaves_its_cheapest_point() -> None:
    """Falling and level curves do not bend, rising ones do by their worst point."""
    assert growth.bend([3.0, 2.0, 1.0]) < 1
    assert growth.bend([2.0, 1.0, 1.5, 1.1]) == pytest.approx(1.5)
    assert growth.bends({1: 2.0, 10: 1.0, 100: 1.5, 1000: 1.1}) == [100]


def test_the_table_goes_between_its_marks() -> None:
    """The rest of the page stays as it is."""
    text = f"before\n{record.OPEN}\nold\n{record.CLOSE}\nafter\n"
    rows, stages = {"part: this / that": row(1.234, asked=1).document()}, {"web": {"read": 0.25, "balance": 0.75}}
    told = record.with_tables(text, record.everything({"figures": rows, "stages": stages}))
    assert told.startswith(f"before\n{record.OPEN}\n| lbreplay |") and told.endswith(f"{record.CLOSE}\nafter\n")
    assert "| this | that | 1.23 | at least 1 |" in told and "| web | 25% | 75% |" in told and "old" not in told


def test_the_readme_has_a_row_a_kind_of_traffic() -> None:
    """Only what stands beside tcprewrite, under the name of its load."""
    beside = Figure("web, tagged, frames a second", "tcprewrite", lambda: 1.5)
    rows = {"a": Row("speed", beside, 1.5).document(), "b": row(1.234).document()}
    assert record.kinds({"figures": rows}).splitlines()[2:] == ["| web, tagged | 1.50 |"]


@pytest.mark.parametrize("page", record.TABLES)
def test_a_page_shows_the_last_recorded_run(page: Path) -> None:
    """A record that is kept without its table, or a table changed by hand, would tell two stories."""
    text = page.read_text(encoding="utf-8")
    assert record.OPEN in text and record.with_tables(text, record.TABLES[page](record.recorded())) == text
