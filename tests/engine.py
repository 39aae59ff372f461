"""lbreplay as the tests drive it: records in, what left and what was said out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import craft

from lbreplay.model import Setup


@dataclass
class Run:
    """`sent` are the records that left, `trace` the lines of received frames by number, `own` the lines without one.

    A run that is not traced has no lines.
    """

    sent: list[craft.Record]
    trace: dict[int, dict[str, Any]]
    own: list[dict[str, Any]]
    document: dict[str, Any]

    @property
    def fates(self) -> dict[int, tuple[Any, list[int], str]]:
        """(worker, numbers of what left, fate) of every frame."""
        return {n: (t.get("worker"), t.get("out") or [], t["fate"]) for n, t in self.trace.items()}


class Plainly:
    """Has every packet take the plain path."""

    def attach(self, run: Any) -> None:
        run.balancer.plainly = True

    def see(self, burst: Any) -> None:
        pass


def run(
    setup: Setup,
    records: list[craft.Record],
    folder: Path,
    burst: int = 4096,
    traced: bool = True,
    plainly: bool = False,
) -> Run:
    """Replay *records* under *setup*; files go to *folder*. Ordinary frames take the loop, *plainly* the plain path."""
    from lbreplay.journey import replay

    source = craft.write(folder / "in.pcap", records)
    out, trace = folder / f"out-{burst}.pcap", folder / f"trace-{burst}.ndjson"
    asked, told = setup._replace(burst_size=burst), str(trace) if traced else None
    result = replay(asked, str(source), str(out), trace=told, watch=Plainly() if plainly else None)
    lines = [json.loads(line) for line in trace.read_text().splitlines()] if traced else []
    return Run(
        craft.read(out),
        {line["n"]: line for line in lines if line["n"]},
        [line for line in lines if not line["n"]],
        result.document(),
    )
