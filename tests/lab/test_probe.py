"""A replay that stops before a frame."""

import json

import pytest
from lab.made_capture import capture, setup

from lbreplay.errors import CaptureError
from lbreplay.journey import replay
from lbreplay.lab.probe import Probe
from lbreplay.verdict import NAMES


def test_stopping_changes_nothing(tmp_path):
    """Every frame has the verdict, and leaves under the number, that an ordinary replay gives it."""
    path, told = capture(tmp_path), tmp_path / "trace"
    replay(setup(), path, str(tmp_path / "out.pcap"), trace=str(told))
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    with Probe(setup(), path) as probe:
        for line in lines:
            shot = probe.shoot(line["n"])
            assert (NAMES[shot.burst.verdict[0]], [left.n for left in shot.left]) == (line["verdict"], line["out"])


@pytest.mark.parametrize("burst", [1, 3, 4096])
def test_some_frames_in_one_pass(tmp_path, burst):
    """Frames are stopped at wherever they stand in a burst; those between go their ordinary way."""
    path = capture(tmp_path)
    with Probe(setup(), path) as probe:
        probe._bursts = probe._source.bursts(burst)
        shots = [probe.shoot(n) for n in (2, 3, 50, 96)]
    assert [shot.burst.first for shot in shots] == [2, 3, 50, 96]
    assert all(shot.story.conn is not None for shot in shots)


def test_tables_before(tmp_path):
    """What stood in the tables is what stood there before the packet, not after it."""
    with Probe(setup(), capture(tmp_path)) as probe:
        first, second = probe.shoot(1), probe.shoot(2)
    assert first.before is not None and all(entry["conn"] is None for entry in first.before.tables)
    assert second.before is not None
    assert [(entry["conn"], entry["side"]) for entry in second.before.tables if entry["conn"]] == [(1, "out")]


def test_no_such_frame(tmp_path):
    """A frame behind the end of the capture is named with what there is."""
    path = capture(tmp_path)
    with Probe(setup(), path) as probe, pytest.raises(CaptureError, match=r"in.pcap: frame 97: 1 to 96 expected"):
        probe.shoot(97)
