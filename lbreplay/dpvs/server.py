"""One worker's living copy of the services and real servers (D 10.1, 10.2).

Every worker has a full copy: its own cursors, its own connection counts, its own share of `max_conn`. Lists are newest
first, because additions go to the head; a configuration is nothing but additions one by one. Only a copy changes while
traffic runs; what was asked for (`model`) never does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

from lbreplay.loop.draws import Draws
from lbreplay.loop.ports import LaddrCursor
from lbreplay.loop.real import Dest, kept_weight
from lbreplay.lvs.flow import Flow
from lbreplay.lvs.hashes import fold
from lbreplay.lvs.schedulers import SCHEDULERS
from lbreplay.model import AddressRange, Endpoint, Match, RealServer, Service, Setup

if TYPE_CHECKING:
    from random import Random

CID_SHORTEST, CID_LONGEST = 7, 20  # bytes of a QUIC connection id (D 10.4)
STEPPING = ("rr", "wrr")  # schedulers whose services take double steps over their local addresses (D 11.1)


class VirtualServer:
    """A service on one worker. `dests` is newest first; every change of it goes through here to the scheduler."""

    def __init__(
        self, service: Service, setup: Setup, rank: int, workers: int, chance: Callable[[], Random], ids: Iterator[int]
    ) -> None:
        self.service: Service = service
        self.dests: list[Dest] = []
        self._workers, self._chance, self._ids = workers, chance, ids
        stepping = setup.conn.laddr_step and service.scheduler in STEPPING
        own = Draws(setup.seed, f"{rank}:laddr:{service.name}")
        self.laddrs = LaddrCursor(service.laddr, own if stepping else None)
        self.scheduler = SCHEDULERS[service.scheduler](self, rank + 1, workers, setup.behaviour)
        for real in service.reals:
            self.add(real)

    def add(self, real: RealServer) -> Dest:
        """Put a new real server at the head of the list. One that comes back after removal is a new one (D 3)."""
        dest = Dest(next(self._ids), real, self._workers)
        self.dests.insert(0, dest)
        self.scheduler.changed(dest)
        return dest

    def edit(self, dest: Dest, weight: int | None = None, max_conn: int | None = None) -> None:
        """An operator's edit; connections stay where they are. It ends an inhibition (D 10.5), and OVERLOAD where the
        limit as given is above this worker's share of the old one, or none (D 2.8)."""
        limit = dest.real.max_conn if max_conn is None else max_conn
        if not 0 < limit <= dest.max_conn:
            dest.overload = False
        dest.real = dest.real._replace(weight=dest.real.weight if weight is None else weight, max_conn=limit)
        dest.weight, dest.max_conn, dest.inhibited = kept_weight(dest.real.weight), limit // self._workers, False
        self.scheduler.changed(dest)

    def remove(self, dest: Dest) -> None:
        """Take a real server out; connections keep using it (D 3)."""
        dest.available = False
        self.dests.remove(dest)
        self.scheduler.changed(dest)

    def readdress(self, laddrs: tuple[bytes, ...]) -> None:
        """Other local addresses for new connections; those that live keep theirs."""
        self.service = self.service._replace(laddr=laddrs)
        self.laddrs.replace(laddrs)

    def dest(self, endpoint: Endpoint) -> Dest | None:
        """The real server at *endpoint*."""
        return next((dest for dest in self.dests if (dest.address, dest.port) == endpoint), None)

    def over_limit(self) -> bool:
        """Draw whether `limit_proportion` drops the packet at hand (D 14.1)."""
        limit = self.service.limit_proportion
        return 0 < limit < 100 and self._chance().randrange(100) > limit


class Servers:
    """All virtual servers of one worker.

    by_name   living ones, in the order of the configuration
    matching  the match services (SNAT), newest first; empty when no packet needs `match`
    chance    the worker's one generator, from the seed and the rank
    """

    def __init__(self, setup: Setup, rank: int, workers: int) -> None:
        self._seed, ids = f"{setup.seed}:{rank}", count(rank, workers)
        self.by_name = {
            service.name: VirtualServer(service, setup, rank, workers, lambda: self.chance, ids)
            for service in setup.services
        }
        self._index()

    @cached_property
    def chance(self) -> Random:
        """Begun when first asked, which few services do."""
        from random import Random

        return Random(self._seed)

    def find(self, proto: int, dst: bytes, dport: int) -> VirtualServer | None:
        """The service of exactly this address and port; nothing falls back to port 0 (D 10.1)."""
        return self._exact.get((proto, dst, dport))

    def found(self) -> dict[tuple[int, bytes, int], VirtualServer]:
        """All that `find` finds, by protocol, address and port."""
        return self._exact

    def match(self, flow: Flow, iif: str, oif: str | None) -> VirtualServer | None:
        """The newest match service for *flow*, received on *iif* and routed out of *oif* (D 10.1).

        *oif* is None where there is no route, or it leads to the host itself: nothing matches then. A rule that names
        no output device spoils that test for all rules after it.
        """
        spoiled = False
        for server in self.matching if oif is not None else ():
            match = server.service.match
            assert match is not None, "only match services stand in this list"
            spoiled = spoiled or not match.oif
            leaves = not match.oif or (match.oif == oif and not spoiled)
            if leaves and match.iif in (None, "", iif) and _covers(match, flow):
                return server
        return None

    def has_vip(self, proto: int, dst: bytes) -> bool:
        """True when some service of this protocol has the address, whatever its port (the defences' test)."""
        return (proto, dst) in self._vips

    def remove(self, server: VirtualServer) -> None:
        """Take a service out; connections keep it (D 3)."""
        for dest in list(server.dests):
            server.remove(dest)
        del self.by_name[server.service.name]
        self._index()

    def _index(self) -> None:
        """An address whose words fold to 0 cannot be hashed, so DPVS never finds its services."""
        hashed = [(s, s.service.vip) for s in self.by_name.values() if s.service.vip and fold(s.service.vip.address)]
        self._exact = {(server.service.protocol, *vip): server for server, vip in hashed}
        self._vips = {(server.service.protocol, vip.address) for server, vip in hashed}
        self.matching = tuple(server for server in reversed(self.by_name.values()) if server.service.match)


def _covers(match: Match, flow: Flow) -> bool:
    return (
        match.protocol == flow.proto
        and match.family == (4 if len(flow.src) == 4 else 6)
        and _within(match.source, flow.src, flow.sport)
        and _within(match.dest, flow.dst, flow.dport)
    )


def _within(span: AddressRange | None, address: bytes, port: int) -> bool:
    """A maximum of zero: not tested."""
    if span is None:
        return True
    return (not any(span.high) or span.low <= address <= span.high) and (
        not span.high_port or span.low_port <= port <= span.high_port
    )


def quic_dest(server: VirtualServer, payload: bytes) -> Dest | None:
    """The real server named by the destination connection id of a first datagram, valid or not (D 10.4).

    None where the id names nobody or is none of ours: ordinary scheduling follows.
    """
    cid = _destination_cid(payload)
    if cid is None:
        return None
    length, with_port = (cid[1] >> 5) + 1, bool(cid[1] & 0x10)
    shifted = cid[1 : 2 + length + 2 * with_port]  # behind the first nibble; the last nibble is not used
    if len(shifted) < 1 + length + 2 * with_port:
        return None
    plain = (int.from_bytes(shifted) >> 4 & (1 << 8 * (len(shifted) - 1)) - 1).to_bytes(len(shifted) - 1)
    address, port = plain[:length], int.from_bytes(plain[length:])
    for dest in server.dests:
        if dest.address[-length:] == address and (not with_port or dest.port == port):
            return dest
    return None


def _destination_cid(payload: bytes) -> bytes | None:
    """The id of a QUIC packet, at least seven bytes; a short header does not say how long it is, the id itself does."""
    if len(payload) < 8 or not payload[0] & 0x40:
        return None
    if payload[0] & 0x80:
        version, at, length = int.from_bytes(payload[1:5]), 6, payload[5]
    else:
        version, at, length = 1, 1, CID_SHORTEST + (payload[2] >> 5 & 3) + (2 if payload[2] & 0x10 else 0)
    if version > 1 or not CID_SHORTEST <= length <= CID_LONGEST or len(payload) < at + length:
        return None
    return payload[at : at + length]
