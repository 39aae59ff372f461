"""Settings that no case depends on: measured by changing them, one at a time, and looking whether anything changes.

Changed is every value that a configuration writes, and every default of its sections, each to another value that its
kind allows. A case depends on a setting when it leaves other bytes, or other statistics, with the other value.
"""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from lbreplay.config.found import Found
from lbreplay.config.keypath import assign, service_name
from lbreplay.config.kinds import ByProfile, Choice, Either, Flag, Int, Key, Kind, Many, PowerOfTwo, Table
from lbreplay.config.load import load, parse, read_text
from lbreplay.config.schema import SCHEMA
from lbreplay.edge import pace
from lbreplay.errors import LbreplayError
from lbreplay.journey import replay
from lbreplay.lab.cover import Settled
from lbreplay.model import Setup

At = tuple[str | int, ...]
MOST = 2  # values that are tried of a setting
UNCHANGED = ""
LEFT_OUT = ("profile", "edition", "name", "event", "neighbor", "route")  # another balancer, or names of things
WORDS = {"rss": ("off", "ip", "tcp|udp"), "rss_key": ("symmetric",), "dst_port_mask": (1, 0), "reta": ([0],)}


class Setting(NamedTuple):
    """A setting: its name as `--set` spells it, where it stands, its value now, and others that may be tried."""

    name: str
    at: At
    value: Any
    others: tuple[Any, ...]


def settings(document: dict[str, Any]) -> list[Setting]:
    """What can be changed of a raw configuration, written or not."""
    profile = str(document.get("profile", "dpvs"))
    return list(_below(SCHEMA, document, (), "", profile))


def _below(table: Table, at: dict[str, Any], path: At, name: str, profile: str) -> Iterator[Setting]:
    for key_name, key in table.keys.items():
        if key_name in LEFT_OUT or key.profile not in ("", profile):
            continue
        here, named = (*path, key_name), f"{name}.{key_name}" if name else key_name
        given = at.get(key_name)
        below = _table(key.kind)
        if below is not None and not isinstance(key.kind, Many):
            if given is not None or not path or key_name == "timeout":
                yield from _below(below, given if isinstance(given, dict) else {}, here, named, profile)
        elif below is not None:
            for n, entry in enumerate(given or ()):
                yield from _entry(below, entry, (*here, n), named, profile)
        elif given is not None or len(path) <= 1 or "timeout" in path:
            yield from _leaf(key, given, here, named, profile)


def _entry(below: Table, entry: dict[str, Any], here: At, named: str, profile: str) -> Iterator[Setting]:
    label = service_name(entry) if here[0] == "service" and len(here) == 2 else str(entry.get("address", here[-1]))
    yield from _below(below, entry, here, f"{named}.{label}", profile)


def _table(kind: Kind) -> Table | None:
    """The table of a key, or of its list's entries."""
    if isinstance(kind, Many):
        return kind.kind if isinstance(kind.kind, Table) else None
    return kind if isinstance(kind, Table) else None


def _leaf(key: Key, given: Any, at: At, name: str, profile: str) -> Iterator[Setting]:
    value = key.default if given is None else given
    others = tuple(other for other in _others(key.kind, value, str(at[-1]), profile) if other != value)
    if value is not None and others:
        yield Setting(name, at, value, others)


def _others(kind: Kind, value: Any, name: str, profile: str) -> Iterator[Any]:
    """Other values that *kind* allows, those that change most first."""
    if name in WORDS:
        yield from WORDS[name]
    elif isinstance(kind, ByProfile):
        yield from _others(kind.ipvs if profile == "ipvs" else kind.dpvs, value, name, profile)
    elif isinstance(kind, Flag):
        yield not value
    elif isinstance(kind, Choice):
        yield from kind.names
    elif isinstance(kind, Int) and isinstance(value, int):
        factor = 2 if isinstance(kind, PowerOfTwo) else 1
        tried = (
            (value * 2, value // 2) if factor == 2 else (value + 2, value - 2, value * 2 + 10, value // 2, value + 1)
        )
        yield from (other for other in tried if kind.low <= other <= kind.high)
    elif isinstance(kind, Either):
        for one in kind.kinds:
            if isinstance(value, one.types):
                yield from _others(one, value, name, profile)
    elif isinstance(value, list) and value:
        yield from (value[:-1], value[1:])
    elif isinstance(value, str):
        yield from _other_text(value)


def _other_text(value: str) -> Iterator[str]:
    """Addresses with another last number."""
    for number in ("7", "9"):
        head, dot, last = value.rpartition("." if "." in value else ":")
        digits = len(last) - len(last.lstrip("0123456789abcdef"))
        if dot and digits:
            yield f"{head}{dot}{number}{last[digits:]}"


class Suite(NamedTuple):
    """Cases of one configuration."""

    cases: tuple[Settled, ...]

    def document(self) -> dict[str, Any]:
        """The raw configuration with what the cases' arguments assign."""
        first = self.cases[0]
        assert first.config is not None, "only such cases are settled"
        found = parse(str(first.config), read_text(str(first.config)))
        for text in first.sets:
            assign(found, text, str(first.config.parent))
        return found


def depends(suite: Suite, executor: Executor) -> list[dict[str, Any]]:
    """Of each setting that can be changed by itself the first case that depends on it, None where none does."""
    found = settings(suite.document())
    results = []
    judged = zip(found, executor.map(_who, [suite] * len(found), found), strict=True)
    for setting, who in pace.counted(judged, "changing settings", len(found)):
        if who != UNCHANGED:
            results.append({"setting": setting.name, "value": setting.value, "case": who})
    return results


def _who(suite: Suite, setting: Setting) -> str | None:
    """The first case that comes out otherwise under another value of *setting*; UNCHANGED: no other value fits."""
    tried = 0
    for other in setting.others:
        document = changed(suite.document(), setting.at, other)
        try:
            case = next((one.case.name for one in suite.cases if _differs(one, document)), None)
        except LbreplayError:
            continue  # the other settings do not go with that value
        tried += 1
        if case is not None or tried == MOST:
            return case
    return None if tried else UNCHANGED


def changed(document: dict[str, Any], path: At, value: Any) -> dict[str, Any]:
    """The raw configuration with another value at *path*."""
    made = copy.deepcopy(document)
    at: Any = made
    for step in path[:-1]:
        at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
    at[path[-1]] = value
    return made


def _differs(one: Settled, document: dict[str, Any]) -> bool:
    assert one.config is not None, "only such cases are settled"
    found = Found()
    found.document = document
    setup = load(str(one.config), text=found.text(), view=one.case.view)
    return _outcome(setup, one.capture) != _expected(one.config, one.sets, one.case.view, one.capture)


def _outcome(setup: Setup, capture: Path) -> str:
    """A digest of what leaves and what is counted; of the configuration nothing."""
    with tempfile.TemporaryDirectory(prefix="lbreplay-") as folder:
        out = Path(folder) / "out.pcap"
        result = replay(setup, str(capture), str(out))
        stats = result.document() | {"setup": None, "capture": None}
        for service in stats["services"]:
            service |= {"scheduler": None, "mode": None}
            service["reals"] = [{**real, "weight": None} for real in service["reals"]]
        told = json.dumps(stats, sort_keys=True, default=str).encode()
        return hashlib.sha256(out.read_bytes() + told).hexdigest()


@cache
def _expected(config: Path, sets: tuple[str, ...], view: str, capture: Path) -> str:
    """The digest of a case as it is, once a process."""
    return _outcome(load(str(config), sets, view=view), capture)


def by_setting(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of several configurations: a setting that a case of any of them depends on is not idle."""
    merged: dict[str, dict[str, Any]] = {}
    for one in found:
        known = merged.setdefault(one["setting"], one)
        if known["case"] is None and one["case"] is not None:
            merged[one["setting"]] = one
    return list(merged.values())
