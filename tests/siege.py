"""Signals, kills and faults at any moment, for as long as one likes: `python tests/siege.py SECONDS` (`make siege`).

A trial starts a command in a folder of its own, does something to it, and looks at what is left: the statuses and words
that are promised, the old files, no file without a name, no folder, no process. What a trial does is drawn from its
number, so that a failure can be had again: `python tests/siege.py 0 NAME NUMBER`.

Where the system allows, all of it happens among mounts and processes of its own: each trial has a small disk, which it
may fill, and no process but those of the trial may be there behind it.
"""

from __future__ import annotations

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from machine import alone

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "lbreplay")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
OLD = b"an old file"
WORK = {  # what is under siege; {o} is an output, whose old file must stay or be replaced as a whole
    "run": "run {r}/samples/web.pcap -q -o {o}.pcap --stats {o}.json --trace {o}.jsonl",
    "kept": "run - -q -o {o}.pcap",
    "sweep": "sweep {r}/samples/web.pcap -q --workers 1..4 -j 2",
    "test": "test {r}/tests/golden/dpvs -k wrr -q -j 2 --junit {o}.xml",
    "new-case": "new-case {r}/samples/web.pcap case -c {r}/samples/web.toml",
    "init": "init {r}/samples/web.pcap --force -o {o}.toml",
    "check": "check {r}/samples/web.pcap -q --junit {o}.xml --html {o}.html",
    "gen": "gen -c {r}/samples/web.toml -o case -q -k strays",
    "shrink": "shrink {r}/samples/web.pcap -c {r}/samples/web.toml -q --frame 9 -o case --seconds 1",
}
OUTPUTS = ("pcap", "json", "jsonl", "xml", "toml", "html")
INSIDE = "LBREPLAY_SIEGE"  # in the environment: in a namespace of its own
DISK = 4 << 20  # bytes of a trial's


class Run:
    """A command under way in a folder of its own, which holds its temporary files too."""

    def __init__(
        self,
        work: str,
        folder: Path,
        before: Callable[[], None] = lambda: None,
        limit: Callable[[], None] | None = None,
    ) -> None:
        for suffix in OUTPUTS:
            (folder / f"o.{suffix}").write_bytes(OLD)
        before()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
        source = (ROOT / "samples" / "web.pcap").open("rb")
        self.process = subprocess.Popen(
            [*COMMAND, *WORK[work].format(r=ROOT, o="o").split()],
            cwd=folder, env=environment, start_new_session=True,
            stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=limit,
        )  # fmt: skip
        source.close()

    def wait_until_it_listens(self) -> None:
        """Python itself answers Ctrl-C with a traceback while it starts, before any line of anybody else is run."""
        status = Path(f"/proc/{self.process.pid}/status")
        while self.process.poll() is None:
            caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status.read_text())
            if caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1:
                return
            time.sleep(0.005)

    def end(self) -> tuple[int, str]:
        """(Status, what was said); every process of it has ended by then."""
        said = self.process.communicate(timeout=60)[1].decode()
        deadline = time.monotonic() + 5
        while family(self.process.pid):
            assert time.monotonic() < deadline, "a process is left"
            time.sleep(0.01)
        return self.process.returncode, said


def clean(folder: Path) -> None:
    """Nothing is left but whole files."""
    left = {path.name for path in folder.iterdir()}
    assert not [name for name in left if name.startswith(("lbreplay.", ".lbreplay."))], left
    cases = [file.parent for file in folder.glob("case/**/case.toml")]
    assert "case" not in left or cases, "a folder of nothing"
    assert all((case / "expected" / "stats.json").exists() for case in cases), "half a case"
    for path in folder.glob("o.*"):
        data = path.read_bytes()
        assert data == OLD or data.endswith((b"\n", b">")) or path.suffix == ".pcap", f"half a file: {path.name}"


def family(session: int) -> list[int]:
    """Processes of a session that live."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split() if entry.name.isdecimal() else []
        except OSError:
            continue
        if fields and int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def signals(chance: random.Random, folder: Path) -> None:
    """A signal or three of them, to the process or to all of a terminal's, at any moment."""
    run, number = Run(chance.choice(list(WORK)), folder), chance.choice(SIGNALS)
    if number == signal.SIGINT:
        run.wait_until_it_listens()
    time.sleep(chance.uniform(0, 0.8))
    for _ in range(chance.choice((1, 3))):
        (os.killpg if chance.random() < 0.5 else os.kill)(run.process.pid, number)
    status, said = run.end()
    assert status in (0, -number, 128 + number), (status, said)
    assert said in ("", "interrupted\n", "interrupted: the smallest case so far is written\n"), said
    clean(folder)


def kills(chance: random.Random, folder: Path) -> None:
    """One of the processes is killed: the others end or go on, and the next run takes away what it left."""
    run = Run(chance.choice(list(WORK)), folder)
    time.sleep(chance.uniform(0, 1.0))
    living = family(run.process.pid)
    if living:
        os.kill(chance.choice(living), signal.SIGKILL)
    status, said = run.end()
    assert status in (-9, 0, 1, 2) and "Traceback" not in said, (status, said)
    assert Run("kept", folder).end()[0] == 0
    Run("run", folder).end()
    clean(folder)


def _limited(kind: int, most: int) -> Callable[[], None]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(kind, (most, most))

    return limit


def faults(chance: random.Random, folder: Path) -> None:
    """Files may not grow, be many, or memory is short: a line, exit 2, and the old files."""
    kind, most = chance.choice(
        (
            (resource.RLIMIT_FSIZE, chance.choice((0, 100, 1000, 5000))),
            (resource.RLIMIT_NOFILE, chance.randint(4, 12)),
            (resource.RLIMIT_AS, chance.randint(250, 500) << 20),
        )
    )
    run = Run(chance.choice(("run", "kept", "init")), folder, limit=_limited(kind, most))
    status, said = run.end()
    if kind == resource.RLIMIT_FSIZE:
        assert status in (0, 2) and said.count("\n") == bool(status), (status, said)
    assert status == 0 or said, "nothing said"
    clean(folder)


def full(chance: random.Random, folder: Path) -> None:
    """The disk is full, or nearly: a line that says so, exit 2, the old files, and nothing half."""
    left = chance.choice((0, 1, 2, 5, 20, 100))

    def fill() -> None:
        disk = os.statvfs(folder)
        (folder / "filler").write_bytes(bytes(max(disk.f_bavail - left, 0) * disk.f_bsize))

    work = chance.choice(("run", "kept", "check", "init", "new-case", "gen"))
    status, said = Run(work, folder, fill).end()
    assert status in (0, 2), (work, status, said)
    assert status == 0 or ("No space left on device" in said and said.count("\n") == 1), (work, left, said)
    clean(folder)


class Promise(NamedTuple):
    """What is promised, and the trial that attacks it."""

    words: str
    trial: Callable[[random.Random, Path], None]


PROMISES = {
    "signals": Promise("a signal at any moment leaves nothing, in a line", signals),
    "kills": Promise("a killed process leaves no other, its files go with the next run", kills),
    "faults": Promise("a fault leaves the old files, and is told", faults),
}


if INSIDE in os.environ:
    PROMISES["full"] = Promise("a full disk leaves the old files and nothing half, in a line", full)


def attempt(name: str, number: int) -> None:
    """Trial *number* of *name*, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="siege-"))
    if INSIDE in os.environ:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", folder], check=True)
    try:
        PROMISES[name].trial(random.Random(f"{name} {number}"), folder)
        if INSIDE in os.environ:
            _alone()
    finally:
        if INSIDE in os.environ:
            subprocess.run(["umount", "-l", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def _alone() -> None:
    """Nobody is left in this namespace but who besieges."""
    deadline = time.monotonic() + 5
    while others := [
        entry for entry in os.listdir("/proc") if entry.isdecimal() and int(entry) not in (1, os.getpid())
    ]:
        assert time.monotonic() < deadline, f"processes are left: {others}"
        time.sleep(0.01)


def main(seconds: float, only: str = "", number: int = 0) -> int:
    """Trials in turn for *seconds*, at least one of each; a table of promise, trials and failures. 1: one failed."""
    if INSIDE not in os.environ and alone():
        again = [sys.executable, __file__, str(seconds), *([only, str(number)] if only else [])]
        return subprocess.call([*alone(), "--mount-proc", *again], env={**os.environ, INSIDE: "1"})
    if only:
        attempt(only, number)
        return 0
    tried, failed, begin, turn = Counter[str](), Counter[str](), time.monotonic(), 0
    while not turn or time.monotonic() - begin < seconds:
        for name in PROMISES:
            tried[name] += 1
            try:
                attempt(name, turn)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                failed[name] += 1
                print(f"{name} {turn}: {error}", file=sys.stderr)
        turn += 1
    for name, promise in PROMISES.items():
        print(f"| {promise.words} | {tried[name]} | {failed[name]} |")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), *sys.argv[2:3], *map(int, sys.argv[3:4])))
