"""Ends by number, of both families."""

from __future__ import annotations

import random

from lbreplay.loop.ends import Ends
from lbreplay.wire.packet import TCP, UDP


def _asked(proto: int, address: bytes, port: int) -> tuple[int, int, int, int, bool]:
    """What `Ends.find` is asked with."""
    low, high = int.from_bytes(address[:8], "little"), int.from_bytes(address[8:], "little")
    return low, high, int.from_bytes(port.to_bytes(2), "little"), proto, len(address) == 16


def test_ends_of_both_families() -> None:
    """By protocol, address and port, each its number; nothing else is found."""
    four, six = bytes((10, 0, 0, 1)), bytes(range(16))
    ends = Ends([(TCP, four, 80), (UDP, four, 80), (TCP, six, 443)])
    assert [ends.find(*_asked(proto, four, 80)) for proto in (TCP, UDP, 132)] == [0, 1, -1]
    assert ends.find(*_asked(TCP, six, 443)) == 2
    assert ends.find(*_asked(TCP, six[:15] + b"\0", 443)) == -1
    assert ends.find(*_asked(TCP, four + bytes(12), 80)) == -1


def test_many_neighbours() -> None:
    """Thousands of addresses that differ in a bit or two are all told apart."""
    rng = random.Random(1)
    wide = [b"\x20\x01\x0d\xb8" + bytes(10) + n.to_bytes(2) for n in rng.sample(range(1 << 16), 2000)]
    narrow = [b"\x0a\0" + n.to_bytes(2) for n in rng.sample(range(1 << 16), 2000)]
    known = [(rng.choice((TCP, UDP)), address, rng.choice((0, 53, 80))) for address in wide + narrow]
    ends, numbers = Ends(known), {end: number for number, end in enumerate(known)}
    for _, address, port in known:
        for other in (TCP, UDP):
            assert ends.find(*_asked(other, address, port)) == numbers.get((other, address, port), -1)


def test_nobody() -> None:
    """Of no ends none is found, not even the one of noughts."""
    assert Ends([]).find(0, 0, 0, 0, False) == -1
