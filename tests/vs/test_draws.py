"""One stream a purpose, however it is drawn."""

from __future__ import annotations

import pytest

from lbreplay.vs.draws import BLOCK, Draws


@pytest.mark.parametrize("sizes", [[3, 1, 2000, 5], [BLOCK], [1] * 10, [BLOCK + 1, BLOCK - 1]])
def test_one_by_one_and_many_at_once_are_the_same_numbers(sizes: list[int]) -> None:
    """Blocks of any size, with single draws between them, take the stream in its order."""
    single, mixed = Draws(7, "a"), Draws(7, "a")
    for size in sizes:
        assert mixed.many(size).tolist() == [single.one() for _ in range(size)]
        assert mixed.one() == single.one()


def test_purposes_and_seeds_have_streams_of_their_own() -> None:
    """Another name or another seed gives other numbers, all of them in [0, 1)."""
    streams = [Draws(seed, name).many(100) for seed, name in ((1, "a"), (1, "b"), (2, "a"))]
    assert len({tuple(stream.tolist()) for stream in streams}) == 3
    assert all(((stream >= 0) & (stream < 1)).all() for stream in streams)
