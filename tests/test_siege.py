"""A little of `make siege` in every test run."""

from __future__ import annotations

from pathlib import Path

import pytest
import siege


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="processes are looked for there")
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("name", siege.PROMISES)
def test_a_promise_holds(name: str, number: int) -> None:
    """Whatever the trial draws."""
    siege.attempt(name, number)
