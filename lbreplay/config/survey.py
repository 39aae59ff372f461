"""What a capture holds, before anything is known of a balancer: who opens connections to whom.

A virtual service is an address and port that a client opens a connection to: the destination of a first SYN, and for
UDP the side that answers (interface 1, `init`). One pass, columns first, memory bounded: endpoints are 64-bit keys,
flows that were seen are remembered up to a limit, and beyond it the oldest are forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbreplay.burst import I64, KIND_TCP, KIND_UDP, U8, U16, Burst
from lbreplay.model import Endpoint
from lbreplay.wire.packet import ACK, SYN, TCP, UDP
from lbreplay.wire.parse import parse

U64 = NDArray[np.uint64]
Sort = tuple[int, int]  # family and protocol
MAX_SERVICES = 1 << 14  # endpoints counted, a sort
MAX_FLOWS = 1 << 18  # flows remembered, a sort
MAX_CLIENTS = 1 << 14  # addresses remembered, a service
BENCHMARK = 0xC612 << 16  # 198.18.0.0/15, whose used addresses a draft keeps away from
ODD = 0x9E3779B97F4A7C15


@dataclass(slots=True)
class Seen:
    """One service and what was seen of it."""

    protocol: int
    endpoint: Endpoint
    connections: int = 0
    frames: int = 0
    octets: int = 0  # on the wire
    clients: set[bytes] = field(default_factory=set)

    def add(self, frames: int, octets: int) -> None:
        self.frames += frames
        self.octets += octets


class Rows(NamedTuple):
    """The rows of one sort, as columns."""

    sort: Sort
    src: U8
    dst: U8
    sport: U16
    dport: U16
    flags: U8
    length: I64
    src_key: U64
    dst_key: U64


class Survey:
    """Add bursts, read `services`. How the frames are cut into bursts does not show."""

    def __init__(self, bursts: Iterable[Burst] = ()) -> None:
        self.frames = 0
        self.missed = 0  # services beyond MAX_SERVICES
        self.benchmark = np.zeros(1 << 17, np.bool_)  # addresses of 198.18.0.0/15 in use
        self._seen: dict[Sort, dict[int, Seen]] = {(f, p): {} for f in (4, 6) for p in (TCP, UDP)}
        self._flows: dict[Sort, dict[int, None]] = {sort: {} for sort in self._seen}
        for burst in bursts:
            self.add(burst)

    def services(self) -> list[Seen]:
        """Busiest first: by connections, then bytes, then address."""
        every = (service for seen in self._seen.values() for service in seen.values())
        return sorted(every, key=lambda s: (-s.connections, -s.octets, s.protocol, s.endpoint))

    def add(self, burst: Burst) -> None:
        """Count the frames of *burst*; its columns are filled."""
        parse(burst, None, False)
        self.frames += burst.size
        for sort in self._seen:
            rows = _rows(burst, sort)
            if sort[0] == 4:
                self._used(rows.src)
                self._used(rows.dst)
            new = self._tcp(rows) if sort[1] == TCP else self._udp(rows)
            self._count(rows, new)

    def _used(self, addresses: U8) -> None:
        numbers = np.ascontiguousarray(addresses).view(">u4").ravel().astype(np.int64) - BENCHMARK
        self.benchmark[numbers[(numbers >= 0) & (numbers < 1 << 17)]] = True

    def _tcp(self, rows: Rows) -> dict[int, int]:
        """First SYNs: their destination is a service."""
        new: dict[int, int] = {}
        for row in np.flatnonzero(rows.flags & (SYN | ACK) == SYN).tolist():
            if self._new(rows.sort, _flow(int(rows.src_key[row]), int(rows.dst_key[row]))):
                self._opened(new, rows, row, rows.dst, rows.dport, rows.dst_key, rows.src)
        return new

    def _udp(self, rows: Rows) -> dict[int, int]:
        """The first datagram against a flow seen before: its source is a service."""
        new: dict[int, int] = {}
        flows = self._flows[rows.sort]
        first = np.unique(rows.src_key * np.uint64(3) + rows.dst_key, return_index=True)[1]
        for row in np.sort(first).tolist():
            there, back = int(rows.src_key[row]), int(rows.dst_key[row])
            if self._new(rows.sort, _flow(there, back)) and _flow(back, there) in flows:
                self._opened(new, rows, row, rows.src, rows.sport, rows.src_key, rows.dst)
        return new

    def _new(self, sort: Sort, flow: int) -> bool:
        """Remember *flow*, forget the oldest; False where it was known."""
        flows = self._flows[sort]
        if flow in flows:
            return False
        flows[flow] = None
        if len(flows) > MAX_FLOWS:
            del flows[next(iter(flows))]
        return True

    def _opened(self, new: dict[int, int], rows: Rows, row: int, host: U8, port: U16, key: U64, client: U8) -> None:
        """A connection to the service in the columns *host*, *port*, *key*; *new* notes where a service begins."""
        seen, number = self._seen[rows.sort], int(key[row])
        if (known := seen.get(number)) is None:
            endpoint = Endpoint(host[row].tobytes(), int(port[row]))
            if not _usable(endpoint):
                return
            if len(seen) >= MAX_SERVICES:
                self.missed += 1
                return
            known = seen[number] = Seen(rows.sort[1], endpoint)
            new[number] = row
        known.connections += 1
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


def _flow(there: int, back: int) -> int:
    return there * 3 + back


def _usable(endpoint: Endpoint) -> bool:
    """A unicast address and a port that a service can have."""
    first = endpoint.address[0]
    special = not any(endpoint.address[:-1]) or (
        first in (0, 127) or first >= 224 if len(endpoint.address) == 4 else first == 255
    )
    return endpoint.port != 0 and not special


def _rows(burst: Burst, sort: Sort) -> Rows:
    """The rows of one sort as columns."""
    family, proto = sort
    wanted = (
        (burst.proto == proto) & (burst.kind == (KIND_TCP if proto == TCP else KIND_UDP)) & (burst.family == family)
    )
    if family == 4:
        rows = np.flatnonzero(wanted)
        flow, width = burst.flow4[rows], 4
    else:
        rows = burst.rows6[wanted[burst.rows6]]
        flow, width = burst.flow6[wanted[burst.rows6]], 16
    src, dst = flow[:, :width], flow[:, width : 2 * width]
    ports = np.ascontiguousarray(flow[:, 2 * width :]).view(">u2").reshape(-1, 2).astype(np.uint16)
    keys = [_keys(address, ports[:, n]) for n, address in enumerate((src, dst))]
    return Rows(sort, src, dst, ports[:, 0], ports[:, 1], burst.flags[rows], burst.length[rows], keys[0], keys[1])


def _keys(address: U8, port: U16) -> U64:
    """Endpoints as 64-bit numbers: exact for IPv4, mixed for IPv6."""
    words = np.ascontiguousarray(address).view(">u4").astype(np.uint64)
    mixed = words[:, 0]
    for n in range(1, words.shape[1]):
        mixed = mixed * np.uint64(ODD) + words[:, n]
    mixed = mixed << np.uint64(16) if words.shape[1] == 1 else mixed * np.uint64(ODD)
    key: U64 = np.bitwise_xor(mixed, port.astype(np.uint64), dtype=np.uint64)
    return key
