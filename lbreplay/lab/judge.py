"""What judges of properties have in common: they look on while a replay runs, and say at the end what was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from lbreplay.burst import Burst
from lbreplay.stats import Result
from lbreplay.verdict import Verdict

FATES = np.array([verdict.fate for verdict in Verdict] + [-1] * (256 - len(Verdict)))  # by code of a verdict


NOTHING = "nothing to judge"


class Failure(NamedTuple):
    """`first`: the frame, 0 where no single one is to blame; `others`: how many more; `detail`: what is wrong."""

    first: int
    others: int
    detail: str = ""


class Judge(Protocol):
    """Looks on while a replay runs. One that knows why there was nothing to judge says so as its `unjudged`."""

    def see(self, burst: Burst) -> None:
        """Judge a burst behind its journey."""

    def failure(self, result: Result) -> Failure | None:
        """What is wrong, None where the property held."""


@dataclass
class Frames:
    """The frames that break a property."""

    count: int = 0
    first: int = 0

    def add(self, numbers: Sequence[int]) -> None:
        """Numbers of frames, ascending."""
        if len(numbers):
            self.first = self.first or int(numbers[0])
            self.count += len(numbers)

    def failure(self, detail: str = "") -> Failure | None:
        return Failure(self.first, self.count - 1, detail) if self.count else None
