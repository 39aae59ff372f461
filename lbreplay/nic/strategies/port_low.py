"""port-low: the low bits of a local port are its worker's rank, as DPVS has it (S 2.2, D 11.3).

Low bits, because they cut any range of ports evenly.
"""

from __future__ import annotations

from lbreplay.model import PortClass, Setup
from lbreplay.nic.strategies.port_class import PortClassStrategy


class PortLowStrategy(PortClassStrategy):
    """Worker k owns `port & (2^s - 1) == k`."""

    def __init__(self, setup: Setup) -> None:
        self._mask = mask = setup.port_mask
        super().__init__(setup, lambda rank: PortClass(mask, rank))

    def ports(self, laddr: bytes, rank: int, low: int, high: int) -> range:
        """See `Strategy.ports`."""
        step = self._mask + 1
        return range(low + (rank - low) % step, high + 1, step)
