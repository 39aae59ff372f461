"""The recorded cases under golden/: what DPVS and the kernel's IPVS really transmitted (golden/README.md)."""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import craft

GOLDEN = Path(__file__).parent / "golden"


class Case:
    """A folder: `about` (case.toml), `received`, `expected` (records) and `frames` (what became of every frame)."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self.config = folder / "lb.toml"

    @property
    def about(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "case.toml").read_text())

    @property
    def received(self) -> list[craft.Record]:
        return craft.read(self.file("in.pcap"))

    @property
    def expected(self) -> list[craft.Record]:
        return craft.read(self.file("expected/out.pcap"))

    @property
    def frames(self) -> list[dict[str, Any]]:
        file = self.file("expected/frames.jsonl")
        raw = file.read_bytes()
        lines = (gzip.decompress(raw) if file.suffix == ".gz" else raw).splitlines()
        return [row for row in map(json.loads, lines) if row["n"]]

    def file(self, name: str) -> Path:
        plain = self.folder / name
        return plain if plain.exists() else plain.with_name(plain.name + ".gz")


def cases(suite: str) -> list[Case]:
    """All cases of golden/SUITE, by name."""
    return [Case(file.parent) for file in sorted((GOLDEN / suite).glob("*/case.toml"))]


def find(tree: Any, path: str) -> Any:
    """What stands at *path* of the statistics; entries of a list go by service, address or worker (interface 7)."""
    while path:
        names = {k: v for entry in tree for k, v in named(entry)} if isinstance(tree, list) else tree
        key = max((k for k in names if path == k or path.startswith(k + ".")), key=len, default=None)
        if key is None:
            return None
        tree, path = names[key], path[len(key) + 1 :]
    return tree


def named(entry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    key = next((k for k in ("service", "address", "worker") if k in entry), None)
    if key:
        yield str(entry[key]), entry


def difference(
    case: Case, sent: list[tuple[int, bytes]], trace: dict[int, tuple[Any, list[int], str]], said: Any
) -> str | None:
    """The first way in which a replay is not the recording; None where it holds.

    *sent* is (time, frame) in order; *trace* gives (worker, numbers of what left, fate) of every frame; *said* is the
    statistics document.
    """
    expected = case.expected
    for number, ((time, data), (when, _, want)) in enumerate(zip(sent, expected, strict=False), 1):
        if time != when or data != want:
            return f"out #{number}: {time} {data.hex()}, recorded {when} {want.hex()}"
    if len(sent) != len(expected):
        return f"{len(sent)} frames left, recorded {len(expected)}"
    for want in case.frames:
        worker, out, fate = trace[want["n"]]
        if (worker, out, fate == "to_kernel") != (want["worker"], want["out"], want["kernel"]):
            return f"frame {want['n']}: {worker} {out} {fate}, recorded {want}"
    for check in case.about.get("check", []):
        verdict = check.get("verdict")
        got = said["totals"]["verdicts"].get(verdict, 0) if verdict else find(said, check["path"])
        if got != check["equals"]:
            return f"{verdict or check['path']}: {got}, recorded {check['equals']}"
    return None
