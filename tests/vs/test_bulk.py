"""Floods opened at once: when they are, and when something among them has to be opened in order."""

from __future__ import annotations

from pathlib import Path

import craft
import pytest
import rig
import twins
from oracle import ACK, SYN
from traffic import GATEWAY, OURS, Flow, ethernet, raw

from lbreplay.model import Setup
from lbreplay.vs.bulk import Bulk

VIP = (raw("10.0.0.100"), 80)
SECOND = 10**9
REALS = [f"192.168.100.{n}:8080" for n in (2, 3, 4)]
SIX = """
[[service]]
name = "six"
vip = "[2001:db8:1::a00:64]:80"
scheduler = "rr"
laddr = ["2001:db8:2::200"]
[[service.real]]
address = "[2001:db8:2::2]:8080"
"""
REMOVAL = '[[event]]\nat = 1\nremove = "service.web.real.192.168.100.2:8080"\n'


def syn(number: int, flags: int = SYN, source: bytes = GATEWAY, vip: tuple[bytes, int] = VIP) -> bytes:
    """The first packet of a client of its own, by hand because there are many."""
    client = raw(f"2001:db8:c::{number:x}" if len(vip[0]) == 16 else f"172.16.{number >> 8}.{number & 255}")
    return ethernet(Flow((client, 3000), vip, 1000).tcp(flags), OURS, source)


def rush(numbers: range, at: int = 0, **fields: object) -> list[craft.Record]:
    """One first packet a microsecond, from *at* nanoseconds on."""
    frames = [syn(number, **fields) for number in numbers]  # type: ignore[arg-type]
    return [(craft.START + at + n * 1000, len(frame), frame) for n, frame in enumerate(frames)]


def setup(**settings: object) -> Setup:
    return rig.setup(reals=REALS, **settings)  # type: ignore[arg-type]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many connections each batch opened."""
    sizes: list[int] = []
    entire = Bulk._open

    def noted(self: Bulk, *args: object) -> object:
        batch = entire(self, *args)  # type: ignore[arg-type]
        sizes.append(0 if batch is None else len(batch.rows))
        return batch

    monkeypatch.setattr(Bulk, "_open", noted)
    return sizes


def test_a_rush_is_opened_at_once(opened: list[int], tmp_path: Path) -> None:
    """On each worker by itself, in both directions, and with its retransmissions."""
    answers = [craft.tcp("10.0.0.100:80", f"172.16.0.{n}:3000", "SA", 7, 1001) for n in range(1, 100)]
    later = [(craft.START + SECOND + n, len(data), data) for n, data in enumerate(answers)]
    records = [*rush(range(1, 200)), *rush(range(190, 260), 10**6), *later]
    assert not twins.disagreement(setup(workers=2, view="client"), records, tmp_path, (100, 4096))
    assert sum(opened) > 2 * 250


def test_where_nothing_else_happens_keys_are_entered_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the loop."""
    monkeypatch.delattr(Bulk, "enter")
    assert not twins.disagreement(setup(workers=2), rush(range(200)), tmp_path, (4096,))


ORDERED = {
    "a connection that ends among them": [*rush(range(200, 256)), *rush(range(1000, 1040), 30 * SECOND - 30_000),
                                          *rush(range(200, 203), 30 * SECOND + 100_000),
                                          *rush(range(2000, 2040), 30 * SECOND + 200_000)],
    "a real server that was taken out": [*rush(range(200, 256)), *rush(range(1000, 1040), 29 * SECOND),
                                         *rush(range(200, 203), 29 * SECOND + 50_000, flags=ACK),
                                         *rush(range(2000, 2040), 29 * SECOND + 60_000),
                                         *rush(range(200, 203), 29 * SECOND + 2_000_000)],
    "a tag, which is odd": [*rush(range(20)), (craft.START + 30_000, 58, syn(77)[:12] + b"\x81\0\0\0" + syn(77)[12:]),
                            *rush(range(100, 140), 40_000)],
}  # fmt: skip


@pytest.mark.parametrize("story", ORDERED)
def test_what_may_open_in_between_keeps_its_turn(story: str, tmp_path: Path) -> None:
    """Schedulers and ports are taken in the order of the packets."""
    made = setup(service="expire_quiescent = true", events=REMOVAL if "taken out" in story else "")
    assert not twins.disagreement(made, ORDERED[story], tmp_path, (56, 4096))


@pytest.mark.parametrize(
    "conn", [{"pool_size": 50}, {"timer_jitter": True}, {"laddr_step": True}, {"redirect": True}], ids=str
)
def test_limits_and_chance_are_those_of_the_loop(conn: dict[str, int], tmp_path: Path) -> None:
    """The pool of connections fills at the same packet; draws come in the same order."""
    made = rig.setup(reals=REALS, workers=4, laddr="192.168.100.200:0")
    service = made.services[0]._replace(laddr=(raw("192.168.100.200"), raw("192.168.100.201"), raw("192.168.100.202")))
    made = made._replace(conn=made.conn._replace(**conn), services=(service,))  # type: ignore[arg-type]
    assert not twins.disagreement(made, [*rush(range(200)), *rush(range(300, 400), 31 * SECOND)], tmp_path, (64, 4096))


def test_ports_that_run_out_in_a_rush(opened: list[int], tmp_path: Path) -> None:
    """The last ports are given out one by one."""
    made = setup(more="[sa_pool]\nhigh = 1060\nhash_size = 1\n")
    assert not twins.disagreement(made, rush(range(120)), tmp_path, (20, 4096))
    assert sum(opened) == 20, "36 ports for all; the second burst of twenty may not fit"


def test_an_ipv6_address_is_not_the_ipv4_address_in_its_end(tmp_path: Path) -> None:
    """2001:db8:1::a00:64 ends as 10.0.0.100 does."""
    six = rush(range(40), vip=(raw("2001:db8:1::a00:64"), 80))
    assert not twins.disagreement(setup(events=SIX), [*six, *rush(range(40), 50_000)], tmp_path, (256,))
    assert not twins.disagreement(setup(), [*six, *rush(range(40), 50_000)], tmp_path, (256,))


def test_any_number_of_gateways(opened: list[int], tmp_path: Path) -> None:
    """More link headers than are remembered."""
    frames = [syn(n, source=b"\2\1\1\1" + n.to_bytes(2)) for n in range(4300)]
    records = [(craft.START + n * 100, len(frame), frame) for n, frame in enumerate(frames)]
    assert not twins.disagreement(setup(), records, tmp_path, (4200,))
    assert sum(opened) == 4300
