"""What is noted of a packet before anything happened to it."""

from __future__ import annotations

from lbreplay.dpvs.story import Story


def test_a_story_begins_empty() -> None:
    """No table asked, no connection, no worker that handed it on: each row of a trace is told from its own."""
    story = Story()
    assert (story.lookup, story.conn, story.new, story.owner, story.wrong_worker) == ("", None, False, -1, False)
    assert story.reasons is not Story().reasons
