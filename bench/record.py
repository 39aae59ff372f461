"""What was measured before: bench/results.json, the last recorded run, and the tables of it in the documentation and
the README."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.measure import ROOT, Figure

RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "explanation" / "performance.md"
README = ROOT / "README.md"
SLOWER = 1.1  # times: more than this fails the bench
OPEN, CLOSE = "<!-- performance -->", "<!-- /performance -->"

Rows = dict[str, dict[str, Any]]  # by "part: name / beside"


class Found(NamedTuple):
    """What a run measured: figures, curves over their first points, and the shares of stages by profile."""

    figures: Rows
    growth: dict[str, dict[int, float]]
    stages: dict[str, dict[str, float]]


class Row(NamedTuple):
    """A figure that was measured."""

    part: str
    figure: Figure
    ratio: float

    @property
    def key(self) -> str:
        return f"{self.part}: {self.figure.name} / {self.figure.beside}"

    def document(self) -> dict[str, Any]:
        name, beside, _, asked, less = self.figure
        return {"name": name, "beside": beside, "ratio": round(self.ratio, 3), "asked": asked, "less": less}

    def slower(self, before: Rows) -> bool:
        """Whether it lost more than is allowed against the last recorded run."""
        return self.key in before and worse(self.ratio, before[self.key]["ratio"], self.figure.less) > SLOWER

    @property
    def short(self) -> bool:
        """Whether it does not reach what is asked."""
        return self.figure.asked is not None and worse(self.ratio, self.figure.asked, self.figure.less) > 1


def worse(now: float, before: float, less: bool) -> float:
    """How many times worse *now* is; with *less*, smaller is better."""
    a, b = (now, before) if less else (before, now)
    return a / b if b > 0 else float("inf") if a > b else 1.0


def part_of(key: str) -> str:
    """The part of the bench that a figure belongs to."""
    return key.partition(":")[0]


def read() -> Rows:
    """The figures of the last recorded run; nothing where there is none."""
    return dict(recorded()["figures"])


def recorded() -> dict[str, Any]:
    """The last recorded run."""
    none = {"figures": {}, "growth": {}, "stages": {}}
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else none


def write(found: Found) -> None:
    """Record a run: parts that were not measured keep what they had. The page's tables follow."""
    old = recorded()
    parts = {part_of(key) for key in found.figures}
    kept = {key: row for key, row in old["figures"].items() if part_of(key) not in parts}
    new = {
        "schema": 1,
        "figures": {**kept, **found.figures},
        "growth": _rounded(found.growth) or old["growth"],
        "stages": _rounded(found.stages) or old["stages"],
    }
    RESULTS.write_text(json.dumps(new, indent=2) + "\n")
    for page, tables in TABLES.items():
        page.write_text(with_tables(page.read_text(encoding="utf-8"), tables(new)), encoding="utf-8")


def _rounded(curves: Mapping[str, Mapping[Any, float]]) -> dict[str, dict[str, float]]:
    return {name: {str(at): round(value, 3) for at, value in curve.items()} for name, curve in curves.items()}


def with_tables(page: str, tables: str) -> str:
    """*page* with *tables* between its marks."""
    return re.sub(f"{OPEN}.*{CLOSE}", lambda _: f"{OPEN}\n{tables}{CLOSE}", page, flags=re.DOTALL)


def everything(found: Mapping[str, Any]) -> str:
    """All figures as Markdown, and where the time goes."""
    return f"{table(found['figures'])}\nThe share of each stage in a replay:\n\n{shares(found['stages'])}"


def kinds(found: Mapping[str, Any]) -> str:
    """Kinds of traffic as Markdown, each with its speed beside tcprewrite's."""
    lines = ["| traffic | of tcprewrite's speed |", "|---|---|"]
    told = [row for row in found["figures"].values() if row["beside"] == "tcprewrite"]
    lines += [f"| {row['name'].removesuffix(', frames a second')} | {row['ratio']:.2f} |" for row in told]
    return "\n".join(lines) + "\n"


def shares(stages: Mapping[str, Mapping[str, float]]) -> str:
    """The stages as Markdown, a row a profile."""
    names = list(next(iter(stages.values()), {}))
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [
        f"| {profile} | " + " | ".join(f"{s:.0%}" for s in row.values()) + " |" for profile, row in stages.items()
    ]
    return "\n".join(lines) + "\n"


def table(rows: Rows) -> str:
    """The figures as Markdown."""
    lines = ["| lbreplay | beside | ratio | asked |", "|---|---|---|---|"]
    for row in rows.values():
        asked = "" if row["asked"] is None else f"at {'most' if row['less'] else 'least'} {row['asked']:g}"
        lines.append(f"| {row['name']} | {row['beside']} | {row['ratio']:.2f} | {asked} |")
    return "\n".join(lines) + "\n"


TABLES: dict[Path, Callable[[Mapping[str, Any]], str]] = {PAGE: everything, README: kinds}
