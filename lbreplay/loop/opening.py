"""A first packet opens a connection: to a service (D 2.4), or from inside to a remote host (SNAT, D 2.2)."""

from __future__ import annotations

from typing import Any

from lbreplay.loop import octets
from lbreplay.loop.names import BARE, MET, SNAT
from lbreplay.loop.opener import Opener, Pair
from lbreplay.loop.ports import Pool
from lbreplay.loop.real import Dest
from lbreplay.loop.spans import Span
from lbreplay.loop.templates import Templates
from lbreplay.loop.ways import Way

POOL, TOO_LONG = Way.POOL, Way.TOO_LONG


class Opening(Templates):
    """New connections, for as long as there is room for them."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.spans: list[Any] = []  # the services that are found by ranges, newest first
        self.devices: dict[int, int] = {}  # by zone and tag, `_leaves_by`
        self.pool_size = 0  # connections, at most
        self.barred = 0  # reason for which connections are opened by the plain path alone

    def _open(self, row: int, worker: int, number: int, now: int) -> bool:
        """A first packet of service *number* (D 2.4)."""
        opener: Opener = self.openers[worker * self.places + number]
        if not self._may_open(opener):
            return False
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

    def _may_open(self, opener: Opener) -> bool:
        """Whether there is room for a connection, and nothing that only the plain path knows how to make."""
        if not opener.ready:
            self.host.ready(opener)
        if opener.why or self.barred:
            return self._plain(opener.why or self.barred)
        return self.slots.live < self.pool_size or self._plain(POOL)

    # --- SNAT --------------------------------------------------------------------------------------------------------

    def _matched(self, row: int, worker: int, proto: int) -> Any:
        """The opener of the match service that a first packet is for (D 10.1), or None."""
        way = self._leaves_by(row)
        if way < 0:
            return None
        tag, ports = self.tag[row], self.ports
        for one in self.spans:
            span: Span = one
            if not span.looks_at(proto, self.six, tag, way):
                continue
            if self._covers(span, 0, self.a, self.b, ports) and self._covers(span, 1, self.c, self.d, ports >> 16):
                return span.openers[worker]
        return None

    def _covers(self, span: Span, end: int, low: int, high: int, port: int) -> bool:
        """Whether an end of the packet at hand, as it was read, is in the range that is asked for."""
        number = octets.swapped16(port & 0xFFFF)
        if self.six:
            return span.covers(end, octets.swapped64(low), octets.swapped64(high), number)
        return span.covers(end, 0, octets.swapped(low), number)

    def _leaves_by(self, row: int) -> int:
        """The number of the device that a row leaves by, if nobody keeps it, or NONE: the same for all of a zone."""
        tag = self.tag[row]
        place = self._zone(self.c, self.d) | tag << 32
        way = self.devices.get(place)
        if way is None:
            way = self.devices[place] = self.host.leaves_by(self.table_key(row), self.tag[row] - 1)
        return way

    def _open_outwards(self, row: int, opener: Opener, now: int) -> bool:
        """An inside host's first packet takes a port of an outside address, towards the remote host (D 2.2, D 11.3)."""
        if not self._may_open(opener):
            return False
        way = self._way_on(row)
        if way < 0:
            return self._plain(-way)
        at = self._pick(row, opener)
        if at < 0:
            return self._refuse(row, self.no_dest)
        dest: Dest = opener.dests[at]
        if dest.is_full():
            return self._plain(POOL)  # a port is taken first, and given back
        pair: Pair = opener.pairs[at]
        if pair.pool is None:
            return self._refuse(row, self.no_outside_pool)
        port = self._outside_port(row, pair.pool)
        if port < 0:
            return self._refuse(row, self.no_outside_port)
        strayed = self.table.first(self.word0, self.word1, self.a, self.b, self.c, self.d) >= 0
        self._enter_outwards(row, opener, pair, way, port, now)
        self.wrong[row] = strayed  # it is an answer to another worker's client
        return True

    def _outside_port(self, row: int, pool: Pool) -> int:
        """A port towards where the row goes, or NONE; where not every one suits, it is asked for by the peer's end."""
        bucket = pool.towards(self.c, self.d, self.ports >> 16, self.six)
        return bucket.take(None if pool.fits is None else self.host.remote(self.table_key(row)))

    def _enter_outwards(self, row: int, opener: Opener, pair: Pair, way: int, port: int, now: int) -> None:
        """It goes out, so its own tuple is the real server's side; answers come to the outside address and port."""
        slot = self._occupy(row, opener, pair, now)
        slots, told = self.slots, self._client(row)
        self.table.enter(2 * slot + 1, self.word0, self.word1, self.a, self.b, self.c, self.d)
        word0, word1 = self.c, self.word1 >> 32
        ports = self.ports >> 16 | octets.swapped16(port) << 16
        if self.six:
            word0 = self.table.mix(self.c, self.d, pair.a, pair.b)
            self.table.enter(2 * slot, word0, word1 << 32 | ports, self.c, self.d, pair.a, pair.b)
        else:
            self.table.enter(2 * slot, pair.word0 << 32 | word0, word1 << 32 | ports, 0, 0, 0, 0)
        if self.listening:
            self._compare(row, 2 * slot)
        slots.server[slot], slots.met[slot] = told + 1, MET | BARE
        slots.mac[2 * slot], slots.mac[2 * slot + 1] = self._way_back(row, told), way
        self._count_in(row, opener, pair.dest)
        self._begin(2 * slot + 1, way, SNAT)
