"""A word where a capture's own queues are not the configuration's, and none where they are or there are none."""

from __future__ import annotations

from pathlib import Path

from cards import Card
from lab.audit.test_hold import text

from lbreplay.config.load import load
from lbreplay.lab.audit.contradiction import contradiction


def test_a_configuration_that_is_not_the_cards(tmp_path: Path) -> None:
    """How many, the first, and where to ask."""
    card = Card()
    path = card.record(tmp_path / "in.pcapng")
    said = contradiction(load(None, ("workers=2",)), path)
    assert said is not None and "of 300 recorded queues" in said and "lbreplay audit" in said
    assert contradiction(load(None, (), text=text(card)), path) is None


def test_captures_that_record_nothing(tmp_path: Path) -> None:
    """A pcap, and a pcapng without options."""
    card = Card(frames=5, hashes=False)
    for frame in card.received:
        frame.queue = None
    setup = load(None, ())
    assert contradiction(setup, "samples/web.pcap") is None
    assert contradiction(setup, card.record(tmp_path / "in.pcapng")) is None
