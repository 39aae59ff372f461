"""The oracle is held by the recorded cases, or it could not judge."""

from __future__ import annotations

import re

import pytest
from golden_cases import Case, cases, difference
from oracle import Oracle, fate_of, jhash, toeplitz

from lbreplay.config.load import load

BEYOND = ("proxy_protocol =", "dest_check =", "resolve = true")  # what the oracle does not know


def known(case: Case) -> bool:
    """Whether the oracle models all that a case's configuration asks for; it never takes a service out."""
    text = case.config.read_text()
    return not any(word in text for word in BEYOND) and not re.search(r'remove = "service\.[^.]*"', text)


CASES = [pytest.param(c, id=f"{s} {c.name}") for s in ("dpvs", "dpvs-1.8") for c in cases(s) if known(c)]


@pytest.mark.parametrize("case", CASES)
def test_a_recorded_case_holds_for_the_oracle(case: Case) -> None:
    """Packets, times, workers, fates and statistics are those of the recording, byte for byte."""
    oracle = Oracle(load(case.config, (), view=case.about["view"])).run(case.received)
    sent = [(s.time, s.frame) for s in oracle.sent]
    trace = {f.n: (f.worker, f.out, fate_of(f.verdict)) for f in oracle.frames}
    assert difference(case, sent, trace, oracle.document()) is None


def test_toeplitz_gives_the_published_hash() -> None:
    """First vector of the Microsoft suite (S 1.3)."""
    key = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
    assert toeplitz(key, bytes([66, 9, 149, 187, 161, 142, 100, 80]) + b"\x0a\xea\x06\xe6") == 0x51CCC178


def test_jhash_gives_the_published_bucket() -> None:
    """[2001:db8::1]:80 falls into bucket 14 of 16 (D 18)."""
    words = [int.from_bytes((80).to_bytes(2), "little"), 0xB80D0120, 0, 0, 0x01000000]
    assert jhash(words, 10) == 0xE013677E
