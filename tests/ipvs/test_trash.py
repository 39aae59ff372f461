"""Deleted real servers: how long they come back with their counters (L 1, recorded)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, VIP, A, B, Kernel, service


@pytest.mark.parametrize(("pause", "conns"), [(1, 1), (239, 1), (241, 0)])
def test_marked_at_a_look_and_freed_two_later(pause: float, conns: int) -> None:
    """Its connection ends after the first look, due then too but armed before; marked at 120 s, freed at 240."""
    k = Kernel(service(A))
    k.send(craft.syn(CLIENT, VIP))
    k.remove(A)
    k.wait(pause)
    k.add(A)
    assert k.dest(A).conns == conns


@pytest.mark.parametrize(("pause", "conns"), [(179, 1), (181, 0)])
def test_without_connections(pause: float, conns: int) -> None:
    """Nobody refers to it from the start: marked after 60 s, freed after 180 s."""
    k = Kernel(service(A))
    conn = k.send(craft.syn(CLIENT, VIP)).conn
    k.parts.conns.delete(conn)
    k.remove(A)
    k.wait(pause)
    k.add(A)
    assert k.dest(A).conns == conns


def test_lblc_remembers() -> None:
    """As long as a destination address is served by it, a deleted real server is not freed."""
    k = Kernel(service(A, scheduler="lblc"))
    conn = k.send(craft.syn(CLIENT, VIP)).conn
    k.parts.conns.delete(conn)
    k.remove(A)
    k.wait(1000)
    k.add(A)
    assert k.dest(A).conns == 1


def test_2_6_keeps_no_one() -> None:
    """There only references keep a deleted real server."""
    k = Kernel(service(A, B), edition="2.6")
    dests = [k.dest(k.send(craft.syn(CLIENT, VIP)).real), k.dest(A)]
    for dest in {id(d): d for d in dests}.values():
        k.remove(str(dest.real))
    for conn in list(k.parts.conns):
        k.parts.conns.delete(conn)
        k.wait(1)
    for dest in (A, B):
        k.add(dest)
    assert [k.dest(address).conns for address in (A, B)] == [0, 0]
