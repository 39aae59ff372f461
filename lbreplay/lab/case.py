"""A golden case as it lies in its folder (interface 7): found, read and judged.

    in.pcap  lb.toml  case.toml  expected/out.pcap  expected/stats.json

A recorded case has `expected/frames.jsonl` instead of `stats.json`: worker, output frames and "to the kernel" of every
input frame; its expectations are never rewritten. With `stories = true` a case has `expected/stories.jsonl` too: what
became of each frame, in the words of the trace. Captures may be gzipped (`in.pcap.gz`).
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbreplay.errors import ConfigError
from lbreplay.lab.diff import EXACT, Rules
from lbreplay.lab.fields import ignored

# Keys of case.toml that do something, and their types. Others are notes, unless they look like one of these.
KEYS: dict[str, type | tuple[type, ...]] = {
    "description": str,
    "args": list,
    "view": str,
    "exit_code": int,
    "ignore": list,
    "own_frames": list,  # frames of out.pcap to which `ignore` is limited
    "order": str,
    "time_tolerance_ms": (int, float),
    "check": list,
    "stories": bool,
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
    try:
        about = tomllib.loads(where.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{where}: {error}") from None
    _judge(where, about)
    order = about.get("order", "strict")
    if order not in ("strict", "flow"):
        raise ConfigError(f'{where}: order: "strict" or "flow" expected, got {order!r}')
    own = frozenset(about["own_frames"]) if "own_frames" in about else None
    tolerance = round(about.get("time_tolerance_ms", TOLERANCE_MS) * 1_000_000)
    return Case(
        name,
        path,
        Rules(ignored(about.get("ignore", ()), f"{where}: ignore"), tolerance, order, own),
        about.get("view", "client"),
        tuple(about.get("args", ())),
        about.get("exit_code", 0),
        tuple(about.get("check", ())),
        about.get("stories", False),
    )


def _judge(where: Path, about: dict[str, Any]) -> None:
    for key, value in about.items():
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1, 0.8)
            if near:
                raise ConfigError(f"{where}: {key}: no such key; nearest is {near[0]!r}")
        elif not isinstance(value, KEYS[key]):
            raise ConfigError(f"{where}: {key}: {_kind(KEYS[key])} expected, got {value!r}")
    for number, entry in enumerate(about.get("check", ())):
        if not isinstance(entry, dict) or "equals" not in entry or ("verdict" in entry) == ("path" in entry):
            raise ConfigError(f"{where}: check[{number}]: equals and one of verdict, path expected")


def _kind(kind: type | tuple[type, ...]) -> str:
    names = {str: "a string", int: "a whole number", list: "a list", bool: "true or false"}
    return names[kind] if isinstance(kind, type) else "a number"
