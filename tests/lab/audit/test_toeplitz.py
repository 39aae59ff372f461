"""From hashes to the key: every bit that the traffic determines is right, and no other is told."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from cards import Card, toeplitz

from lbreplay.lab.audit.recorded import Rows, read
from lbreplay.lab.audit.toeplitz import Key, Span, hashes, solve, solve_key
from lbreplay.nic.profiles import INTEL_KEY, PAIR, SYMMETRIC_KEY, TUPLE


def rows(card: Card, folder: Path) -> list[Rows]:
    return list(read(card.record(folder / "in.pcapng")).rows.values())


def found(card: Card, folder: Path) -> Key:
    key = solve_key(rows(card, folder))
    assert key is not None
    return key


def right(key: Key, truth: bytes) -> bool:
    return all(digit in ("?", wanted) for digit, wanted in zip(key.digits, truth.hex(), strict=False))


@pytest.mark.parametrize("drawn", [1, 2])
@pytest.mark.parametrize("hashed", ["4tuple", "2tuple", "tcp-only"])
@pytest.mark.parametrize("six", [False, True])
def test_every_exercised_bit_is_right(tmp_path: Path, drawn: int, hashed: str, six: bool) -> None:
    """Random keys, all choices of fields, both families."""
    card = Card(seed=drawn, hashed=hashed, six=six)
    key = found(card, tmp_path)
    assert right(key, card.key) and key.share == 1 and not key.names
    form = PAIR if hashed == "2tuple" else TUPLE
    assert key.forms == ({3: form} if hashed == "tcp-only" else {3: form, 4: form})


def test_as_many_bits_as_the_traffic_exercises(tmp_path: Path) -> None:
    """Addresses and ports of IPv4 reach bit 126; the digits up to there are told, the rest is not."""
    digits = found(Card(frames=600), tmp_path).digits
    assert "?" not in digits[:31] and set(digits[32:]) == {"?"}


def test_few_packets_tell_few_digits(tmp_path: Path) -> None:
    """Two packets are 64 equations: fewer digits than 31, and those are right."""
    card = Card(frames=2)
    key = found(card, tmp_path)
    assert right(key, card.key) and 80 - key.digits.count("?") < 31


@pytest.mark.parametrize(
    ("key", "name"), [(INTEL_KEY, "ixgbe, igb, virtio, hns3, vmxnet3, ideal"), (SYMMETRIC_KEY[:40], "symmetric")]
)
def test_known_keys_have_names(tmp_path: Path, key: bytes, name: str) -> None:
    """Those of drivers, and the symmetric one."""
    solved = found(Card(key=key), tmp_path)
    assert solved.names == [name] and right(solved, key)


def test_wrong_records_are_named(tmp_path: Path) -> None:
    """Five hashes of 300 are changed: the key is still right, and those five contradict it."""
    card = Card(seed=5)
    for n in (3, 50, 51, 200, 299):
        card.received[n - 1].hash = (card.received[n - 1].hash or 0) ^ 0x10
    key = found(card, tmp_path)
    assert right(key, card.key) and key.against == [3, 50, 51, 200, 299]


def test_no_key_fits_what_is_no_toeplitz_hash(tmp_path: Path) -> None:
    """Drawn numbers."""
    card, rng = Card(), Random(1)
    for frame in card.received:
        frame.hash = rng.getrandbits(32)
    assert solve_key(rows(card, tmp_path)) is None


def test_hashes_of_rows_are_those_of_the_definition() -> None:
    """Over addresses and ports, and over addresses alone."""
    rng = Random(2)
    key, flows = rng.randbytes(40), [rng.randbytes(12) for _ in range(5)]
    table = np.frombuffer(b"".join(flows), np.uint8).reshape(-1, 12)
    assert hashes(key, table, TUPLE).tolist() == [toeplitz(key, flow) for flow in flows]
    assert hashes(key, table, PAIR).tolist() == [toeplitz(key, flow[:8]) for flow in flows]


def test_one_packet_says_32_equations_of_many_unknowns() -> None:
    """A packet with one bit set determines 32 bits of the key, one with two bits none."""
    span = Span()
    assert span.add(1 << 287, 0xDEADBEEF) == 0
    solution = solve(span)
    assert solution.key >> 288 == 0xDEADBEEF and solution.bits.bit_count() == 32
    span = Span()
    span.add(1 << 287 | 1 << 200, 0xDEADBEEF)
    assert solve(span).bits == 0


def test_what_a_span_says_already_is_compared() -> None:
    """The sum of two packets has the sum of their hashes."""
    span = Span()
    span.add(0b01, 5)
    span.add(0b10, 6)
    assert span.add(0b11, 5 ^ 6) == 0 and span.add(0b11, 5 ^ 6 ^ 8) == 8


def test_of_two_explanations_the_one_with_fewer_fields_counts(tmp_path: Path) -> None:
    """IPv6 by addresses: ports and zeros in the key where only they reach would explain the hashes, too."""
    card = Card(186796, hashed="2tuple", rules="none", six=True, queues=1)
    key = found(card, tmp_path)
    assert set(key.forms.values()) == {PAIR} and right(key, card.key)
