"""To whom a row is addressed: to a service, to a local address, or to somebody in a zone."""

from __future__ import annotations

from struct import pack
from typing import Any

from lbreplay.loop.names import NONE
from lbreplay.loop.rows import Rows
from lbreplay.loop.slots import Slots
from lbreplay.loop.table import Table


def _big(word: int) -> int:
    """The bytes of a 64-bit word in the other order."""
    turned = 0
    for _ in range(8):
        turned, word = turned << 8 | word & 0xFF, word >> 8
    return turned


class Places:
    """Addresses and ports of services, by number: IPv4 in places of an open table, IPv6 in a dict of bytes."""

    def __init__(self, ends: Any) -> None:
        import numpy as np

        bits = max(6, (4 * len(ends)).bit_length())
        self._last = (1 << bits) - 1
        self._ends, self._numbers = np.zeros(1 << bits, np.uint64).data, np.full(1 << bits, NONE, np.int32).data
        self.wide: dict[bytes, int] = {}
        for number, (proto, address, port) in enumerate(ends):
            if len(address) == 16:
                self.wide[bytes((proto,)) + address + port.to_bytes(2)] = number
            else:
                self._put(int.from_bytes(address + port.to_bytes(2), "little") | proto << 48, number)

    def _put(self, end: int, number: int) -> None:
        at = self._home(end)
        while self._numbers[at] >= 0:
            at = (at + 1) & self._last
        self._ends[at], self._numbers[at] = end, number

    def _home(self, end: int) -> int:
        return (end ^ (end >> 17) ^ (end >> 40)) & self._last

    def find(self, address: int, port: int, proto: int) -> int:
        """The number of an IPv4 end, address and port as little-endian machines read them, or NONE."""
        end = port << 32 | proto << 48 | address
        at = self._home(end)
        while self._numbers[at] >= 0:
            if self._ends[at] == end:
                return self._numbers[at]
            at = (at + 1) & self._last
        return NONE


class Addressed(Rows):
    """Rows of DPVS's balancer, among the places of services, of local addresses, and of zones: all addresses of one
    have one route. *refusals*: numbers of verdicts."""

    def __init__(
        self, host: Any, slots: Slots, table: Table, client_view: bool, mtu: int, refusals: tuple[int, ...]
    ) -> None:
        super().__init__(host, table)
        self.slots, self.timers, self.client_view, self.mtu = slots, slots.timers, client_view, mtu
        self.no_dest, self.max_conn, self.no_port, self.no_template, *others = refusals
        self.fast, self.slow, self.unasked, self.direct_reply, self.own_transmit, *others = others
        self.locals: Any = None  # `Places`
        self.wide_zones: Any = None  # as `zones`, of IPv6: two numbers of 64 bits each
        self.forwarded_plain, self.no_outside_port, self.no_outside_pool = others

    def bind(self, burst: Any) -> None:
        """The columns of *burst*; what is ordinary fills them."""
        Rows.bind(self, burst)
        self.first = burst.first
        self.own, self.l4, self.header = burst.own.view("u1").data, burst.l4.data, burst.header.data
        self.seq, self.ack = burst.seq.data, burst.ack.data
        self.queue, self.worker, self.by = burst.queue.data, burst.worker.data, burst.by.data
        self.hash, self.reta, self.rule = burst.hash.data, burst.reta.data, burst.rule.data
        self.opened, self.owner, self.redirected = burst.opened.view("u1").data, burst.owner.data, burst.redirected.data
        self.wrong, self.handle, self.conn = burst.wrong_worker.view("u1").data, burst.handle.data, burst.conn.data
        self.fdata, self.delta, self.full = burst.fdata.data, burst.delta.data, burst.full.data

    def know(self, virtual: Places, services: Places, openers: list[Any], places: int) -> None:
        """Who answers, and who opens: *openers* by worker and number in *services*, of which there are *places*."""
        self.virtual, self.services, self.openers, self.places = virtual, services, openers, places

    def _service(self, row: int, proto: int) -> int:
        """The number of the service that a row is for, or NONE."""
        if not self.six:
            return self.services.find(self.b, self.ports >> 16, proto)
        if not self.services.wide:
            return NONE
        at = self._inside(row) + 38
        end = bytes((proto,)) + bytes(self.buffer[at : at + 16]) + bytes(self.buffer[at + 18 : at + 20])
        number: int = self.services.wide.get(end, NONE)
        return number

    def _goes_to_service(self, proto: int) -> bool:
        if not self.six:
            return self.services.find(self.b, self.ports >> 16, proto) >= 0
        return (
            bool(self.services.wide) and self._wide_end(self.c, self.d, self.ports >> 16, proto) in self.services.wide
        )

    def _is_local(self, address: int, more: int) -> bool:
        """Whether a local address stands in a word, of IPv6 in two."""
        if not self.six:
            return self.locals.find(address, 0, 0) >= 0
        return bool(self.locals.wide) and self._wide_end(address, more, 0, 0) in self.locals.wide

    def _wide_end(self, address: int, more: int, port: int, proto: int) -> bytes:
        """An end as `Places.wide` has it: IPv6, *port* as little-endian machines read it."""
        return bytes((proto,)) + pack("<QQH", address, more, port)

    def _wide_zone(self) -> int:
        """The same of the IPv6 address that the row goes to."""
        first, second = _big(self.c), _big(self.d)
        low, high = 0, len(self.wide_zones) >> 1
        while low < high:
            middle = (low + high) >> 1
            begin = self.wide_zones[2 * middle]
            if begin < first or (begin == first and self.wide_zones[2 * middle + 1] <= second):
                low = middle + 1
            else:
                high = middle
        return low
