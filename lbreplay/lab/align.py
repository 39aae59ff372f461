"""Which packet of one capture is which of another: insertions and deletions shift nothing.

Two lists of tokens are aligned so that equal ones meet in order. A few differences: Myers' greedy algorithm, "An O(ND)
Difference Algorithm and Its Variations" (1986), exact. Many: tokens are numbered by occurrence, which makes them
unique, and the longest increasing run of their places is kept; O(n log n), and exact where tokens do not repeat.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence

MOST_EDITS = 300  # of Myers' algorithm, whose time and memory grow with their square

Pair = tuple[int, int]
Tokens = Sequence[Hashable]


def align(a: Tokens, b: Tokens) -> list[Pair]:
    """Pairs (index in *a*, index in *b*) of equal tokens, ascending in both."""
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    inner_a, inner_b = a[head : len(a) - tail], b[head : len(b) - tail]
    inner = _myers(inner_a, inner_b)
    if inner is None:
        inner = _by_occurrence(inner_a, inner_b)
    pairs = [(i, i) for i in range(head)]
    pairs += [(i + head, j + head) for i, j in inner]
    return pairs + [(len(a) - k, len(b) - k) for k in range(tail, 0, -1)]


def _myers(a: Tokens, b: Tokens) -> list[Pair] | None:
    """The longest common subsequence, or None where it takes more than MOST_EDITS insertions and deletions."""
    furthest = {1: 0}  # by diagonal (i - j): how far in a
    history = []
    for edits in range(min(len(a) + len(b), MOST_EDITS) + 1):
        history.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            i = _step(furthest, diagonal, edits)
            while i < len(a) and 0 <= i - diagonal < len(b) and a[i] == b[i - diagonal]:
                i += 1
            furthest[diagonal] = i
            if i >= len(a) and i - diagonal >= len(b):
                return _walk_back(history, len(a), len(b))
    return None


def _step(furthest: dict[int, int], diagonal: int, edits: int) -> int:
    """Where the best path enters *diagonal*: by an insertion from above, or by a deletion from the left."""
    return furthest[diagonal + 1] if _inserted(furthest, diagonal, edits) else furthest[diagonal - 1] + 1


def _inserted(furthest: dict[int, int], diagonal: int, edits: int) -> bool:
    return diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1])


def _walk_back(history: list[dict[int, int]], i: int, j: int) -> list[Pair]:
    """The diagonal steps of the path that ends at (i, j)."""
    pairs = []
    for edits in range(len(history) - 1, -1, -1):
        furthest, diagonal = history[edits], i - j
        start = _step(furthest, diagonal, edits)
        while i > start and j > start - diagonal:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        if edits and _inserted(furthest, diagonal, edits):
            j -= 1
        elif edits:
            i -= 1
    return pairs[::-1]


def _by_occurrence(a: Tokens, b: Tokens) -> list[Pair]:
    place = {token: j for j, token in enumerate(_numbered(b))}
    return longest_increasing([(i, place[token]) for i, token in enumerate(_numbered(a)) if token in place])


def _numbered(tokens: Tokens) -> list[tuple[Hashable, int]]:
    seen: Counter[Hashable] = Counter()
    numbered = []
    for token in tokens:
        numbered.append((token, seen[token]))
        seen[token] += 1
    return numbered


def longest_increasing(pairs: list[Pair]) -> list[Pair]:
    """The longest part of *pairs*, ascending in their first, that ascends in the second too."""
    ends: list[int] = []  # the smallest second that ends a run of each length
    holders: list[int] = []  # and which pair that is
    before = [-1] * len(pairs)
    for index, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before[index] = holders[length - 1] if length else -1
        ends[length : length + 1] = [j]
        holders[length : length + 1] = [index]
    run, index = [], holders[-1] if holders else -1
    while index >= 0:
        run.append(pairs[index])
        index = before[index]
    return run[::-1]
