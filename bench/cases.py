"""Golden cases: 200 small ones by `lbreplay test`, as a multiple of one `lbreplay run` of a small case (at most 20)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
LBREPLAY = str(Path(sys.executable).parent / "lbreplay")
CASE = ROOT / "tests" / "golden" / "dpvs" / "rr_3"
CASES, MOST = 200, 20.0


def seconds(*arguments: str) -> float:
    """The least of three runs, so that a busy machine does not count."""
    took = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([LBREPLAY, *arguments], check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - start)
    return min(took)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(CASES):
            shutil.copytree(CASE, Path(folder) / f"case{number}")
        capture = str(next(CASE.glob("in.pcap*")))
        one = seconds("run", capture, "-c", str(CASE / "lb.toml"), "--view", "rx", "-o", f"{folder}/out.pcap", "-q")
        many = seconds("test", folder, "-q")
    ratio = many / one
    print(f"golden cases: one run {one:.2f} s, {CASES} cases {many:.2f} s, {ratio:.1f} times (at most {MOST:.0f})")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
