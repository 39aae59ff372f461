"""What was found out, by two words."""

from __future__ import annotations

from random import Random

from lbreplay.loop.memo import UNKNOWN_NUMBER, Memo
from lbreplay.loop.names import MOST


def test_what_is_known_is_told() -> None:
    """As a dict would, over numbers of either sign and words that differ in one of two."""
    rng, memo, known = Random(3), Memo(), {}
    for n in range(3000):
        key = rng.randrange(50), rng.choice([0, 1, (1 << 64) - 1 - n])
        known[key] = rng.randrange(-1000, 1000)
        memo.put(*key, known[key])
    assert memo.size == len(known) and all(memo.get(*key) == value for key, value in known.items())
    assert memo.get(51, 0) == UNKNOWN_NUMBER
    memo.clear()
    assert memo.size == 0 and memo.get(*key) == UNKNOWN_NUMBER


def test_it_forgets_before_it_is_without_bounds() -> None:
    """All at once, and goes on."""
    memo = Memo()
    for n in range(MOST + 2):
        memo.put(n, 0, n)
    assert memo.size <= MOST and memo.get(MOST + 1, 0) == MOST + 1
