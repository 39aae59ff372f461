"""The document: settings worked out from part of a capture tell the rest of it; what is missing is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from cards import Card

from lbreplay.config.load import load
from lbreplay.errors import CaptureError
from lbreplay.lab.audit.audit import audit
from lbreplay.lab.audit.hold import hold


@pytest.mark.parametrize(
    "card",
    [
        Card(21, queues=2),
        Card(22, hashed="2tuple"),
        Card(23, size=64, hashed="tcp-only"),
        Card(24, queues=3, six=True),
        Card(25, rules="narrow"),
    ],
    ids=lambda card: f"{card.seed}",
)  # fmt: skip
def test_two_thirds_tell_the_last_third(tmp_path: Path, card: Card) -> None:
    """Every queue of it, where the first two thirds have seen the entry of the table."""
    found = audit(card.record(tmp_path / "some.pcapng", slice(0, 200)), None)
    assert not found.disagree and found.document["solved"]["explains"] == 1
    reta = found.document["solved"]["reta"]
    rest = card.received[200:]
    rest = [f for f in rest if f.hash is None or reta[f.hash % len(reta)] is not None]
    card.received = rest
    held = hold(load(None, (), text=found.document["toml"]), card.record(tmp_path / "rest.pcapng"))
    assert held.share == 1 and held.all.queue > 50


def test_the_document_is_that_of_the_contract(tmp_path: Path) -> None:
    """Names and kinds of interface 9."""
    card = Card()
    found = audit(card.record(tmp_path / "in.pcapng"), None).document
    assert (found["schema"], found["frames"], found["recorded"], found["agree"]) == (
        1, 300, {"queue": 300, "hash": 300}, {"queue": 300, "hash": 300},
    )  # fmt: skip
    solved = found["solved"]
    assert found["first_difference"] is None and "conform" not in found
    assert (solved["hashed"], solved["dst_port_mask"], solved["workers"], solved["known_key"]) == ("4tuple", 3, 4, None)
    assert len(solved["reta"]) == solved["reta_size"] == 128
    assert [q for q in solved["reta"] if q is not None] == [
        q for q, s in zip(card.reta, solved["reta"], strict=True) if s is not None
    ]


def test_a_flipped_queue_makes_them_disagree(tmp_path: Path) -> None:
    """And is named by its frame."""
    card = Card(frames=900)
    card.received[56].queue = (card.received[56].queue or 0) ^ 1
    found = audit(card.record(tmp_path / "in.pcapng"), None)
    assert found.disagree and found.document["first_difference"]["n"] == 57


def test_what_nothing_explains_is_said(tmp_path: Path) -> None:
    """An unknown key without hashes."""
    found = audit(Card(11, hashes=False, rules="none").record(tmp_path / "in.pcapng"), None)
    assert found.disagree and found.document["solved"] is None and "record hashes" in found.warnings[-1]


def test_records_that_are_missing_are_asked_for(tmp_path: Path) -> None:
    """One line, with the commands."""
    card = Card(frames=3, hashes=False)
    for frame in card.received:
        frame.queue = None
    with pytest.raises(CaptureError, match=r"dpdk-dumpcap.*tcpdump") as error:
        audit(card.record(tmp_path / "in.pcapng"), None)
    assert "\n" not in str(error.value)
