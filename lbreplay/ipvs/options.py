"""IPv4 options, as the director's stack takes them on the way in and on the way out (L 9, recorded; RFC 791).

Options of every received packet are read right after it is routed, before any hook; IPVS itself looks at none. What is
written then is the destination of a packet for the director, else the address towards its sender; a packet that passes
gets it overwritten as it leaves, by the address it leaves with. The header's checksum does not follow what is written
on the way in: whoever sends the packet on computes it, and an ICMP error quotes the old one.

    end            what stands behind it becomes 0
    record route   the address goes into the next free place; a full list stays as it is
    timestamp      likewise, ms since midnight UTC, with the address where flag 1 asks for it; a full list counts up
    source routes  dropped (accept_source_route = 0)
    all others     left alone
    malformed      ICMP 12/0 with a pointer to what is wrong, a byte offset in the IP header
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lbreplay.model import NANOSECOND

END, NO_OPERATION, RECORD_ROUTE, TIMESTAMP, LOOSE, STRICT, ROUTER_ALERT = 0, 1, 7, 68, 131, 137, 148
ONCE = (LOOSE, RECORD_ROUTE, TIMESTAMP)  # a second one is malformed
COPIED = 0x80  # the bit of a type: it is in all fragments
ONLY_TIMES, WITH_ADDRESSES, GIVEN_ADDRESSES = 0, 1, 3  # flags of a timestamp
MOST_OVERFLOWS = 15
HEADER, DAY = 20, 24 * 3600 * 1000


class Malformed(Exception):
    """`at`: offset in the IP header of what is wrong."""

    def __init__(self, at: int) -> None:
        self.at = at


class Options(NamedTuple):
    """What was found: whether the packet has a source route, and where an address was written (0: nowhere)."""

    source_routed: bool = False
    route_at: int = 0
    stamp_at: int = 0

    def leave(self, l3: bytearray, address: bytes) -> bool:
        """A packet that passes leaves with *address*. Whether that changed it."""
        for at in (self.route_at, self.stamp_at):
            if at:
                l3[at : at + 4] = address
        return bool(self.route_at or self.stamp_at)


NONE = Options()


class _Reader:
    """Reads the options of one header and fills them in."""

    def __init__(self, l3: bytearray, address: Callable[[], bytes], now: int, is_ours: Callable[[bytes], bool]) -> None:
        self.l3, self.end = l3, (l3[0] & 15) * 4
        self.address, self.is_ours = address, is_ours
        self.time = (now // (NANOSECOND // 1000) % DAY).to_bytes(4)
        self.seen: set[int] = set()
        self.found = NONE

    def read(self) -> Options:
        at = HEADER
        while at < self.end:
            kind = self.l3[at]
            if kind == END:
                self.l3[at : self.end] = bytes(self.end - at)
                break
            at += 1 if kind == NO_OPERATION else self._option(at, kind)
        return self.found

    def _option(self, at: int, kind: int) -> int:
        """One option with a length, which it returns."""
        left = self.end - at
        if left < 2 or not 2 <= self.l3[at + 1] <= left:
            raise Malformed(at)
        size = self.l3[at + 1]
        kind = LOOSE if kind == STRICT else kind
        if kind in self.seen and kind in ONCE:
            raise Malformed(at)
        self.seen.add(kind)
        if kind in READ:
            READ[kind](self, at, size)
        return size

    def _needs(self, at: int, size: int, least: int, first: int) -> int:
        """The option has *least* bytes and its pointer is at least *first*. The pointer."""
        if size < least:
            raise Malformed(at + 1)
        if first and self.l3[at + 2] < first:
            raise Malformed(at + 2)
        return self.l3[at + 2]

    def _room(self, at: int, size: int, pointer: int, needed: int) -> int:
        """Where the next *needed* bytes go; the pointer moves behind them."""
        if pointer + needed - 1 > size:
            raise Malformed(at + 2)
        self.l3[at + 2] += needed
        return at + pointer - 1

    def source_route(self, at: int, size: int) -> None:
        self._needs(at, size, 3, 4)
        self.found = self.found._replace(source_routed=True)

    def record_route(self, at: int, size: int) -> None:
        pointer = self._needs(at, size, 3, 4)
        if pointer <= size:
            place = self._room(at, size, pointer, 4)
            self.l3[place : place + 4] = self.address()
            self.found = self.found._replace(route_at=place)

    def timestamp(self, at: int, size: int) -> None:
        pointer = self._needs(at, size, 4, 5)
        if pointer <= size:
            self._stamp(at, size, pointer)
        elif self.l3[at + 3] & 15 != GIVEN_ADDRESSES:
            if self.l3[at + 3] >> 4 == MOST_OVERFLOWS:
                raise Malformed(at + 3)
            self.l3[at + 3] += 1 << 4

    def _stamp(self, at: int, size: int, pointer: int) -> None:
        flag = self.l3[at + 3] & 15
        if pointer + 3 > size:
            raise Malformed(at + 2)
        if flag == ONLY_TIMES:
            place = self._room(at, size, pointer, 4)
        elif flag == WITH_ADDRESSES:
            place = self._room(at, size, pointer, 8) + 4
            self.l3[place - 4 : place] = self.address()
            self.found = self.found._replace(stamp_at=place - 4)
        elif flag == GIVEN_ADDRESSES:
            place = at + pointer + 3
            if pointer + 7 > size:
                raise Malformed(at + 2)
            if not self.is_ours(bytes(self.l3[place - 4 : place])):
                return
            self.l3[at + 2] += 8
        else:
            return
        self.l3[place : place + 4] = self.time

    def router_alert(self, at: int, size: int) -> None:
        self._needs(at, size, 4, 0)


READ: dict[int, Callable[[_Reader, int, int], None]] = {
    LOOSE: _Reader.source_route,
    RECORD_ROUTE: _Reader.record_route,
    TIMESTAMP: _Reader.timestamp,
    ROUTER_ALERT: _Reader.router_alert,
}


def received(l3: bytearray, address: Callable[[], bytes], now: int, is_ours: Callable[[bytes], bool]) -> Options:
    """Read the options of *l3* at *now* (ns), filling in *address*. `Malformed` where one cannot be."""
    return _Reader(l3, address, now, is_ours).read()


def without_copied(l3: bytes | bytearray) -> bytes:
    """The options of a fragment that is not the first: what is not copied becomes no operation."""
    options = bytearray(l3[HEADER : (l3[0] & 15) * 4])
    at = 0
    while at < len(options) and options[at] != END:
        size = 1 if options[at] == NO_OPERATION or at + 1 == len(options) else max(options[at + 1], 2)
        if not options[at] & COPIED:
            options[at : at + size] = bytes((NO_OPERATION,)) * len(options[at : at + size])
        at += size
    return bytes(options)
