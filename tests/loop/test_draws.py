"""One stream a purpose, however it is drawn."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest

from lbreplay.loop.draws import Draws

BLOCK = 1024


@pytest.mark.parametrize("number", [0, 1, 7, 2**32 - 1, 2**32, 2**63 + 5, -3])
def test_the_numbers_are_those_of_numpy(number: int) -> None:
    """Of its default generator, seeded by 64 bits of the seed and a number of the purpose."""
    for purpose in ("0:open", "12:laddr:web", ""):
        mine, other = Draws(number, purpose), np.random.default_rng([number & (2**64 - 1), crc32(purpose.encode())])
        assert [mine.one() for _ in range(500)] == other.random(500).tolist()


@pytest.mark.parametrize("sizes", [[3, 1, 2000, 5], [BLOCK], [1] * 10, [BLOCK + 1, BLOCK - 1], [0, 5 * BLOCK]])
def test_what_is_passed_over_is_drawn(sizes: list[int]) -> None:
    """As many numbers as asked for, over the ends of blocks too."""
    each, skipping = Draws(7, "a"), Draws(7, "a")
    for size in sizes:
        for _ in range(size):
            each.one()
        skipping.skip(size)
        assert skipping.one() == each.one()


def test_purposes_and_seeds_have_streams_of_their_own() -> None:
    """Another name or another seed gives other numbers, all of them in [0, 1)."""
    streams = [[one.one() for _ in range(100)] for one in (Draws(1, "a"), Draws(1, "b"), Draws(2, "a"))]
    assert len({tuple(stream) for stream in streams}) == 3
    assert all(0 <= number < 1 for stream in streams for number in stream)
