"""Numbers that several modules know are the same in all of them."""

from __future__ import annotations

from lbreplay import burst
from lbreplay.loop import names, parse
from lbreplay.stats import LOOKUP


def test_they_agree_with_the_floor() -> None:
    """Kinds of frames, codes of look-ups, room for a table of states."""
    source = parse.__doc__ or ""
    assert burst.KIND_NONE == 0 and burst.KIND_SCTP == 5 and "KIND_*" in source
    assert (LOOKUP[names.LOOKED_UP], LOOKUP[names.LOOKED_UP + 1], LOOKUP[names.MISSED]) == ("in", "out", "miss")
    assert names.STEPS == names.UDP_STEP + 1 and names.STATES & (names.STATES - 1) == 0
