"""The same frames packet by packet and in columns: they must give the same, and columns must really have been used.

plain, rows = twins(setup, [syn(CLIENT, VIP), ...])
plain.verdicts, plain.packet(1)     # as rig.play
rows                                # numbers of the frames that took the plain path at the largest burst
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import craft
import engine
import rig

from lbreplay.burst import Burst
from lbreplay.model import Setup
from lbreplay.replay import Replay
from lbreplay.wire.capture import open_capture

BURSTS = (1, 3, 4096)


def records_of(frames: Iterable[Any]) -> list[craft.Record]:
    """Frames as in `rig`: bytes, or (milliseconds after the first, bytes)."""
    records: list[craft.Record] = []
    at = -1.0
    for frame in frames:
        at, data = (at + 1, frame) if isinstance(frame, bytes) else frame
        records.append((craft.START + int(at * 10**6), len(data), data))
    return records


def twins(made: Setup, frames: Iterable[Any]) -> tuple[rig.Played, set[int]]:
    """What the plain path makes of *frames*; fails where columns make something else of them, in bursts of any size."""
    records = records_of(frames)
    with tempfile.TemporaryDirectory() as folder:
        plain = engine.run(made, records, Path(folder))
        for burst in BURSTS:
            run = engine.run(made, records, Path(folder), burst, traced=False)
            assert run.sent == plain.sent, f"in bursts of {burst}"
            for part in ("totals", "workers", "services"):
                assert json.dumps(run.document[part]) == json.dumps(plain.document[part]), f"in bursts of {burst}"
    return rig.Played(plain), plain_rows(made, records)


def plain_rows(made: Setup, records: list[craft.Record]) -> set[int]:
    """Numbers of the frames that took the plain path."""
    run, _ = driven(made, records)
    return run.plain


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
    run = Driven(replace(made, burst_size=burst))
    with tempfile.TemporaryDirectory() as folder:
        with open_capture(str(craft.write(Path(folder) / "in.pcap", records))) as source:
            bursts = list(source.bursts(burst))
        for one in bursts:
            run.journey(one)
    return run, bursts
