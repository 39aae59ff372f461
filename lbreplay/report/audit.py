"""What `audit` found, for people: how records and model agree, class by class and way by way, and the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from lbreplay.report import layout, texts

Document = Mapping[str, Any]  # of lab.audit.audit
as_json = texts.as_json


def show(found: Document, out: Console) -> None:
    """Print the agreement, then what was worked out."""
    if "conform" in found:
        _show_conformance(found["conform"], out)
    if "classes" in found:
        layout.show(_agreement(found), out)
    if "legs" in found:
        _show_legs(found["legs"], out)
    if found.get("first_difference"):
        _show_first(found, out)
    if found.get("solved"):
        _show_solved(found["solved"], out)
        out.print()
        out.print(Text(found["toml"].rstrip()), soft_wrap=True)


def _agreement(found: Document) -> list[layout.Column]:
    ways = [(f"by {row['way']}", row) for row in found["ways"]]
    rows = [*((row["class"], row) for row in found["classes"]), *ways]
    total = _figures(found["recorded"] | {f"{name}_agree": number for name, number in found["agree"].items()})
    figures = zip(*(_figures(row) for _, row in rows), strict=True) if rows else ((),) * len(total)
    heads = ("queue\nrecorded", "\nagrees", "hash\nrecorded", "\nagrees")
    names = layout.Column("received", [name for name, _ in rows], "name", "all")
    return [
        names,
        *(layout.Column(head, cells, foot=foot) for head, cells, foot in zip(heads, figures, total, strict=True)),
    ]


def _figures(row: Document) -> list[str | Text]:
    cells: list[str | Text] = []
    for name in ("queue", "hash"):
        number, same = row[name], row[f"{name}_agree"]
        cells += [f"{number:,}", Text(f"{same:,}", style="" if same == number else "bold red")]
    return cells


def _show_first(found: Document, out: Console) -> None:
    first = found["first_difference"]
    line = f"frame {first['n']}: recorded {first['recorded']}, modelled {first['modelled']}: {first['why']}"
    out.print(Text(line, style="bold red"), soft_wrap=True)
    if len(found.get("differing", ())) > 1:
        out.print(f"also frames {', '.join(map(str, found['differing'][1:]))}", soft_wrap=True)


def _show_conformance(found: Document, out: Console) -> None:
    for departed in found["named"]:
        line = f"frame {departed['n']}: {departed['field']}: sent {departed['sent']}, modelled {departed['modelled']}"
        out.print(Text(line, style="bold red"), soft_wrap=True)
        out.print(f"  {departed['rule']}", soft_wrap=True)
    if found["departures"] > len(found["named"]):
        out.print(f"and {found['departures'] - len(found['named']):,} more")
    total = f"{found['sent']:,} frames sent, {found['departures']:,} departures; "
    total += f"{found['conforming']:,} of {found['connections']:,} connections with both legs conform"
    out.print(total, soft_wrap=True)


def _show_legs(legs: Document, out: Console) -> None:
    out.print(f"{legs['connections']:,} connections with both legs", soft_wrap=True)
    out.print(f"  {legs['owned']:,} have a local port of the worker that the client's packet comes to", soft_wrap=True)
    out.print(f"  {legs['home']:,} have answers that come to that worker", soft_wrap=True)


def _show_solved(solved: Document, out: Console) -> None:
    out.print()
    for name, value in _told(solved):
        out.print(Text.assemble((f"{name:14}", "bold"), value), soft_wrap=True)


def _told(solved: Document) -> list[tuple[str, str]]:
    key = solved["rss_key"] or "not told: no key fits the recorded hashes, or there are none"
    held = solved["held_back"]
    seen = sum(queue is not None for queue in solved["reta"])
    repeats = f", {solved['reta_repeats']} queues in turn" if solved["reta_repeats"] else ""
    lines = [
        ("RSS key", f"{key}{_known(solved)}"),
        ("hashed", solved["hashed"]),
        ("table", f"{solved['reta_size']} entries, {seen} known{repeats}; {_shares(solved['reta'])}"),
        ("rules", _rules(solved)),
        ("workers", str(solved["workers"])),
        ("explains", f"{solved['explains']:.2%}"),
    ]
    if held["frames"] or held["unseen"]:
        lines.append(
            ("held back", f"{held['right']:,} of {held['frames']:,} right, {held['unseen']:,} in entries not seen")
        )
    if solved["key_against"]:
        lines.append(("against key", f"frames {', '.join(map(str, solved['key_against']))}"))
    return lines


def _known(solved: Document) -> str:
    return f" ({solved['known_key']})" if solved["known_key"] else ""


def _rules(solved: Document) -> str:
    if solved["dst_port_mask"] is None:
        return "none seen"
    return f"{solved['rules']}; for {', '.join(solved['local_addresses'])}"


def _shares(reta: list[int | None]) -> str:
    """How many entries each queue has."""
    counts: dict[int, int] = {}
    for queue in reta:
        if queue is not None:
            counts[queue] = counts.get(queue, 0) + 1
    uneven = max(counts.values(), default=0) - min(counts.values(), default=0) > 1
    return (
        f"entries by queue: {', '.join(f'{q}: {n}' for q, n in sorted(counts.items()))}{' (uneven)' if uneven else ''}"
    )


def as_csv(found: Document) -> str:
    """A line a class of packets and a way."""
    rows = [
        *((row["class"], row) for row in found.get("classes", ())),
        *((f"by {row['way']}", row) for row in found.get("ways", ())),
    ]
    if "conform" in found:
        return texts.rows_as_csv(found["conform"]["named"], ("n", "field", "sent", "modelled", "rule"))
    figures = ("queue", "queue_agree", "hash", "hash_agree")
    return texts.rows_as_csv({"received": name} | {figure: row[figure] for figure in figures} for name, row in rows)
