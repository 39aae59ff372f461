"""TCP's events, states and timeouts as D 5.2 and 5.3 say."""

import pytest
from made_walk import walk

from lbreplay.lvs.protocols.tcp import ACK, FIN, RST, SYN, TCP
from lbreplay.model import Service, Setup, Tcp

PSH, URG = 8, 32


@pytest.mark.parametrize(
    "flags, event",
    [
        (SYN, "syn"),
        (SYN | ACK, "syn"),
        (SYN | FIN, "syn"),
        (RST | SYN, "rst"),
        (RST | ACK, "rst"),
        (FIN | ACK, "fin"),
        (ACK | PSH, "ack"),
        (0, "none"),
        (PSH | URG, "none"),
    ],
)
def test_event(flags: int, event: str) -> None:
    """RST before SYN before FIN before ACK; other bits do not matter."""
    assert TCP.events[TCP.event[flags]] == event
    assert TCP.event[flags | 0xC0] == TCP.event[flags]


@pytest.mark.parametrize(
    "steps, mode, state",
    [
        ("in syn", "fnat", "syn_recv"),
        ("in syn,out syn", "fnat", "syn_recv"),
        ("in syn,out syn,in ack", "fnat", "established"),
        ("in syn,in ack,in fin", "fnat", "close_wait"),
        ("in syn,in ack,in fin,out fin", "fnat", "time_wait"),
        ("in syn,in ack,out fin", "fnat", "fin_wait"),
        ("in syn,in ack,out fin,in fin", "fnat", "time_wait"),
        ("in syn,in ack,in rst", "fnat", "close"),
        ("in syn,in ack,out rst", "fnat", "close"),
        ("in syn,in rst", "fnat", "syn_recv"),
        ("in syn,out rst", "fnat", "close"),
        ("in syn,in ack,in none", "fnat", "close"),
        ("in syn,in ack,in fin,out fin,in syn", "fnat", "syn_recv"),
        ("out syn,in syn", "snat", "established"),
        ("in syn,in ack", "dr", "established"),
        ("in syn,in ack,in fin", "tunnel", "fin_wait"),
        ("in syn,in ack,out fin,in rst", "dr", "close"),
    ],
)
def test_lives(steps: str, mode: str, state: str) -> None:
    """From the first packet on."""
    assert walk(TCP, steps, mode) == state


@pytest.mark.parametrize("state", TCP.states)
@pytest.mark.parametrize("columns", range(3))
def test_no_known_flag_closes(state: str, columns: int) -> None:
    """A segment without RST, SYN, FIN and ACK closes from every state."""
    new = TCP.step(columns, TCP.events.index("none"), TCP.states.index(state))
    assert TCP.states[new] == "close"


@pytest.mark.parametrize("state", ["last_ack", "listen", "synack"])
def test_never_entered(state: str) -> None:
    """Only from itself."""
    number = TCP.states.index(state)
    assert all(new != number or old == number for row in TCP.next for old, new in enumerate(row))


def test_timeouts() -> None:
    """Seconds of the configuration; conn_timeout replaces that of ESTABLISHED alone."""
    names = dict(zip(TCP.states, TCP.timeout(Setup(), Service("web", 6)), strict=True))
    assert {name: ns // 10**9 for name, ns in names.items()} == {
        "none": 2,
        "established": 90,
        "syn_sent": 3,
        "syn_recv": 30,
        "fin_wait": 7,
        "time_wait": 7,
        "close": 3,
        "close_wait": 7,
        "last_ack": 7,
        "listen": 120,
        "synack": 30,
    }
    own = TCP.timeout(Setup(tcp=Tcp(timeout=Tcp().timeout | {"close": 9})), Service("web", 6, conn_timeout=20))  # type: ignore[operator]
    assert own[TCP.states.index("established")] == 20 * 10**9
    assert own[TCP.states.index("close")] == 9 * 10**9
