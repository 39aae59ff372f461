"""What a connection is found by."""

from __future__ import annotations

import pytest

from lbreplay.ipvs.ends import ends
from lbreplay.model import Endpoint

A, B = Endpoint(bytes((192, 0, 2, 1)), 5), Endpoint(bytes((192, 0, 2, 2)), 6)


@pytest.mark.parametrize("proto", [50, 51])
def test_ipsec_belongs_to_its_key_exchange(proto: int) -> None:
    """AH and ESP have no ports: the datagrams from 500 to 500 between the same hosts stand for them (L 3)."""
    assert ends(proto, A, B) == (17, Endpoint(A.address, 500), Endpoint(B.address, 500))


@pytest.mark.parametrize("proto", [6, 17, 132])
def test_what_has_ports_is_found_by_them(proto: int) -> None:
    """Protocol, source and destination as they are."""
    assert ends(proto, A, B) == (proto, A, B)
