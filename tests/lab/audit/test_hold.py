"""Records beside a configuration, frame by frame: who agrees, and why the first one does not."""

from __future__ import annotations

from pathlib import Path

import cards
import pytest
from cards import Card

from lbreplay.config.load import load
from lbreplay.lab.audit.hold import Holding, class_name, hold


def text(card: Card) -> str:
    rules = f"dst_port_mask = {card.mask}" if card.mask is not None else "enabled = false"
    types = {"4tuple": "all", "2tuple": "ip", "tcp-only": "tcp"}[card.hashed]
    return f"""
workers = {card.queues}
[device]
rss = "{types}"
rss_key = "{card.key.hex()}"
reta = {card.reta}
reta_size = {card.size}
sapool_address = ["10.1.1.1", "10.1.1.2"]
[flow_director]
{rules}
"""


def held(card: Card, folder: Path, settings: str | None = None) -> Holding:
    return hold(load(None, (), text=settings or text(card)), card.record(folder / "in.pcapng"))


@pytest.mark.parametrize("hashed", cards.HASHED)
@pytest.mark.parametrize("rules", ["right", "narrow", "none"])
def test_the_cards_own_settings_agree_in_every_frame(tmp_path: Path, hashed: str, rules: str) -> None:
    """Queue and hash, whatever the fields and rules."""
    card = Card(hashed=hashed, rules=rules)
    found = held(card, tmp_path)
    assert found.agrees and found.first is None and found.share == 1
    assert found.all.queue == 300 and found.all.hash == sum(f.hash is not None for f in card.received)
    assert sum(found.by_class[name].queue for name in ("TCP", "UDP")) == 300
    assert sum(way.queue for way in found.by_way.values()) == 300


@pytest.mark.parametrize("n", [1, 57, 300])
def test_one_flipped_queue_is_named_by_its_frame(tmp_path: Path, n: int) -> None:
    """With what was recorded, what the model has, and why."""
    card = Card()
    frame = card.received[n - 1]
    modelled, frame.queue = frame.queue, (frame.queue or 0) ^ 1
    found = held(card, tmp_path)
    assert found.first is not None and found.first[:3] == (n, frame.queue, modelled)
    assert found.named == [n] and found.all.same_queue == 299 and found.all.same_hash == 300
    assert any(word in found.first.why for word in ("rule 10.1.1.", "table entry"))


def test_one_flipped_hash_is_named(tmp_path: Path) -> None:
    """As a hash, under the key."""
    card = Card(rules="none")
    card.received[8].hash = 0x12345678
    found = held(card, tmp_path)
    assert found.first is not None and found.first[:2] == (9, "0x12345678")
    assert card.key.hex() in found.first.why and found.all.same_hash == 299


def test_a_hash_where_the_model_has_none(tmp_path: Path) -> None:
    """UDP is not hashed with rss = tcp."""
    card = Card(rules="none")
    found = held(card, tmp_path, text(card).replace('rss = "all"', 'rss = "tcp"'))
    assert (
        found.first is not None
        and found.by_class["UDP"].same_hash == 0 == found.by_class["TCP"].queue - found.by_class["TCP"].same_hash
    )
    assert "UDP" in found.first.why


def test_queues_that_no_worker_polls_are_counted(tmp_path: Path) -> None:
    """A table of eight queues, four workers."""
    card = Card(queues=8, rules="none")
    other = Card(queues=4, rules="none", key=card.key)
    found = held(card, tmp_path, text(other))
    assert found.beyond == sum((f.queue or 0) > 3 for f in card.received)
    assert found.first is not None and not found.agrees


def test_the_frames_of_an_entry_with_two_queues_are_named(tmp_path: Path) -> None:
    """Where the table itself is in doubt, the reason says who else is in the entry."""
    card = Card(rules="none", frames=2)
    card.received[1] = cards.Frame(card.received[0].data, (card.received[0].queue or 0) ^ 1, card.received[0].hash)
    found = held(card, tmp_path)
    assert found.first is not None and "frame 1 queue" in found.first.why


def test_tagged_frames_are_a_class_of_their_own(tmp_path: Path) -> None:
    """And are steered like others."""
    card = Card(frames=40)
    for frame in card.received[:10]:
        frame.data = cards.tagged(frame.data)
    found = held(card, tmp_path)
    assert found.agrees and sum(c.queue for name, c in found.by_class.items() if name.endswith(", tagged")) == 10


def test_names_of_classes() -> None:
    """By protocol, family and tag."""
    assert [class_name(3, False, False), class_name(4, True, True), class_name(1, True, False)] == [
        "TCP", "UDP over IPv6, tagged", "other IPv6",
    ]  # fmt: skip
