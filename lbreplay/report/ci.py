"""Outcomes of golden cases for people, for programs (JSON, CSV), for build machines: JUnit, GitHub's annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from xml.etree import ElementTree

from lbreplay.edge.text import line, shown
from lbreplay.report import texts

MARKS = set("\\`*_[]<>!|#&~")  # what Markdown reads meaning from


class Judged(Protocol):
    """What is shown of a case (lab.golden.Outcome)."""

    name: str
    path: str
    problems: list[str]
    moved: list[str]
    broken: bool
    changed: list[str]
    warnings: list[str]
    more: str
    seconds: float

    @property
    def holds(self) -> bool: ...

    @property
    def empty(self) -> bool: ...

    def document(self) -> dict[str, Any]: ...


def lines(outcome: Judged) -> Iterator[str]:
    """A case that does not hold, or was updated, in words: its name and what moved, then each difference, then the
    command that shows more."""
    if outcome.changed:
        yield line(f"{outcome.name}: updated")
        yield from (line(f"  {change}") for change in outcome.changed)
    yield from (line(f"{outcome.name}: warning: {warning}") for warning in outcome.warnings)
    if outcome.problems:
        yield head(outcome)
        for problem in outcome.problems:
            yield from (line(f"  {part}") for part in problem.splitlines())
        if outcome.more:
            yield line(f"  more: {outcome.more}")


def head(outcome: Judged) -> str:
    """`web: failed: 95 of 119 packets (89 different, 6 missing), 3 checks`, `web: broken`, or `web: holds`."""
    said = "holds" if outcome.holds else "broken" if outcome.broken else "failed"
    return line(": ".join(filter(None, (outcome.name, said, ", ".join(outcome.moved)))))


def summary(outcomes: Sequence[Judged], seconds: float, left: int = 0) -> str:
    """`140 of 142 cases hold, 1 broken, in 3.2 s`; how many of them show nothing, and how many were *left* out."""
    broken, empty = sum(o.broken for o in outcomes), sum(o.empty for o in outcomes)
    told = f"{sum(o.holds for o in outcomes)} of {len(outcomes)} cases hold{f', {broken} broken' if broken else ''}"
    told += f", in {seconds:.1f} s"
    told += f"; {empty} of them show{'s' if empty == 1 else ''} nothing" if empty else ""
    return told + (f"; {left} not run" if left else "")


def document(outcomes: Sequence[Judged], seconds: float, left: int = 0) -> dict[str, Any]:
    """For programs."""
    return {
        "schema": 1,
        "holding": sum(o.holds for o in outcomes),
        "failed": sum(not o.holds and not o.broken for o in outcomes),
        "broken": sum(o.broken for o in outcomes),
        "not_run": left,
        "seconds": round(seconds, 3),
        "cases": [outcome.document() for outcome in outcomes],
    }


as_json = texts.as_json


def as_csv(found: Mapping[str, Any]) -> str:
    """A line a case; lists are joined by `; `."""
    rows = [{name: _cell(value) for name, value in case.items()} for case in found["cases"]]
    return texts.rows_as_csv(rows)


def _cell(value: Any) -> Any:
    return "; ".join(value) if isinstance(value, list) else value


def junit(outcomes: Sequence[Judged], seconds: float) -> str:
    """JUnit XML of all *outcomes*."""
    found = document(outcomes, seconds)
    counts = {"tests": str(len(outcomes)), "failures": str(found["failed"]), "errors": str(found["broken"])}
    counts |= {"skipped": "0", "time": f"{seconds:.3f}"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "lbreplay"} | counts)
    for outcome in outcomes:
        where = {"name": shown(outcome.name), "file": shown(f"{outcome.path}/case.toml")}
        about = {"classname": "lbreplay.golden", **where}
        case = ElementTree.SubElement(suite, "testcase", about | {"time": f"{outcome.seconds:.3f}"})
        if not outcome.holds:
            kind = "error" if outcome.broken else "failure"
            failure = ElementTree.SubElement(case, kind, {"message": _first(outcome)})
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
