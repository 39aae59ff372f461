"""What judges share."""

from lbreplay.lab.judge import FATES, Failure, Frames
from lbreplay.verdict import Verdict


def test_frames_keep_the_first_and_how_many() -> None:
    """None where nothing broke; else the first frame, the number of the others, and the detail."""
    frames = Frames()
    frames.add([])
    assert frames.failure("why") is None
    frames.add([7, 9])
    frames.add([12])
    assert frames.failure("why") == Failure(7, 2, "why")


def test_every_verdict_has_its_fate() -> None:
    """By its code; codes of nothing have none."""
    assert all(FATES[verdict] == verdict.fate for verdict in Verdict) and FATES[len(Verdict)] == -1
