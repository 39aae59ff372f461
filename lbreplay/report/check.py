"""Judgements of `check` for people: a line a property, below a broken one its first frame.

For programs: JSON, CSV, SARIF, JUnit XML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from lbreplay.phrases import plural
from lbreplay.report import sarif, texts

Document = Mapping[str, Any]  # of lab.check.Checked.document
as_json = texts.as_json
SIGNS = {True: ("holds", "green"), False: ("BROKEN", "bold red")}


def show(found: Document, out: Console) -> None:
    """Print the judgements and how many failed."""
    width = max(len(judged["name"]) for judged in found["properties"])
    for judged in found["properties"]:
        sign, style = SIGNS.get(judged["holds"]) or (judged["detail"], "yellow")
        line = Text.assemble((f"{judged['name']:{width}}", "bold"), f"  {judged['sentence']}  ", (sign, style))
        out.print(line, soft_wrap=True)
        if judged["holds"] is False:
            _show_failure(found, judged, out)
    bad = found["failed"] or not found["judged"]
    out.print(Text(f"{plural(found['frames'], 'frame')}: {_summary(found)}", style="bold red" if bad else ""))


def _summary(found: Document) -> str:
    count, unjudged = len(found["properties"]), len(found["properties"]) - found["judged"]
    if found["failed"]:
        return f"{found['failed']} of {count} properties broken"
    if unjudged == count:
        return "nothing was judged"
    return "nothing broken" + (f", {unjudged} of {count} properties not judged" if unjudged else "")


def _show_failure(found: Document, judged: Document, out: Console) -> None:
    for line in _failure(found, judged):
        out.print(f"    {line}", soft_wrap=True)


def _failure(found: Document, judged: Document) -> Iterator[str]:
    """What is broken, the first frame, and the command that tells its story."""
    if judged["detail"]:
        yield judged["detail"]
    if judged["frame"] is None:
        return
    yield judged["line"]
    count = judged["others"]
    others = f"{count:,} other frame{'' if count == 1 else 's'} too; " if count else ""
    yield f"{others}lbreplay explain {found['again']} -n {judged['frame']}"


def as_csv(found: Document) -> str:
    """A line a property."""
    return texts.rows_as_csv(found["properties"])


def as_sarif(found: Document) -> str:
    """For code review: a result for each broken property, at the capture, with the command that tells its story."""
    findings = [
        {
            "code": judged["name"],
            "severity": "error",
            "message": "\n".join(_failure(found, judged)),
            "about": f"frame {judged['frame']}" if judged["frame"] else judged["name"],
            "place": {"file": found["capture"]} if found["capture"] != "-" else None,
        }
        for judged in found["properties"]
        if judged["holds"] is False
    ]
    return sarif.as_sarif(findings, {judged["name"]: judged["sentence"] for judged in found["properties"]})


def as_junit(found: Document) -> str:
    """A test case a property: broken ones fail, and those that had nothing to judge are skipped."""
    from xml.etree import ElementTree

    counts = {"tests": len(found["properties"]), "failures": found["failed"]}
    counts["skipped"] = counts["tests"] - found["judged"]
    suite = ElementTree.Element("testsuite", {"name": "lbreplay check", **{k: str(n) for k, n in counts.items()}})
    for judged in found["properties"]:
        case = ElementTree.SubElement(suite, "testcase", {"classname": found["capture"], "name": judged["name"]})
        if judged["holds"] is False:
            failure = ElementTree.SubElement(case, "failure", {"message": judged["sentence"]})
            failure.text = "\n".join(_failure(found, judged))
        elif judged["holds"] is None:
            ElementTree.SubElement(case, "skipped", {"message": judged["detail"]})
    ElementTree.indent(suite)
    text = ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
    return "".join(c if c >= " " or c in "\n\t" else "?" for c in text)
