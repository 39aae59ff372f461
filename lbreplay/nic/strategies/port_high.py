"""port-high: contiguous blocks of ports, the high bits are the worker's rank, as old DPVS had it.

The ports below the range are all taken out of the first block: with 64 workers rank 0 has none left.
"""

from __future__ import annotations

from lbreplay.model import PortClass, Setup
from lbreplay.nic.strategies.port_class import PortClassStrategy


class PortHighStrategy(PortClassStrategy):
    """Worker k owns the k-th of 2^s equal blocks of all 65,536 ports."""

    def __init__(self, setup: Setup) -> None:
        self._width = 16 - setup.port_mask.bit_length()
        super().__init__(setup, lambda rank: PortClass(setup.port_mask << self._width, rank << self._width))

    def ports(self, laddr: bytes, rank: int, low: int, high: int) -> range:
        """See `Strategy.ports`."""
        first = rank << self._width
        return range(max(low, first), min(high + 1, first + (1 << self._width)))
