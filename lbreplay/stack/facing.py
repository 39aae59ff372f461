"""Which port addresses are reached by: what tells, of a frame that nothing else tells of, where it came in (S 4.3).

Clients and real servers stand on the side that the route to them leaves by; an address of the balancer, on its port.
"""

from __future__ import annotations

from lbreplay.stack.neighbor import Neighbors
from lbreplay.stack.route import Routes

NOWHERE = -1
MOST = 1 << 16  # addresses remembered at once


class Facing:
    """Asks the routes, and remembers until they change."""

    def __init__(self, routes: Routes, neighbors: Neighbors) -> None:
        self._routes, self._neighbors = routes, neighbors
        self.forget()

    def forget(self) -> None:
        """Local addresses have changed."""
        self._ports: dict[bytes, int] = {}
        self._zones: tuple[list[int], list[int]] | None = None

    def zones(self) -> tuple[list[int], list[int]]:
        """Where zones of IPv4 addresses begin, as numbers, and the port that each is reached by; NOWHERE: none."""
        if self._zones is None:
            starts = sorted({0, *(start for start in self._routes.zones(4) if start < 1 << 32)})
            self._zones = starts, [self._asked(start.to_bytes(4)) for start in starts]
        return self._zones

    def port(self, address: bytes) -> int:
        """The port that an address is reached by, or is local on; NOWHERE: none."""
        found = self._ports.get(address)
        if found is None:
            if len(self._ports) >= MOST:
                self._ports.clear()
            found = self._ports[address] = self._asked(address)
        return found

    def _asked(self, address: bytes) -> int:
        route = self._routes.output(address)
        return NOWHERE if route is None or route.open else route.port

    def hop(self, address: bytes) -> bytes:
        """The MAC of the next hop towards an address."""
        route = self._routes.output(address)
        via, port = (None, 0) if route is None else (route.via, route.port)
        return self._neighbors.mac(via or address, None, port)
