"""The same capture under many settings, one row each, best first (interface 1).

Settings are the product of axes, an axis a list of overrides as `--set` takes them. Each is one replay in one
concurrent.futures.Executor: a pool of processes here, or a cluster's. The capture is read and parsed once on a machine
here, once a worker on a cluster (`shared`); a replay steers, balances and counts, and writes nothing.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from lbreplay.edge import pace
from lbreplay.edge.scratch import scratch
from lbreplay.errors import CaptureError, ConfigError
from lbreplay.journey import Replay
from lbreplay.lab.parcel import wrap
from lbreplay.lab.pool import Died, Pool
from lbreplay.lab.shared import Shared, kept, share
from lbreplay.loop.parse import parse
from lbreplay.model import Setup
from lbreplay.nic.cards import judging
from lbreplay.stats import Result, due, shares
from lbreplay.wire.capture import open_capture

RANGE = re.compile(r"([0-9]{1,12})(?:\.\.([0-9]{1,12})(?:\.\.([0-9]{1,12}))?)?")
MOST = 1024  # values of an axis
MOST_SETTINGS = 100_000

Overrides = tuple[str, ...]
STRATEGIES = ("port-low", "port-high", "laddr", "rss-port", "off")
REDIRECT = ("conn.redirect=true",)
AS_IT_IS: Mapping[str, Overrides] = {"device.driver": ("device.enforce=true",)}  # what is compared is what a NIC holds
ALIASES: Mapping[str, Overrides] = {  # names beside the strategies themselves
    "redirect": ('flow_director.strategy="port-low"', "flow_director.enabled=false", *REDIRECT),
}


class Axis(NamedTuple):
    """A name and the values tried, each with the overrides that make it."""

    name: str
    values: tuple[tuple[str, Overrides], ...]


class Setting(NamedTuple):
    """One point of the product: the values by axis, and the setup they make."""

    values: dict[str, str]
    setup: Setup


class Swept(NamedTuple):
    """What a sweep found. `damage`: why reading stopped before the end of the capture."""

    document: dict[str, Any]
    warnings: list[str]
    damage: CaptureError | None


# --- axes ----------------------------------------------------------------------------------------------------


def numbers(text: str, name: str) -> list[str]:
    """`1..16`, `1..16..2` and `2,4,8` mixed. ConfigError."""
    found: list[str] = []
    for part in text.split(","):
        spelled = RANGE.fullmatch(part.strip())
        low, high, step = (int(n) if n else 0 for n in spelled.groups()) if spelled else (1, -1, 1)
        values = range(low, (high or low) + 1, step or 1)
        if len(values) + len(found) > MOST:
            raise ConfigError(f"{name}: at most {MOST} numbers expected, got {text.strip()[:60]!r}")
        if not len(values):
            raise ConfigError(f"{name}: 1..16 or 2,4,8 expected, got {part.strip()[:60]!r}")
        found += map(str, values)
    return found


def axis(name: str, key: str, values: Sequence[str]) -> Axis:
    """Each of *values* set at *key*, and what tells the values of some keys apart."""
    return Axis(name, tuple((value, (f"{key}={value}", *AS_IT_IS.get(key, ()))) for value in values))


def strategies(names: Sequence[str]) -> Axis:
    """Strategies by name; `redirect` is no rules but redirect; `NAME+redirect` is both. ConfigError."""
    return Axis("strategy", tuple((name, _strategy(name)) for name in names))


def _strategy(name: str) -> Overrides:
    base, plus, extra = name.partition("+")
    if base in ALIASES and not plus:
        return ALIASES[base]
    if base not in STRATEGIES or (plus and extra != "redirect"):
        known = ", ".join((*STRATEGIES, *ALIASES))
        raise ConfigError(f"--strategy: {known} expected, or one with +redirect behind it, got {name!r}")
    return (f'flow_director.strategy="{base}"', *(REDIRECT if plus else ()))


def settings(axes: Sequence[Axis], load: Callable[[Overrides], Setup]) -> list[Setting]:
    """Every combination, the last axis fastest. *load* makes a setup of overrides."""
    count = prod(len(one.values) for one in axes)
    if count > MOST_SETTINGS:
        raise ConfigError(f"{' x '.join(one.name for one in axes)}: at most {MOST_SETTINGS} settings, got {count}")
    found = []
    for values in product(*(one.values for one in axes)):
        named = {one.name: value for one, (value, _) in zip(axes, values, strict=True)}
        found.append(Setting(named, load(tuple(override for _, overrides in values for override in overrides))))
    return found


# --- replays -------------------------------------------------------------------------------------------------


def sweep(
    path: str,
    wanted: Sequence[Setting],
    *,
    jobs: int,
    dask: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Swept:
    """Replay *path* under each of *wanted*: a row a setting, best first.

    *jobs* processes, or the cluster whose scheduler is at *dask*, of which *tell* says what becomes of it.
    Raises CaptureError, ConfigError, Died.
    """
    if dask is not None:
        return _on_cluster(path, wanted, dask, tell)
    with scratch() as folder:
        shared = share(path, wanted[0].setup, wanted[0].setup.burst_size, Path(folder))
        seen = Seen(shared.frames, shared.warnings, shared.damage)
        _judge(path, seen)
        with Pool(min(jobs, len(wanted))) as pool:
            rows = _rows(wanted, [pool.submit(measure, one.setup, Path(folder)) for one in wanted])
    return _swept(path, seen, rows)


def _on_cluster(path: str, wanted: Sequence[Setting], dask: str, tell: Callable[[str], None]) -> Swept:
    """The same; each worker reads the capture where it lies, or is sent it, and parses it once."""
    from lbreplay.lab.cluster import Cluster

    seen, parcel, first = _seen(path, wanted[0].setup), wrap(path), wanted[0].setup
    _judge(path, seen)
    with Cluster(dask, tell) as cluster:
        cluster.share([parcel], [path])
        asked = [cluster.submit(measure_file, one.setup, parcel, first) for one in wanted]
        rows = _rows(wanted, asked)
    return _swept(path, seen, rows)


class Seen(NamedTuple):
    """What a capture says of itself when it is read to its end, or to where it is damaged."""

    frames: int
    warnings: list[str]
    damage: CaptureError | None


def _seen(path: str, setup: Setup) -> Seen:
    with open_capture(path, setup.several) as source:
        for _ in source.bursts(1 << 14):
            pass
        return Seen(source.frames, source.warnings, source.damage)


def _judge(path: str, seen: Seen) -> None:
    if not seen.frames:
        raise seen.damage or CaptureError(f"{path}: no packet in it")


def _rows(wanted: Sequence[Setting], asked: Sequence[Future[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows as they come, in the order of *wanted*."""
    for future in pace.counted(as_completed(asked), "replaying", len(asked)):
        if error := future.exception():
            setting = wanted[asked.index(future)].values
            raise Died(f"{', '.join(map(' '.join, setting.items()))}: {error}") if isinstance(error, Died) else error
    return [{"setting": one.values, **future.result()} for one, future in zip(wanted, asked, strict=True)]


def _swept(path: str, seen: Seen, rows: list[dict[str, Any]]) -> Swept:
    rows.sort(key=badness)
    warnings = [warning for warning in seen.warnings if warning != str(seen.damage)]
    told = {"schema": 1, "capture": path, "frames": seen.frames, "rows": rows, **judged(rows)}
    return Swept(told, warnings, seen.damage)


def measure_file(setup: Setup, path: str, first: Setup) -> dict[str, Any]:
    """`measure` of a capture that this process has parsed for the ports of *first*, or does now."""
    return measure(setup, kept(path, first))


def measure(setup: Setup, folder: Path) -> dict[str, Any]:
    """One replay of what was shared into *folder*, in whatever process: the row of its setting."""
    gc.collect()  # a replay is a large circle; the one before it in this process is done
    shared = Shared.mapped(folder)
    run = Replay(setup, shared, None, None)
    run.rewriting = False
    for burst in shared.lent(setup.burst_size):
        if not shared.suits(setup):
            parse(burst, *judging(setup))
        run.travel(burst)
    return row(run.result())


def row(result: Result) -> dict[str, Any]:
    """What a sweep shows of a replay's statistics."""
    workers = [worker for worker in result.workers if worker["worker"] is not None]
    received = [worker["ipackets"] for worker in workers]
    handled = [worker["ipackets"] + worker["redirected"]["in"] for worker in workers]
    totals, mean = result.totals, sum(received) / len(received)
    redirected = sum(worker["redirected"]["out"] for worker in workers)
    return {
        "imbalance": round(max(received) / mean, 4) if mean else 1.0,
        "wrong_worker": sum(worker["wrong_worker"] for worker in workers),
        "redirected": redirected,
        "imagined_rules": result.imagined.refused if result.imagined else 0,
        "port_missed": sum(worker["sa_pool"]["miss"] for worker in workers),
        "transmitted": totals["transmitted"],
        "to_kernel": totals["to_kernel"],
        "dropped": totals["dropped"],
        "connections": sum(worker["conns"]["created"] for worker in workers),
        "busiest": max(handled),
        "by_worker": received,
        "uneven": round(max(map(_uneven, result.services), default=1.0), 4),
        "by_real": [real["inpkts"] for service in result.services for real in service["reals"]],
    }


def _uneven(service: dict[str, Any]) -> float:
    """How many times its due the most loaded real server of *service* got of its packets."""
    pairs = zip(shares(service, "inpkts"), due(service), strict=True)
    return max((share / fair for share, fair in pairs if fair), default=1.0)


# --- which is best ---------------------------------------------------------------------------------------------

Figure = Callable[[Mapping[str, Any]], float]
# What rows are ranked by, the fewest first: what breaks a balancer before what slows it down, and that before what is
# merely uneven. How a figure is told of the best row, unless it is 0.
RANKING: tuple[tuple[str, Figure, str], ...] = (
    ("rules that the NIC refuses", lambda row: row["imagined_rules"], "{:,} rules that the NIC refuses"),
    ("answers lost", lambda row: row["wrong_worker"] - row["redirected"], "{:,} answers lost"),
    ("missed ports", lambda row: row["port_missed"], "{:,} missed ports"),
    ("frames of the busiest worker", lambda row: row["busiest"], "{:,} frames on the busiest worker"),
    ("hand-overs between workers", lambda row: row["redirected"], "{:,} handed over"),
    (
        "load of the most loaded real server over its due",
        lambda row: row["uneven"],
        "no real server above {:.2f} times its due",
    ),
)
SOUND = 3  # so many of them are none where a setting is sound


def badness(one: Mapping[str, Any]) -> tuple[float, ...]:
    """What to sort by."""
    return tuple(figure(one) for _, figure, _ in RANKING)


def judged(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How *rows*, the best first, are ranked, and which one to take, in a sentence."""
    return {"ranking": "fewest " + ", ".join(name for name, _, _ in RANKING), "recommendation": _recommended(rows)}


def _recommended(rows: Sequence[Mapping[str, Any]]) -> str:
    best = rows[0]
    named = ", ".join(f"{axis} {value}" for axis, value in best["setting"].items())
    figures = ", ".join(told.format(figure(best)) for _, figure, told in RANKING if figure(best))
    alike = sum(badness(row) == badness(best) for row in rows) - 1
    others = f"; {alike} more {'is' if alike == 1 else 'are'} as good" if alike else ""
    head = "recommended" if not any(badness(best)[:SOUND]) else "none of these is sound; the least bad"
    return f"{head}: {named} ({figures}){others}"
