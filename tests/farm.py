"""A real cluster on this machine: a scheduler and workers, each a process of its own, that tests may end at will."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Farm:
    """Processes of Dask below *folder*, one thread a worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def ready(self, workers: int) -> str:
        """The scheduler's address, when it and so many workers are there; who is not is started."""
        file = self.folder / "scheduler.json"
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.end()
            file.unlink(missing_ok=True)
            asked = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
            self.scheduler = self._start("distributed.cli.dask_scheduler", *asked)
            _wait_for(file)
        address: str = json.loads(file.read_text())["address"]
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < workers:
            self.workers.append(self.worker(address))
        _wait_for_workers(address, workers)
        return address

    def worker(self, address: str) -> subprocess.Popen[bytes]:
        asked = ("--no-nanny", "--nthreads", "1", "--local-directory", str(self.folder))
        return self._start("distributed.cli.dask_worker", address, *asked)

    def _start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
        environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(self.folder)}
        return subprocess.Popen(
            [sys.executable, "-m", module, *words, "--no-dashboard"],
            env=environment, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def end(self) -> None:
        """All of them, at once."""
        for process in (*self.workers, *([self.scheduler] if self.scheduler else [])):
            process.kill()
            process.wait()
        self.workers, self.scheduler = [], None


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists() or not file.read_text().strip():
        assert time.monotonic() < deadline, "no scheduler"
        time.sleep(0.05)


def _wait_for_workers(address: str, count: int) -> None:
    from distributed import Client

    with Client(address, timeout=60) as client:
        client.wait_for_workers(count, timeout=60)
