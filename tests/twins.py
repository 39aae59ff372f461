"""The fast path and its plain twin: the same capture with every row on the plain path, and with the columns.

A trace tells the story of every row, so with one every row takes the plain path; without, rows take what may be taken.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import craft

from lbreplay.model import Setup
from lbreplay.replay import replay

BURSTS = (1, 7, 256, 4096)


def outcome(setup: Setup, source: Path, burst: int = 4096, plain: bool = False) -> tuple[list[craft.Record], Any]:
    """What leaves, and the statistics."""
    out, trace = source.with_name("out.pcap"), str(source.with_name("trace")) if plain else None
    document = replay(replace(setup, burst_size=burst), str(source), str(out), trace=trace).document()
    return craft.read(out), json.loads(json.dumps(document))


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
