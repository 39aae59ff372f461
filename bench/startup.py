"""What it takes to begin: a capture of a hundred frames, and the help, beside the imports that nothing can avoid."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench.measure import LBREPLAY, PYTHON, Figure, capture, paired, replay, seconds

PAIRS = 9


def figures(quick: bool) -> Iterator[Figure]:
    run = replay(capture("steady", 100))[:-1]  # with its table
    yield Figure(
        "run of 100 frames", "import numpy, click", partial(_beside, run, "import numpy, click"), 1.5, less=True
    )
    yield Figure("--help", "import click", partial(_beside, (LBREPLAY, "--help"), "import click"), 3, less=True)


def _beside(command: tuple[str, ...], statement: str) -> float:
    own, other = partial(seconds, *command), partial(seconds, PYTHON, "-c", statement)
    own()  # modules are compiled once
    return paired(own, other, PAIRS)
