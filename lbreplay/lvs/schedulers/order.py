"""What the algorithms share: where a worker starts in the list, and the common divisor of weights (D 10.2, 10.3)."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd
from typing import TYPE_CHECKING, TypeVar

from lbreplay.lvs.hashes import fold

if TYPE_CHECKING:
    from lbreplay.loop.real import Dest
    from lbreplay.loop.turn import Choice
    from lbreplay.lvs.flow import Flow
    from lbreplay.model import Behaviour

D = TypeVar("D", bound="Dest")
HEAD = -1  # the position before the first real server


def first_dest(dests: int, worker_index: int, workers: int, behaviour: Behaviour) -> int:
    """Position a worker starts from in a list of *dests*: spread over the workers, or HEAD (behaviour `start`)."""
    if behaviour.start == "head" or not dests:
        return HEAD
    return max(1, dests // workers) * worker_index % dests


def picked(rule: Choice, dests: list[D], flow: Flow) -> D | None:
    """Whom *rule* gives the packet *flow*."""
    at = rule.pick(dests, fold(flow.src), fold(flow.dst), flow.sport)
    return None if at < 0 else dests[at]


def divisor(weights: Iterable[int]) -> int:
    """Greatest common divisor of the positive ones, 1 if there is none."""
    return gcd(*[weight for weight in weights if weight > 0]) or 1
