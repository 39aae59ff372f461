"""Walks through a protocol's table by names, for tests of what a connection lives through."""

from __future__ import annotations

from lbreplay.lvs.protocols import Protocol


def walk(protocol: Protocol, steps: str, mode: str = "fnat", state: str = "none") -> str:
    """The last state after *steps*, each `in EVENT` or `out EVENT`, separated by commas."""
    at = protocol.states.index(state)
    for step in steps.split(","):
        side, event = step.split()
        columns = protocol.sides(mode)[side == "out"]
        at = protocol.step(columns, protocol.events.index(event), at)
    return protocol.states[at]
