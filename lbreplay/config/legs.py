"""Both legs of full NAT in one capture: which connection to a real server carries which client's (`lbreplay init`).

A capture from a balancer's port holds each connection twice: client -> virtual address, and local address -> real
server. Two signs tie them together: the client address option (TOA, D 5.6) says it outright; else the first frame of
the second leg follows the first leg's within MAX_DELAY with the same identification, TTL, window or payload, and L4
length (NAT keeps them; TOA in a SYN adds 8 or 20 bytes). It comes from another MAC than the first, and under full NAT
from another address: the parallel connections of one client look alike too. Where most connections of a service are
tied, its real servers and local addresses are known.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lbreplay.arrays import I64, U8, U16, Bool
from lbreplay.burst import Burst
from lbreplay.config.rows import U64, Rows, Sort, keys
from lbreplay.model import Endpoint
from lbreplay.wire.capture.link import PEER
from lbreplay.wire.fields import overlay
from lbreplay.wire.packet import ACK, SYN, TCP

WINDOW = 64  # frames looked back
MAX_DELAY = 50_000_000  # ns between a frame and its translation
MAX_TRIES = 1024  # first frames compared in vain before the search is given up
MAX_CLIENTS = 1 << 18
NO_MAC = (0, int.from_bytes(PEER))  # of frames that came without an Ethernet header
TOA = 254
TOA_BYTES = {8: 4, 20: 16}  # length of the option -> of the address in it
Service = tuple[Sort, int]


@dataclass(slots=True)
class Tied:
    """What the second legs of one service's connections showed."""

    paired: int = 0
    answers: int = 0  # pairs of answers
    by_toa: int = 0
    nat: int = 0  # second legs that keep the client's address
    reals: Counter[Endpoint] = field(default_factory=Counter)
    laddrs: Counter[bytes] = field(default_factory=Counter)
    told_reals: Counter[Endpoint] = field(default_factory=Counter)  # by TOA
    told_laddrs: Counter[bytes] = field(default_factory=Counter)

    @property
    def connections(self) -> int:
        return max(self.paired, self.answers, self.by_toa)

    @property
    def keeps_client(self) -> bool:
        """NAT, not full NAT."""
        return 2 * self.nat > self.connections

    def settle(self) -> None:
        """Take the better testimony. Nothing is real server and local address: it is what it was seen as more often."""
        if self.by_toa == self.connections:
            self.reals, self.laddrs = self.told_reals, self.told_laddrs
        hosts: Counter[bytes] = Counter()
        for real, count in self.reals.items():
            hosts[real.address] += count
        laddrs = dict(self.laddrs)
        self.laddrs = Counter({a: n for a, n in laddrs.items() if n > hosts[a]})
        self.reals = Counter({r: n for r, n in self.reals.items() if hosts[r.address] >= laddrs.get(r.address, 0)})


class Trail(NamedTuple):
    """The last frames of one sort that could be a first leg, as columns."""

    mark: U64
    size: I64  # L4 length
    time: I64
    src_key: U64
    dst_key: U64
    src: U8
    dst: U8
    sport: U16
    dport: U16
    seq: U64  # of TCP; NAT keeps it, full NAT does not
    came_to: U64  # destination MAC
    came_from: U64  # source MAC
    free: Bool  # not yet part of a pair

    def after(self, other: Trail) -> Trail:
        pairs: Any = zip(other, self, strict=True)
        return Trail._make(np.concatenate(pair) for pair in pairs)

    def last(self, count: int) -> Trail:
        columns: Any = self
        return Trail._make(column[len(column) - min(count, len(column)) :] for column in columns)


class Legs:
    """Add rows as the survey reads them; `tied` tells of each service."""

    def __init__(self) -> None:
        self.tied: dict[Service, Tied] = {}
        self._trails: dict[Sort, Trail] = {}
        self._clients: OrderedDict[int, Service] = OrderedDict()  # who opened last to which service
        self._toa_of: set[int] = set()  # second legs whose option was read
        self._flows: set[int] = set()  # second legs counted
        self._tries = 0

    def opened(self, service: Service, client: int) -> None:
        """A client, by its key, opened a connection to a service."""
        self._clients[client] = service
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)

    def add(self, burst: Burst, rows: Rows, starts: list[int]) -> None:
        """Look for second legs: *starts* are the rows whose flow begins."""
        if self._tries < MAX_TRIES or self.tied:
            self._pair(burst, rows, starts)
        if rows.sort[1] == TCP:
            self._read_toa(burst, rows)

    def _pair(self, burst: Burst, rows: Rows, starts: list[int]) -> None:
        tcp = rows.sort[1] == TCP
        fitting = (rows.flags & (SYN | ACK) == SYN) if tcp else np.ones(len(rows.at), np.bool_)
        here = _trail(burst, rows, fitting)
        before = self._trails.get(rows.sort, here.last(0))
        trail = here.after(before)
        places = np.cumsum(fitting) - 1 + len(before.mark)
        for row in starts:
            self._tries += 1
            second = int(places[row])
            first = _first_leg(trail, second, (0, 8, 20) if tcp else (0,))
            if first is not None:
                trail.free[[first, second]] = False
                self._forth(rows.sort, trail, first, second)
                if not tcp:
                    self._back(rows.sort, trail, first, second)
        self._trails[rows.sort] = trail.last(WINDOW)

    def _forth(self, sort: Sort, trail: Trail, first: int, second: int) -> None:
        """client -> service, then local address -> real server."""
        tied = self.tied.setdefault((sort, int(trail.dst_key[first])), Tied())
        tied.paired += 1
        tied.nat += bool(trail.src_key[first] == trail.src_key[second])
        flow = int(trail.src_key[second]) * 3 + int(trail.dst_key[second])
        self._count(tied, flow, Endpoint(trail.dst[second].tobytes(), int(trail.dport[second])), trail.src[second])

    def _count(self, tied: Tied, flow: int, real: Endpoint, laddr: U8) -> None:
        """The real server and local address of a second leg, once."""
        if flow not in self._flows and len(self._flows) < MAX_CLIENTS:
            self._flows.add(flow)
            tied.reals[real] += 1
            tied.laddrs[laddr.tobytes()] += 1

    def _back(self, sort: Sort, trail: Trail, first: int, second: int) -> None:
        """real server -> local address, then service -> client. UDP only: with UOA the way forth looks different."""
        tied = self.tied.setdefault((sort, int(trail.src_key[second])), Tied())
        tied.answers += 1
        flow = int(trail.dst_key[first]) * 3 + int(trail.src_key[first])
        self._count(tied, flow, Endpoint(trail.src[first].tobytes(), int(trail.sport[first])), trail.dst[first])

    def _read_toa(self, burst: Burst, rows: Rows) -> None:
        """Segments whose first option is a client address of known length."""
        there = rows.l4 + 28 <= burst.at[rows.number] + burst.caplen[rows.number]
        long = np.flatnonzero((burst.header[rows.number] >= 28) & there)
        if not long.size:
            return
        option = overlay(burst.buffer, 20)[rows.l4[long] + 20].view(np.uint8).reshape(-1, 20)
        for n in np.flatnonzero(option[:, 0] == TOA).tolist():
            row = int(long[n])
            flow = int(rows.src_key[row]) * 3 + int(rows.dst_key[row])
            width = TOA_BYTES.get(int(option[n, 1]))
            if width is None or flow in self._toa_of or len(self._toa_of) >= MAX_CLIENTS:
                continue
            client = keys(option[n : n + 1, 4 : 4 + width], option[n : n + 1, 2:4].copy().view(">u2")[0])
            if (service := self._clients.get(int(client[0]))) is not None:
                self._toa_of.add(flow)
                tied = self.tied.setdefault(service, Tied())
                tied.by_toa += 1
                tied.told_reals[Endpoint(rows.dst[row].tobytes(), int(rows.dport[row]))] += 1
                tied.told_laddrs[rows.src[row].tobytes()] += 1


def _trail(burst: Burst, rows: Rows, fitting: Bool) -> Trail:
    """The fitting rows as candidates for a first leg."""
    number = rows.number[fitting]
    size = (burst.l3_length[number] - (burst.l4[number] - 14)).astype(np.int64)
    rest: Any = (rows.src_key, rows.dst_key, rows.src, rows.dst, rows.sport, rows.dport)
    free = np.ones(len(number), np.bool_)
    seq = overlay(burst.buffer, 4)[rows.l4[fitting] + 4].view(">u4").astype(np.uint64) * (rows.sort[1] == TCP)
    macs = overlay(burst.buffer, 16)[burst.at[number]].view(np.uint8).reshape(-1, 16)
    came = (np.ascontiguousarray(macs[:, n : n + 8]).view(">u8").ravel().astype(np.uint64) for n in (0, 6))
    to_from = [mac >> np.uint64(16) for mac in came]
    whole = [
        rows.mark[fitting],
        size,
        burst.time_ns[number],
        *(column[fitting] for column in rest),
        seq,
        *to_from,
        free,
    ]
    return Trail._make(whole)


def _first_leg(trail: Trail, place: int, slack: tuple[int, ...]) -> int | None:
    """The latest frame before *place* that it may be the translation of."""
    low = max(0, place - WINDOW)
    grown = trail.size[place] - trail.size[low:place]
    fits = trail.free[low:place] & (trail.mark[low:place] == trail.mark[place])
    fits &= trail.time[low:place] >= trail.time[place] - MAX_DELAY
    fits &= (trail.dst[low:place] != trail.dst[place]).any(1) & (trail.src_key[low:place] != trail.dst_key[place])
    same_mac = trail.came_to[low:place] == trail.came_from[place]  # sent by whom the first one was sent to
    nat = (trail.seq[low:place] == trail.seq[place]) & same_mac
    fits &= (trail.src[low:place] != trail.src[place]).any(1) | (trail.src_key[low:place] == trail.src_key[place]) & nat
    fits &= (trail.came_from[low:place] != trail.came_from[place]) | np.isin(trail.came_from[place], NO_MAC)
    for n in reversed(np.flatnonzero(fits).tolist()):
        if grown[n] in slack:
            return low + int(n)
    return None
