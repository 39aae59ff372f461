"""Which worker receives a frame: the rules of local addresses first, RSS for the rest, queue 0 for what has no hash.

S 1.4, S 1.5, S 2.4. The same answers twice: for rows of a burst (loop/steer.py), and for one packet in plain Python.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from lbreplay import memory
from lbreplay.burst import BY_DEFAULT, BY_FLOW_DIRECTOR, BY_RSS, KIND_TCP, KIND_UDP, Burst
from lbreplay.loop.steer import Steerer
from lbreplay.model import Setup
from lbreplay.nic.flow_director import TCP, UDP, Imagined, Matcher, Rule, imagined, install
from lbreplay.nic.rss import TAG, WIDTH4, WIDTH6, Rss, byte_tables
from lbreplay.nic.strategies import STRATEGIES

if TYPE_CHECKING:
    from lbreplay.arrays import I64


class Steered(NamedTuple):
    """Where one packet goes. `by` is a BY_ constant; `reta` and `rule` are -1 where not used; rank -1: KNI."""

    queue: int
    rank: int
    by: int
    hash: int
    reta: int
    rule: int


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
        self._ranks = ranks(setup)
        self.steerer = self._made()

    def _made(self) -> Steerer:
        """What steers rows."""
        hashes = memory.listed("I", chain.from_iterable(byte_tables(self.rss.key, WIDTH6 + TAG)))
        queues, owners = [rule.queue for rule in self.rules], [rule.rank for rule in self.rules]
        numbers = [memory.listed("h", column) for column in (self.rss.reta, self._ranks, queues, owners)]
        made = Steerer(hashes, bytearray(self.rss.inputs), numbers)
        made.rules(self._matcher.four, self._matcher.six)
        return made

    def imagined(self) -> Imagined | None:
        """Rules taken as installed that the driver would refuse."""
        return imagined(self.setup, self._wanted)

    def card(self, queue: int) -> Nic:
        """The card that has a queue: this one."""
        return self

    def steer(self, burst: Burst) -> None:
        """Fill queue, worker, by, hash, reta and rule of *burst*."""
        self.steerer.steer(burst)

    def steer_rows(self, burst: Burst, rows: I64) -> None:
        """The same of some rows."""
        self.steerer.steer_rows(burst, rows)

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
