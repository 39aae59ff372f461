"""conhash, consistent hashing of the source address or the QUIC connection id (D 10.3, 10.4).

A real server has 160 places on a ring for each unit of weight / gcd. A key belongs to the next place at or after it. If
the owner is not valid nobody takes the connection. Behaviour `conhash_spread`: "all" gives every real server the places
of its weight after each change; "edited" only the one that was added or edited, with the divisor of that moment.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from lbreplay.vs.hashes import native_port, native_words, ring_key, xor
from lbreplay.vs.schedulers.order import divisor

if TYPE_CHECKING:
    from lbreplay.model import Behaviour
    from lbreplay.vs.server import Dest, Flow, VirtualServer

REPLICAS = 160
UDP = 17


@lru_cache(maxsize=256)
def places(address: bytes, port: int, count: int) -> tuple[int, ...]:
    """The first *count* keys of a real server; workers share the work."""
    name = f"{ip_address(address)}{native_port(port)}"
    return tuple(ring_key(f"{name}-{index:03d}") for index in range(count))


def quic_id(payload: bytes) -> int | None:
    """The eight bytes after the first as the machine reads them, where bit 3 of the first says so."""
    return int.from_bytes(payload[1:9], "little") if len(payload) >= 9 and payload[0] & 0x08 else None


class ConsistentHash:
    def __init__(self, server: VirtualServer, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._by_id = server.service.hash_target == "quic"
        self._usable = not self._by_id or server.service.protocol == UDP
        self._all = behaviour.conhash_spread == "all"
        self._replicas: dict[Dest, int] = {}  # in the order they were spread
        self._owner: dict[int, Dest] | None = None  # by key; None: to be made
        self._ring: list[int] = []
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        unit = divisor(self._dests)
        for gone in [known for known in self._replicas if known not in self._dests]:
            del self._replicas[gone]
        for each in self._dests:
            count = REPLICAS * (each.weight // unit)
            if self._replicas.get(each) != count and (self._all or dest is None or each is dest):
                self._replicas.pop(each, None)
                self._replicas[each] = count
        self._owner = None

    def pick(self, flow: Flow) -> Dest | None:
        owner = self._owner if self._owner is not None else self._spread()
        if not self._ring or not self._usable:
            return None
        at = bisect_left(self._ring, ring_key(str(self._subject(flow))))
        dest = owner[self._ring[at % len(self._ring)]]
        return dest if dest.valid else None

    def _subject(self, flow: Flow) -> int:
        identity = quic_id(flow.payload) if self._by_id else None
        return xor(native_words(flow.src)) if identity is None else identity

    def _spread(self) -> dict[int, Dest]:
        """The ring, made when it is first needed after a change; the first owner of a key keeps it."""
        self._owner = {}
        for dest, count in self._replicas.items():
            for key in places(dest.address, dest.port, count):
                self._owner.setdefault(key, dest)
        self._ring = sorted(self._owner)
        return self._owner
