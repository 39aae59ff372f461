"""A little of `make fuzz` in every test run: the seeds, what was found before, and mutations of them."""

from __future__ import annotations

import random

import fuzz
import pytest

MUTATIONS = {"capture": 300, "frame": 1000, "options": 1500, "config": 150, "replay": 40, "flood": 60}
MUTATIONS |= {"import": 60, "set": 200, "arguments": 25, "case": 10}


@pytest.mark.parametrize("target", sorted(fuzz.TARGETS))
def test_seeds_hold(target: str) -> None:
    """Ordinary input, and every input that once broke something, is handled."""
    for data in fuzz.seeds(target):
        fuzz.TARGETS[target](data)


@pytest.mark.parametrize("target", sorted(fuzz.TARGETS))
def test_mutations_hold(target: str) -> None:
    """Neither a traceback nor a broken promise comes of changed, cut and doubled input."""
    chance, pool = random.Random(7), fuzz.seeds(target)
    for _ in range(MUTATIONS[target]):
        fuzz.TARGETS[target](fuzz.mutate(chance.choice(pool), chance))
