"""Capacity for people: tables of services, local addresses and workers; and for programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from lbreplay.phrases import plural
from lbreplay.report import layout, texts

Document = Mapping[str, Any]  # of lab.capacity.Capacity.document
as_json = texts.as_json
PORTS, SHARED = "ports by worker", "shares its ports with"
KINDS: dict[str, layout.Kind] = {PORTS: "prose", SHARED: "prose"}  # of columns; the first is a name, others are figures


def show(room: Document, out: Console) -> None:
    """Print what fits, what runs out first, and what would change it."""
    layout.show(_table(("local address", PORTS, "orphans", "buckets", "pool", "connections"), _laddrs(room)), out)
    out.print()
    layout.show(_table(("worker", "cpu", "connections", "peak", "missed"), _workers(room)), out)
    for service in room["services"]:
        out.print()
        _show_service(service, out)
    out.print()
    out.print(
        f"{plural(room['total'], 'connection')} fit; the connection pool has {room['pool_size']:,} entries",
    )


def _show_service(service: Document, out: Console) -> None:
    out.print(Text(service["service"], style="bold"))
    layout.show(_table(("real server", "bucket", "connections", "max_conn", SHARED), _reals(service)), out)
    first = service["first"]
    out.print(
        f"{plural(service['connections'], 'connection')} at most; first to run out with even traffic: {first['what']}, "
        f"at {first['connections']:,}{rate(service)}",
    )
    if service["shares_with"]:
        out.print(f"its local addresses serve {', '.join(service['shares_with'])} too")
    for change in service["changes"]:
        gain = change["connections"] - first["connections"]
        out.print(f"  {change['what']}: {change['connections']:,} ({gain:+,})")


def rate(service: Document) -> str:
    """`: 8,601 new a second (1,075 a worker) while each ...`, nothing where ports are given back at once."""
    if service["per_second"] is None or service["per_second_and_worker"] is None:
        return ""
    return (
        f": {service['per_second']:,.0f} new a second ({service['per_second_and_worker']:,.0f} a worker) "
        f"while each holds its port for {service['hold_seconds']:g} s"
    )


def _laddrs(room: Document) -> Iterable[Sequence[str]]:
    for laddr in room["laddrs"]:
        ports = grouped(laddr["ports"])
        yield (
            laddr["address"],
            ports,
            *(f"{n:,}" for n in (laddr["orphans"], laddr["buckets"], laddr["pool"], laddr["connections"])),
        )


def _workers(room: Document) -> Iterable[Sequence[str]]:
    for worker in room["workers"]:
        numbers = (worker["connections"], worker["peak"], worker["missed"])
        yield str(worker["worker"]), str(worker["cpu_id"]), *("" if n is None else f"{n:,}" for n in numbers)


def _reals(service: Document) -> Iterable[Sequence[str]]:
    for real in service["reals"]:
        limit = f"{real['max_conn']:,}" if real["max_conn"] else ""
        yield real["address"], str(real["bucket"]), f"{real['connections']:,}", limit, ", ".join(real["shares_with"])


def grouped(ports: Sequence[int]) -> str:
    """`8,063 + 7 × 8,064` of equal neighbours."""
    parts: list[list[int]] = []
    for count in ports:
        if parts and parts[-1][1] == count:
            parts[-1][0] += 1
        else:
            parts.append([1, count])
    return " + ".join(f"{size:,}" if times == 1 else f"{times} × {size:,}" for times, size in parts[:4]) + (
        " + …" if len(parts) > 4 else ""
    )


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[layout.Column]:
    """A table without the columns that are empty everywhere."""
    columns = zip(names, zip(*rows, strict=True), strict=False)
    kept = [(name, cells) for name, cells in columns if any(cells)]
    return [
        layout.Column(name, cells, KINDS.get(name, "figure") if at else "name") for at, (name, cells) in enumerate(kept)
    ]


def as_csv(room: Document) -> str:
    """A line a real server: service, address, bucket, connections, and when its service runs out first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("service", "real", "bucket", "connections", "max_conn", "service_connections", "first", "first_at")
    )
    for service in room["services"]:
        for real in service["reals"]:
            head = (service["service"], real["address"], real["bucket"], real["connections"], real["max_conn"])
            writer.writerow((*head, service["connections"], service["first"]["what"], service["first"]["connections"]))
    return text.getvalue()
