"""Records that the loop reads of services, as they are before anybody made them ready."""

from __future__ import annotations

from lbreplay.loop.names import UNKNOWN
from lbreplay.loop.opener import Opener, Pair
from lbreplay.loop.ports import Bucket, LaddrCursor
from lbreplay.loop.real import Census, Dest
from lbreplay.model import Endpoint, RealServer


def test_nothing_is_opened_before_it_is_known_how() -> None:
    """Not ready, not usable; where a pair's answers come in is not known either."""
    opener = Opener(Census(), LaddrCursor([b"abcd"]), None)
    assert not opener.ready and not opener.why and opener.choice is None and opener.established < 0
    dest = Dest(0, RealServer(Endpoint(b"abcd", 1), 1), 1)
    pair = Pair(7, opener, dest, 0, Bucket(range(3)), (1, 2, 3, 4, 5, 6))
    assert (pair.number, pair.word0, pair.word1, pair.d, pair.home, pair.way) == (7, 1, 2, 6, UNKNOWN, UNKNOWN)
