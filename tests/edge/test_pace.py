"""Who does a long job tells how far it has come, who shows it listens."""

from __future__ import annotations

from contextlib import suppress

from heard import Heard

from lbreplay.edge import pace


def test_what_is_told_is_heard() -> None:
    """In the block, and what is done with it is hidden when it ends."""
    heard = Heard()
    with pace.listen(heard), pace.phase("baking") as tell:
        tell(1, 2)
        tell(2, None)
        assert not heard.hidden
    assert heard.shown == [("baking", 1, 2), ("baking", 2, None)] and heard.hidden == 2


def test_a_phase_within_a_phase_says_nothing() -> None:
    """The outer one goes on, also behind an error."""
    heard = Heard()
    with pace.listen(heard):
        for _ in pace.counted("ab", "outer", 2):
            with suppress(ValueError), pace.phase("inner") as tell:
                tell(5, 9)
                raise ValueError
    assert heard.shown == [("outer", 0, 2), ("outer", 1, 2)]


def test_nobody_listens() -> None:
    """Nothing happens, and the next listener is not disturbed by a phase that was given up."""
    with suppress(KeyError), pace.phase("one") as tell:
        tell(1, 1)
        raise KeyError
    left = pace.counted([1, 2], "left", 2)
    assert next(left) == 1
    left.close()  # type: ignore[attr-defined]
    heard = Heard()
    with pace.listen(heard):
        assert list(pace.counted([1], "next", 1)) == [1]
    assert heard.shown == [("next", 0, 1)]


def test_the_listener_before_is_back() -> None:
    """Of a command within a command."""
    outer, inner = Heard(), Heard()
    with pace.listen(outer):
        with pace.listen(inner):
            list(pace.counted([1], "inner", 1))
        list(pace.counted([1], "outer", 1))
        pace.pause()
    assert (inner.shown, outer.shown) == ([("inner", 0, 1)], [("outer", 0, 1)])
