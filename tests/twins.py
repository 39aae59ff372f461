"""The loop and its plain twin: the same capture with every row on the plain path, and with the loop. What leaves, the
statistics, and whatever is told of each row are the same, and telling changes nothing.
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


def outcome(
    setup: Setup, source: Path, burst: int = 4096, plain: bool = False, trace: str | None = None
) -> tuple[list[craft.Record], Any]:
    """What leaves, and the statistics; what is told of each row goes to *trace*."""
    out, watch = source.with_name("out.pcap"), engine.Plainly() if plain else None
    result = replay(setup._replace(burst_size=burst), str(source), str(out), trace=trace, watch=watch)
    listed = None if result.listing is None else json.dumps(result.listing(), default=repr)
    return craft.read(out), json.loads(json.dumps(result.document() | {"listing": listed}))


def told(setup: Setup, source: Path, burst: int = 4096, plain: bool = False) -> tuple[Any, bytes, list[str]]:
    """The statistics, an annotated capture of what left, and the lines of the trace."""
    out, trace = source.with_name("out.pcapng"), source.with_name("trace")
    watch = engine.Plainly() if plain else None
    result = replay(setup._replace(burst_size=burst), str(source), str(out), trace=str(trace), watch=watch)
    return result.document()["totals"], out.read_bytes(), trace.read_text().splitlines()


def untold(setup: Setup, source: Path, burst: int = 4096) -> str:
    """Where who looks on is told something else of the loop's rows than of those of the plain path; "" where not."""
    (totals, notes, lines), (plain_totals, plain_notes, plain_lines) = (
        told(setup, source, burst, plain) for plain in (False, True)
    )
    if lines != plain_lines:
        pairs = zip(lines, plain_lines, strict=False)
        return next((f"{a} not {b}" for a, b in pairs if a != b), f"{len(lines)} lines of {len(plain_lines)}")
    if totals != plain_totals:
        return "; ".join(differences(totals, plain_totals))
    return "" if notes == plain_notes else f"annotated otherwise at byte {_first(notes, plain_notes)}"


def _first(ours: bytes, theirs: bytes) -> str:
    at = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), -1)
    return f"{at}: {ours[at - 150 : at + 60]!r} not {theirs[at - 150 : at + 60]!r}"


def disagreement(setup: Setup, records: list[craft.Record], folder: Path, bursts: tuple[int, ...] = BURSTS) -> str:
    """Where the columns first differ from the plain path, over *bursts*; "" where they do not."""
    source = craft.write(folder / "in.pcap", records)
    sent, counted = outcome(setup, source, plain=True)
    for burst in bursts:
        fast, said = outcome(setup, source, burst)
        if fast != sent:
            pairs = enumerate(zip(fast, sent, strict=False), 1)
            wrong = next((f"{n}: {a[2].hex()} not {b[2].hex()}" for n, (a, b) in pairs if a != b), "")
            return f"burst {burst}: {len(fast)} frames of {len(sent)}, {wrong}"
        if said != counted:
            return f"burst {burst}: " + "; ".join(differences(said, counted))
        if wrong := untold(setup, source, burst) if burst == bursts[0] else "":
            return f"burst {burst}, told: {wrong}"
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
        plain = engine.run(made, records, Path(folder), plainly=True)
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
