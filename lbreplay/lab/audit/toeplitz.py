"""From hashes to the key. The Toeplitz hash is linear over GF(2): 32 bits of hash are 32 equations in bits of the key.

Bit j of the hash of a packet is the XOR of key bits i + j over all set bits i of its input (S 1.1). Inputs repeat each
other: what is new in a packet is its part outside the span of those before, so at most as many packets as bits vary are
turned into equations, and whether the others agree is looked up for all of them at once. A packet is outside the span
if two keys that both solve the equations give it different hashes.

Records may be wrong, so equations are made from packets drawn in several orders, and the key that most packets agree
with counts. Numbers of 320 bits stand for keys and rows of equations, first bit highest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from random import Random
from typing import NamedTuple

import numpy as np

from lbreplay.arrays import I64, U8, U32, Bool
from lbreplay.burst import KIND_FRAGMENT, KIND_OTHER, KIND_SCTP, KIND_TCP, KIND_UDP
from lbreplay.lab.audit.recorded import Rows
from lbreplay.lab.keys import named_keys
from lbreplay.nic.profiles import PAIR, TUPLE
from lbreplay.nic.rss import WIDTH6, word_tables

BITS = 320  # of a key: what the longest input, two IPv6 addresses and ports, and 32 bits of hash use, and one more
HASH = 32
DRAWN = 512  # packets that equations are begun with
ORDERS = 8  # in which packets are drawn
AGREEING = 0.5  # share of packets from which on a key fits: by chance one in 4 billion does
PORTED = (KIND_TCP, KIND_UDP, KIND_SCTP)
Forms = dict[int, int]  # kind -> what is hashed: PAIR, TUPLE or 0


class Key(NamedTuple):
    """A key that fits. `bits`: those that the traffic determines; `share` of the frames with a hash that agree."""

    key: bytes
    bits: int
    forms: Forms
    names: list[str]  # known keys that fit
    share: float
    against: list[int]  # first frames of those that do not agree

    @property
    def digits(self) -> str:
        """In hexadecimal, `?` where the traffic does not determine a digit in full."""
        pairs = zip(self.key.hex(), f"{self.bits:0{BITS // 4}x}", strict=False)
        return "".join(digit if known == "f" else "?" for digit, known in pairs)


def hashes(key: bytes, flow: U8, form: int) -> U32:
    """The hash of each row of *flow*, over what *form* says."""
    tables, words = word_tables(key, flow.shape[1]), np.ascontiguousarray(flow).view("<u2").T
    last = len(tables) - (2 if form == PAIR else 0)
    result = np.zeros(len(flow), np.uint32)
    for table, column in zip(tables[:last], words[:last], strict=True):
        result ^= table.take(column)
    return result


def agreeing(key: bytes, rows: Rows, forms: Forms) -> Bool:
    """Which rows' hash is that of *key*."""
    result = np.zeros(len(rows.n), np.bool_)
    for kind in present(rows):
        if forms.get(kind):
            some = rows.kind == kind
            result[some] = hashes(key, rows.flow[some], forms[kind]) == rows.hash[some]
    return result


def present(rows: Rows) -> list[int]:
    """The kinds of packets among *rows*."""
    return [int(kind) for kind in np.unique(rows.kind)]


# --- equations ------------------------------------------------------------------------------------------------


class Span:
    """Packets that are independent of each other, as (input, hash) in echelon form by the highest bit of the input."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[int, int]] = {}

    def add(self, data: int, code: int) -> int:
        """Take in a packet. Its hash less what those before say: 0 where they agree, or where it is new."""
        while data:
            place = data.bit_length()
            if place not in self.rows:
                self.rows[place] = data, code
                return 0
            other, its = self.rows[place]
            data, code = data ^ other, code ^ its
        return code


class Solution(NamedTuple):
    """All keys that meet equations: one of them, the bits that all have in common, `rows` by their leading bit."""

    key: int
    bits: int
    rows: dict[int, int]

    def other(self, rng: Random) -> int:
        """Another one, whose free bits are drawn."""
        return _fill(self.rows, rng.getrandbits(BITS))


def solve(span: Span) -> Solution:
    """The keys under which the packets of *span* have their hashes. An equation that contradicts is left out."""
    rows: dict[int, int] = {}
    for data, code in span.rows.values():
        top = data << (BITS - 8 * WIDTH6)
        for j in range(HASH):
            row = top >> j << 1 | code >> (HASH - 1 - j) & 1
            while row > 1 and (place := row.bit_length()) in rows:
                row ^= rows[place]
            if row > 1:
                rows[row.bit_length()] = row
    _reduce(rows)
    bits = sum(row >> 1 for row in rows.values() if (row >> 1).bit_count() == 1)
    return Solution(_fill(rows, 0), bits, rows)


def _reduce(rows: dict[int, int]) -> None:
    """Clear each leading bit from all other rows."""
    for place in sorted(rows):
        row = rows[place]
        for lower in sorted(rows, reverse=True):
            if lower < place and row >> (lower - 1) & 1:
                row ^= rows[lower]
        rows[place] = row


def _fill(rows: dict[int, int], free: int) -> int:
    """The key whose free bits are those of *free*. Rows are reduced, so each leading bit follows from free ones."""
    leading = sum(1 << (place - 2) for place in rows)
    key = free & ~leading
    for place, row in rows.items():
        if ((row >> 1 & key).bit_count() ^ row) & 1:
            key |= 1 << (place - 2)
    return key


# --- which key ------------------------------------------------------------------------------------------------


def solve_key(parts: Sequence[Rows]) -> Key | None:
    """The key and the hashed fields that most packets of *parts* agree with. None: no key fits."""
    parts = [rows.some(rows.hash >= 0) for rows in parts]
    parts = [rows for rows in parts if len(rows.n)]
    if not parts:
        return None
    fitting = [(key, best_forms(key, parts)) for key in named_keys()]
    found = max(((key, forms, score(key, parts, forms)) for key, forms in fitting), key=lambda one: one[2])
    if found[2] < AGREEING:
        found = _searched(parts)
    return _told(*found, parts) if found[2] >= AGREEING else None


def score(key: bytes, parts: Sequence[Rows], forms: Forms) -> float:
    """The share of frames whose hash is that of *key*."""
    good = sum(int(rows.frames[agreeing(key, rows, forms)].sum()) for rows in parts)
    return good / sum(int(rows.frames.sum()) for rows in parts)


def best_forms(key: bytes, parts: Sequence[Rows]) -> Forms:
    """By kind of packet, the fields under which most agree with *key*."""
    return {kind: max(forms, key=lambda form: _score_of(key, parts, kind, form)) for kind, forms in choices(parts)}


def _score_of(key: bytes, parts: Sequence[Rows], kind: int, form: int) -> int:
    return sum(int(np.count_nonzero(agreeing(key, rows.some(rows.kind == kind), {kind: form}))) for rows in parts)


def choices(parts: Sequence[Rows]) -> list[tuple[int, tuple[int, ...]]]:
    """What may be hashed of each kind of packet that has a hash."""
    kinds = sorted({kind for rows in parts for kind in present(rows)})
    return [
        (kind, (TUPLE, PAIR) if kind in PORTED else (PAIR,))
        for kind in kinds
        if kind in (*PORTED, KIND_OTHER, KIND_FRAGMENT)
    ]


def _searched(parts: Sequence[Rows]) -> tuple[bytes, Forms, float]:
    """The best of the keys that equations give, over all hashed fields and several orders.

    Of equals the fewer fields: bits of the key that only ports reach may be 0 by themselves, and mean nothing.
    """
    best: tuple[bytes, Forms, float] = bytes(BITS // 8), {}, 0.0
    kinds = [(kind, forms[::-1] if _ports_vary(parts, kind) else forms) for kind, forms in choices(parts)]
    for order in range(ORDERS):
        for chosen in product(*(forms for _, forms in kinds)):
            forms = {kind: form for (kind, _), form in zip(kinds, chosen, strict=True)}
            key = _from_order(parts, forms, Random(order))
            if key is not None and (share := score(key, parts, forms)) > best[2]:
                best = key, forms, share
        if best[2] >= 1 - 1 / (4 * DRAWN):
            break
    return best


def _ports_vary(parts: Sequence[Rows], kind: int) -> bool:
    """Whether packets of a kind differ in their ports; where they do not, the usual fields are as good a guess."""
    ports = [rows.flow[rows.kind == kind, -4:] for rows in parts]
    return any(len(some) > 1 and bool((some != some[0]).any()) for some in ports)


def _from_order(parts: Sequence[Rows], forms: Forms, rng: Random) -> bytes | None:
    """The key by packets drawn in an order; None where they contradict each other too often."""
    span, wrong, count = Span(), 0, 0
    for data, code in _inputs(parts, forms, _drawn(parts, rng)):
        wrong, count = wrong + bool(span.add(data, code)), count + 1
    if 2 * wrong > count:
        return None
    return as_bytes(_widened(span, parts, forms, rng).key)


def _widened(span: Span, parts: Sequence[Rows], forms: Forms, rng: Random) -> Solution:
    """The solution after all packets outside of the span have come in."""
    while True:
        solution = solve(span)
        pair = as_bytes(solution.key), as_bytes(solution.other(rng))
        new = [_outside(rows, forms, *pair) for rows in parts]
        size = len(span.rows)
        for data, code in _inputs(parts, forms, [some[:DRAWN] for some in new]):
            span.add(data, code)
        if len(span.rows) == size:
            return solution


def _outside(rows: Rows, forms: Forms, one: bytes, other: bytes) -> I64:
    """Rows whose hash the equations leave open."""
    result = np.zeros(len(rows.n), np.bool_)
    for kind in present(rows):
        if forms.get(kind):
            some, form = rows.kind == kind, forms[kind]
            flow = rows.flow[some]
            result[some] = hashes(one, flow, form) != hashes(other, flow, form)
    return np.flatnonzero(result)


def _drawn(parts: Sequence[Rows], rng: Random) -> list[I64]:
    """Rows of each part, of every kind some."""
    drawn = []
    for rows in parts:
        some: list[int] = []
        for kind in present(rows):
            places = np.flatnonzero(rows.kind == kind).tolist()
            some += rng.sample(places, min(len(places), DRAWN))
        rng.shuffle(some)
        drawn.append(np.array(some, np.int64))
    return drawn


def _inputs(parts: Sequence[Rows], forms: Forms, some: Iterable[I64]) -> Iterator[tuple[int, int]]:
    """(input, hash) of *some* rows of each part; inputs are as wide as the widest."""
    for rows, places in zip(parts, some, strict=True):
        for place in places.tolist():
            form = forms.get(int(rows.kind[place]))
            if form:
                data = rows.flow[place].tobytes()
                data = data[:-4] + bytes(4) if form == PAIR else data
                yield int.from_bytes(data.ljust(WIDTH6, b"\0")), int(rows.hash[place])


def as_bytes(key: int) -> bytes:
    return key.to_bytes(BITS // 8)


def _told(key: bytes, forms: Forms, share: float, parts: Sequence[Rows]) -> Key:
    """*key* with what the packets that agree determine of it."""
    agree = [agreeing(key, rows, forms) for rows in parts]
    good = [rows.some(which) for rows, which in zip(parts, agree, strict=True)]
    solution = _widened(Span(), good, forms, Random(0))
    names = [name for known, name in named_keys().items() if score(known, good, forms) == 1]
    against = sorted(int(n) for rows, which in zip(parts, agree, strict=True) for n in rows.n[~which])
    return Key(key, solution.bits, forms, names, share, against)
