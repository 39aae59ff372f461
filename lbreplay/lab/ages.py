"""What a frame finds of its flow's connection: still there, another one in its place, or gone (D 2.5; L 6.6, L 8).

Read from a trace, frame by frame. Why a connection has gone follows from the state its last frame left it in, how long
that state lasts, and how long nothing came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lbreplay.model import NANOSECOND, Setup

KEPT, ANEW, GONE = "kept", "anew", "gone"
Story = Mapping[str, Any]
Lasts = Callable[[str, str, str], float]


class Age(NamedTuple):
    """What a frame found (`KEPT`, `ANEW` or `GONE`; empty: its flow had no connection before), and that in words."""

    found: str = ""
    words: str = ""


class _Seen(NamedTuple):
    """A flow's connection, as its last frame left it."""

    conn: int
    t_ns: int
    state: str
    service: str


class Ages:
    """The connections of one replay, by flow."""

    def __init__(self, setup: Setup) -> None:
        self._lasts = LIFETIMES[setup.profile](setup)
        self._last: dict[str, _Seen] = {}

    def of(self, flow: str, story: Story) -> Age:
        """What the frame of *story*, the next of *flow*, found."""
        seen = self._last.get(flow)
        conn = story["conn"]
        if conn is not None:
            state = story["state"][1] if story["state"] else seen.state if seen else ""
            self._last[flow] = _Seen(conn, story["t_ns"], state, story["service"] or "")
        return Age() if seen is None else self._judge(flow, seen, story)

    def _judge(self, flow: str, seen: _Seen, story: Story) -> Age:
        silence = (story["t_ns"] - seen.t_ns) / NANOSECOND
        lasts = self._lasts(flow.partition(" ")[0], seen.state, seen.service)
        rule = f"{seen.state} lasts {lasts:g} s" if lasts < float("inf") else seen.state
        end = f"ended: {rule}, nothing came for {silence:.3g} s" if silence >= lasts else ""
        if story["conn"] == seen.conn:
            return Age(KEPT, f"kept: {rule}")
        if story["conn"] is not None:
            return Age(ANEW, f"{end}; a new one" if end else f"a new one in its place: {rule}")
        return Age(GONE, end) if end else Age()


def differ(a: Age, b: Age) -> bool:
    """Whether one balancer kept a connection that the other had no more."""
    return {a.found, b.found} in ({KEPT, ANEW}, {KEPT, GONE})


def _dpvs(setup: Setup) -> Lasts:
    from lbreplay.lvs.protocols import protocols

    tables = {table.name: table for table in protocols(setup.behaviour).values()}
    services = {service.name: service for service in setup.services}

    def lasts(proto: str, state: str, service: str) -> float:
        table, of = tables.get(proto), services.get(service)
        if table is None or of is None or state.lower() not in table.states:
            return float("inf")
        return table.timeout(setup, of)[table.states.index(state.lower())] / NANOSECOND

    return lasts


def _kernel(setup: Setup) -> Lasts:
    from lbreplay.ipvs.parts import Parts
    from lbreplay.ipvs.states import NAMES
    from lbreplay.wire.packet import SCTP, TCP, UDP

    timeouts = Parts(setup).states.timeouts
    numbers = {"tcp": TCP, "udp": UDP, "sctp": SCTP}

    def lasts(proto: str, state: str, service: str) -> float:
        names = NAMES.get(numbers.get(proto, 0), ())
        return timeouts[numbers[proto]][names.index(state)] / NANOSECOND if state in names else float("inf")

    return lasts


LIFETIMES: dict[str, Callable[[Setup], Lasts]] = {"dpvs": _dpvs, "ipvs": _kernel}
