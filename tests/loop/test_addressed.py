"""Whose ends are services': by address, port and protocol, of both families."""

from __future__ import annotations

import craft
from rig import setup, tcp
from twins import both

from lbreplay.loop.addressed import Places
from lbreplay.loop.names import NONE, TCP, UDP


def word(address: bytes) -> int:
    return int.from_bytes(address, "little")


def test_each_end_has_its_number() -> None:
    """However many there are; a port, an address or a protocol that differs is nobody's."""
    addresses = [bytes((10, 0, n >> 8, n & 255)) for n in range(600)]
    ends = [(proto, address, port) for address in addresses for proto, port in ((TCP, 80), (UDP, 53))]
    places = Places(ends)
    for number, (proto, address, port) in enumerate(ends):
        assert places.find(word(address), word(port.to_bytes(2)), proto) == number
        assert places.find(word(address), word(port.to_bytes(2)), TCP + UDP - proto) == NONE
    assert Places([]).find(1, 2, 3) == NONE


def test_ports_of_wide_ends_differ_too() -> None:
    """Of IPv6, a service by each."""
    made = setup(vip="[2001:db8:1::100]:80", reals=("[2001:db8:2::2]:8080",), laddr="[2001:db8:2::200]:1025")
    frames = [tcp("[2001:db8:c::1]:3000", f"[2001:db8:1::100]:{port}", "S", 1) for port in (80, 81, 80)]
    plain, rows = both(made, frames + [craft.tick()])
    assert plain.verdicts[0] == plain.verdicts[2] == "forwarded_slow" != plain.verdicts[1] and 1 not in rows
