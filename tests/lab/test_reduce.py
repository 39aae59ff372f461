"""Fewest items that still do."""

import pytest

from lbreplay.lab.reduce import guessed, least, smallest


@pytest.mark.parametrize("wanted", [{0}, {99}, {3, 50, 51, 97}, {n for n in range(100) if n % 7 == 0}, set(range(100))])
def test_what_is_needed_is_what_is_left(wanted):
    """Nothing else, in its order."""
    assert least(range(100), lambda kept: wanted <= set(kept)) == sorted(wanted)


def test_no_single_item_can_be_taken_away():
    """Also where several ways lead to it: any three of a kind."""
    tries = []

    def does(kept):
        tries.append(kept)
        return len([n for n in kept if n % 2]) >= 3

    kept = least(range(64), does)
    assert len(kept) == 3 and not any(does(kept[:n] + kept[n + 1 :]) for n in range(3))
    assert len(tries) < 60


def test_nothing_may_be_enough():
    """A single item goes too, where even nothing does."""
    assert least([1, 2, 3], lambda kept: True) == []
    assert least([7], lambda kept: bool(kept)) == [7]


def test_guesses():
    """The first that does; those that are no smaller are not tried."""
    assert guessed([1, 2, 3, 4], ([1], [1, 2], [1, 2, 3]), lambda kept: 2 in kept) == [1, 2]
    assert guessed([1, 2], ([1, 2], [9]), lambda kept: True) == [1, 2]


def test_smallest_number():
    """By halving."""
    assert smallest(100, lambda n: n >= 37) == 37
    assert smallest(10, lambda n: False) == 10
