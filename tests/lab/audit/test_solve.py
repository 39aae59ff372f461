"""The settings of a card from what it recorded, and that they tell what was held back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cards import Card

from lbreplay.lab.audit.recorded import read
from lbreplay.lab.audit.solve import Settings, driver_and_rss, solve
from lbreplay.nic.profiles import INTEL_KEY, MLX5_KEY, PAIR, SYMMETRIC_KEY, TUPLE


def solved(card: Card, folder: Path) -> Settings:
    found = solve(list(read(card.record(folder / "in.pcapng")).rows.values()))
    assert found is not None
    return found


def judge(found: Settings, card: Card) -> None:
    """Table, mask, addresses and the part held back are those of the card."""
    reta = [card.reta[n % card.size] for n in range(max(card.size, found.table.size))]
    assert all(queue in (-1, wanted) for queue, wanted in zip(found.table.queues, reta, strict=False))
    assert (found.rules.mask if found.rules else None) == card.mask
    assert len(found.local_addresses) == (2 if card.rules != "none" else 0)
    assert found.held.frames > 40 and found.held.right == found.held.frames


@pytest.mark.parametrize(
    "card",
    [
        Card(1),
        Card(2, queues=8, rules="narrow"),
        Card(3, 900, size=512),
        Card(4, queues=3, hashed="tcp-only"),
        Card(5, size=64, queues=2, rules="narrow", six=True),
        Card(6, rules="none", six=True, hashed="tcp-only"),
    ],
    ids=lambda card: f"{card.seed}",
)
def test_a_card_is_worked_out(tmp_path: Path, card: Card) -> None:
    """Random keys and tables, right, narrow and no rules, all fields, both families."""
    judge(solved(card, tmp_path), card)


@pytest.mark.parametrize(
    ("card", "name"),
    [
        (Card(7, key=MLX5_KEY, hashes=False), "mlx5"),
        (Card(8, key=SYMMETRIC_KEY[:40], queues=5, hashed="tcp-only", hashes=False), "symmetric"),
        (
            Card(9, key=INTEL_KEY, hashed="2tuple", rules="none", hashes=False),
            "ixgbe, igb, virtio, hns3, vmxnet3, ideal",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_queues_alone_tell_a_known_key(tmp_path: Path, card: Card, name: str) -> None:
    """Without a recorded hash: key, fields, table and rules."""
    found = solved(card, tmp_path)
    assert found.names == (name,)
    judge(found, card)


def test_queues_alone_of_a_key_that_nobody_knows_are_not_told(tmp_path: Path) -> None:
    """Rather than guessed."""
    card = Card(11, hashes=False, rules="none")
    assert solve(list(read(card.record(tmp_path / "in.pcapng")).rows.values())) is None


def test_one_queue_says_nothing_of_a_table(tmp_path: Path) -> None:
    """Everything in queue 0: explained by that."""
    found = solved(Card(12, queues=1, hashes=False), tmp_path)
    assert found.queues == 1 and found.rules is None and set(found.table.queues) == {0}


def test_a_driver_that_hashes_so() -> None:
    """The key's own where it does, with the RSS types that make it so."""
    assert driver_and_rss({3: TUPLE, 4: TUPLE}, ["mlx5"]) == ("mlx5", {"ip", "tcp", "udp"})
    assert driver_and_rss({3: PAIR, 4: PAIR, 1: PAIR}, []) == ("ixgbe", {"ip"})
    assert driver_and_rss({3: TUPLE, 4: 0}, []) == ("ixgbe", {"tcp"})
    assert driver_and_rss({3: 0, 4: 0}, []) == ("ixgbe", frozenset())
    assert driver_and_rss({3: 0, 4: PAIR}, []) is None


def test_frames_that_repeat_change_nothing(tmp_path: Path) -> None:
    """A flow counts once, whatever it sends."""
    card = Card(13)
    heavy = replace(card, received=[])
    heavy.received = card.received + card.received[:10] * 50
    assert solved(heavy, tmp_path).table == solved(card, tmp_path).table


def test_ranks_that_too_few_packets_told_of(tmp_path: Path) -> None:
    """Sixteen workers, two packets a value: where the others send rank k to queue k, so do these."""
    card = Card(31, queues=16, size=64)
    found = solved(card, tmp_path)
    assert found.rules is not None and found.rules.by_value == {rank: rank for rank in range(16)}
    judge(found, card)
