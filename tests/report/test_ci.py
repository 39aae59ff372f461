"""Outcomes of cases are valid JUnit XML, GitHub commands and Markdown, whatever stands in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from lbreplay.report import ci


@dataclass
class Judged:
    name: str
    path: str = "cases/x"
    problems: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    broken: bool = False
    changed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    more: str = ""
    seconds: float = 0.5

    @property
    def holds(self) -> bool:
        return not self.problems

    @property
    def empty(self) -> bool:
        return bool(self.warnings)

    def document(self) -> dict[str, Any]:
        return {"case": self.name, "moved": self.moved}


GOOD = Judged("good")
BAD = Judged(
    "bad, really: 100%", problems=["packet 3 differs\n  seq: expected 1, got 2", "a | b <&> \x00"], more="more"
)


def test_words_of_a_failure() -> None:
    assert list(ci.lines(BAD))[:4] == [
        "bad, really: 100%: failed",
        "  packet 3 differs",
        "    seq: expected 1, got 2",
        "  a | b <&> \\x00",
    ]
    assert list(ci.lines(GOOD)) == []
    assert list(ci.lines(Judged("new", changed=["out.pcap: new"]))) == ["new: updated", "  out.pcap: new"]


def test_what_moved_comes_first() -> None:
    """In short, behind the name; a case that could not be judged is broken, and counted apart."""
    moved, broken = (
        Judged("m", problems=["x"], moved=["3 of 9 packets", "1 check"]),
        Judged("b", problems=["y"], broken=True),
    )
    assert [ci.head(one) for one in (moved, broken, GOOD)] == [
        "m: failed: 3 of 9 packets, 1 check",
        "b: broken",
        "good: holds",
    ]
    assert ci.summary([moved, broken, GOOD], 1.0, 4) == "1 of 3 cases hold, 1 broken, in 1.0 s; 4 not run"
    found = ci.document([moved, broken, GOOD], 1.0)
    assert (found["holding"], found["failed"], found["broken"]) == (1, 1, 1)
    assert ci.as_csv(found).splitlines()[1] == "m,3 of 9 packets; 1 check"


def test_a_case_that_shows_nothing_is_named_and_counted() -> None:
    empty = Judged("hollow", warnings=["shows nothing"])
    assert list(ci.lines(empty)) == ["hollow: warning: shows nothing"]
    assert ci.summary([GOOD, empty], 1.0) == "2 of 2 cases hold, in 1.0 s; 1 of them shows nothing"


def test_junit_parses_and_counts() -> None:
    root = ElementTree.fromstring(ci.junit([GOOD, BAD], 1.25))
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["time"]) == ("2", "1", "1.250")
    cases = root.findall("./testsuite/testcase")
    assert [c.attrib["name"] for c in cases] == ["good", "bad, really: 100%"]
    failure = cases[1].find("failure")
    assert failure is not None and failure.attrib["message"] == "packet 3 differs"
    assert failure.text is not None and "a | b <&> \\x00" in failure.text


def test_github_commands_are_escaped_into_one_line() -> None:
    (command,) = ci.github([GOOD, BAD])
    assert command.startswith(
        "::error file=cases/x/case.toml,title=lbreplay%3A bad%2C really%3A 100%25::bad, really: 100%25"
    )
    assert "\n" not in command and "%0A" in command


def test_the_step_summary_has_a_row_a_failure() -> None:
    text = ci.step_summary([GOOD, BAD], 2.0)
    assert "1 of 2 cases hold, in 2.0 s" in text and "| `bad, really: 100%` | packet 3 differs |" in text
    assert "case |" not in ci.step_summary([GOOD], 2.0)


HOSTILE = Judged(
    "a\n::error file=x::pwned\x01\uffff",
    path="c/a\n::error::b",
    problems=["::warning::in a problem", "`code` | <img src=x> ![p](http://x) \u202e"],
    more="\n::notice::more",
)


def test_names_of_others_are_no_commands_and_no_markup() -> None:
    """Whatever a pull request calls its folders, and writes into them."""
    spoken = [*ci.lines(HOSTILE), *ci.step_summary([HOSTILE], 1).splitlines()]
    assert not [line for line in spoken if line.lstrip().startswith(("::", "##["))]
    assert all(line.isprintable() for line in spoken)
    (command,) = ci.github([HOSTILE])
    assert command.startswith("::error file=c/a\\n%3A%3Aerror%3A%3Ab/case.toml,title=") and "\n" not in command
    row = next(line for line in ci.step_summary([HOSTILE], 1).splitlines() if line.startswith("| `a"))
    assert "<" not in row and "](" not in row
    root = ElementTree.fromstring(ci.junit([HOSTILE], 1))
    assert root.find("./testsuite/testcase").attrib["name"] == "a\\n::error file=x::pwned\\x01\\uffff"  # type: ignore[union-attr]
