"""Differences of captures and of configurations in words; what is shown is their JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lbreplay.phrases import plural

Document = dict[str, Any]


def text(document: Document) -> str:
    """The document of `lab.diff.Comparison` or `lab.diff.Shift` for people: the summary last."""
    lines = _shift(document) if "changes" in document else _comparison(document)
    return "\n".join(lines)


def _comparison(document: Document) -> Iterator[str]:
    for found in document["differences"]:
        yield from packet(found)
    hidden = document["different"] + document["missing"] + document["extra"] - len(document["differences"])
    if hidden:
        yield f"and {hidden} more"
    if document["fields"]:
        yield "fields: " + ", ".join(f"{name} {n}" for name, n in document["fields"].items())
    yield ", ".join(f"{kind} {document[kind]}" for kind in ("equal", "different", "missing", "extra"))


def packet(found: Document, a: str = "a", b: str = "b") -> Iterator[str]:
    """One packet that differs: both forms in a line each, then field by field."""
    width = max(len(a), len(b))
    for name, key in ((a, "a"), (b, "b")):
        if key in found:
            only = "" if found["kind"] == "different" else "only "
            yield f"{only}{name:{width}} #{found[key]['n']}  {found[key]['packet']}"
    for field in found["fields"]:
        yield f"    {field['field']}: {a} {field['a']}, {b} {field['b']}"


def _shift(document: Document) -> Iterator[str]:
    for flow in document["changes"]:
        yield flow["flow"]
        for change in flow["changes"]:
            yield f"    {change['aspect']}: {change['a']} -> {change['b']} (frame {change['n']})"
    if document["changed_flows"] > len(document["changes"]):
        yield f"and {plural(document['changed_flows'] - len(document['changes']), 'more flow')}"
    if "fate" in document["compared"]:
        yield f"DPVS and the kernel beside each other are compared by {', '.join(document['compared'])}"
    if document["aspects"]:
        yield "flows that changed: " + ", ".join(f"{name} {n}" for name, n in document["aspects"].items())
    yield (
        f"{document['changed_flows']:,} of {plural(document['flows'], 'flow')} changed, "
        f"{document['changed_frames']:,} of {plural(document['frames'], 'frame')}"
    )
