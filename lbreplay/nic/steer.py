"""Which worker receives a frame: the rules of local addresses first, RSS for the rest, queue 0 for what has no hash.

S 1.4, S 1.5, S 2.4. The same answers three times: for a burst's columns, for rows as if source and destination were
swapped (where a client's packets of the flow go), and for one packet in plain Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lbreplay.burst import (
    BY_DEFAULT,
    BY_FLOW_DIRECTOR,
    BY_RSS,
    I16,
    I32,
    I64,
    KIND_SCTP,
    KIND_TCP,
    KIND_UDP,
    U8,
    U32,
    Burst,
)
from lbreplay.model import Setup
from lbreplay.nic.flow_director import TCP, UDP, Imagined, Matcher, Rule, imagined, install
from lbreplay.nic.rss import WIDTH4, WIDTH6, Rss
from lbreplay.nic.strategies import STRATEGIES
from lbreplay.wire.fields import reversed_flows

PROTO = np.zeros(KIND_SCTP + 1, np.uint8)  # of a kind, as rules compare it; 0: no rule matches
PROTO[KIND_TCP], PROTO[KIND_UDP] = TCP, UDP


class Steered(NamedTuple):
    """Where one packet goes. `by` is a BY_ constant; `reta` and `rule` are -1 where not used; rank -1: KNI."""

    queue: int
    rank: int
    by: int
    hash: int
    reta: int
    rule: int


class Columns(NamedTuple):
    """The same for rows."""

    queue: I16
    worker: I16
    by: U8
    hash: U32
    reta: I16
    rule: I32


class Nic:
    """The port: `rules` in order of matching, `refused` what its driver would not take, `strategy` that made them."""

    def __init__(self, setup: Setup, held: Callable[[Rule], bool] | None = None) -> None:
        """*held*: which of all rules are this port's, where there are several (nic/ports.py)."""
        self.setup, self.driver = setup, setup.device.driver
        self.strategy = STRATEGIES[setup.flow_director.strategy](setup)
        self._wanted = list(filter(held, self.strategy.rules()))
        self.rules, self.refused = install(setup, self._wanted)
        self.rss = Rss(setup)
        self._matcher = Matcher(self.rules)
        self._last = len(self.rss.reta) - 1  # table sizes are powers of two (S 1.5)
        self._by = np.where(self.rss.hashed, np.uint8(BY_RSS), np.uint8(BY_DEFAULT))
        self._ranks = ranks(setup)
        self._rank_column = np.array(self._ranks, np.int16)
        self._rule_queue = np.array([rule.queue for rule in self.rules], np.int16)
        self._rule_rank = np.array([rule.rank for rule in self.rules], np.int16)

    def imagined(self) -> Imagined | None:
        """Rules taken as installed that the driver would refuse."""
        return imagined(self.setup, self._wanted)

    def card(self, queue: int) -> Nic:
        """The card that has a queue: this one."""
        return self

    def steer(self, burst: Burst) -> None:
        """Fill queue, worker, by, hash, reta and rule of *burst*."""
        steered = self._columns(burst.kind, burst.flow4, burst.rows6, burst.flow6)
        if self.rss.tagged:
            self._add_tags(burst, np.arange(burst.size), steered)
        burst.queue, burst.worker, burst.by, burst.hash, burst.reta, burst.rule = steered

    def steer_rows(self, burst: Burst, rows: I64) -> Columns:
        """The same for some rows, as columns of their own."""
        kind, wide = burst.kind[rows], np.flatnonzero(burst.family[rows] == 6)
        flow6 = burst.flow6.take(np.searchsorted(burst.rows6, rows[wide]), axis=0)
        steered = self._columns(kind, burst.flow4.take(rows, axis=0), wide, flow6)
        if self.rss.tagged:
            self._add_tags(burst, rows, steered)
        return steered

    def _add_tags(self, burst: Burst, rows: I64, steered: Columns) -> None:
        """SCTP packets are hashed with their verification tags (S 1.1); no rule is about them."""
        for place in np.flatnonzero(burst.kind[rows] == KIND_SCTP).tolist():
            row = int(rows[place])
            frame = burst.frame(row)
            at = int(burst.l4[row]) + (4 if frame[12:14] == b"\x81\0" else 0)
            code = int(steered.hash[place]) ^ self.rss.hash_tag(_width(int(burst.family[row])), frame[at + 4 : at + 8])
            steered.hash[place], steered.reta[place] = code, code & self._last
            steered.queue[place] = self.rss.reta[code & self._last]
            steered.worker[place] = self._ranks[steered.queue[place]]

    def steer_reversed(self, burst: Burst, rows: I64) -> Columns:
        """Where *rows* would go with source and destination swapped."""
        rows6 = np.flatnonzero(burst.family[rows] == 6)
        flow4 = burst.flow4.take(rows, axis=0)  # an eighth of what a fancy index takes
        flow6 = burst.flow6.take(np.searchsorted(burst.rows6, rows[rows6]), axis=0)
        return self._columns(burst.kind[rows], reversed_flows(flow4), rows6, reversed_flows(flow6))

    def steer_flow(self, kind: int, family: int, src: bytes, sport: int, dst: bytes, dport: int,
                   tag: bytes = b"") -> Steered:  # fmt: skip
        """Where one packet goes; *kind* and *family* as in the columns, *tag* of SCTP."""
        code = self.rss.hash_flow(kind, src, sport, dst, dport) if family and kind else None
        if code is not None and tag and self.rss.tagged:
            code ^= self.rss.hash_tag(_width(family), tag)
        rule = -1
        if family and kind in (KIND_TCP, KIND_UDP):
            rule = self._matcher.find(dst, TCP if kind == KIND_TCP else UDP, dport)
        if rule >= 0:
            return Steered(self.rules[rule].queue, self.rules[rule].rank, BY_FLOW_DIRECTOR, code or 0, -1, rule)
        if code is None:
            return Steered(0, self._ranks[0], BY_DEFAULT, 0, -1, -1)
        index = code & self._last
        queue = self.rss.reta[index]
        return Steered(queue, self._ranks[queue], BY_RSS, code, index, -1)

    def _columns(self, kind: U8, flow4: U8, rows6: I64, flow6: U8) -> Columns:
        """Steer rows: *flow4* has a row for each, *flow6* one for each of *rows6*."""
        code = self.rss.hash_column(kind, flow4)
        proto = PROTO.take(kind)
        if len(rows6):
            code[rows6] = self.rss.hash_column(kind[rows6], flow6)
            proto[rows6] = 0
        by = self._by.take(kind)
        reta = (code & self._last).astype(np.int16)
        queue = self.rss.queues(reta)
        unhashed = np.flatnonzero(by == BY_DEFAULT)
        queue[unhashed], reta[unhashed] = 0, -1
        rule = np.full(len(kind), -1, np.int32)
        worker = self._rank_column.take(queue)
        steered = Columns(queue, worker, by, code, reta, rule)
        if self.rules:
            self._apply(steered, *self._matcher.find_rows(flow4, proto))
            if len(rows6):
                found, rules = self._matcher.find_rows(flow6, PROTO[kind[rows6]])
                self._apply(steered, rows6[found], rules)
        return steered

    def _apply(self, steered: Columns, rows: I64, rules: I32) -> None:
        """Let *rules* decide over *rows*."""
        if not rows.size:
            return
        steered.queue[rows] = self._rule_queue[rules]
        steered.worker[rows] = self._rule_rank[rules]
        steered.by[rows] = BY_FLOW_DIRECTOR
        steered.reta[rows] = -1
        steered.rule[rows] = rules


def _width(family: int) -> int:
    return WIDTH4 if family == 4 else WIDTH6


def ranks(setup: Setup) -> list[int]:
    """The rank that polls each queue; -1 for a KNI worker's and for those nobody polls (S 1.7)."""
    known = [q for worker in setup.workers for q in worker.queues] + list(setup.device.reta or ()) + [0]
    result = [-1] * (max(known) + 1)
    for worker in setup.forwarding_workers:
        for queue in worker.queues:
            result[queue] = worker.rank
    return result
