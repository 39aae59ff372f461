"""Options of the test run, and what several tests stand on."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", default="200", help="random traffic: how many seeds (N) or which (FIRST-LAST)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `seed` runs once a seed."""
    if "seed" in metafunc.fixturenames:
        first, _, last = metafunc.config.getoption("--seeds").rpartition("-")
        metafunc.parametrize("seed", range(int(first or 0), int(last) + bool(first)))
