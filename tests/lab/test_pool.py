"""Processes that work for this one, and end with it whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lbreplay.errors import ConfigError
from lbreplay.lab.pool import Died, Pool

ALONE = (
    "import time, sys; from lbreplay.lab.pool import Pool\n"
    "pool = Pool(2)\n"
    "print(*(f.result() for f in [pool.submit(__import__('os').getpid) for _ in range(9)]), flush=True)\n"
    "pool.submit(time.sleep, 60); time.sleep(60)"
)


class Odd(Exception):
    """An exception that cannot be made again from what it holds."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


def refuse() -> None:
    """A task that refuses."""
    raise ConfigError("lb.toml: no")


def odd() -> None:
    """A task with an odd exception."""
    raise Odd(1, 2)


def loud(number: int) -> int:
    """A task that prints."""
    print("noise", flush=True)
    return number + 1


def test_tasks_are_done_and_their_errors_come_back() -> None:
    """Whatever they print: it goes to standard error."""
    with Pool(2) as pool:
        assert [future.result() for future in [pool.submit(loud, number) for number in range(5)]] == [1, 2, 3, 4, 5]
        with pytest.raises(ConfigError, match=r"lb\.toml: no"):
            pool.submit(refuse).result()
        with pytest.raises(RuntimeError, match="Odd: odd"):
            pool.submit(odd).result()


def test_one_that_dies_takes_its_task_along() -> None:
    """The next has a fresh process."""
    with Pool(1) as pool:
        with pytest.raises(Died, match=r"its process died with status 7"):
            pool.submit(os._exit, 7).result()
        assert pool.submit(loud, 1).result() == 2


def test_an_error_ends_them_at_once() -> None:
    """Nobody waits for what was submitted."""
    begin = time.monotonic()
    with suppress(KeyError), Pool(1) as pool:
        futures = [pool.submit(time.sleep, 60) for _ in range(3)]
        raise KeyError
    assert isinstance(futures[0].exception(), Died) and futures[1].cancelled()
    assert time.monotonic() - begin < 10


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for there")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_they_end_with_their_parent(number: signal.Signals) -> None:
    """Whatever ends it, busy or idle."""
    with subprocess.Popen([sys.executable, "-c", ALONE], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        workers = {int(word) for word in parent.stdout.readline().split()}
        parent.send_signal(number)
        parent.wait()
    end = time.monotonic() + 10
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < end, "a worker outlives its parent"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process is there, and more than a name that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
