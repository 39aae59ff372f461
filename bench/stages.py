"""What costs what: the share of each stage of a replay, by profile. Start-up is not in it.

The stages are those of `lbreplay.journey.Replay`; each is looked up when called, so a clock fits around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

from bench.measure import CONFIG, DESK, capture

PROFILES = ("steady", "web", "syn", "udp")
STAGES = ("read", "parse", "steer", "balance", "rewrite", "write", "count")
BURST = 4096


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.took = dict.fromkeys(STAGES, 0.0)

    def around(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            start = perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.took[stage] += perf_counter() - start

        return timed

    def put(self, owner: Any, name: str, stage: str) -> None:
        setattr(owner, name, self.around(stage, getattr(owner, name)))

    def shares(self) -> dict[str, float]:
        whole = sum(self.took.values())
        return {stage: took / whole for stage, took in self.took.items()}


def shares(quick: bool) -> Iterator[tuple[str, dict[str, float]]]:
    """(profile, {stage: part of the whole})."""
    for profile in PROFILES:
        yield profile, _clocked(capture(profile, 100_000 if quick else 1_000_000))


def _clocked(path: str) -> dict[str, float]:
    from lbreplay.config.load import load
    from lbreplay.journey import Replay
    from lbreplay.wire.capture import open_capture, open_sink

    clock = Clock()
    with open_capture(path) as source, open_sink(str(DESK / "out.pcap"), source.info, None) as sink:
        run = Replay(load(CONFIG), source, sink, None)
        clock.put(run, "parse", "parse")
        clock.put(run, "steer", "steer")
        clock.put(run.balancer, "balance", "balance")
        clock.put(run.balancer, "rewrite", "rewrite")
        clock.put(sink, "write", "write")
        clock.put(run.counters, "add", "count")
        read = clock.around("read", partial(next, source.lent(BURST), None))
        while (burst := read()) is not None:
            run.journey(burst)
    return clock.shares()
