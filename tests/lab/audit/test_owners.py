"""Workers, mask and key from both legs of recorded connections, and where their answers would come home."""

from __future__ import annotations

from pathlib import Path

import merged
import pytest

from lbreplay.config.load import load
from lbreplay.lab.audit import owners
from lbreplay.lab.audit.legs import read
from lbreplay.lab.audit.settings import hashed, toml


@pytest.mark.parametrize(
    ("suite", "name", "workers", "mask"),
    [
        ("dpvs", "workers_2", 2, 1), ("dpvs", "workers_3", 3, 3), ("dpvs", "workers_4", 4, 3),
        ("dpvs", "workers_5", 5, 7), ("dpvs", "workers_8", 8, 7), ("dpvs", "v6_workers_8", 8, 7),
        ("dpvs-1.8", "workers_4", 4, 3),
    ],
)  # fmt: skip
def test_the_balancers_settings_are_named(tmp_path: Path, suite: str, name: str, workers: int, mask: int) -> None:
    """Without a configuration: how many workers, which bits of the local port, the driver's key and what it hashes."""
    case = merged.case(suite, name)
    legs = read(merged.capture(case, tmp_path / "both.pcap"))
    found = owners.solve(legs)
    assert found is not None and found.rules is not None
    assert (found.queues, found.rules.mask, hashed(found)) == (workers, mask, "4tuple")
    assert "ixgbe" in found.names[0] and found.held.right == found.held.frames
    homes = owners.homes(legs, load(None, (), text=toml(found, 1)))
    assert homes.owned == homes.home == homes.connections == len(legs)


def test_one_worker_cannot_be_told(tmp_path: Path) -> None:
    """Its ports have no bits in common that others lack."""
    assert owners.solve(read(merged.capture(merged.case("dpvs", "rr_3"), tmp_path / "both.pcap"))) is None


def test_answers_that_do_not_come_home(tmp_path: Path) -> None:
    """Rules that look at one bit too few send those of half the workers elsewhere."""
    case = merged.case("dpvs", "workers_4")
    legs = read(merged.capture(case, tmp_path / "both.pcap"))
    assert owners.homes(legs, load(str(case.config), ())).home == len(legs)
    narrow = owners.homes(legs, load(str(case.config), ("flow_director.dst_port_mask=1",)))
    assert narrow.owned == len(legs) and 0 < narrow.home < len(legs)
    assert narrow.away is not None and "rule" in narrow.away.why


def test_a_configuration_of_other_workers(tmp_path: Path) -> None:
    """The first connection whose port belongs to another worker is named."""
    case = merged.case("dpvs", "workers_4")
    found = owners.homes(read(merged.capture(case, tmp_path / "both.pcap")), load(str(case.config), ("workers=3",)))
    assert found.strange is not None and found.owned < found.connections and "local port" in found.strange.why
