"""The law of the loop: it gives the bytes, counts and listing that the plain path gives, at every burst size."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import craft
import floods
import pytest
import twins
from golden_cases import GOLDEN, cases
from kernel import CLIENT, VIP, A, B, Kernel, service

from lbreplay.config.load import load
from lbreplay.ipvs.compile import Compiler
from lbreplay.ipvs.director import Director
from lbreplay.loop.ways import Way

SEEDS = range(12)
RECORDED = list(cases("ipvs"))[::11] if (GOLDEN / "ipvs").is_dir() else []
WAYS = (
    (Director, "_plain"), (Compiler, "ready"), (Compiler, "pick"), (Compiler, "chart"),
    (Compiler, "towards"), (Compiler, "back"), (Compiler, "rebuild"),
)  # fmt: skip


class Ordinary(floods.KernelWorld):
    """No switches: what the loop is there for."""

    def configure(self) -> None:
        self.ordinary = True
        super().configure()


class Local(floods.KernelWorld):
    """A scheduler that is asked in words."""

    def scheduler(self) -> str:
        return "lblcr"


@pytest.mark.parametrize("number", SEEDS)
def test_floods_leave_as_one_by_one(number: int, tmp_path: Path) -> None:
    """Connections opened, answered, ended and opened again by the score, in any configuration and edition."""
    flood = floods.kernel(number, 60)
    wrong = twins.disagreement(flood.setup, flood.records, tmp_path, (twins.BURSTS[number % 3], 4096))
    assert not wrong, f"seed {number}, view {flood.setup.view}: {wrong}\n{flood.text}"


@pytest.mark.parametrize("edition", ["2.6", "6.1.192"])
@pytest.mark.parametrize("mode", ["nat", "dr", "tunnel"])
def test_every_mode_at_every_burst_size(mode: str, edition: str, tmp_path: Path) -> None:
    """And of an ordinary flood nothing takes the plain path but what is odd about the packet itself."""
    world = type("World", (Ordinary,), {"mode": mode, "edition": edition})
    flood = floods.kernel(len(mode), 60, world)
    assert not twins.disagreement(flood.setup, flood.records, tmp_path), flood.text
    run, _ = twins.driven(flood.setup, flood.records)
    odd = {"unsound", "stranger", "reused", "from_local", "deserted", "too_long", "shared", "last_hop"}
    assert set(run.balancer.detours.table()) <= odd
    assert len(run.plain) < len(flood.records) / 2


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_recorded_traffic_leaves_as_one_by_one(case: object, tmp_path: Path) -> None:
    """What a kernel was seen to do does not depend on the path either."""
    for view in ("rx", "client"):
        setup = load(str(case.config), (), view=view)  # type: ignore[attr-defined]
        assert not twins.disagreement(setup, case.received, tmp_path, (7, 4096))  # type: ignore[attr-defined]


def test_the_floods_take_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd rows, and all that the loop asks for: a law about none is none."""
    taken: Counter[str] = Counter()
    # by the plain path, and so before anybody counts
    made = [floods.kernel(number, 60) for number in SEEDS]
    made += [floods.kernel(number, 60, Local) for number in SEEDS[:3]]
    for owner, name in WAYS:
        monkeypatch.setattr(owner, name, _counted(taken, f"{owner.__name__}.{name}", getattr(owner, name)))
    for flood in made:
        twins.outcome(flood.setup, craft.write(tmp_path / "in.pcap", flood.records), 30)
    assert len(+taken) == len(WAYS), taken


def _counted(taken: Counter[str], name: str, function: object) -> object:
    def counted(*args: object, **named: object) -> object:
        taken[name] += 1
        return function(*args, **named)  # type: ignore[operator]

    return counted


def test_a_version_is_what_was_known() -> None:
    """Courses are found out once, and again when something changed."""
    compiler = Kernel(service(A, B)).director.compiler
    starter = compiler.starters[0]
    compiler.ready(starter)
    courses = list(starter.courses)
    assert [str(course.real) for course in courses] == [B, A] and not any(course.why for course in courses)
    before = compiler.loop.version
    compiler.learned()
    assert compiler.loop.version == before
    compiler.rebuild()
    compiler.ready(compiler.starters[0])
    assert compiler.loop.version > before and compiler.starters[0].courses == courses


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (service("10.0.0.100:8080"), Way.ROUTE),
        (service("224.0.0.9:8080"), Way.ROUTE),
        (service("10.1.0.11:0", persistent={"timeout": 9}), Way.PERSISTENT),
        (service("10.1.0.11:80", mode="tunnel"), Way.LOOP),
    ],
)
def test_why_a_service_has_no_starter(table: str, why: Way) -> None:
    """A way out that is none, a rule that records do not tell."""
    compiler = Kernel(table).director.compiler
    compiler.ready(compiler.starters[0])
    assert compiler.starters[0].why == why


def test_other_things_have_their_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deleted real server is looked at in the trash a minute later, by whatever row comes then."""
    event = f'[[event]]\nat = 0.0005\nremove = "service.web.real.{B}"'
    taken: Counter[str] = Counter()
    monkeypatch.setattr(Compiler, "fire", _counted(taken, "fire", Compiler.fire))
    frames = [(at, craft.syn(CLIENT, VIP)) for at in (0, 60_000, 60_500)]  # ms; every other second rates are taken
    twins.driven(Kernel(service(A, B), event, edition="6.1.192").setup, frames)
    assert taken["fire"] == 1


def test_a_switch_bars_the_loop(tmp_path: Path) -> None:
    """An event in the middle: first packets behind it are the plain path's."""
    event = '[[event]]\nat = 0.0015\nset = "ipvs.drop_packet=3"'
    setup = Kernel(service(A), event).setup
    run, _ = twins.driven(setup, [craft.syn(f"198.51.100.{n}:40000", VIP) for n in range(4)])
    assert run.balancer.detours.table() == {"switched": 2}
