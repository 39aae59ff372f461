"""conhash, consistent hashing of the source address or the QUIC connection id (D 10.3, 10.4).

A real server has 160 places on a ring for each unit of weight / gcd. A key belongs to the next place at or after it. If
the owner is not valid nobody takes the connection. Behaviour `conhash_spread`: "all" gives every real server the places
of its weight after each change; "edited" only the one that was added or edited, with the divisor of that moment.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakValueDictionary

from lbreplay.loop.hashed import Ring, in_order
from lbreplay.lvs.hashes import native_port, ring_keys
from lbreplay.lvs.schedulers.order import divisor, picked

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.lvs.flow import Flow, Listed
    from lbreplay.model import Behaviour

REPLICAS = 160
UDP = 17


class Share(NamedTuple):
    """A real server on the ring, and how many places it has."""

    address: bytes
    port: int
    places: int


@lru_cache(maxsize=4096)
def places(share: Share) -> array[int]:
    """The keys of a real server; what others have changes nothing about them."""
    return ring_keys(f"{ip_address(share.address)}{native_port(share.port)}", share.places)


class Spread:
    """Sorted keys (i8), and of each the owner (i4), its position in *shares*; of equal keys the first owner's stands
    first."""

    def __init__(self, shares: tuple[Share, ...]) -> None:
        keys, owners = array("q"), array("i")
        for owner, share in enumerate(shares):
            keys += places(share)
            owners += array("i", [owner]) * share.places
        self.keys, self.owners = in_order(keys, owners)


_SPREADS: WeakValueDictionary[tuple[Share, ...], Spread] = WeakValueDictionary()


def spread(shares: tuple[Share, ...]) -> Spread:
    """Of these shares; workers have one together, for as long as one of them has it."""
    found = _SPREADS.get(shares)
    if found is None:
        found = _SPREADS[shares] = Spread(shares)
    return found


def quic_id(payload: bytes) -> int | None:
    """The eight bytes after the first as the machine reads them, where bit 3 of the first says so."""
    return int.from_bytes(payload[1:9], "little") if len(payload) >= 9 and payload[0] & 0x08 else None


class ConsistentHash:
    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        self._dests = server.dests
        self._by_id = server.service.hash_target == "quic"
        self._usable = not self._by_id or server.service.protocol == UDP
        self._all = behaviour.conhash_spread == "all"
        self._known: set[Dest] = set()
        self._shares: dict[Dest, Share] = {}  # in the order they were spread
        self._unit = 1  # what weights are divided by
        self._spread: Spread | None = None
        self._rule, self._stale = Ring(), True
        self.changed()

    def changed(self, dest: Dest | None = None) -> None:
        before, self._unit = self._unit, divisor([each.weight for each in self._dests])
        everybody = dest is None or (self._all and self._unit != before)
        for each in self._dests if everybody else ():
            self._share(each)
        if dest is not None:
            self._share(dest)
        self._stale = True

    def _share(self, dest: Dest) -> None:
        """As many places as its weight says; none where it was taken out."""
        share = Share(dest.address, dest.port, REPLICAS * max(0, dest.weight // self._unit))
        if not self._admitted(dest) or not dest.available:
            self._shares.pop(dest, None)
        elif self._shares.get(dest) != share:
            self._shares.pop(dest, None)
            self._shares[dest] = share

    def _admitted(self, dest: Dest) -> bool:
        """Whether a real server is on the ring at all: one added with a negative weight is refused, and stays outside
        whatever weight it gets later."""
        new = dest not in self._known
        self._known.add(dest)
        return dest in self._shares or (new and dest.weight >= 0)

    @property
    def rule(self) -> Ring:
        """The ring as it is now, made when it is first needed after a change."""
        if self._stale:
            self._stale, self._spread = False, spread(tuple(self._shares.values()))
            at = {dest: position for position, dest in enumerate(self._dests)}
            self._rule.spread(self._spread.keys, self._spread.owners, [at[dest] for dest in self._shares])
        return self._rule

    def pick(self, flow: Flow) -> Dest | None:
        identity = quic_id(flow.payload) if self._by_id else None
        if not self._usable:
            return None
        if identity is None:
            return picked(self.rule, self._dests, flow)
        at = self.rule.owner(self._dests, identity)
        return None if at < 0 else self._dests[at]
