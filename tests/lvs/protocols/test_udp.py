"""UDP's states as D 7.2 says."""

import pytest
from made_walk import walk

from lbreplay.lvs.protocols.udp import ALWAYS_NORMAL, UDP
from lbreplay.model import Service, Setup, Udp


@pytest.mark.parametrize(
    "steps, mode, state",
    [
        ("in", "fnat", "oneway"),
        ("in,in", "fnat", "oneway"),
        ("in,out", "fnat", "normal"),
        ("in,out,in", "nat", "normal"),
        ("out", "snat", "oneway"),
        ("out,out", "snat", "oneway"),
        ("out,in", "snat", "normal"),
        ("out,in,out", "snat", "normal"),
    ],
)
def test_lives(steps: str, mode: str, state: str) -> None:
    """The answer of the other side makes it NORMAL for good."""
    named = ",".join(f"{side} datagram" for side in steps.split(","))
    assert walk(UDP, named, mode) == state
    assert walk(ALWAYS_NORMAL, named, mode) == "normal"


def test_timeouts() -> None:
    """conn_timeout replaces every state's."""
    setup = Setup(udp=Udp(timeout={"none": 2, "oneway": 30, "normal": 60, "last": 2}))
    assert UDP.timeout(setup, Service("dns", 17)) == (2 * 10**9, 30 * 10**9, 60 * 10**9)
    assert UDP.timeout(setup, Service("dns", 17, conn_timeout=5)) == (5 * 10**9,) * 3
