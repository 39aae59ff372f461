"""Golden cases: 200 small ones by `lbreplay test`, as a multiple of one `lbreplay run` of a small case."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.measure import LBREPLAY, ROOT, Figure, paired, seconds

CASE = ROOT / "tests" / "golden" / "dpvs" / "rr_3"
CASES = 200


def figures(quick: bool) -> Iterator[Figure]:
    cases = CASES // 10 if quick else CASES
    yield Figure(f"test of {cases} golden cases", "one run", partial(_cases, cases), 10, less=True)


def _cases(cases: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(cases):
            shutil.copytree(CASE, Path(folder) / f"case{number}")
        capture = str(next(CASE.glob("in.pcap*")))
        config = ("-c", str(CASE / "lb.toml"), "--view", "rx")
        one = partial(seconds, LBREPLAY, "run", capture, *config, "-o", f"{folder}/out.pcap", "-q")
        return paired(partial(seconds, LBREPLAY, "test", folder, "-q"), one)
