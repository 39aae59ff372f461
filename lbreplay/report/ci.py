"""Outcomes of golden cases for build machines: JUnit XML, GitHub annotations and step summary; and for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol
from xml.etree import ElementTree

from lbreplay.edge.text import line, shown

MARKS = set("\\`*_[]<>!|#&~")  # what Markdown reads meaning from


class Judged(Protocol):
    """What is shown of a case (lab.golden.Outcome)."""

    name: str
    path: str
    problems: list[str]
    changed: list[str]
    warnings: list[str]
    more: str
    seconds: float

    @property
    def holds(self) -> bool: ...

    @property
    def empty(self) -> bool: ...


def lines(outcome: Judged) -> Iterator[str]:
    """A failed or updated case in words: its name, then what is wrong, then the command that shows more."""
    if outcome.changed:
        yield line(f"{outcome.name}: updated")
        yield from (line(f"  {change}") for change in outcome.changed)
    yield from (line(f"{outcome.name}: warning: {warning}") for warning in outcome.warnings)
    if outcome.problems:
        yield line(f"{outcome.name}: failed")
        for problem in outcome.problems:
            yield from (line(f"  {part}") for part in problem.splitlines())
        if outcome.more:
            yield line(f"  more: {outcome.more}")


def summary(outcomes: Sequence[Judged], seconds: float) -> str:
    """`141 of 142 cases hold, in 3.2 s`; and how many of them show nothing."""
    empty = sum(o.empty for o in outcomes)
    told = f"; {empty} of them show{'s' if empty == 1 else ''} nothing" if empty else ""
    return f"{sum(o.holds for o in outcomes)} of {len(outcomes)} cases hold, in {seconds:.1f} s{told}"


def junit(outcomes: Sequence[Judged], seconds: float) -> str:
    """JUnit XML of all *outcomes*."""
    failed = str(sum(not o.holds for o in outcomes))
    counts = {"tests": str(len(outcomes)), "failures": failed, "errors": "0", "skipped": "0", "time": f"{seconds:.3f}"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "lbreplay"} | counts)
    for outcome in outcomes:
        where = {"name": shown(outcome.name), "file": shown(f"{outcome.path}/case.toml")}
        about = {"classname": "lbreplay.golden", **where}
        case = ElementTree.SubElement(suite, "testcase", about | {"time": f"{outcome.seconds:.3f}"})
        if not outcome.holds:
            failure = ElementTree.SubElement(case, "failure", {"message": _first(outcome)})
            failure.text = "\n".join(lines(outcome))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def github(outcomes: Iterable[Judged]) -> Iterator[str]:
    """A workflow command a failed case, which GitHub shows beside its case.toml."""
    for outcome in outcomes:
        if not outcome.holds:
            where, title = f"{outcome.path}/case.toml", f"lbreplay: {outcome.name}"
            message = "\n".join(lines(outcome))
            yield f"::error file={_property(where)},title={_property(title)}::{_message(message)}"


def step_summary(outcomes: Sequence[Judged], seconds: float) -> str:
    """Markdown for GITHUB_STEP_SUMMARY."""
    rows = [f"| {_code(o.name)} | {_words(_first(o))} |" for o in outcomes if not o.holds]
    table = ["", "| case | first problem |", "|---|---|", *rows] if rows else []
    return "\n".join(["### lbreplay", "", summary(outcomes, seconds), *table]) + "\n"


def _first(outcome: Judged) -> str:
    first = outcome.problems[0].splitlines() if outcome.problems else []
    return shown(first[0]) if first else ""


def _code(text: str) -> str:
    """*text* as code in a table of Markdown."""
    return "`" + shown(text).replace("`", "'").replace("|", "\\|") + "`"


def _words(text: str) -> str:
    """*text* as words in a table of Markdown: nothing in it is a link, a picture or a tag."""
    return "".join(f"&#{ord(c)};" if c in MARKS else c for c in text)


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(shown(text)).replace(":", "%3A").replace(",", "%2C")
