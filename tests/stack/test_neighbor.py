"""Neighbours: who says what MAC a next hop has."""

from __future__ import annotations

from lbreplay.model import Neighbor
from lbreplay.stack.neighbor import GONE, NEXT, STATES, TIMEOUT, Neighbors

HOP = bytes([192, 168, 100, 1])
CONFIGURED, LEARNED, CAME_FROM = (bytes([2, 0, 0, 0, 0, n]) for n in range(3))


def test_learned_then_configured_then_the_sides_own_then_made() -> None:
    """The order of interface 2, with what ARP taught before it (S 3.5)."""
    neighbors = Neighbors([Neighbor(HOP, CONFIGURED)])
    assert neighbors.mac(HOP, CAME_FROM) == CONFIGURED
    neighbors.learn(HOP, LEARNED)
    assert neighbors.mac(HOP, CAME_FROM) == LEARNED
    assert Neighbors([]).mac(HOP, CAME_FROM) == CAME_FROM
    assert Neighbors([]).mac(HOP, None).hex() == "0200c0a86401"


def test_an_ipv6_group_has_a_mac_by_itself() -> None:
    """33:33 and its last four bytes (RFC 2464)."""
    assert Neighbors([]).mac(bytes.fromhex("ff0200000000000000000001ff000100"), CAME_FROM).hex() == "3333ff000100"


def test_the_state_table_is_filled() -> None:
    """Every cell is a state, "keep", or the end of the entry; every state has a timeout."""
    assert len(TIMEOUT) == len(STATES)
    assert all(len(row) == len(STATES) and set(row) <= {*STATES, "", GONE} for row in NEXT.values())
