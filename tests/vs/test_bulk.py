"""Floods of first packets opened at once are the same connections, one by one, in the same order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import rig
from rig import REAL, VIP, setup, syn, tcp
from twin import driven, twins

from lbreplay.vs.bulk import FEW, Bulk

REALS = [f"192.168.100.{n}:8080" for n in range(2, 6)]
FLOOD = [syn(f"172.16.{n >> 8}.{n & 255}:3000", VIP) for n in range(1, 200)]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many connections were opened at once, each time."""
    counts: list[int] = []
    prepare = Bulk.prepare

    def counting(self: Bulk, *arguments: Any) -> Any:
        made = prepare(self, *arguments)
        counts.extend(len(batch.rows) for batch in made)
        return made

    monkeypatch.setattr(Bulk, "prepare", counting)
    return counts


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("view", ["rx", "client"])
def test_a_flood(batches: list[int], workers: int, view: str) -> None:
    """Real servers, local addresses, ports and numbers come in turn."""
    plain, rows = twins(setup(reals=REALS, workers=workers, view=view), FLOOD)
    assert rows == set() and sum(batches) >= 2 * len(FLOOD), "in both runs with a large burst"
    assert [plain.trace[n]["conn"] for n in range(1, len(FLOOD) + 1)] == list(range(1, len(FLOOD) + 1))


def test_a_few_are_not_worth_it(batches: list[int]) -> None:
    """The loop is as fast."""
    twins(setup(), FLOOD[: FEW - 1])
    assert batches == []


def test_the_same_client_again(batches: list[int]) -> None:
    """The second SYN meets the connection that the first one opened, wherever it stands."""
    plain, _ = twins(setup(reals=REALS), [*FLOOD[:60], *FLOOD[20:40], *FLOOD[60:100], FLOOD[0]])
    assert [plain.trace[n]["new"] for n in (60, 61, 80, 81, 121)] == [True, False, False, True, False]
    assert batches and max(batches) >= 60


def test_answers_inside_the_flood(batches: list[int]) -> None:
    """They find only what was opened before them."""
    answer = tcp(REAL, "192.168.100.200:1025", "SA", 1, 1001 + rig.DELTA, mac=rig.RS_MAC)
    plain, _ = twins(setup(), [answer, *FLOOD[:50], answer, *FLOOD[50:90]])
    assert plain.trace[1]["lookup"] == "miss" and plain.trace[52]["lookup"] == "out" and batches


def test_an_odd_packet_among_them(batches: list[int]) -> None:
    """It might open a connection too, so all goes in order."""
    fragment = rig.craft.frame(rig.craft.ip("172.16.9.9", "10.0.0.100", flags="MF") / rig.craft.UDP() / bytes(24))
    twins(setup(reals=REALS), [*FLOOD[:40], fragment, *FLOOD[40:80]])
    assert batches == []


@pytest.mark.parametrize(
    "service, how",
    [
        ("", {"scheduler": "wlc"}),
        ("", {"scheduler": "wrr"}),
        ("", {"real": "max_conn = 30"}),
        ("", {"more": "[sa_pool]\nlow = 1025\nhigh = 1040\n"}),
        ("", {"conn": "redirect = true"}),
        ("", {"events": '[[event]]\nat = 0\nset = "service.web.real.192.168.100.3:8080.weight=0"\n'}),
    ],
)
def test_what_cannot_be_taken_at_once(batches: list[int], service: str, how: dict[str, Any]) -> None:
    """Counts that are read between, ports that may end, real servers that are passed over."""
    twins(setup(service, reals=REALS, **how), FLOOD[:120])
    assert batches == []


def test_chance_is_drawn_alike() -> None:
    """The fraction of each timeout and the double steps of local addresses, whatever the burst."""
    made = setup(reals=REALS)
    made = replace(made, seed=5, conn=replace(made.conn, timer_jitter=True, laddr_step=True))
    one, _ = driven(made, FLOOD, burst=1)
    many, _ = driven(made, FLOOD)
    columns = [run.balancer.machine.table.columns for run in (one, many)]
    for name in ("fraction", "timeout", "dest", "number"):
        assert columns[0][name][: len(FLOOD)].tolist() == columns[1][name][: len(FLOOD)].tolist()
    assert len(set(columns[0]["fraction"][: len(FLOOD)].tolist())) > 100


def test_they_expire_like_others(batches: list[int]) -> None:
    """In order, each with what it took."""
    made = setup(reals=REALS, more="[tcp.timeout]\nsyn_recv = 2\n")
    frames = [*FLOOD, (40_000, rig.tick()), *[(40_001 + n, frame) for n, frame in enumerate(FLOOD[:50])]]
    plain, _ = twins(made, frames)
    assert plain.document["workers"][0]["conns"]["expired"] == len(FLOOD) and plain.trace[len(FLOOD) + 2]["new"]
    run, _ = driven(made, frames, burst=len(FLOOD))
    assert run.balancer.gauges()["workers"][0]["conns"] == plain.document["workers"][0]["conns"]
    assert sum(batches) == len(FLOOD) + 50
