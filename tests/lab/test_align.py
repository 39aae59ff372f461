"""Equal packets meet in order, and a shifted packet is one difference."""

from __future__ import annotations

import random
from difflib import SequenceMatcher
from itertools import pairwise

import pytest

from lbreplay.lab import align as module
from lbreplay.lab.align import align, longest_increasing


def plain(a: str, b: str) -> int:
    """Length of the longest common subsequence, by the table of the textbook."""
    row = [0] * (len(b) + 1)
    for x in a:
        last, row = row, [0]
        for j, y in enumerate(b):
            row.append(last[j] + 1 if x == y else max(last[j + 1], row[j]))
    return row[-1]


def holds(a: str, b: str) -> list[tuple[int, int]]:
    pairs = align(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(p[0] < q[0] and p[1] < q[1] for p, q in pairwise(pairs))
    return pairs


@pytest.mark.parametrize("a, b", [("", ""), ("a", ""), ("", "a"), ("a", "b"), ("abc", "abc"), ("aaa", "aa")])
def test_small_ones(a: str, b: str) -> None:
    assert len(holds(a, b)) == plain(a, b)


@pytest.mark.parametrize("chance", range(40))
def test_few_differences_are_aligned_exactly(chance: int) -> None:
    rng = random.Random(chance)
    a = "".join(rng.choice("abcd") for _ in range(rng.randrange(40)))
    b = "".join(x for x in a if rng.random() < 0.8) + "".join(rng.choice("abcd") for _ in range(rng.randrange(5)))
    assert len(holds(a, b)) == plain(a, b)


def test_repeated_packets_do_not_shift_after_a_deletion() -> None:
    assert len(align("xy" * 500, ("xy" * 500)[1:])) == 999


@pytest.mark.parametrize("chance", range(10))
def test_many_differences_are_aligned_in_order(monkeypatch: pytest.MonkeyPatch, chance: int) -> None:
    monkeypatch.setattr(module, "MOST_EDITS", 0)
    rng = random.Random(chance)
    a = "".join(map(chr, rng.sample(range(100, 1000), 200)))
    b = "".join(x for x in a if rng.random() < 0.5) + "z"
    assert len(holds(a, b)) == plain(a, b) == len(b) - 1


def test_the_longest_increasing_run() -> None:
    assert longest_increasing([(0, 5), (1, 1), (2, 2), (3, 9), (4, 3)]) == [(1, 1), (2, 2), (4, 3)]
    assert longest_increasing([]) == []


def test_agrees_with_the_standard_library_on_how_much_is_common() -> None:
    a, b = "the quick brown fox jumps", "the brown quick fox jumped"
    common = sum(block.size for block in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())
    assert len(holds(a, b)) >= common
