"""A first packet opens a connection: to a service (D 2.4), or from inside to a remote host (SNAT, D 2.2)."""

from __future__ import annotations

from typing import Any

from lbreplay.loop.names import BARE, MET, NONE, SNAT
from lbreplay.loop.opener import Opener, Pair
from lbreplay.loop.real import Dest
from lbreplay.loop.templates import Templates
from lbreplay.loop.ways import Way

PERSISTENT, POOL, TOO_LONG = Way.PERSISTENT, Way.POOL, Way.TOO_LONG


class Opening(Templates):
    """New connections, for as long as there is room for them."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.matching = False  # some service is found by ranges
        self.pool_size = 0  # connections, at most
        self.barred = 0  # reason for which connections are opened by the plain path alone

    def _open(self, row: int, worker: int, number: int, now: int) -> bool:
        """A first packet of service *number* (D 2.4)."""
        opener: Opener = self.openers[worker * self.places + number]
        if not opener.ready:
            self.host.ready(opener)
        if opener.why or self.barred:
            return self._plain(opener.why or self.barred)
        if self.slots.live >= self.pool_size:
            return self._plain(POOL)
        if self.l3_length[row] + opener.growth > self.mtu:
            return self._plain(TOO_LONG)
        if opener.persistent:
            return self._open_by_template(row, opener, now)
        at = self._pick(row, opener)
        if at < 0:
            return self._refuse(row, self.no_dest)
        dest: Dest = opener.dests[at]
        if dest.is_full():
            dest.overload = True
            return self._refuse(row, self.max_conn)
        return self._bind(row, opener, dest, at * opener.width, now)

    # --- SNAT --------------------------------------------------------------------------------------------------------

    def _open_outwards(self, row: int, opener: Opener, now: int) -> bool:
        """An inside host's first packet takes a port of an outside address, towards the remote host (D 2.2, D 11.3)."""
        if not opener.ready:
            self.host.ready(opener)
        if opener.why or self.barred or opener.persistent:
            return self._plain(opener.why or self.barred or PERSISTENT)
        if self.slots.live >= self.pool_size:
            return self._plain(POOL)
        way = self._way_on(row)
        if way < 0:
            return self._plain(-way)
        at = self._pick(row, opener)
        if at < 0:
            return self._refuse(row, self.no_dest)
        dest: Dest = opener.dests[at]
        if dest.is_full():
            return self._plain(POOL)  # a port is taken first, and given back
        port: int = self.host.fetch(opener, dest, self.table_key(row))
        if port < 0:
            return self._refuse(row, self.no_outside_port if port == NONE else self.no_outside_pool)
        strayed = self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d) >= 0
        self._enter_outwards(row, opener, opener.pairs[at], way, port, now)
        self.wrong[row] = strayed  # it is an answer to another worker's client
        return True

    def _enter_outwards(self, row: int, opener: Opener, pair: Pair, way: int, port: int, now: int) -> None:
        """It goes out, so its own tuple is the real server's side; answers come to the outside address and port."""
        slot = self._occupy(row, opener, pair, now)
        slots, told = self.slots, self._client(row)
        self.table.enter(2 * slot + 1, self.word0, self.word1, self.a, self.b, self.c, self.d)
        word0, word1 = self.b, self.word1 >> 32
        ports = self.ports >> 16 | (port >> 8 | (port & 0xFF) << 8) << 16
        if self.six:
            word0 = self.table.mix(self.c, self.d, pair.a, pair.b)
            self.table.enter(2 * slot, word0, word1 << 32 | ports, self.c, self.d, pair.a, pair.b)
        else:
            self.table.enter(2 * slot, pair.word0 << 32 | word0, word1 << 32 | ports, 0, 0, 0, 0)
        slots.server[slot], slots.met[slot] = told + 1, MET | BARE
        slots.mac[2 * slot], slots.mac[2 * slot + 1] = self._way_back(row, told), way
        self._count_in(row, opener, pair.dest)
        self._begin(2 * slot + 1, way, SNAT)
