"""mh, Maglev hashing of the source address, with the port where the service says so (D 10.3).

A table of 4093 slots is filled by the real servers in turn, each along its own permutation, so that a change moves few
slots. The owner of the source's slot takes the connection; when it is not valid, nobody does, or with fallback other
slots are tried. In releases where mh-port and the SYN proxy are one bit of the service (`mh_port_is_synproxy`), a
service with the SYN proxy hashes its ports too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakValueDictionary

from lbreplay import memory
from lbreplay.loop.hashed import PLACES, SKIP_KEY, START_KEY, Maglev, filled, siphash
from lbreplay.lvs.hashes import M32, fold
from lbreplay.lvs.schedulers.order import divisor, picked

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.lvs.flow import Flow, Listed
    from lbreplay.model import Behaviour

TURN_BITS = 6  # the greatest number of turns in a row has at most this many bits


class Turn(NamedTuple):
    """Where a real server begins to fill the table, its step, and how many slots it takes in a row."""

    start: int
    skip: int
    slots: int


_TABLES: WeakValueDictionary[tuple[Turn, ...], memoryview] = WeakValueDictionary()


def fill(turns: tuple[Turn, ...]) -> memoryview:
    """The table: per slot the position of its owner in *turns*; empty when nobody has a turn. Workers have one
    together, for as long as one of them has it."""
    table = _TABLES.get(turns)
    if table is None:
        starts, skips, slots = ([turn[at] for turn in turns] for at in range(3))
        table = filled(starts, skips, slots) if any(slots) else memory.zeros("i", 0)
        _TABLES[turns] = table
    return table


class MaglevHash:
    def __init__(self, server: Listed, worker_index: int, workers: int, behaviour: Behaviour) -> None:
        service = server.service
        self._dests = server.dests
        with_port = service.mh_port or (behaviour.mh_port_is_synproxy and service.synproxy)
        self._rule = Maglev(with_port, service.mh_fallback)
        self._table: memoryview | None = None

    def changed(self, dest: Dest | None = None) -> None:
        self._table = None

    @property
    def rule(self) -> Maglev:
        """The table as it is now, filled when it is first needed after a change."""
        if self._table is None:
            self._table = fill(self._turns())
            self._rule.fill(self._table)
        return self._rule

    def pick(self, flow: Flow) -> Dest | None:
        return picked(self.rule, self._dests, flow)

    def _turns(self) -> tuple[Turn, ...]:
        weights = [dest.filling_weight for dest in self._dests]
        unit = divisor(weights)
        shift = max(0, (max(weights, default=0) // unit).bit_length() - TURN_BITS)
        slots = [max(0, (int(weight / unit) >> shift) or int(weight != 0)) for weight in weights]
        return tuple(_turn(dest, count) for dest, count in zip(self._dests, slots, strict=True))


def _turn(dest: Dest, slots: int) -> Turn:
    value = fold(dest.address) + dest.port
    return Turn(siphash(value & M32, START_KEY) % PLACES, siphash(value & M32, SKIP_KEY) % (PLACES - 1) + 1, slots)
