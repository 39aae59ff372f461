"""Whose connection a local end is, or was: `lbreplay who` (interface 9).

Where the capture holds both legs of a balancer's connections, its own bindings are the answer; else the capture is
replayed, and the answer is what the model bound. Local ports are used again: each connection comes with the time it
was there. What full NAT shows is a connection's frames; when it was forgotten is the model's word, by the state its
last frame left it in (`ages`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lbreplay.burst import Burst
from lbreplay.errors import CaptureError
from lbreplay.lab.ages import LIFETIMES
from lbreplay.lab.audit import legs as both_legs
from lbreplay.lab.audit import owners
from lbreplay.lab.audit import settings as worked_out
from lbreplay.lab.audit.legs import Leg
from lbreplay.lab.steering import standing
from lbreplay.loop.parse import parse
from lbreplay.model import NANOSECOND, Endpoint, Setup
from lbreplay.wire.capture import open_capture

Flow = tuple[Endpoint, Endpoint]


class Whose(NamedTuple):
    """A connection; times are seconds after the first frame of the capture, `to_s` None while it lives."""

    client: str
    virtual: str
    local: str
    real: str
    worker: int | None
    from_s: float
    to_s: float | None

    def at(self, seconds: float) -> bool:
        return self.from_s <= seconds and (self.to_s is None or seconds <= self.to_s)


class Answer(NamedTuple):
    """The connections of a local end by time, and whether the capture's own second legs told them."""

    found: list[Whose]
    by_legs: bool

    def document(self) -> list[dict[str, Any]]:
        return [one._asdict() for one in self.found]


def who(end: Endpoint, path: str, setup: Setup | None, draft: Setup | None, at: float | None) -> Answer:
    """The connections of local *end*, of all times or of the one *at* seconds. CaptureError where there is none.

    *setup* is what was configured; without it, and without second legs, *draft* is replayed.
    """
    legs = both_legs.read(path)
    chosen = setup or draft
    if legs:
        found = _by_legs(end, legs, path, setup)
    else:
        assert chosen is not None, "something to replay"
        found = list(_by_replay(end, path, chosen))
    some = [one for one in found if at is None or one.at(at)]
    if not some:
        when = f" at {at:g} s" if at is not None else ""
        how = "of both legs in it" if legs else "of its replay"
        raise CaptureError(f"{path}: {end}{when}: no connection {how} has this local end")
    return Answer(some, bool(legs))


# --- both legs --------------------------------------------------------------------------------------------------


def _by_legs(end: Endpoint, legs: Sequence[Leg], path: str, setup: Setup | None) -> list[Whose]:
    ranks = _ranks(legs, setup)
    mine = [n for n, leg in enumerate(legs) if leg.local == end]
    start = _start(path)
    found = []
    for n in mine:
        leg = legs[n]
        again = any(other.back == leg.back and other.first_ns > leg.last_ns for other in legs)
        until = (leg.last_ns - start) / NANOSECOND if again or leg.closed else None
        since = (leg.first_ns - start) / NANOSECOND
        found.append(Whose(str(leg.client), str(leg.virtual), str(end), str(leg.real), ranks[n], since, until))
    return found


def _ranks(legs: Sequence[Leg], setup: Setup | None) -> list[int | None]:
    """The worker of each connection: by the configuration, else by the settings that its like make plain."""
    if setup is None:
        solved = owners.solve(legs)
        if solved is None:
            return [None] * len(legs)
        from lbreplay.config.load import load

        setup = load(None, (), text=worked_out.toml(solved, 0))
    nic = standing(setup)
    return [owners.owner_of(nic, setup, leg) for leg in legs]


def _start(path: str) -> int:
    """The time of the first frame."""
    with open_capture(path) as source:
        next(source.bursts(1), None)
        return source.first_ns


# --- a replay ---------------------------------------------------------------------------------------------------


def _by_replay(end: Endpoint, path: str, setup: Setup) -> Iterator[Whose]:
    """The connections that the model binds to *end*."""
    stories: dict[int, list[dict[str, Any]]] = {}
    told, last_ns = str(end), 0
    for story in _stories(path, setup):
        last_ns = story["t_ns"]
        if story.get("laddr") == told and story["conn"] is not None and story["n"] is not None:
            stories.setdefault(story["conn"], []).append(story)
    start = _start(path)
    flows = dict(_flows(path, setup, {mine[0]["n"] for mine in stories.values()}))
    for mine in stories.values():
        client, virtual = flows[mine[0]["n"]]
        since, until = mine[0]["t_ns"], _end(mine, setup)
        lives = until is None or until > last_ns
        worker = mine[-1].get("owner", mine[-1]["worker"])
        to_s = None if lives or until is None else (until - start) / NANOSECOND
        yield Whose(str(client), str(virtual), told, mine[0]["real"], worker, (since - start) / NANOSECOND, to_s)


def _stories(path: str, setup: Setup) -> Iterator[dict[str, Any]]:
    from lbreplay.journey import replay

    with tempfile.TemporaryDirectory(prefix="lbreplay-") as folder:
        trace = Path(folder) / "trace"
        replay(setup, path, None, trace=str(trace))
        with trace.open(encoding="utf-8") as lines:
            for line in lines:
                story: dict[str, Any] = json.loads(line)
                if "t_ns" in story:
                    yield story


def _end(stories: Sequence[dict[str, Any]], setup: Setup) -> int | None:
    """When the state that the last of *stories* left lasts to; None: forever."""
    states = [story["state"][1] for story in stories if story.get("state")]
    lasts = LIFETIMES[setup.profile](setup)
    service = next((s for s in setup.services if s.name == stories[-1]["service"]), None)
    proto = {6: "tcp", 17: "udp", 132: "sctp"}.get(service.protocol, "") if service else ""
    seconds = lasts(proto, states[-1] if states else "", stories[-1]["service"] or "")
    return None if seconds == float("inf") else stories[-1]["t_ns"] + round(seconds * NANOSECOND)


def _flows(path: str, setup: Setup, wanted: set[int]) -> Iterator[tuple[int, Flow]]:
    """Source and destination of the frames *wanted*."""
    with open_capture(path) as source:
        for burst in source.bursts(4096):
            some = [n for n in wanted if burst.first <= n < burst.first + burst.size]
            if some:
                parse(burst, None, False)
                yield from ((n, _ends(burst, n - burst.first)) for n in some)


def _ends(burst: Burst, row: int) -> Flow:
    six = burst.family[row] == 6
    flow = (burst.wide[row] if six else burst.flow4[row]).tobytes()
    width = (len(flow) - 4) // 2
    source, dest = flow[:width], flow[width : 2 * width]
    return Endpoint(source, int.from_bytes(flow[-4:-2])), Endpoint(dest, int.from_bytes(flow[-2:]))
