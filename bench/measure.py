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
LOOK = 0.01  # seconds between two looks at memory


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
    """Bytes of memory that *command* and the processes it starts have at their peak; what they share counts once."""
    most = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=_environment(), cwd=ROOT) as process:
        while process.poll() is None:
            most = max(most, sum(map(_held, _family(process.pid))))
            time.sleep(LOOK)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return most


def _family(process: int) -> list[int]:
    """A process and those that it started."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:  # it has ended
        return []
    return [process, *(one for child in children for one in _family(int(child)))]


def _held(process: int) -> int:
    """Bytes of memory of a process, a share of what it shares."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


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
