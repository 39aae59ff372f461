"""Delta debugging: the fewest items of a list that still do (Zeller and Hildebrandt, 2002), by taking parts away.

`least` takes away halves, then quarters, down to single items, and keeps what it gets away with. What remains at the
end is 1-minimal: no single item can be taken away. Guesses come first where the caller has any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Does = Callable[[Sequence[T]], bool]


def guessed(items: Sequence[T], guesses: Iterable[Sequence[T]], does: Does[T]) -> Sequence[T]:
    """The first of *guesses* that still does; *items*, if none."""
    for guess in guesses:
        if len(guess) >= len(items):
            break
        if does(guess):
            return guess
    return items


def least(items: Sequence[T], does: Does[T]) -> list[T]:
    """Items of which none can be taken away. *items* themselves are known to do."""
    kept = list(items)
    size = len(kept) // 2
    while size:
        kept, taken = _without_parts(kept, size, does)
        size = size // 2 if size > 1 else (1 if taken else 0)
    return kept if len(kept) != 1 or not does([]) else []


def _without_parts(kept: list[T], size: int, does: Does[T]) -> tuple[list[T], bool]:
    """What is left when parts of *size* are taken away, the last one first; whether any was."""
    taken = False
    for start in range((len(kept) - 1) // size * size, -1, -size):
        rest = kept[:start] + kept[start + size :]
        if rest and does(rest):
            kept, taken = rest, True
    return kept, taken


def smallest(high: int, does: Callable[[int], bool]) -> int:
    """The smallest number below *high* that still does, as far as halving finds it; *high*, if none."""
    low = 0
    while low < high:
        middle = (low + high) // 2
        if does(middle):
            high = middle
        else:
            low = middle + 1
    return high
