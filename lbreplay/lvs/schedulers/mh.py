"""mh, Maglev hashing of the source address, with the port where the service says so (D 10.3).

A table of 4093 slots is filled by the real servers in turn, each along its own permutation, so that a change moves few
slots. The owner of the source's slot takes the connection; when it is not valid, nobody does, or with fallback other
slots are tried. In releases where mh-port and the SYN proxy are one bit of the service (`mh_port_is_synproxy`), a
service with the SYN proxy hashes its ports too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from lbreplay.lvs.hashes import M32, fold, siphash13
from lbreplay.lvs.schedulers.order import divisor

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.lvs.flow import Flow, Listed
    from lbreplay.model import Behaviour

SLOTS = 4093
START_KEY, SKIP_KEY = 2654435761, 2654446892
TURN_BITS = 6  # the greatest number of turns in a row has at most this many bits


def hashed(value: int, key: int) -> int:
    """The low 32 bits of SipHash-1-3 over *value* as four little-endian bytes."""
    return siphash13((value & M32).to_bytes(4, "little"), key) & M32


class Turn(NamedTuple):
    """Where a real server begins to fill the table, its step, and how many slots it takes in a row."""

    start: int
    skip: int
    slots: int


@lru_cache(maxsize=64)
def fill(turns: tuple[Turn, ...]) -> tuple[int, ...]:
    """The table: per slot the position of its owner in *turns*; empty when nobody has a turn. Workers share it."""
    if not any(turn.slots for turn in turns):
        return ()
    table, places, left = [-1] * SLOTS, [turn.start for turn in turns], SLOTS
    while True:
        for owner, turn in enumerate(turns):
            for _ in range(turn.slots):
                while table[places[owner]] >= 0:
                    places[owner] = (places[owner] + turn.skip) % SLOTS
                table[places[owner]] = owner
                left -= 1
                if not left:
                    return tuple(table)


class Maglev:
    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        service = server.service
        self._dests = server.dests
        self._fallback = service.mh_fallback
        self._with_port = service.mh_port or (behaviour.mh_port_is_synproxy and service.synproxy)
        self._table: tuple[int, ...] | None = None

    def changed(self, dest: Dest | None = None) -> None:
        self._table = None

    def pick(self, flow: Flow) -> Dest | None:
        if self._table is None:
            self._table = fill(self._turns())
        value = fold(flow.src) + (flow.sport if self._with_port else 0)
        dest = self._owner(value)
        if self._fallback and dest is not None and not dest.valid:
            dest = self._fall_back(value)
        return dest if dest is not None and dest.valid else None

    def _owner(self, value: int) -> Dest | None:
        assert self._table is not None, "filled by pick"
        return self._dests[self._table[hashed(value, START_KEY) % SLOTS]] if self._table else None

    def _fall_back(self, value: int) -> Dest | None:
        first = hashed(value, START_KEY) % SLOTS
        for offset in range(SLOTS):
            dest = self._owner(value + (offset + first) % SLOTS)
            if dest is None or dest.valid:
                return dest
        return None

    def _turns(self) -> tuple[Turn, ...]:
        weights = [dest.filling_weight for dest in self._dests]
        unit = divisor(weights)
        shift = max(0, (max(weights, default=0) // unit).bit_length() - TURN_BITS)
        slots = [max(0, (int(weight / unit) >> shift) or int(weight != 0)) for weight in weights]
        return tuple(_turn(dest, count) for dest, count in zip(self._dests, slots, strict=True))


def _turn(dest: Dest, slots: int) -> Turn:
    value = fold(dest.address) + dest.port
    return Turn(hashed(value, START_KEY) % SLOTS, hashed(value, SKIP_KEY) % (SLOTS - 1) + 1, slots)
