"""Picking by turn and by load: what the schedulers rr and wlc do for every new connection (D 10.3)."""

from __future__ import annotations

from typing import Any

from lbreplay.loop.names import BY_ASKING
from lbreplay.loop.real import Dest

NOBODY_THERE = -1
NOBODY = NOBODY_THERE  # the same, as compiled code has it


class Turn:
    """rr's cursor. `at`: position of the last one picked, -1 before the first of the list."""

    def __init__(self) -> None:
        self.at = NOBODY

    def next(self, dests: list[Any]) -> int:
        """The position of the next of *dests* that may be picked, or NOBODY."""
        count, at = len(dests), self.at
        for _ in range(count):
            at = (at + 1) % count
            dest = dests[at]
            if Dest.may_be_picked(dest):
                self.at = at
                return at
        return NOBODY


class Load:
    """wlc's rule: the least load for its weight, where an active connection weighs `overhead`, by products of as many
    bits as `mask` has; from position `first` on, only something strictly better replaces what was found."""

    def __init__(self, overhead: int, bits: int) -> None:
        self.overhead, self.mask, self.first = overhead, (1 << bits) - 1, 0

    def least(self, dests: list[Any]) -> int:
        """The position of the one that is picked of *dests*, or NOBODY."""
        count, at, best, lowest, light = len(dests), self.first, NOBODY, 0, 0
        for _ in range(count):
            dest = dests[at]
            if Dest.may_be_picked(dest):
                own, weight = self.overhead * dest.actconns + dest.inactconns, dest.weight
                if best < 0 or (lowest * weight) & self.mask > (own * light) & self.mask:
                    best, lowest, light = at, own, weight
            at += 1
            if at == count:
                at = 0
        return best


class Picker:
    """Who has its real servers picked: `dests` in order, `by` what; `turn`: the record that picks (`Turn`, `Load`).

    persistent    a client's connections have one real server, by a template that lives for `template_timeout` (ns)
    mask, wide_mask    of clients that are one to templates; of IPv6 of the first and last 8 bytes
    """

    def __init__(self) -> None:
        self.by = BY_ASKING
        self.turn: Any = None
        self.dests: list[Any] = []
        self.persistent, self.template_timeout, self.mask, self.wide_mask = False, 0, 0, 0
