"""The table of what holds which section of the dossiers: complete, and naming only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reference" / "conformance.md"
SUITES = {"": "dpvs", "1.8/": "dpvs-1.8"}  # what stands before a case's name, and its folder in tests/golden
EVERY = "every recorded case"  # of both suites


def numbered(dossier: str, counts: dict[int, int]) -> list[str]:
    """`D 1.1` … of chapter: how many sections it has; 0: none, the chapter itself."""
    return [
        f"{dossier} {chapter}" + (f".{n}" if n else "")
        for chapter, count in counts.items()
        for n in (range(1, count + 1) if count else [0])
    ]


SECTIONS = numbered(
    "D", {0: 0, 1: 6, 2: 8, 3: 0, 4: 4, 5: 8, 6: 5, 7: 4, 8: 0, 9: 2, 10: 5, 11: 3, 12: 5, 13: 4, 14: 4, 15: 0, 16: 0,
          17: 0, 18: 0, 19: 0, 20: 0}
) + numbered("S", {0: 0, 1: 7, 2: 8, 3: 7, 4: 9, 5: 3, 6: 5, 7: 5, 8: 0})  # fmt: skip


def table(which: str = "conformance") -> dict[str, str]:
    """Section: what holds it."""
    text = PAGE.read_text(encoding="utf-8")
    (inside,) = re.findall(rf"<!-- {which} -->\n(.*?)<!-- /{which} -->", text, re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in inside.splitlines()[2:]]
    assert all(len(row) == 3 for row in rows)
    return {section: held for section, _, held in rows}


KERNEL = numbered("L", dict.fromkeys(range(1, 23), 0))


def kernels(name: str) -> set[str]:
    """Recorded cases of the kernel that *name*, perhaps with a star, stands for."""
    return {path.parent.name for path in (TESTS / "golden" / "ipvs").glob(f"{name}/case.toml")}


def cases(name: str) -> set[str]:
    """Recorded cases that *name*, perhaps with a star, stands for: each with its suite's prefix."""
    prefix = "1.8/" if name.startswith("1.8/") else ""
    folder = TESTS / "golden" / SUITES[prefix]
    return {prefix + path.parent.name for path in folder.glob(f"{name.removeprefix(prefix)}/case.toml")}


def names(held: str) -> list[str]:
    return re.findall(r"`([^`]+)`", held)


def test_every_section_is_there_once_and_in_order() -> None:
    """A section left out of the table would be one that nobody thought of."""
    assert list(table()) == SECTIONS


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_names_what_exists(section: str) -> None:
    """Cases and tests are there; a row without any says why."""
    held = table()[section]
    for name in names(held):
        assert list(TESTS.glob(name)) if name.endswith(".py") else cases(name), name
    assert names(held) or EVERY in held or "left " in held


def test_what_is_corrected_names_sections_and_recordings() -> None:
    """Where the recordings and the dossiers part, the case that shows it is there."""
    rows = table("corrected")
    assert {section for row in rows for section in row.split(", ")} <= set(SECTIONS)
    assert all(cases(name) for held in rows.values() for name in names(held)) and all(map(names, rows.values()))


def test_every_recorded_case_holds_some_section() -> None:
    """The other way round: a case that no row names is one whose meaning was forgotten."""
    named = set().union(*(cases(name) for held in table().values() for name in names(held)))
    recorded = set().union(*(cases(f"{prefix}*") for prefix in SUITES))
    assert recorded - named == set() and len(recorded) > 100


def test_a_case_that_does_not_exist_is_noticed() -> None:
    """What these tests stand on."""
    assert cases("no_such_case") == cases("1.8/no_*") == set()
    assert cases("1.8/conhash") == {"1.8/conhash"} and len(cases("rr_*")) > 1


def test_the_kernels_table() -> None:
    """Every chapter is there and names what exists, every recorded case has one; so do the corrections."""
    held, corrected = table("kernel"), table("kernel corrected")
    assert list(held) == KERNEL and {s for row in corrected for s in row.split(", ")} <= set(KERNEL)
    for said in (*held.values(), *corrected.values()):
        for name in names(said):
            assert list(TESTS.glob(name)) if name.endswith(".py") else kernels(name), name
        assert names(said) or EVERY in said or "left " in said
    named = set().union(*(kernels(name) for said in held.values() for name in names(said)))
    assert kernels("*") - named == set() and len(named) > 150
