"""What others say is shown without doing anything: controls, marks that turn text, bytes that are no UTF-8."""

from __future__ import annotations

import io
import json

import pytest

from lbreplay.edge.text import LONGEST, all_shown, as_json, line, shown

HOSTILE = {
    "a\nb": "a\\nb",
    "\x1b[2J": "\\x1b[2J",
    "\x9b2J": "\\x9b2J",
    "\r::error": "\\r::error",
    "user\u202eexe": "user\\u202eexe",
    "a\u2066b\u2069": "a\\u2066b\\u2069",
    "\u2028next": "\\u2028next",
    "zero\u200bwidth": "zero\\u200bwidth",
    "no\xa0break": "no\\xa0break",
    "\uffff\ufffe": "\\uffff\\ufffe",
    "\udc80bytes": "\\x80bytes",
    "\ud800": "\\ud800",
    "\U000e0001tag": "\\U000e0001tag",
    "grüße 中文 ─ ok": "grüße 中文 ─ ok",
}


@pytest.mark.parametrize("said", HOSTILE)
def test_what_is_not_seen_is_spelled(said: str) -> None:
    """And what is seen stays."""
    assert shown(said) == HOSTILE[said]


@pytest.mark.parametrize("said", HOSTILE)
def test_json_keeps_the_value_and_shows_nothing(said: str) -> None:
    """In keys, too."""
    text = as_json({said: [said]})
    assert text.replace("\n", "").isprintable() and json.loads(text) == {said: [said]}


def test_documents() -> None:
    """Every text of them; numbers stay, and the document as it was."""
    document = {"a\n": ["b\n", 1, None, {"c": ("d\x1b", 2.5)}]}
    assert all_shown(document) == {"a\\n": ["b\\n", 1, None, {"c": ("d\\x1b", 2.5)}]}
    assert document["a\n"][0] == "b\n"


@pytest.mark.parametrize("said", ["::error::x", "  ::add-mask::x", "##[error]x", "\t::x"])
def test_no_line_is_a_command(said: str) -> None:
    """Build machines trim, and obey lines that begin so."""
    assert not line(said).lstrip().startswith(("::", "##["))


def test_a_line_fills_no_screen() -> None:
    """Its beginning and its end are shown."""
    told = line("lb.toml: " + "9" * 100_000 + " expected")
    assert len(told) < LONGEST and told.startswith("lb.toml: 9") and told.endswith("9 expected")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_stream_says_what_it_can(encoding: str) -> None:
    """Bars and signs have a plain form, letters their number."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="lbreplay")
    stream.write("7 × 8 … ▁█ ─ → 中 \udc80")
    stream.flush()
    said = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert said.endswith("\\x80") and (encoding != "ascii" or said == "7 x 8 ... 18 - -> \\u4e2d \\x80")
