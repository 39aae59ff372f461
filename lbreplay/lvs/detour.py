"""How many frames took the plain path, and why (loop/ways.py)."""

from __future__ import annotations

from lbreplay.burst import KIND_FRAGMENT, Burst
from lbreplay.loop.ways import NAMES, Way
from lbreplay.wire.packet import ETH_VLAN, TCP, UDP


class Detours:
    """Frames by reason, of one run."""

    def __init__(self) -> None:
        self._counts = [0] * len(Way)

    def note(self, burst: Burst, row: int, reason: int) -> None:
        """*row* takes the plain path for *reason*."""
        self._counts[_of_frame(burst, row) if reason == Way.UNSOUND else reason] += 1

    def table(self) -> dict[str, int]:
        """By name, those that there were."""
        return {NAMES[way]: count for way, count in enumerate(self._counts) if count}


def _of_frame(burst: Burst, row: int) -> int:
    """Of what is not simple (loop/parse.py), what it is."""
    of, at = burst.flat, burst.flat["at"][row]
    odd = (
        (Way.TAGGED, burst.data[at + 12 : at + 14] == ETH_VLAN.to_bytes(2)),
        (Way.NO_IP, not of["family"][row]),
        (Way.FRAGMENT, of["kind"][row] == KIND_FRAGMENT),
        (Way.OTHER_PROTOCOL, of["proto"][row] not in (TCP, UDP)),
    )
    return next((way for way, so in odd if so), Way.UNSOUND)
