"""`lbreplay sweep` over 16 settings of a million frames: at most 16 times one replay divided by the cores.

python bench/sweep.py [CAPTURE]      default: samples/web.pcap again and again, up to a million frames
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
LBREPLAY = [sys.executable, "-m", "lbreplay"]
FRAMES, SETTINGS, SECONDS = 1_000_000, 16, 3


def repeated(path: Path, frames: int) -> bytes:
    """The capture *path* (classic, little-endian), each round SECONDS later."""
    raw = path.read_bytes()
    rounds, at = [], 24
    records: list[tuple[int, bytes, bytearray]] = []
    while at < len(raw):
        seconds, size = struct.unpack_from("<I", raw, at)[0], struct.unpack_from("<I", raw, at + 8)[0]
        records.append((seconds, raw[at + 4 : at + 16], bytearray(raw[at + 16 : at + 16 + size])))
        at += 16 + size
    for number in range(-(-frames // len(records))):
        for seconds, rest, frame in records:
            rounds.append(struct.pack("<I", seconds + SECONDS * number) + rest + bytes(frame))
    return raw[:24] + b"".join(rounds[:frames])


def seconds(*arguments: str) -> float:
    """The least of two runs, so that a busy machine counts less."""
    took = []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run([*LBREPLAY, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        took.append(time.perf_counter() - start)
    return min(took)


def main(arguments: list[str]) -> int:
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        capture = arguments[0] if arguments else f"{folder}/web.pcap"
        if not arguments:
            Path(capture).write_bytes(repeated(ROOT / "samples" / "web.pcap", FRAMES))
        config = f"{folder}/lb.toml"
        drafted = subprocess.run([*LBREPLAY, "init", capture], check=True, capture_output=True, text=True).stdout
        Path(config).write_text(drafted)
        one = seconds("run", capture, "-c", config, "-q")
        many = seconds("sweep", capture, "-c", config, "--workers", f"1..{SETTINGS}", "-j", str(cores))
    most = SETTINGS * one / cores
    print(f"sweep: one replay {one:.2f} s, {SETTINGS} settings {many:.2f} s on {cores} cores (at most {most:.2f} s)")
    return 0 if many <= most else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
