"""A golden case as it lies in its folder (interface 7): found, read and judged.

    in.pcap  lb.toml  case.toml  expected/out.pcap  expected/stats.json

A recorded case has `expected/frames.jsonl` instead of `stats.json`: worker, output frames and "to the kernel" of every
input frame; its expectations are never rewritten. With `stories = true` a case has `expected/stories.jsonl` too: what
became of each frame, in the words of the trace. Captures may be gzipped (`in.pcap.gz`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbreplay.config.kinds import spell
from lbreplay.config.load import parse, read_text
from lbreplay.errors import ConfigError
from lbreplay.lab.diff import EXACT, Rules
from lbreplay.lab.fields import ignored

# Keys of case.toml that do something: what is right, and whether a value is. Others are notes, unless one looks alike.
KEYS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "description": ("a string", lambda v: isinstance(v, str)),
    "args": ("a list of strings", lambda v: _all(v, str)),
    "view": ("client, lb or rx", lambda v: v in ("client", "lb", "rx")),
    "exit_code": ("a whole number", lambda v: _is(v, int)),
    "ignore": ("a list of strings", lambda v: _all(v, str)),
    "own_frames": ("a list of whole numbers", lambda v: _all(v, int)),  # of out.pcap, to which `ignore` is limited
    "order": ('"strict" or "flow"', lambda v: v in ("strict", "flow")),
    "time_tolerance_ms": ("a number from 0", lambda v: _is(v, int, float) and 0 <= v < 1e12),
    "check": ("a list of tables", lambda v: _all(v, dict)),
    "stories": ("true or false", lambda v: isinstance(v, bool)),
}
TOLERANCE_MS = 2.0  # recorded clocks tick in milliseconds


@dataclass(frozen=True)
class Case:
    """A case read and judged. `name` is its path below the folder that was asked for."""

    name: str
    path: Path
    rules: Rules = EXACT
    view: str = "rx"
    args: tuple[str, ...] = ()
    exit_code: int = 0
    checks: tuple[dict[str, Any], ...] = ()
    stories: bool = False
    description: str = ""

    @property
    def recorded(self) -> bool:
        """Whether the expectations come from a real balancer: they are never rewritten."""
        return packed(self.path / "expected" / "frames.jsonl") is not None


def packed(path: Path) -> Path | None:
    """*path* or *path*.gz, whichever is there."""
    return next((p for p in (path, path.with_name(path.name + ".gz")) if p.exists()), None)


def discover(folders: Iterable[str], only: Sequence[str] = ()) -> list[tuple[str, Path]]:
    """(name, folder) of every case below *folders* whose name holds one of *only*; ConfigError for a missing folder."""
    found: dict[Path, str] = {}
    folders = list(folders)
    for folder in folders:
        root = Path(folder)
        if not root.is_dir():
            raise ConfigError(f"{folder}: a folder of golden cases expected")
        for file in sorted(root.rglob("case.toml")):
            parts = file.parent.relative_to(root).parts
            if not parts or len(folders) > 1:  # a case itself, or one of several folders: by its own name too
                parts = (root.resolve().name, *parts)
            found.setdefault(file.parent, "/".join(parts))
    return [(name, path) for path, name in found.items() if not only or any(part in name for part in only)]


def load(name: str, path: Path) -> Case:
    """Read case.toml. ConfigError with one line where it is broken."""
    where = path / "case.toml"
    about = parse(str(where), read_text(str(where)))
    _judge(where, about)
    own = frozenset(about["own_frames"]) if "own_frames" in about else None
    tolerance = round(about.get("time_tolerance_ms", TOLERANCE_MS) * 1_000_000)
    return Case(
        name,
        path,
        Rules(ignored(about.get("ignore", ()), f"{where}: ignore"), tolerance, about.get("order", "strict"), own),
        about.get("view", "client"),
        tuple(about.get("args", ())),
        about.get("exit_code", 0),
        tuple(about.get("check", ())),
        about.get("stories", False),
        about.get("description", ""),
    )


def _judge(where: Path, about: dict[str, Any]) -> None:
    for key, value in about.items():
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1, 0.8)
            if near:
                raise ConfigError(f"{where}: {key}: no such key; nearest is {near[0]!r}")
        elif not KEYS[key][1](value):
            raise ConfigError(f"{where}: {key}: {KEYS[key][0]} expected, got {spell(value)}")
    for number, entry in enumerate(about.get("check", ())):
        named = [entry[key] for key in ("verdict", "path") if key in entry]
        if "equals" not in entry or len(named) != 1 or not isinstance(named[0], str):
            raise ConfigError(f"{where}: check[{number}]: equals and one of verdict, path, a string, expected")


def _is(value: Any, *kinds: type) -> bool:
    """TOML's true is no number."""
    return isinstance(value, kinds) and not isinstance(value, bool)


def _all(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(_is(one, kind) for one in value)
