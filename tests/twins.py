"""The fast path and its plain twin: the same capture with every row on the plain path, and with the columns.

A trace tells the story of every row, so with one every row takes the plain path; without, rows take what may be taken.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import craft
import engine
import rig

from lbreplay.burst import Burst
from lbreplay.journey import Replay, replay
from lbreplay.model import Setup
from lbreplay.wire.capture import open_capture

BURSTS = (1, 7, 256, 4096)


def outcome(setup: Setup, source: Path, burst: int = 4096, plain: bool = False) -> tuple[list[craft.Record], Any]:
    """What leaves, and the statistics."""
    out, trace = source.with_name("out.pcap"), str(source.with_name("trace")) if plain else None
    result = replay(setup._replace(burst_size=burst), str(source), str(out), trace=trace)
    listed = None if result.listing is None else json.dumps(result.listing(), default=repr)
    return craft.read(out), json.loads(json.dumps(result.document() | {"listing": listed}))


def disagreement(setup: Setup, records: list[craft.Record], folder: Path, bursts: tuple[int, ...] = BURSTS) -> str:
    """Where the columns first differ from the plain path, over *bursts*; "" where they do not."""
    source = craft.write(folder / "in.pcap", records)
    sent, told = outcome(setup, source, plain=True)
    for burst in bursts:
        fast, said = outcome(setup, source, burst)
        if fast != sent:
            pairs = enumerate(zip(fast, sent, strict=False), 1)
            wrong = next((f"{n}: {a[2].hex()} not {b[2].hex()}" for n, (a, b) in pairs if a != b), "")
            return f"burst {burst}: {len(fast)} frames of {len(sent)}, {wrong}"
        if said != told:
            return f"burst {burst}: " + "; ".join(differences(said, told))
    return ""


def differences(got: Any, want: Any, path: str = "") -> list[str]:
    """What two documents do not have in common."""
    if isinstance(got, dict) and isinstance(want, dict):
        keys = sorted(got.keys() | want.keys())
        return [d for k in keys for d in differences(got.get(k), want.get(k), f"{path}.{k}")]
    if isinstance(got, list) and isinstance(want, list) and len(got) == len(want):
        return [d for n, (a, b) in enumerate(zip(got, want, strict=True)) for d in differences(a, b, f"{path}.{n}")]
    return [] if got == want else [f"{path[1:]} is {got} instead of {want}"]


def records_of(frames: Iterable[Any]) -> list[craft.Record]:
    """Frames as in `rig`: bytes, or (milliseconds after the first, bytes)."""
    records: list[craft.Record] = []
    at = -1.0
    for frame in frames:
        at, data = (at + 1, frame) if isinstance(frame, bytes) else frame
        records.append((craft.START + int(at * 10**6), len(data), data))
    return records


def both(made: Setup, frames: Iterable[Any]) -> tuple[rig.Played, set[int]]:
    """What the plain path makes of *frames*, and the numbers of those that take it at the largest burst.

    Fails where columns make something else of them.
    """
    records = records_of(frames)
    with tempfile.TemporaryDirectory() as folder:
        assert disagreement(made, records, Path(folder)) == ""
        plain = engine.run(made, records, Path(folder))
    return rig.Played(plain), driven(made, records)[0].plain


class Driven(Replay):
    """A replay that writes down which frames take the plain path."""

    def __init__(self, made: Setup) -> None:
        super().__init__(made, None, None, None)  # type: ignore[arg-type]
        self.plain: set[int] = set()
        self.balancer._plain = self._seen(self.balancer._plain)

    def _seen(self, plain: Any) -> Any:
        def seen(burst: Burst, row: int) -> None:
            self.plain.add(burst.first + row)
            plain(burst, row)

        return seen


def driven(made: Setup, frames: Iterable[Any], burst: int = 4096) -> tuple[Driven, list[Burst]]:
    """A replay after *frames*, to look into, and its bursts."""
    rows = list(frames)
    records = rows if rows and isinstance(rows[0], tuple) and len(rows[0]) == 3 else records_of(rows)
    run = Driven(made._replace(burst_size=burst))
    with tempfile.TemporaryDirectory() as folder:
        with open_capture(str(craft.write(Path(folder) / "in.pcap", records))) as source:
            bursts = list(source.bursts(burst))
        for one in bursts:
            run.journey(one)
    return run, bursts
