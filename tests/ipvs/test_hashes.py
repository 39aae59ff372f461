"""The hash of the connection table (L 19)."""

from __future__ import annotations

import pytest

from lbreplay.ipvs.hashes import conn_hash


@pytest.mark.parametrize(("function", "value"), [("lookup2", 0x584BBBD4), ("lookup3", 0xE1437EDA)])
def test_published_vector(function: str, value: int) -> None:
    """TCP 192.168.1.10:40000, boot word 0."""
    assert conn_hash(6, bytes((192, 168, 1, 10)), 40000, function) == value


def test_ipv6_uses_the_whole_address() -> None:
    """Another last byte, another bucket."""
    one, other = bytes(15) + b"\1", bytes(15) + b"\2"
    assert conn_hash(6, one, 1, "lookup3") != conn_hash(6, other, 1, "lookup3")
