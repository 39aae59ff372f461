"""What connections of openers are made of, in columns: so that all that a rush opens are made at once (D 2.4, D 11).

A *pair* is a real server and a local address of one service on one worker. A connection of a pair has the pair's bucket
of ports, and of the tuple of its answers all but the local port; its end gives back to the pair what it took. An
opener's *plan* is its pairs, and how packets to them leave and their answers come in, which events change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lbreplay.burst import I64

if TYPE_CHECKING:
    from lbreplay.vs.laddr import LaddrCursor, PortBook
    from lbreplay.vs.opener import Opener
    from lbreplay.vs.server import Dest, VirtualServer

PAIR, WAY, HOME, AT_HOME = range(4)  # rows of plans: number; entry of vs/links; the same of answers, whether it is ours
NO_PLAN = np.zeros((4, 0), np.int64)


class Pairs:
    """IPv4 pairs, numbered as they are first needed. By number: id of the real server, place in `_laddrs`, bucket,
    and the words of answers' tuples without the local port."""

    def __init__(self, dests: dict[int, Dest]) -> None:
        self._dests = dests
        self._numbers: dict[tuple[int, bytes], int] = {}
        self._laddrs: dict[tuple[LaddrCursor, bytes], int] = {}
        self._new: list[tuple[int, ...]] = []  # not in the columns yet
        self._columns = np.zeros((5, 0), np.uint64)
        self._known = self._order = np.zeros(0, np.int64)

    def enter(self, server: VirtualServer, dest: Dest, laddr: bytes, bucket: int) -> int:
        """The number of this pair, whose ports are those of *bucket*."""
        number = self._numbers.get((dest.id, laddr))
        if number is None:
            number = self._numbers[dest.id, laddr] = len(self._numbers)
            self._dests[dest.id] = dest
            place = self._laddrs.setdefault((server.laddrs, laddr), len(self._laddrs))
            port = int.from_bytes(dest.port.to_bytes(2), "little")
            word0 = int.from_bytes(dest.address + laddr, "little")
            self._new.append((dest.id, place, bucket, word0, port | server.service.protocol << 32))
        return number

    @property
    def columns(self) -> Any:
        """Of all that were entered."""
        self._take_in()
        return self._columns

    def _take_in(self) -> None:
        """Bring the columns, and what finds pairs, up to date."""
        if self._new:
            self._columns = np.concatenate([self._columns, np.array(self._new, np.uint64).T], 1)
            self._new.clear()
            keys = _keys(self._columns[0], self._columns[3])
            self._order = np.argsort(keys)
            self._known = keys[self._order]

    def buckets(self, pairs: I64) -> I64:
        """Their ports'."""
        return np.asarray(self.columns[2][pairs].view(np.int64))

    def dests(self, pairs: I64) -> I64:
        """Ids of their real servers."""
        return np.asarray(self.columns[0][pairs].view(np.int64))

    def tuples(self, pairs: I64, ports: I64) -> tuple[Any, Any]:
        """The two words of the tuples of answers to local *ports*."""
        columns, swapped = self.columns, ports.astype(">u2").view("<u2").astype(np.uint64)
        return columns[3][pairs], columns[4][pairs] | swapped << np.uint64(16)

    def of(self, dests: Any, word0: Any) -> I64:
        """The pairs of connections, by the ids of their real servers and word 0 of their answers' tuples."""
        self._take_in()
        return np.asarray(self._order[np.searchsorted(self._known, _keys(dests, word0))])

    def opened(self, pairs: I64) -> None:
        """A connection of each of *pairs* was opened."""
        for dest, count in self._by_dest(pairs):
            dest.conns += count
            dest.inactconns += count
        for cursor, laddr, count in self._by_laddr(pairs):
            cursor.conns[laddr] += count

    def ended(self, pairs: I64) -> None:
        """An inactive one of each is no more."""
        for dest, count in self._by_dest(pairs):
            left(dest, count)
        for cursor, laddr, count in self._by_laddr(pairs):
            cursor.conns[laddr] -= count

    def _by_dest(self, pairs: I64) -> Iterator[tuple[Dest, int]]:
        counts = np.bincount(self.dests(pairs))
        ids = np.flatnonzero(counts)
        return zip(map(self._dests.__getitem__, ids.tolist()), counts[ids].tolist(), strict=True)

    def _by_laddr(self, pairs: I64) -> Iterator[tuple[LaddrCursor, bytes, int]]:
        counts = np.bincount(self.columns[1][pairs].view(np.int64), minlength=len(self._laddrs))
        return ((*one, count) for one, count in zip(self._laddrs, counts.tolist(), strict=True) if count)


def _keys(dests: Any, word0: Any) -> Any:
    """By what pairs are found: the local address, and the real server's id where its address was."""
    return word0 & np.uint64(0xFFFFFFFF00000000) | dests.astype(np.uint64)


def left(dest: Dest, count: int) -> None:
    """So many inactive connections of *dest* are no more."""
    dest.inactconns -= count
    dest.admit()


class Plans:
    """The plans of those openers that were asked for theirs, one behind the other; `first`, `size` and so on are by
    their numbers. Within a plan pairs are by real server, then by local address."""

    def __init__(self, openers: list[Opener | None], pairs: Pairs, ports: PortBook) -> None:
        self._openers, self._pairs, self._ports = openers, pairs, ports
        self._asked = np.zeros(len(openers), np.bool_)
        self._first, self._size, self._width, self._rank = np.zeros((4, len(openers)), np.int64)
        self._columns = NO_PLAN

    def _ask(self, numbers: I64) -> None:
        """See to it that the plans of these openers are there."""
        added, end = [self._columns], self._columns.shape[1]
        for number in numbers[~self._asked[numbers]].tolist():
            opener = self._openers[number]
            assert opener is not None, "0 is nobody's number"
            added.append(opener.plan)
            self._first[number], self._size[number], self._rank[number] = end, opener.plan.shape[1], opener.lcore.rank
            self._width[number] = len(opener.server.laddrs.laddrs)
            self._asked[number], end = True, end + opener.plan.shape[1]
        if len(added) > 1:
            self._columns = np.concatenate(added, 1)

    def unable(self, numbers: I64, counts: I64) -> I64:
        """The workers that may not open as many as *counts*, by rank, by columns: some of the openers *numbers* has no
        plan, or some bucket of its not that many fresh ports, whomever they meet."""
        self._ask(numbers)
        first, size, rank = self._first[numbers], self._size[numbers], self._rank[numbers]
        ends = np.cumsum(size)
        of = np.repeat(np.arange(len(numbers)), size)
        pairs = self._columns[PAIR, np.arange(len(of)) + (first - ends + size)[of]]
        short = self._ports.fresh(self._pairs.buckets(pairs)) < counts[rank[of]]
        return np.concatenate([rank[size == 0], rank[of[short]]])

    def take(self, numbers: Any, dests: I64, laddrs: I64) -> Any:
        """Columns of plans, for connections of the openers *numbers* by the positions of their real servers and local
        addresses."""
        return self._columns[:, self._first[numbers] + dests * self._width[numbers] + laddrs]
