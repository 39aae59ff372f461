"""What a frame found of its connection, read from the states, times and numbers of a trace."""

from typing import Any

import pytest

from lbreplay.lab.ages import ANEW, GONE, KEPT, Age, Ages, differ
from lbreplay.model import NANOSECOND, Setup

FLOW = "tcp 10.0.0.100:80 - 172.16.0.1:3000"


def story(second: float, conn: int | None, *states: str) -> dict[str, Any]:
    """The trace of a frame."""
    found = {"t_ns": int(second * NANOSECOND), "conn": conn, "state": list(states) or None, "service": "web"}
    return found if conn is not None else found | {"service": None}


def web(text: str) -> Setup:
    from lbreplay.config.load import load

    return load("lb.toml", text=text)


DPVS = web(
    '[[service]]\nname = "web"\nvip = "10.0.0.100:80"\nladdr = ["10.0.0.1"]\nreal = [{ address = "10.1.0.2:80" }]'
)
KERNEL = web(
    'profile = "ipvs"\n[ipvs]\ntimeout = { tcp = 200 }\n'
    '[[service]]\nname = "web"\nvip = "10.0.0.100:80"\nreal = [{ address = "10.1.0.2:80" }]'
)


def walk(setup: Setup, *stories: dict[str, Any]) -> Age:
    """What the last of *stories* found."""
    ages = Ages(setup)
    return [ages.of(FLOW, one) for one in stories][-1]


def test_a_flow_without_a_connection_finds_nothing() -> None:
    """Neither the first frame of a connection nor frames that never had one."""
    assert walk(DPVS, story(0, 1, "NONE", "SYN_RECV")) == Age()
    assert walk(DPVS, story(0, None), story(500, None)) == Age()


def test_kept() -> None:
    """The same connection, however long ago."""
    found = walk(DPVS, story(0, 1, "NONE", "SYN_RECV"), story(1, 1, "SYN_RECV", "ESTABLISHED"), story(80, 1))
    assert found == Age(KEPT, "kept: ESTABLISHED lasts 90 s")


@pytest.mark.parametrize(("setup", "lasts"), [(DPVS, 90), (KERNEL, 200)])
def test_gone_after_its_timeout(setup: Setup, lasts: int) -> None:
    """Nothing came for as long as its state lasts, by the settings of either balancer."""
    begin = story(0, 1, "SYN_RECV", "ESTABLISHED")
    told = f"ended: ESTABLISHED lasts {lasts} s, nothing came for {lasts} s"
    assert walk(setup, begin, story(lasts, None)) == Age(GONE, told)
    assert walk(setup, begin, story(lasts - 1, None)) == Age()


def test_a_new_one_in_its_place() -> None:
    """After the timeout, or before it."""
    begin = story(0, 1, "FIN_WAIT", "TIME_WAIT")
    assert walk(DPVS, begin, story(9, 2, "NONE", "SYN_RECV")).words.startswith("ended: TIME_WAIT lasts 7 s, nothing")
    assert walk(DPVS, begin, story(2, 2, "NONE", "SYN_RECV")) == Age(
        ANEW, "a new one in its place: TIME_WAIT lasts 7 s"
    )


def test_differ() -> None:
    """Only where one kept what the other had no more."""
    assert differ(Age(KEPT), Age(GONE)) and differ(Age(ANEW), Age(KEPT))
    assert not differ(Age(GONE), Age(ANEW)) and not differ(Age(), Age(GONE)) and not differ(Age(KEPT), Age(KEPT))
