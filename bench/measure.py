"""How a figure is made: whole processes, in pairs, as a ratio. Absolute times belong to a machine, ratios to the tools.

`paired(a, b)` runs A B A B ... and gives the median of the ratios pair by pair, so that a machine whose speed drifts
measures the same. Captures are made once and kept under out/bench, named after what made them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
DESK = ROOT / "out" / "bench"
CONFIG = str(ROOT / "bench" / "lb.toml")
PYTHON = sys.executable
LBREPLAY = str(Path(sys.executable).parent / "lbreplay")
MIB = 1 << 20
# a process begins with the peak of the one it is forked from: a small one stands between it and the bench
PEAK = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Missing(Exception):
    """A tool to compare with that is not installed; the text says which."""


class Figure(NamedTuple):
    """A line of the report. `measure` gives the ratio to *beside*; `asked` is the least, with *less* the most."""

    name: str
    beside: str
    measure: Callable[[], float]
    asked: float | None = None
    less: bool = False  # whether smaller is better


def seconds(*command: str) -> float:
    """Seconds on the clock of one run of *command*; its output is thrown away. Missing where it cannot be found."""
    if shutil.which(command[0]) is None:
        raise Missing(f"{command[0]} is not installed")
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment(), cwd=ROOT)
    return time.perf_counter() - start


def peak(*command: str) -> int:
    """Bytes of memory that *command* has at its peak."""
    told = subprocess.run(
        [PYTHON, "-c", PEAK, *command], check=True, stdout=subprocess.PIPE, text=True, env=_environment(), cwd=ROOT
    )
    return int(told.stdout) * 1024


def _environment() -> dict[str, str]:
    """Compiled modules are kept, as they are wherever a package is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def paired(a: Callable[[], float], b: Callable[[], float], pairs: int = 3) -> float:
    """The median of a/b over *pairs* runs in turn."""
    return median(a() / b() for _ in range(pairs))


def capture(profile: str, frames: int, *, flows: int = 0, within: float = 10) -> str:
    """The path of a capture of *profile*, made if it is not there yet."""
    DESK.mkdir(parents=True, exist_ok=True)
    version = zlib.crc32((ROOT / "bench" / "load.py").read_bytes())
    path = DESK / f"{profile}-{frames}-{flows}-{within:g}-{version:08x}.pcap"
    if not path.exists():
        making = path.with_suffix(".making")
        wish = {"profile": profile, "frames": frames, "flows": flows, "seconds": within}
        seconds(PYTHON, "-m", "bench.load", str(making), *(f"--{name}={value}" for name, value in wish.items()))
        making.rename(path)
    return str(path)


def replay(path: str, *more: str, out: str = "out.pcap") -> tuple[str, ...]:
    """The command that replays *path*, file to file, under the bench's configuration."""
    return (LBREPLAY, "run", path, "-c", CONFIG, "-o", str(DESK / out), "-q", *more)


def python(script: str, *arguments: str) -> Sequence[str]:
    """The command that runs a script of the bench."""
    return (PYTHON, str(ROOT / "bench" / script), *arguments)
