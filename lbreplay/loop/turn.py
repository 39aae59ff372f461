"""Which real server a scheduler picks by turn, by load or by weight (D 10.3, L 13); by hash: loop/hashed.py.

A scheduler is two: here is its rule, asked for every new connection by the loop and by the plain path alike; what
becomes of it when the list changes is told in lvs/schedulers and ipvs/schedulers, beside the words.
"""

from __future__ import annotations

from typing import Any

from lbreplay.loop.real import Dest

NOBODY_THERE = -1
NOBODY = NOBODY_THERE  # the same, as compiled code has it


class Choice:
    """A rule by which a real server is picked."""

    def pick(self, dests: list[Any], source: int, dest: int, port: int) -> int:
        """The position of the one of *dests* that takes a first packet, or NOBODY. *source* and *dest* are the packet's
        addresses, folded (lvs/hashes), *port* its source port."""
        return NOBODY


class Picker:
    """Who has its real servers picked: `dests` in order, by `choice`; None: somebody is asked.

    persistent    a client's connections have one real server, by a template that lives for `template_timeout` (ns)
    mask, wide_mask    of clients that are one to templates; of IPv6 of the first and last 8 bytes
    """

    def __init__(self) -> None:
        self.choice: Choice | None = None
        self.dests: list[Any] = []
        self.persistent, self.template_timeout, self.mask, self.wide_mask = False, 0, 0, 0


class Turn(Choice):
    """rr's cursor. `at`: position of the last one picked, -1 before the first of the list."""

    def __init__(self) -> None:
        self.at = NOBODY

    def pick(self, dests: list[Any], source: int, dest: int, port: int) -> int:
        """The next that may be picked."""
        count, at = len(dests), self.at
        for _ in range(count):
            at = (at + 1) % count
            each = dests[at]
            if Dest.may_be_picked(each):
                self.at = at
                return at
        return NOBODY


class Rounds(Choice):
    """wrr: a round takes those whose weight reaches the threshold, and the threshold sinks by `step` from `greatest`
    to 0. `at`: as `Turn`'s, the head of the list between two rounds."""

    def __init__(self) -> None:
        self.at, self.threshold, self.greatest, self.step = NOBODY, 0, 0, 1

    def pick(self, dests: list[Any], source: int, dest: int, port: int) -> int:
        """The next of a round; nobody, when a whole one of the lowest threshold found none."""
        start = self.at
        while self.greatest:
            self._advance(len(dests))
            if self.at != NOBODY:
                each = dests[self.at]
                if Dest.may_be_picked(each) and each.weight >= self.threshold:
                    return self.at
            if self.at == start and self.threshold == self.step:
                break
        return NOBODY

    def _advance(self, count: int) -> None:
        """One place on; leaving the head begins the next round."""
        if self.at == NOBODY:
            self.threshold -= self.step
            if self.threshold <= 0:
                self.threshold = self.greatest
        self.at = self.at + 1 if self.at + 1 < count else NOBODY


class KernelRounds(Choice):
    """The rounds of Linux 6.1: thresholds of the form k * step + 1, and an end when the lowest found nobody (L 13)."""

    def __init__(self) -> None:
        self.at, self.threshold, self.greatest, self.step = NOBODY, 0, 0, 1

    def pick(self, dests: list[Any], source: int, dest: int, port: int) -> int:
        """The next of a round."""
        untested = len(dests) if self.greatest > 0 else 0  # not yet held against the lowest threshold
        while untested:
            self.at += 1
            if self.at == len(dests):
                self._next_round()
                continue
            each = dests[self.at]
            if Dest.may_be_picked(each) and each.weight >= self.threshold:
                return self.at
            untested -= self.threshold <= self.step
        return NOBODY

    def _next_round(self) -> None:
        self.at = NOBODY
        self.threshold -= self.step
        if self.threshold <= 0:
            self.threshold = self.greatest


class Load(Choice):
    """The least load for its weight: an active connection weighs `overhead`, an inactive one `idle`, the new one `own`;
    compared by products of as many bits as `mask` has. From position `first` on, only something strictly better
    replaces what was found.

    weighted  weights count; else the least load has it
    lazy      who has no active connection has it at once, whatever its weight
    """

    def __init__(
        self, overhead: int, bits: int = 64, *, idle: int = 1, own: int = 0, weighted: bool = True, lazy: bool = False
    ) -> None:
        self.overhead, self.mask, self.first = overhead, (1 << bits) - 1, 0
        self.idle, self.own, self.weighted, self.lazy = idle, own, weighted, lazy

    def pick(self, dests: list[Any], source: int, dest: int, port: int) -> int:
        """The one of the least load."""
        count, at, best, lowest, light = len(dests), self.first, NOBODY, 0, 0
        for _ in range(count):
            each = dests[at]
            if Dest.may_be_picked(each):
                load = self.overhead * each.actconns + self.idle * each.inactconns + self.own
                weight = each.weight if self.weighted else 1
                if self.lazy and not each.actconns:
                    return at
                if best < 0 or (lowest * weight) & self.mask > (load * light) & self.mask:
                    best, lowest, light = at, load, weight
            at += 1
            if at == count:
                at = 0
        return best


class Greatest(Choice):
    """The greatest weight takes everything; the first of the list wins a tie. fo: even one that is inhibited. ovf
    (`roomy`): one that is valid, and has no more active connections than weight."""

    def __init__(self, roomy: bool = False) -> None:
        self.roomy = roomy

    def pick(self, dests: list[Any], source: int, dest: int, port: int) -> int:
        """The one of the greatest weight."""
        best, greatest = NOBODY, 0
        for at in range(len(dests)):
            each = dests[at]
            if each.weight > greatest and each.available and not each.overload and self._has_room(each):
                best, greatest = at, each.weight
        return best

    def _has_room(self, dest: Dest) -> bool:
        return not self.roomy or (Dest.may_be_picked(dest) and dest.actconns <= dest.weight)
