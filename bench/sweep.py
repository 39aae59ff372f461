"""`lbreplay sweep`: sixteen settings of a capture, beside sixteen replays that write nothing, divided by the cores. And
`lbreplay check` and `lbreplay explain` beside one of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from bench.measure import CONFIG, LBREPLAY, Figure, capture, paired, seconds

SETTINGS = 16


def figures(quick: bool) -> Iterator[Figure]:
    path = capture("web", 100_000 if quick else 1_000_000)
    yield Figure(
        f"sweep of {SETTINGS} settings", f"{SETTINGS} runs over the cores", partial(_sweep, path), 1.5, less=True
    )
    yield Figure("check", "a run", partial(_check, path), 1.5, less=True)
    late = ("-n", "99000" if quick else "990000")  # web ends its connections, and has somewhat fewer frames than asked
    yield Figure("explain, a late frame", "a run", partial(_beside_run, path, ("explain", *late)), 1.5, less=True)


def _sweep(path: str) -> float:
    cores = len(os.sched_getaffinity(0))
    axis = ("--workers", f"1..{SETTINGS}", "-j", str(cores))
    sweep = partial(seconds, LBREPLAY, "sweep", path, "-c", CONFIG, *axis, "-q")
    core = str(min(os.sched_getaffinity(0)))
    one = partial(seconds, "taskset", "-c", core, LBREPLAY, "run", path, "-c", CONFIG, "-q")
    return paired(sweep, lambda: SETTINGS * (one() + one()) / 2 / cores, 1)


def _beside_run(path: str, command: tuple[str, ...]) -> float:
    """*command* on a capture, as a multiple of a run that writes nothing."""
    name, *more = command
    said = partial(seconds, LBREPLAY, name, path, "-c", CONFIG, *more)
    return paired(said, partial(seconds, LBREPLAY, "run", path, "-c", CONFIG, "-q"))


def _check(path: str) -> float:
    """On a card that can hold every rule: nothing is broken."""
    given = (path, "-c", CONFIG, "--set", 'device.driver="mlx5"', "-q")
    return paired(partial(seconds, LBREPLAY, "check", *given), partial(seconds, LBREPLAY, "run", *given))
