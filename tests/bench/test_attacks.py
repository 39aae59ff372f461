"""Captures made to be expensive are not: a little of `python -m bench attacks` in every test run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench import attacks
from lbreplay.config.load import load
from lbreplay.journey import replay

FRAMES = 12_000
MOST = 3  # times what a frame costs among a tenth; where a table is walked it is ten


def cost(attack: attacks.Attack, frames: int) -> float:
    """Seconds of processor that a frame costs, here."""
    path, setup = attacks.capture(attack, frames), load(attack.config, attack.sets)
    start = time.process_time()
    assert replay(setup, path, None).totals["frames"] == frames
    return (time.process_time() - start) / frames


@pytest.mark.parametrize("attack", attacks.ATTACKS, ids=lambda attack: attack.name)
def test_a_frame_costs_the_same_in_a_long_capture(
    attack: attacks.Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cheapest of some attempts counts, for the machine may have other work."""
    monkeypatch.setattr(attacks, "DESK", tmp_path)
    assert any(cost(attack, FRAMES) <= MOST * cost(attack, FRAMES // 10) for _ in range(4))


def test_the_clock_of_the_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `python -m bench attacks` itself measures with, in processes of their own."""
    monkeypatch.setattr(attacks, "DESK", tmp_path)
    assert 0 < attacks.ratio(attacks.ATTACKS[2], 50_000, rounds=1) < 10
