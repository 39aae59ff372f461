"""SCTP's events and states as D 8 says."""

import pytest
from made_walk import walk

from lbreplay.lvs.protocols.sctp import SCTP, event
from lbreplay.model import Service, Setup


def chunk(kind: int, body: bytes = b"") -> bytes:
    """A chunk, padded to a multiple of 4."""
    return bytes((kind, 0)) + (4 + len(body)).to_bytes(2) + body + bytes(-len(body) % 4)


@pytest.mark.parametrize(
    "chunks, name",
    [
        (chunk(0, b"data"), "data"),
        (chunk(3), "data"),
        (chunk(4), "data"),
        (chunk(5), "data"),
        (chunk(12), "data"),
        (chunk(13), "data"),
        (chunk(200), "data"),
        (chunk(1), "init"),
        (chunk(2), "init_ack"),
        (chunk(6), "abort"),
        (chunk(7), "shutdown"),
        (chunk(8), "shutdown_ack"),
        (chunk(9), "error"),
        (chunk(10), "cookie_echo"),
        (chunk(11), "cookie_ack"),
        (chunk(14), "shutdown_complete"),
        (chunk(10, b"odd") + chunk(6), "abort"),
        (chunk(11) + chunk(6), "abort"),
        (chunk(11) + chunk(0, b"data"), "cookie_ack"),
        (chunk(0, b"data") + chunk(6), "data"),
        (chunk(10, b"odd") + chunk(6)[:2], "cookie_echo"),
        (b"\x0a", "cookie_echo"),
        (b"\x0a\0\xff\xff" + chunk(6), "cookie_echo"),
        (b"", "data"),
    ],
)
def test_event(chunks: bytes, name: str) -> None:
    """The first chunk decides, but for an ABORT behind a cookie; what is cut there is not seen."""
    assert SCTP.events[event(chunks)] == name


@pytest.mark.parametrize(
    "steps, state",
    [
        ("in init", "init1"),
        ("in init,in init", "init"),
        ("in init,out init_ack", "cookie_sent"),
        ("in init,out init_ack,in cookie_echo", "cookie_replied"),
        ("in init,out init_ack,in cookie_echo,out cookie_ack", "established"),
        ("in data", "established"),
        ("in data,in shutdown", "shutdown_received"),
        ("in data,in shutdown,out shutdown_ack", "shutdown_ack_sent"),
        ("in data,in shutdown,out shutdown_ack,in shutdown_complete", "closed"),
        ("in data,out shutdown", "shutdown_sent"),
        ("in data,out shutdown,in shutdown_ack", "closed"),
        ("in data,out abort", "closed"),
        ("in data,in abort", "closed"),
        ("in init,out abort", "rejected"),
        ("in init,in init_ack,in abort", "rejected"),
        ("in data,out init", "established"),
        ("in init,out error", "closed"),
    ],
)
def test_lives(steps: str, state: str) -> None:
    """From the first chunk on."""
    assert walk(SCTP, steps) == state


def test_timeouts() -> None:
    """conn_timeout replaces that of ESTABLISHED alone."""
    seconds = [ns // 10**9 for ns in SCTP.timeout(Setup(), Service("sip", 132))]
    assert seconds == [2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61]
    own = SCTP.timeout(Setup(), Service("sip", 132, conn_timeout=20))
    assert [ns // 10**9 for ns in own] == [*seconds[:8], 20, *seconds[9:]]
