"""Connections as records: one made by the loop is the one that the plain path would have made (L 6)."""

from __future__ import annotations

import pytest
from kernel import A, Kernel, service

from lbreplay.loop.entry import Conn
from lbreplay.model import Endpoint
from lbreplay.wire.packet import flow_key


def _opened(k: Kernel, client: Endpoint) -> Conn:
    """A connection as the loop opens it."""
    starter = k.director.compiler.starters[0]
    k.director.compiler.ready(starter)
    words = k.parts.conns.table._split(flow_key(6, *client, *starter.courses[0].virtual))
    return k.parts.conns.open(starter.courses[0], 6, *words)


@pytest.mark.parametrize(("mode", "port"), [("nat", 8080), ("dr", 80)])
@pytest.mark.parametrize("edition", ["2.6", "6.1.192"])
def test_the_loops_connection_is_the_plain_paths(mode: str, port: int, edition: str) -> None:
    """Ends, flags, counts, and both ways to find it."""
    address = A.rpartition(":")[0]
    k = Kernel(service(f"{address}:{port}", mode=mode), edition=edition)
    client = Endpoint(b"\xc6\x33\x64\x07", 40000)
    made = _opened(k, client)
    dest = made.dest
    plain = k.parts.conns.new(6, client, made.virtual, made.real, dest)
    for name in ("client", "virtual", "real", "flags", "method", "service", "timeout", "proto", "entered"):
        assert getattr(made, name) == getattr(plain, name), name
    answering = made.real if mode == "nat" or edition == "2.6" else made.virtual
    k.parts.conns.unhash(plain)
    assert k.parts.conns.find_in(6, client, made.virtual) is made
    assert k.parts.conns.find_out(6, answering, client) is made
    assert (dest.inactconns, dest.refs, dest.conns, dest.counts.conns) == (2, 2, 1, 1)


def test_an_end_gives_everything_back() -> None:
    """Slot, tuples and counts: the next one has the slot again."""
    k = Kernel(service(A))
    client = Endpoint(b"\xc6\x33\x64\x07", 40000)
    made = _opened(k, client)
    slot, dest = made.slot, made.dest
    k.parts.conns.expire(made)
    assert (len(k.parts.conns), k.parts.conns.expired, dest.refs, dest.inactconns) == (0, 1, 0, 0)
    assert k.parts.conns.find_in(6, client, made.virtual) is None
    assert _opened(k, client).slot == slot
