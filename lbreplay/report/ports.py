"""Several ports for people: what each received, how it steered, and what left by it; slaves stand under their bond."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rich.text import Text

from lbreplay.report.layout import Column

Row = Mapping[str, Any]
COLUMNS: tuple[tuple[str, Callable[[Row], int]], ...] = (
    ("frames\nin", lambda port: port["ipackets"]),
    ("by flow\ndirector", lambda port: port["steered"]["flow_director"]),
    ("by\nRSS", lambda port: port["steered"]["rss"]),
    ("by default\nqueue", lambda port: port["steered"]["default"]),
    ("rules", lambda port: port["rules"]),
    ("frames\nout", lambda port: port["opackets"]),
)


def columns(ports: Iterable[Row]) -> list[Column]:
    """A row a port, and one a slave of a bond."""
    rows = list(_rows(ports))
    named = [
        Column("port", [name for name, _ in rows], "name"),
        Column("driver", [row["driver"] for _, row in rows], "words"),
    ]
    return [*named, *(Column(heading, [_cell(value(row)) for _, row in rows]) for heading, value in COLUMNS)]


def _rows(ports: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    for port in ports:
        yield port["port"], port
        yield from ((f"  {slave['slave']}", slave) for slave in port.get("slaves", ()))


def _cell(number: int) -> Text:
    return Text(f"{number:,}", style="" if number else "dim")
