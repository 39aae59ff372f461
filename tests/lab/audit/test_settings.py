"""Settings as TOML: what `run -c` takes, and agrees with the records it was worked out from."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from cards import Card

from lbreplay.config.load import load
from lbreplay.lab.audit.hold import hold
from lbreplay.lab.audit.recorded import read
from lbreplay.lab.audit.rules import Rules
from lbreplay.lab.audit.settings import hashed, toml
from lbreplay.lab.audit.solve import Settings, solve
from lbreplay.lab.audit.table import Table
from lbreplay.nic.profiles import I40E_KEY, MLX5_KEY, SYMMETRIC_KEY


def solved(path: str) -> Settings:
    found = solve(list(read(path).rows.values()))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "card",
    [
        Card(1),
        Card(2, queues=3, rules="narrow", hashed="2tuple"),
        Card(3, queues=8, hashed="tcp-only", six=True),
        Card(4, rules="none", key=I40E_KEY),
        Card(5, key=MLX5_KEY),
        Card(6, key=SYMMETRIC_KEY[:40], hashes=False),
        Card(7, queues=1),
    ],
    ids=lambda card: f"{card.seed}",
)
def test_what_is_written_agrees_with_the_records(tmp_path: Path, card: Card) -> None:
    """Loaded again, every recorded queue and hash is the model's."""
    path = card.record(tmp_path / "in.pcapng")
    found = hold(load(None, (), text=toml(solved(path), 300)), path)
    assert found.agrees and found.all.queue == 300


def made(**more: object) -> Settings:
    """Four queues in turn; TCP and UDP by addresses and ports."""
    table = Table((0, 1, 2, 3), 4, 0, 0.0)
    addresses = [b"\x0a\1\1\1", b"\x0a\1\1\2"]
    settings = Settings(None, {3: 2, 4: 2}, table, None, addresses, 4, 0.0)
    return settings._replace(**more)  # type: ignore[arg-type]


def document(settings: Settings) -> dict[str, dict[str, object]]:
    text = toml(settings, 300)
    load(None, (), text=text)
    return tomllib.loads(text)


def ruled(mask: int, by_value: dict[int, int]) -> Settings:
    return made(rules=Rules(mask, {(0, value): queue for value, queue in by_value.items()}, 2.0))


def test_low_bits_are_port_low() -> None:
    """The mask as it was found, and the address the rules are for."""
    got = document(ruled(1, {0: 0, 1: 1}))
    assert got["flow_director"] == {"dst_port_mask": 1} and got["device"]["sapool_address"] == ["10.1.1.1"]


def test_high_bits_are_port_high() -> None:
    """Old DPVS."""
    got = document(ruled(0xC000, {0: 0, 0x4000: 1, 0x8000: 2, 0xC000: 3}))
    assert got["flow_director"] == {"dst_port_mask": 0xC000, "strategy": "port-high"}


def test_queues_in_another_order_than_values() -> None:
    """Ranks get the queues that the rules give them."""
    got = document(ruled(3, {0: 1, 1: 0, 2: 3, 3: 2}))
    assert [worker["queues"] for worker in got["workers"]] == [[1], [0], [3], [2]]  # type: ignore[index]


def test_a_worker_an_address() -> None:
    """No bits, and each address another queue."""
    got = document(made(rules=Rules(0, {(0, 0): 0, (1, 0): 1}, 2.0)))
    assert got["flow_director"]["strategy"] == "laddr"


def test_rules_that_no_strategy_makes_are_said() -> None:
    """In a comment, not as something else."""
    text = toml(ruled(0x18, {0: 3, 8: 1, 16: 2, 24: 0}), 300)
    assert "# no strategy" in text and "enabled = false" in text


@pytest.mark.parametrize(
    ("forms", "name"),
    [
        ({3: 2, 4: 2}, "4tuple"), ({3: 1, 4: 1}, "2tuple"), ({3: 2, 4: 0}, "tcp-only"), ({3: 0, 4: 2}, "udp-only"),
        ({3: 2, 4: 1}, "tcp 4tuple, udp 2tuple"), ({3: 0, 4: 0}, "none"), ({}, "not told"), ({3: 2}, "4tuple"),
    ],
)  # fmt: skip
def test_names_of_what_is_hashed(forms: dict[int, int], name: str) -> None:
    """One word where all are alike."""
    assert hashed(made(forms=forms)) == name
