"""Tables of states: read strictly, stepped alike by index and by numpy."""

import numpy as np
import pytest

from lbreplay.lvs.protocols import PROTOCOLS, Protocol, protocols
from lbreplay.lvs.protocols.table import numbered, read
from lbreplay.lvs.protocols.udp import ALWAYS_NORMAL
from lbreplay.model import Behaviour, Service, Setup

ALL = [*PROTOCOLS.values(), ALWAYS_NORMAL]
STATES = numbered("A one  B two")
GOOD = """
        A  B
in  go  B  .
out go  .  A
"""


def test_read() -> None:
    """A dot is the old state."""
    assert read(GOOD, STATES, ("in", "out"), ("go",)) == (b"\x01\x01", b"\x00\x00")


@pytest.mark.parametrize(
    "broken",
    [
        GOOD.replace("out go  .  A", ""),
        GOOD.replace("B  .", "B"),
        GOOD.replace("B  .", "B  .  ."),
        GOOD.replace("B  .", "B  X"),
        GOOD.replace("out", "aside"),
        GOOD + "in  go  A  A\n",
        GOOD.replace("A  B\n", "B  A\n"),
    ],
)
def test_a_hole_is_refused(broken: str) -> None:
    """A row or cell too few or too many, an unknown name, columns out of order."""
    with pytest.raises((ValueError, KeyError)):
        read(broken, STATES, ("in", "out"), ("go",))


@pytest.mark.parametrize("protocol", ALL, ids=lambda p: p.name)
def test_every_cell_is_filled(protocol: Protocol) -> None:
    """A row per column set and event, a known state per old state, a known event per byte."""
    assert len(protocol.next) == len(protocol.sets) * len(protocol.events)
    assert {len(row) for row in protocol.next} == {len(protocol.states)}
    assert max(map(max, protocol.next)) < len(protocol.states)
    assert len(protocol.event) == 256 and max(protocol.event) < len(protocol.events)
    for mode in ("fnat", "nat", "dr", "tunnel", "snat"):
        assert max(protocol.sides(mode)) < len(protocol.sets)


@pytest.mark.parametrize("protocol", ALL, ids=lambda p: p.name)
def test_numpy_steps_alike(protocol: Protocol) -> None:
    """The rows joined are one array."""
    table = np.frombuffer(b"".join(protocol.next), np.uint8).reshape(
        len(protocol.sets), len(protocol.events), len(protocol.states)
    )
    for (columns, event, state), new in np.ndenumerate(table):
        assert new == protocol.step(columns, event, state)


@pytest.mark.parametrize("protocol", ALL, ids=lambda p: p.name)
def test_every_state_has_a_timeout(protocol: Protocol) -> None:
    """In nanoseconds, from the configuration's names."""
    timeout = protocol.timeout(Setup(), Service("web", protocol.number))
    assert len(timeout) == len(protocol.states)
    assert min(timeout) == 2_000_000_000


def test_releases() -> None:
    """They differ in UDP only."""
    assert protocols(Behaviour()) == PROTOCOLS
    old = protocols(Behaviour(udp_oneway=False))
    assert old[17] is ALWAYS_NORMAL and old[6] is PROTOCOLS[6] and old[132] is PROTOCOLS[132]
