"""The law of the fast path: it gives the bytes and the statistics that its plain twin gives, at every burst size."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import craft
import floods
import pytest
import rig
import twins
from golden_cases import GOLDEN, cases

from lbreplay.config.load import load
from lbreplay.dpvs.balancer import Balancer
from lbreplay.dpvs.opener import Openers
from lbreplay.model import Setup

SEEDS = range(12)
WAYS = (
    (Balancer, "_plain"), (Balancer, "_expire"), (Balancer, "relink"), (Balancer, "ready"),
    (Balancer, "answering"), (Balancer, "moved"), (Balancer, "meet"), (Balancer, "towards"),
    (Openers, "revive"), (Openers, "quiesces"),
)  # fmt: skip
RECORDED = [case for suite in ("dpvs", "dpvs-1.8") if (GOLDEN / suite).is_dir() for case in cases(suite)][::9]


@pytest.mark.parametrize("number", SEEDS)
def test_floods_leave_as_one_by_one(number: int, tmp_path: Path) -> None:
    """Connections opened, answered, ended and opened again by the score, in any configuration."""
    flood = floods.flood(number, 80)
    wrong = twins.disagreement(flood.setup, flood.records, tmp_path, (twins.BURSTS[number % 3], 4096))
    assert not wrong, f"seed {number}, view {flood.setup.view}: {wrong}\n{flood.text}"


@pytest.mark.parametrize("kind", list(floods.KINDS)[1:])
def test_kinds_of_floods_leave_as_one_by_one(kind: str, tmp_path: Path) -> None:
    """Every kind of traffic that is the loop's, by itself."""
    for seed in range(2):
        flood = floods.flood(seed, 60, kind)
        wrong = twins.disagreement(flood.setup, flood.records, tmp_path, (twins.BURSTS[seed], 4096))
        assert not wrong, f"seed {seed}, view {flood.setup.view}: {wrong}\n{flood.text}"


def test_an_answer_that_two_connections_may_have(tmp_path: Path) -> None:
    """A client with one port on two services of one real server, by NAT: the newer connection gets both answers."""
    flood = floods.flood(3025, 70, "nat")
    assert not twins.disagreement(flood.setup, flood.records, tmp_path, (7, 4096))


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_recorded_traffic_leaves_as_one_by_one(case: object, tmp_path: Path) -> None:
    """What DPVS was seen to do does not depend on the path either."""
    for view in ("rx", "client"):
        setup = load(str(case.config), (), view=view)
        assert not twins.disagreement(setup, case.received, tmp_path, (7, 4096))  # type: ignore[attr-defined]


def test_the_floods_take_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd rows, and all that the loop asks for: a law about none is none."""
    taken: Counter[str] = Counter()
    made = [floods.flood(number, 80) for number in SEEDS]  # by the plain path, and so before anybody counts
    for owner, name in WAYS:
        monkeypatch.setattr(owner, name, _counted(taken, f"{owner.__name__}.{name}", getattr(owner, name)))
    for flood in made:
        source = craft.write(tmp_path / "in.pcap", flood.records)
        twins.outcome(flood.setup, source, 30)
        twins.outcome(flood.setup, source, 8)
    event = '[[event]]\nat = 0.0005\nset = "service.web.real.192.168.100.2:8080.max_conn=9"\n'
    quiescent = rig.setup("expire_quiescent = true", events=event)  # revives the connection before its first answer
    twins.outcome(quiescent, craft.write(tmp_path / "in.pcap", twins.records_of(rig.handshake())), 30)
    assert len(+taken) == len(WAYS), taken


def _counted(taken: Counter[str], name: str, function: object) -> object:
    def counted(*args: object, **named: object) -> object:
        taken[name] += 1
        return function(*args, **named)  # type: ignore[operator]

    return counted


def _setup(**settings: object) -> Setup:
    return rig.setup(reals=(rig.REAL, "192.168.100.3:8080"), **settings)  # type: ignore[arg-type]


def test_a_refused_packet_forgets_the_connection_it_had(tmp_path: Path) -> None:
    """Its connection ended just before it, and every real server has its fill: it is dropped, not sent the old way."""
    made = _setup(real="max_conn = 1")
    first, second, third = (f"172.16.0.{n}:3000" for n in (1, 2, 3))
    frames = [(0, rig.syn(first, rig.VIP)), (29_999, rig.syn(second, rig.VIP)), (31_000, rig.syn(third, rig.VIP))]
    frames += [(31_001, rig.syn(first, rig.VIP))]
    records = [(craft.START + at * 10**6, len(data), data) for at, data in frames]
    assert not twins.disagreement(made, records, tmp_path, (2,))
    played = rig.play(made, frames)
    assert played.verdicts[3] == "dest_max_conn"


def test_an_answer_is_found_on_whichever_worker_has_it(tmp_path: Path) -> None:
    """Client view: the answers' own worker is where the NIC steers them, under wrong masks another one."""
    ends = [f"172.16.0.{n}:3000" for n in range(1, 40)]
    frames = [frame for end in ends for frame in (rig.syn(end, rig.VIP), rig.tcp(rig.VIP, end, "SA", 7, 1001))]
    for more in ("", "[flow_director]\ndst_port_mask = 1\n", "[flow_director]\nenabled = false\n"):
        made = _setup(workers=4, view="client", more=more)
        assert not twins.disagreement(made, craft.records(frames), tmp_path)
        lost = rig.play(made, frames).document["totals"]["verdicts"].get("local_to_kernel", 0)
        assert (lost > 0) == bool(more)
