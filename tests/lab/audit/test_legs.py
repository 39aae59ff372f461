"""Both legs of recorded connections, tied by what full NAT keeps and by what the balancer says itself."""

from __future__ import annotations

from pathlib import Path

import merged
import pytest

from lbreplay.lab.audit.legs import Leg, read
from lbreplay.lab.audit.legs import seen as seen_in


def legs(folder: Path, name: str, suite: str = "dpvs") -> list[Leg]:
    return read(merged.capture(merged.case(suite, name), folder / "both.pcap"))


@pytest.mark.parametrize(
    ("name", "connections"),
    [
        ("workers_2", 29),
        ("workers_5", 29),
        ("v6_workers_8", 29),
        ("rr_3", 69),
        ("uoa_off", 6),
        ("uoa_ipo", 6),
        ("laddr_3", 32),
    ],
)
def test_every_connection_has_its_legs(tmp_path: Path, name: str, connections: int) -> None:
    """As many as the case opened, each with a real server and a local address of the configuration."""
    case, found = merged.case("dpvs", name), legs(tmp_path, name)
    assert len(found) == connections
    text = case.config.read_text()
    assert all(f'"{leg.real}"' in text and f'"{leg.virtual}"' in text for leg in found)
    assert {leg.offset for leg in found} <= {0x10000000, None}


def test_a_leg_in_full(tmp_path: Path) -> None:
    """Ends, times, offset of the first connection of a case."""
    first = legs(tmp_path, "workers_5")[0]
    ends = [str(end) for end in (first.client, first.virtual, first.local, first.real)]
    assert ends == ["198.51.0.1:10000", "203.0.113.80:80", "10.20.1.1:1028", "10.20.8.14:9000"]
    assert (first.first_n, first.offset, first.closed) == (1, 0x10000000, True) and first.last_ns > first.first_ns


def test_a_port_that_is_used_again_is_two_connections(tmp_path: Path) -> None:
    """Of different clients, one after the other."""
    again = [leg for leg in legs(tmp_path, "workers_5") if str(leg.local) == "10.20.1.1:1028"]
    assert len({leg.client for leg in again}) == len(again) == 2 and again[0].last_ns < again[1].first_ns


@pytest.mark.parametrize("name", ["samples/web.pcap", "tests/golden/dpvs/workers_4/in.pcap.gz"])
def test_one_leg_is_none(name: str) -> None:
    """Clients alone, or what a balancer received alone."""
    path = Path(name)
    assert read(str(path if path.exists() else path.with_suffix(""))) == []


def test_frames_keep_their_numbers(tmp_path: Path) -> None:
    """Of TCP and UDP, in order."""
    path = merged.capture(merged.case("dpvs", "workers_2"), tmp_path / "both.pcap")
    numbers = [one.n for one in seen_in(path)]
    assert numbers == sorted(set(numbers)) and numbers[0] == 1


@pytest.mark.parametrize("name", ["corpus_conhash_8_workers", "corpus_rr", "uoa_opp"])
def test_a_connection_is_one_connection(tmp_path: Path, name: str) -> None:
    """Also where the balancer tells the client before any frame was matched: no pair of ends twice."""
    found = legs(tmp_path, name)
    pairs = [(leg.front, leg.back) for leg in found]
    assert len(pairs) == len(set(pairs)) > 5
