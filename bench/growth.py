"""What a frame costs as things grow: frames, workers, live connections. A curve must not bend up.

A bend is the cost of a frame at a point over that at the cheapest smaller one. Processor time counts, start-up set
aside; the points of a curve are measured in turn, and medians of rounds are taken. The picture is docs/growth.svg.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median
from typing import NamedTuple

from bench.measure import CONFIG, PYTHON, ROOT, Figure, capture

ROUNDS = 3
BEND = 1.2  # times the cheapest smaller point: the most that is asked
# room and local ports for all connections that are to live at once
ROOMY = "conn.pool_size=5000000", f"service.web.laddr={[f'198.18.253.{n}' for n in range(1, 13)]}"
PICTURE = ROOT / "docs" / "growth.svg"
# in a process of its own: CAPTURE CONFIG FRAME SET... -> seconds of processor a frame after FRAME. Reading the first
# burst and starting up are not in it; processes that a replay starts have ended by then, and are
CLOCK = """
import resource, sys, time
from lbreplay.config.load import load
from lbreplay.journey import replay
path, config, first, *sets = sys.argv[1:]
begun = []
def used():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
class Clock:
    def attach(self, run): pass
    def see(self, burst):
        frames = burst.first + burst.size - 1
        if frames >= int(first) and not begun:
            begun.append((frames, used()))
result = replay(load(config, sets), path, "/dev/null", watch=Clock())
(frame, start), = begun
print((used() - start) / (result.totals["frames"] - frame))
"""


class Curve(NamedTuple):
    """How the cost of a frame follows one number."""

    name: str
    points: Sequence[int]
    cost: Callable[[int], float]  # of a frame, in seconds


def curves(quick: bool, long: bool = False) -> Iterator[Curve]:
    unit = 100_000 if quick else 1_000_000
    frames = [unit // 10, unit] + ([10 * unit] if long else [])
    yield Curve("frames", frames, lambda n: cost(capture("steady", n)))
    web = capture("web", unit)
    yield Curve("workers", [1, 4, 16, 64], lambda n: cost(web, 0, [f"workers={n}"]))
    live = [1_000, 10_000] if quick else [1_000, 10_000, 100_000, 1_000_000] + ([4_000_000] if long else [])
    # segments of established connections, when all are open; the client's address would go into each one's first
    # segments, so that with more connections more frames would have to grow
    sets = ["tcp.toa=false", *ROOMY]
    yield Curve("live connections", live, lambda n: cost(capture("live", unit, flows=n), 3 * n, sets))


def figures(quick: bool, long: bool = False, found: dict[str, dict[int, float]] | None = None) -> Iterator[Figure]:
    """The worst bend of each curve; the points are left in *found*."""
    for curve in curves(quick, long):
        most = curve.points[-1]
        measure = partial(_measure, curve, {} if found is None else found)
        yield Figure(f"growth with {curve.name}, to {most:,}", "the cheapest before", measure, BEND, less=True)


def cost(path: str, first: int = 0, sets: Sequence[str] = (), config: str = CONFIG) -> float:
    """Seconds of processor a frame after the *first* ones."""
    command = [PYTHON, "-c", CLOCK, path, config, str(first), *sets]
    return float(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _measure(curve: Curve, found: dict[str, dict[int, float]]) -> float:
    rounds = [[curve.cost(point) for point in curve.points] for _ in range(ROUNDS)]
    costs = [median(column) for column in zip(*rounds, strict=True)]
    found[curve.name] = {point: cost / costs[0] for point, cost in zip(curve.points, costs, strict=True)}
    return bend(costs)


def bend(costs: Sequence[float]) -> float:
    """The most that a cost is above the least one before it."""
    return max(cost / min(costs[:n]) for n, cost in enumerate(costs) if n)


def bends(points: dict[int, float]) -> list[int]:
    """The points at which a curve bends up by more than is asked."""
    costs = list(points.values())
    return [point for n, point in enumerate(points) if n and costs[n] > BEND * min(costs[:n])]


def draw(found: dict[str, dict[int, float]]) -> None:
    """The curves side by side, each over its first point; the band is what is allowed."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "lbreplay"
    from matplotlib import pyplot as plt

    figure, panes = plt.subplots(1, len(found), figsize=(3.4 * len(found), 2.8), sharey=True, squeeze=False)
    for pane, (name, points) in zip(panes[0], found.items(), strict=True):
        least = min(points.values())
        pane.axhspan(least, BEND * least, color="tab:green", alpha=0.12, linewidth=0)
        pane.plot(list(points), list(points.values()), "o-", color="tab:blue")
        pane.set(xscale="log", xlabel=name)
        pane.grid(alpha=0.3)
    panes[0][0].set_ylim(0, 1.1 * max(BEND, *(max(points.values()) for points in found.values())))
    panes[0][0].set_ylabel("seconds a million frames,\nover the first point's")
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)
