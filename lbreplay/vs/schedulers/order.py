"""What the algorithms share: where a worker starts in the list, and the common divisor of weights (D 10.2, 10.3)."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lbreplay.model import Behaviour
    from lbreplay.vs.server import Dest

HEAD = -1  # the position before the first real server


def first_dest(dests: int, worker_index: int, workers: int, behaviour: Behaviour) -> int:
    """Position a worker starts from in a list of *dests*: spread over the workers, or HEAD (behaviour `start`)."""
    if behaviour.start == "head" or not dests:
        return HEAD
    return max(1, dests // workers) * worker_index % dests


def divisor(dests: Iterable[Dest]) -> int:
    """Greatest common divisor of the positive weights, 1 if there is none."""
    return gcd(*(dest.weight for dest in dests)) or 1
