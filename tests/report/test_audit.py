"""What `audit` found, as people read it."""

from __future__ import annotations

import io
from pathlib import Path

from cards import Card

from lbreplay.lab.audit.audit import audit
from lbreplay.report.audit import as_csv, as_json, show
from lbreplay.report.tables import console


def text(card: Card, folder: Path) -> str:
    out = io.StringIO()
    show(audit(card.record(folder / "in.pcapng"), None).document, console(out))
    return out.getvalue()


def test_a_card_that_is_worked_out(tmp_path: Path) -> None:
    """Key, fields, table, rules, share, and the TOML below."""
    said = text(Card(rules="narrow"), tmp_path)
    words = "????", "4tuple", "128 entries", "entries by queue", "port & 0x1", "100.00%", "held back", "[flow_director]"
    for word in words:
        assert word in said


def test_a_frame_that_does_not_agree(tmp_path: Path) -> None:
    """In a line of its own, with the others behind it."""
    card = Card(frames=900)
    for n in (5, 600):
        card.received[n - 1].queue = (card.received[n - 1].queue or 0) ^ 1
    said = text(card, tmp_path)
    assert "frame 5: recorded" in said and "also frames 600" in said


def test_for_programs(tmp_path: Path) -> None:
    """JSON and CSV of the same."""
    found = audit(Card().record(tmp_path / "in.pcapng"), None).document
    assert as_json(found).startswith("{\n") and "by rule," in as_csv(found)
