"""What a capture holds, before anything is known of a balancer: who opens connections to whom.

A virtual service is an address and port that a client opens a connection to: the destination of a first SYN or INIT,
and for UDP the side that answers (interface 1, `init`); `unopened` keeps what nobody was seen to open. One pass,
columns first, memory bounded: endpoints are 64-bit keys, flows that were seen are remembered up to a limit, and beyond
it the oldest are forgotten.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from lbreplay.arrays import U8, U16, Bool
from lbreplay.burst import Burst
from lbreplay.config.legs import Legs, Tied
from lbreplay.config.rows import SORTS, U64, Rows, Sort, opens, rows_of
from lbreplay.config.unopened import Ends, Unopened, special_of
from lbreplay.loop.parse import parse
from lbreplay.model import Endpoint
from lbreplay.wire.fields import be16, overlay
from lbreplay.wire.packet import ACK, ETH_VLAN, SCTP, SYN, TCP, UDP

MAX_SERVICES = 1 << 14  # endpoints counted, a sort
MAX_FLOWS = 1 << 18  # flows remembered, a sort
LIFE = 90  # seconds that an idle connection lives (D 5.3: ESTABLISHED)
MAX_CLIENTS = 1 << 14  # addresses remembered, a service
ETH_PROVIDER = 0x88A8  # 802.1ad: the outer of two tags
BENCHMARK = 0xC612 << 16  # 198.18.0.0/15, whose used addresses a draft keeps away from


@dataclass(slots=True)
class Openings:
    """How many connections open within LIFE seconds: about the most that live at a time. Memory is bounded by LIFE."""

    peak: int = 0
    _live: int = 0
    _seconds: deque[tuple[int, int]] = field(default_factory=deque)  # (second, openings), the oldest first

    def add(self, second: int) -> None:
        """One more, at *second*; time that goes back counts as the latest."""
        last, count = self._seconds.pop() if self._seconds else (second, 0)
        if second > last:
            self._seconds.append((last, count))
            last, count = second, 0
        self._seconds.append((last, count + 1))
        while self._seconds[0][0] <= last - LIFE:
            self._live -= self._seconds.popleft()[1]
        self._live += 1
        self.peak = max(self.peak, self._live)


@dataclass(slots=True)
class Seen:
    """One service and what was seen of it."""

    protocol: int
    endpoint: Endpoint
    connections: int = 0
    frames: int = 0
    octets: int = 0  # on the wire
    clients: set[bytes] = field(default_factory=set)
    openings: Openings = field(default_factory=Openings)

    def add(self, frames: int, octets: int) -> None:
        self.frames += frames
        self.octets += octets


@dataclass(slots=True)
class Balancer:
    """What the second legs showed: real servers and local addresses, by service."""

    tied: dict[tuple[int, Endpoint], Tied] = field(default_factory=dict)
    vips: set[bytes] = field(default_factory=set)
    laddrs: set[bytes] = field(default_factory=set)
    reals: set[tuple[int, Endpoint]] = field(default_factory=set)

    def accept(self, seen: Seen, tied: Tied) -> None:
        self.tied[seen.protocol, seen.endpoint] = tied
        self.vips.add(seen.endpoint.address)
        self.reals |= {(seen.protocol, real) for real in tied.reals}
        if not tied.keeps_client:
            self.laddrs |= tied.laddrs.keys()

    def behind(self, seen: Seen) -> bool:
        """Whether what looks like a service is a real server, or the balancer as its client."""
        only_ours = bool(self.laddrs) and seen.clients <= self.laddrs
        return only_ours or seen.endpoint.address in self.laddrs or (seen.protocol, seen.endpoint) in self.reals


class Survey:
    """Add bursts, read `services`. How the frames are cut into bursts does not show."""

    def __init__(self, bursts: Iterable[Burst] = ()) -> None:
        self.frames = 0
        self.missed = 0  # services beyond MAX_SERVICES
        self.vlans: Counter[int] = Counter()  # frames with one 802.1Q tag, by its id
        self.benchmark = np.zeros(1 << 17, np.bool_)  # addresses of 198.18.0.0/15 in use
        self.legs = Legs()
        self.unopened = Unopened()
        self.twice = 0  # frames with two VLAN tags, of which DPVS takes one off
        self._special: Counter[str] = Counter()
        self._pairs: dict[Sort, dict[int, None]] = {sort: {} for sort in SORTS}
        self._seen: dict[Sort, dict[int, Seen]] = {sort: {} for sort in SORTS}
        self._flows: dict[Sort, dict[int, None]] = {sort: {} for sort in SORTS}
        for burst in bursts:
            self.add(burst)

    def services(self) -> list[Seen]:
        """Busiest first: by connections, then bytes, then address."""
        every = (service for seen in self._seen.values() for service in seen.values())
        return sorted(every, key=lambda s: (-s.connections, -s.octets, s.protocol, s.endpoint))

    def special(self) -> Counter[str]:
        """Flows to addresses that no service has, by what these are."""
        return self._special + self.unopened.special()

    def balancer(self) -> Balancer:
        """What was seen behind services, busiest first.

        A service is understood when half of its connections were followed, and nobody but the balancer speaks to what
        is taken for its real servers.
        """
        found = Balancer()
        talkers = {(s.protocol, s.endpoint): s.clients for s in self.services()}
        for seen, tied in self._by_connections():
            tied.settle()
            speakers = [talkers.get((seen.protocol, real), set()) for real in tied.reals]
            strange = found.behind(seen) or not found.vips.isdisjoint(tied.laddrs)
            if 2 * tied.connections < seen.connections or strange:
                continue
            if tied.reals and all(speaking <= tied.laddrs.keys() for speaking in speakers):
                found.accept(seen, tied)
        return found

    def _by_connections(self) -> list[tuple[Seen, Tied]]:
        seen = self._seen
        every = [(seen[sort][key], tied) for (sort, key), tied in self.legs.tied.items() if key in seen[sort]]
        return sorted(every, key=lambda one: (-one[1].connections, one[0].protocol, one[0].endpoint))

    def add(self, burst: Burst) -> None:
        """Count the frames of *burst*; its columns are filled."""
        parse(burst, None, False)
        self.frames += burst.size
        self._tags(burst)
        for sort in SORTS:
            rows = rows_of(burst, sort)
            if sort[0] == 4:
                self._used(rows.src)
                self._used(rows.dst)
            starts, new = self._datagrams(rows) if sort[1] == UDP else self._connections(rows, opens(burst, rows))
            self._count(rows, new)
            if sort[1] != SCTP:
                self.legs.add(burst, rows, starts)

    def _tags(self, burst: Burst) -> None:
        """Count the ids of frames of IP behind one tag, and the frames with two: nobody reads behind the second."""
        words = overlay(burst.buffer, 6)[burst.at + 12].view(np.uint8).reshape(-1, 6)
        tags = (ETH_VLAN, ETH_PROVIDER)
        self.twice += int((np.isin(be16(words, 0), tags) & np.isin(be16(words, 4), tags)).sum())
        tagged = (be16(words, 0) == ETH_VLAN) & (burst.family > 0)
        ids, frames = np.unique(be16(words[tagged], 2) & 0xFFF, return_counts=True)
        self.vlans.update(dict(zip(ids.tolist(), frames.tolist(), strict=True)))

    def _used(self, addresses: U8) -> None:
        numbers = np.ascontiguousarray(addresses).view(">u4").ravel().astype(np.int64) - BENCHMARK
        self.benchmark[numbers[(numbers >= 0) & (numbers < 1 << 17)]] = True

    def _connections(self, rows: Rows, opening: Bool) -> tuple[list[int], dict[int, int]]:
        """First SYNs and INITs: their destination is a service. (Rows where flows begin, new services with rows.)"""
        new: dict[int, int] = {}
        starts = []
        self._under_way(rows, opening)
        for row in np.flatnonzero(opening).tolist():
            there, back = int(rows.src_key[row]), int(rows.dst_key[row])
            if self._new(rows.sort, _flow(there, back)):
                starts.append(row)
                self.unopened.opened(rows.sort, _pair(there, back))
                self._opened(new, rows, row, rows.dst, rows.dport, rows.dst_key, rows.src)
                self.legs.opened((rows.sort, back), there)
        return starts, new

    def _under_way(self, rows: Rows, opening: Bool) -> None:
        """Note connections whose first frame does not open them."""
        low, high = np.minimum(rows.src_key, rows.dst_key), np.maximum(rows.src_key, rows.dst_key)
        pairs, first = np.unique(low * np.uint64(3) + high, return_index=True)
        known = self._pairs[rows.sort]
        for pair, row in sorted(zip(pairs.tolist(), first.tolist(), strict=True), key=lambda one: one[1]):
            if pair in known:
                continue
            _remember(known, pair)
            if not opening[row]:
                self._note(rows, row, pair)

    def _note(self, rows: Rows, row: int, pair: int) -> None:
        ends = (rows.src[row].tobytes(), int(rows.sport[row]), rows.dst[row].tobytes(), int(rows.dport[row]))
        accepts = rows.sort[1] == TCP and int(rows.flags[row]) & (SYN | ACK) == SYN | ACK
        self.unopened.note(rows.sort, pair, Ends(*ends, accepts))

    def _datagrams(self, rows: Rows) -> tuple[list[int], dict[int, int]]:
        """The first datagram against a flow seen before: its source is a service."""
        new: dict[int, int] = {}
        starts = []
        flows = self._flows[rows.sort]
        first = np.unique(rows.src_key * np.uint64(3) + rows.dst_key, return_index=True)[1]
        for row in np.sort(first).tolist():
            there, back = int(rows.src_key[row]), int(rows.dst_key[row])
            if not self._new(rows.sort, _flow(there, back)):
                continue
            starts.append(row)
            if _flow(back, there) in flows:
                self.unopened.opened(rows.sort, _pair(there, back))
                self._opened(new, rows, row, rows.src, rows.sport, rows.src_key, rows.dst)
            else:
                self._note(rows, row, _pair(there, back))
        return starts, new

    def _new(self, sort: Sort, flow: int) -> bool:
        """Remember *flow*, forget the oldest; False where it was known."""
        flows = self._flows[sort]
        if flow in flows:
            return False
        _remember(flows, flow)
        return True

    def _opened(self, new: dict[int, int], rows: Rows, row: int, host: U8, port: U16, key: U64, client: U8) -> None:
        """A connection to the service in the columns *host*, *port*, *key*; *new* notes where a service begins."""
        seen, number = self._seen[rows.sort], int(key[row])
        if (known := seen.get(number)) is None:
            endpoint = Endpoint(host[row].tobytes(), int(port[row]))
            if special := special_of(endpoint.address):
                self._special[special] += 1
            if special or not endpoint.port:
                return
            if len(seen) >= MAX_SERVICES:
                self.missed += 1
                return
            known = seen[number] = Seen(rows.sort[1], endpoint)
            new[number] = row
        known.connections += 1
        known.openings.add(int(rows.second[row]))
        if len(known.clients) < MAX_CLIENTS:
            known.clients.add(client[row].tobytes())

    def _count(self, rows: Rows, new: dict[int, int]) -> None:
        """Frames and bytes to and from each service, from its first connection on."""
        seen = self._seen[rows.sort]
        if not seen or not rows.length.size:
            return
        for keys in (rows.src_key, rows.dst_key):
            found, place = np.unique(keys, return_inverse=True)
            frames = np.bincount(place)
            octets = np.bincount(place, rows.length)
            for n, key in enumerate(found.tolist()):
                if key in seen and key not in new:
                    seen[key].add(int(frames[n]), int(octets[n]))
            for key, row in new.items():
                its = rows.length[row:][keys[row:] == key]
                seen[key].add(its.size, int(its.sum()))


def _remember(kept: dict[int, None], number: int) -> None:
    """Keep *number*, and forget the oldest beyond MAX_FLOWS."""
    kept[number] = None
    if len(kept) > MAX_FLOWS:
        del kept[next(iter(kept))]


def _flow(there: int, back: int) -> int:
    return there * 3 + back


def _pair(there: int, back: int) -> int:
    """The same for both directions, as `_under_way` reckons it in 64 bits."""
    return (min(there, back) * 3 + max(there, back)) & (2**64 - 1)
