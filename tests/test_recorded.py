"""lbreplay transmits what DPVS and the kernel's IPVS were recorded to transmit."""

from __future__ import annotations

from pathlib import Path

import engine
import pytest
from golden_cases import Case, cases, difference

from lbreplay.config.load import load

# Cases that do not hold yet, by name; strict: one that begins to hold must leave this list.
EXPECTED_FAILURES: dict[str, set[str]] = {"dpvs": set(), "dpvs-1.8": set(), "ipvs": set()}


def params(suite: str) -> list[object]:
    late = pytest.mark.xfail(reason="not modelled yet", strict=True)
    marks = {True: [late], False: []}
    return [pytest.param(c, id=c.name, marks=marks[c.name in EXPECTED_FAILURES[suite]]) for c in cases(suite)]


def judge(case: Case, folder: Path) -> str | None:
    run = engine.run(load(str(case.config), (), view=case.about["view"]), case.received, folder, plainly=True)
    sent = [(time, data) for time, _, data in run.sent]
    return difference(case, sent, run.fates, run.document)


@pytest.mark.parametrize("case", params("dpvs"))
def test_a_case_of_dpvs_holds(case: Case, tmp_path: Path) -> None:
    """Packets, times, workers, fates and statistics as recorded from DPVS v1.10.2, nothing ignored."""
    assert judge(case, tmp_path) is None


@pytest.mark.parametrize("case", params("dpvs-1.8"))
def test_a_case_of_dpvs_1_8_holds(case: Case, tmp_path: Path) -> None:
    """The same from DPVS v1.8.10."""
    assert judge(case, tmp_path) is None


def test_the_cases_are_there() -> None:
    """A glob that finds nothing would let every test pass."""
    assert [len(cases(suite)) for suite in EXPECTED_FAILURES] == [215, 60, 168]


def test_expected_failures_name_cases_that_exist() -> None:
    """A misspelt name would hide nothing, but it would say that something is missing which is not."""
    assert all(names <= {c.name for c in cases(suite)} for suite, names in EXPECTED_FAILURES.items())
