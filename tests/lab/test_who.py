"""Whose connection a local end is: by both legs, by a replay, at a time; a replay agrees with what was recorded."""

from __future__ import annotations

from pathlib import Path

import merged
import pytest

from lbreplay.config.load import load
from lbreplay.config.values import endpoint
from lbreplay.errors import CaptureError
from lbreplay.lab.who import Answer, who

END = "10.20.1.1:1028"


def by_legs(folder: Path, end: str = END, at: float | None = None, configured: bool = False) -> Answer:
    case = merged.case("dpvs", "workers_5")
    setup = load(str(case.config), ()) if configured else None
    return who(endpoint(end), merged.capture(case, folder / "both.pcap"), setup, None, at)


@pytest.mark.parametrize("configured", [False, True])
def test_a_reused_port_by_its_times(tmp_path: Path, configured: bool) -> None:
    """Two clients, one after the other; the worker by the configuration, or by what all ports have in common."""
    found = by_legs(tmp_path, configured=configured)
    assert found.by_legs and [one.client for one in found.found] == ["198.51.0.1:10000", "198.51.0.101:30001"]
    first, second = found.found
    assert (first.virtual, first.local, first.real, first.worker) == ("203.0.113.80:80", END, "10.20.8.14:9000", 4)
    assert first.from_s == 0 and first.to_s is not None and first.to_s < second.from_s and second.to_s is None


def test_at_a_time(tmp_path: Path) -> None:
    """Only who had it then."""
    assert [one.client for one in by_legs(tmp_path, at=0.05).found] == ["198.51.0.1:10000"]
    assert [one.client for one in by_legs(tmp_path, at=40).found] == ["198.51.0.101:30001"]
    with pytest.raises(CaptureError, match="at 20 s: no connection"):
        by_legs(tmp_path, at=20)


def test_by_replay_as_recorded(tmp_path: Path) -> None:
    """What the balancer received alone, replayed, has the same connections at the same local end."""
    case = merged.case("dpvs", "workers_5")
    told = by_legs(tmp_path).found
    got = who(endpoint(END), str(case.file("in.pcap")), load(str(case.config), (), view="rx"), None, None)
    assert not got.by_legs
    assert [one[:5] for one in got.found] == [one[:5] for one in told]
    assert [one.from_s for one in got.found] == [one.from_s for one in told]
    first = got.found[0]
    assert first.to_s is not None and first.to_s > (told[0].to_s or 0), "it lives on while its state lasts"


def test_an_end_that_nobody_has(tmp_path: Path) -> None:
    """Said in a line."""
    with pytest.raises(CaptureError, match=r"10\.20\.1\.1:9: no connection"):
        by_legs(tmp_path, "10.20.1.1:9")
