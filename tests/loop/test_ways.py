"""The table of reasons for the plain path: each packet of it counts under one."""

from __future__ import annotations

from pathlib import Path

import craft
import pytest
import rig
import twins

from bench.load import write
from bench.measure import CONFIG
from bench.speed import KINDS
from bench.ways import given
from lbreplay.config.load import load
from lbreplay.journey import replay
from lbreplay.loop.ways import NAMES, Way


def test_every_reason_says_what_and_why() -> None:
    """A name, a sentence, and the section of the rule."""
    assert NAMES[0] == "loop" and len(set(NAMES)) == len(NAMES)
    for way in list(Way)[1:]:
        assert way.section and way.sentence.endswith(".") and NAMES[way] == way.name.lower()


def test_what_is_odd_is_told_apart() -> None:
    """Frames that the parser does not find simple, by what they are; all packets are where that is asked for."""
    syn = rig.syn(rig.CLIENT, rig.VIP)
    frames = [
        craft.arp("10.0.0.100"), syn[:12] + b"\x81\0\0\5" + syn[12:], craft.ping("172.16.0.1", "10.0.0.100"),
        syn[:20] + b"\x20\0" + syn[22:], syn[:30], syn, syn[:-1],
    ]  # fmt: skip
    run, _ = twins.driven(rig.setup(), frames)
    assert run.balancer.gauges()["plain"] == {"no_ip": 2, "tagged": 1, "fragment": 1, "other_protocol": 1, "unsound": 1}
    run.balancer.plainly = True
    run.journey(twins.driven(rig.setup(), [syn])[1][0])
    assert run.balancer.gauges()["plain"]["told"] == 1


@pytest.mark.parametrize("profile", ["steady", "web", "imix", "udp", "syn"])
def test_ordinary_loads_stay_in_the_loop(profile: str, tmp_path: object) -> None:
    """At most one frame in five hundred is the plain path's: a cliff is seen here before anybody falls off it."""
    path = f"{tmp_path}/in.pcap"
    write(path, profile, 4000)
    plain = replay(load(CONFIG, (), view="client"), path, None).plain
    assert sum(plain.values()) <= 4000 // 500, plain


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_traffic_stays_in_the_loop(kind: str, tmp_path: Path) -> None:
    """At most one frame in a hundred, of few: each kind is met for the first time."""
    profile, settings, _ = KINDS[kind]
    write(str(tmp_path / "in.pcap"), profile, 4000)
    plain = replay(given(settings), str(tmp_path / "in.pcap"), None).plain
    assert sum(plain.values()) <= 4000 // 100, plain
