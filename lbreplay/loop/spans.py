"""Services that are found by ranges of addresses and ports (SNAT, D 10.1), as records of numbers."""

from __future__ import annotations

from typing import Any

from lbreplay import memory
from lbreplay.loop.names import ANY

M64 = 0xFFFFFFFFFFFFFFFF
EVERYWHERE = (0, (1 << 128) - 1, 0, 0xFFFF)  # a range that covers all


class Span:
    """What one service matches. Its ranges, of the source and of the destination, are (first address, last, first port,
    last) in numbers, both ends included.

    tag        column `tag` of the frames it looks at, `way` the number of the device that they leave by; ANY
    openers    by worker
    """

    def __init__(self, proto: int, six: bool, source: Any, dest: Any, tag: int, way: int, openers: list[Any]) -> None:
        self.proto, self.six, self.tag, self.way, self.openers = proto, six, tag, way, openers
        words = [word for low, high, *_ in (source, dest) for end in (low, high) for word in (end >> 64, end & M64)]
        self._bounds = memory.listed("Q", words)
        self._ports = memory.listed("i", [*source[2:], *dest[2:]])

    def looks_at(self, proto: int, six: bool, tag: int, way: int) -> bool:
        """Whether it minds packets of a protocol and family, from and to these devices."""
        return self.proto == proto and self.six == six and self.tag in (ANY, tag) and self.way in (ANY, way)

    def covers(self, end: int, high: int, low: int, port: int) -> bool:
        """Whether the source (*end* 0) or the destination (1) may have an address, as two numbers of 64 bits, and a
        port."""
        bounds, at = self._bounds, 4 * end
        if not self._ports[2 * end] <= port <= self._ports[2 * end + 1]:
            return False
        if high < bounds[at] or (high == bounds[at] and low < bounds[at + 1]):
            return False
        return high < bounds[at + 2] or (high == bounds[at + 2] and low <= bounds[at + 3])
