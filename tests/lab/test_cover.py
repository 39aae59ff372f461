"""What a suite exercises: what its traces tell of, and no more."""

import pytest
from lab.gen.made_scene import TEXT, setup

from lbreplay.cli.inside import run_inside
from lbreplay.errors import ConfigError
from lbreplay.lab import cover
from lbreplay.lab.case import discover, load
from lbreplay.lab.gen import cases

LISTED = TEXT.replace('name = "dns"', 'name = "dns"\nblacklist = ["192.0.2.9", "192.0.2.64/30"]')


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Cases of a small balancer."""
    folder = tmp_path_factory.mktemp("cover") / "cases"
    given = cases.Given(setup(text=LISTED), LISTED, folder.parent)
    only = ("life-dns", "rules", "timeouts-dns", "lists", "turnover-dns")
    cases.make(folder, given, "client", only, run_inside)
    return folder


def covered(folder, only=()):
    """The parts of the one configuration, by name."""
    settled = [cover.settled(load(name, path)) for name, path in discover([str(folder)], only)]
    (found,) = cover.document(cover.cover(one for one in settled if one is not None))["configurations"]
    return {part["part"]: part for part in found["parts"]}


def test_what_one_case_exercises(suite):
    """A life of one service: its real servers, on all workers, and nothing of the other service."""
    parts = covered(suite, ["life-dns"])
    assert parts["services"]["missing"] == ["web"] and parts["workers"]["missing"] == []
    assert set(parts["verdicts"]["exercised"]) == {"forwarded_slow", "forwarded_fast"}
    assert "udp ONEWAY to NORMAL" in parts["transitions"]["exercised"]
    assert "tcp SYN_RECV to ESTABLISHED" in parts["transitions"]["missing"]
    assert parts["timeouts"]["exercised"] == [] and parts["rules"]["of"] == 8


def test_what_more_cases_exercise(suite):
    """Every rule, the timeouts of UDP, the entries of the list and nobody on it."""
    parts = covered(suite)
    assert parts["rules"]["missing"] == []
    assert parts["timeouts"]["exercised"] == ["udp ONEWAY", "udp NORMAL"]
    assert parts["lists"]["missing"] == [] and parts["lists"]["of"] == 3
    assert "acl_blacklist" in parts["verdicts"]["exercised"]
    assert "wlc" in parts["schedulers"]["exercised"]


def test_what_cannot_be_reached_has_its_reason(suite):
    """And does not count as missing."""
    parts = covered(suite, ["rules"])
    assert "l3_otherhost" not in parts["verdicts"]["missing"]
    assert parts["verdicts"]["unreachable"]["l3_otherhost"].startswith("device.mac is unset")


def test_only_what_is_missing_is_taken(suite):
    """A case that exercises nothing more is not."""
    found = cover.of_setup(setup(text=LISTED), [])
    first, again = (cover.tell("life-dns", setup(text=LISTED), suite / "life-dns" / "in.pcap") for _ in range(2))
    assert found.takes(first) and not found.takes(again)
    assert cover.of_setup(setup(), []).cases == []


def test_cases_without_a_configuration_say_nothing(tmp_path):
    """One line where there is no other."""
    (tmp_path / "case.toml").write_text("")
    (tmp_path / "in.pcap").write_bytes(b"")
    assert cover.settled(load("case", tmp_path)) is None
    with pytest.raises(ConfigError, match="--cover"):
        cover.document([])
    assert list(cover.assignments(("--set", "workers=2", "--seed", "4", "-q"))) == ["workers=2", "seed=4"]
