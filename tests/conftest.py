"""Options of the test run, and what several tests stand on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

# A shell that starts tests in the background has them ignore these, and what they start would ignore them too.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", default="200", help="random traffic: how many seeds (N) or which (FIRST-LAST)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `seed` runs once a seed."""
    if "seed" in metafunc.fixturenames:
        first, _, last = metafunc.config.getoption("--seeds").rpartition("-")
        metafunc.parametrize("seed", range(int(first or 0), int(last) + bool(first)))


@pytest.fixture
def standard_input() -> Iterator[Callable[[bytes], None]]:
    """A function that puts bytes into a pipe on standard input."""
    before = os.dup(0)

    def give(data: bytes) -> None:
        inside, outside = os.pipe()
        os.dup2(inside, 0)
        os.close(inside)
        threading.Thread(target=_pour, args=(outside, data), daemon=True).start()

    with ExitStack() as stack:
        stack.callback(os.close, before)
        stack.callback(os.dup2, before, 0)
        yield give


def _pour(pipe: int, data: bytes) -> None:
    with open(pipe, "wb") as file:
        file.write(data)
