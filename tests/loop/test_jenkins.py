"""lookup3, beside the one in words."""

from __future__ import annotations

import random

import pytest

from lbreplay.loop.jenkins import Jenkins
from lbreplay.lvs.hashes import jhash


@pytest.mark.parametrize("count", [1, 4, 7, 10, 22])
def test_a_hash_of_words(count: int) -> None:
    """Three at a time, and the last."""
    drawn = random.Random(count)
    for _ in range(50):
        words = [drawn.choice([0, 1, 0xFFFFFFFF, drawn.getrandbits(32)]) for _ in range(count)]
        ours = Jenkins()
        ours.start(count)
        for at in range(0, count - 1, 3):
            ours.mix(*words[at : at + 3])
        assert ours.end(words[-1]) == jhash(words)
