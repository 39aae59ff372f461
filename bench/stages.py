"""What costs what: the share of each stage of a replay, by profile. Start-up is not in it.

The stages are those of `lbreplay.journey`; each is a name looked up when called, so a clock fits around it.
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
    from lbreplay import journey
    from lbreplay.config.load import load
    from lbreplay.wire.capture import open_capture, open_sink

    clock, plain = Clock(), (journey.parse, journey.rewrite)
    clock.put(journey, "parse", "parse")
    clock.put(journey, "rewrite", "rewrite")
    try:
        with open_capture(path) as source, open_sink(str(DESK / "out.pcap"), source.info, None) as sink:
            run = journey.Replay(load(CONFIG), source, sink, None)
            parts = ((run.nic, "steer", "steer"), (run.balancer, "balance", "balance"))
            for part in (*parts, (sink, "write", "write"), (run.counters, "add", "count")):
                clock.put(*part)
            read = clock.around("read", partial(next, source.bursts(BURST), None))
            while (burst := read()) is not None:
                run.journey(burst)
    finally:
        journey.parse, journey.rewrite = plain
    return clock.shares()
