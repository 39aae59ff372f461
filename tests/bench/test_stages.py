"""What a stage costs: the clocks fit around the stages of a replay as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import stages


def test_every_stage_of_a_replay_has_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "DESK", tmp_path)
    shares = stages._clocked(str(Path(__file__).parents[2] / "samples" / "web.pcap"))
    assert set(shares) == set(stages.STAGES)
    assert all(share > 0 for share in shares.values())
    assert sum(shares.values()) == pytest.approx(1)
