"""The director does what the kernel was recorded to do: packets, what reached its own stack, counters, states."""

from __future__ import annotations

import gzip
import json
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import craft
import engine
import pytest
from golden_cases import Case, cases, difference
from kernel import burst

from lbreplay.config.load import load
from lbreplay.ipvs.director import Director
from lbreplay.ipvs.states import name
from lbreplay.model import Endpoint

LATER = 60 * 10**9  # what an end is put off by, ns
AFTER = 8 * craft.MILLISECOND  # a snapshot was taken so long after its frame
SECOND = 10**9
PROTOCOLS = {0: "IP", 6: "TCP", 17: "UDP", 132: "SCTP"}
CASES = cases("ipvs")
IDS = [case.name for case in CASES]


def masked(data: bytes, fields: set[str]) -> bytes:
    """*data* without what the recorded stack chose by itself."""
    blank = bytearray(data)
    if "ip_id" in fields:
        blank[18:20] = blank[24:26] = b"\0\0"
    if "sport" in fields and blank[23] == 17:
        blank[34:36] = blank[40:42] = b"\0\0"
    return bytes(blank)


class Blind(Case):
    """A case whose own frames are compared without the fields it ignores."""

    @property
    def fields(self) -> list[set[str]]:
        ignored, own = set(self.about["ignore"]), self.about.get("own_frames", [])
        return [ignored if n in own else set() for n in range(1, len(super().expected) + 1)]

    @property
    def expected(self) -> list[craft.Record]:
        rows = zip(super().expected, self.fields, strict=True)
        return [(time, length, masked(data, fields)) for (time, length, data), fields in rows]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_case_holds(case: Case, tmp_path: Path) -> None:
    """Packets, times, what reached the own stack, statistics; identifications of own packets cannot be foretold."""
    blind = Blind(case.folder)
    run = engine.run(load(str(case.config), (), view="rx"), case.received, tmp_path, plainly=True)
    fields = [*blind.fields, *[set()] * len(run.sent)]
    sent = [(time, masked(data, hidden)) for (time, _, data), hidden in zip(run.sent, fields, strict=False)]
    assert difference(blind, sent, run.fates, run.document) is None


def snapshots(case: Case) -> list[dict[str, Any]]:
    file = case.file("expected/states.jsonl")
    if not file.exists():
        return []
    raw = file.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(raw) if file.suffix == ".gz" else raw).splitlines()]


WITH_STATES = [case for case in CASES if snapshots(case)]


def readable(text: str) -> str:
    """*text* with the endpoints of IPv6, which /proc shows in hexadecimal, as everybody writes them."""
    return re.sub(
        r"\[([0-9a-f]{4}(?::[0-9a-f]{4}){7})\]:([0-9A-F]{4})",
        lambda found: f"[{ip_address(found[1])}]:{int(found[2], 16)}",
        text,
    )


def put_off(director: Director) -> int:
    """Templates that wait in steps of 60 s, now without a child."""
    return sum(conn.timeout == LATER and not conn.n_control for conn in director.parts.conns if conn.is_template)


def lines(director: Director) -> dict[str, list[int]]:
    """Seconds left of every connection, by the rest of its line."""
    found: dict[str, list[int]] = {}
    for conn in director.parts.conns:
        ends = f"{conn.client} {conn.virtual} {conn.real}"
        line = f"{PROTOCOLS[conn.proto]} {ends} {name(conn, director.parts.edition.assured)}"
        found.setdefault(line, []).append(max(conn.due - director.parts.clock.now, 0) // SECOND)
    return found


def reals(director: Director) -> list[list[Any]]:
    services = director.parts.services.by_name.values()
    found = [d for service in services for d in service.dests]
    return sorted([str(Endpoint(d.address, d.port)), d.weight, d.actconns, d.inactconns] for d in found)


@pytest.mark.parametrize("case", WITH_STATES, ids=[case.name for case in WITH_STATES])
def test_states_after_every_frame(case: Case) -> None:
    """Connections with their states and seconds, the table's size, and the counts of every real server.

    A kernel's timers are late by up to an eighth of their length, which adds up for a template that is put off again
    and again: it may have some seconds more, or be gone, for its child ended before its late timer.
    """
    director = Director(load(str(case.config), (), view="rx"))
    wanted = {row["n"]: row for row in snapshots(case)}
    for n, record in enumerate(case.received, 1):
        director.balance(burst(n, record, director.parts.setup.device.mac))
        if (want := wanted.get(n)) is None:
            continue
        director.advance(record[0] + AFTER)
        total, gone = len(director.parts.conns), put_off(director)
        assert total - gone <= want["total"] <= total, f"frame {n}"
        wanted_reals = sorted([readable(row[1]), *row[2:]] for row in want["reals"])
        assert reals(director) == wanted_reals, f"frame {n}"
        there, passed = lines(director), (record[0] - case.received[0][0]) // SECOND
        for text in map(readable, want["conns"]):
            line, state, seconds = " ".join(text.split()[:5]), text.split()[4], int(text.split()[5])
            late = max(1, passed // 8) if state in ("NONE", "ASSURED") else 1
            assert any(-1 <= seconds - left <= late for left in there.get(line, [])), f"frame {n}: {text}, not {there}"


def test_the_recordings_have_states() -> None:
    """Without them the test above would test nothing."""
    assert len(WITH_STATES) >= 50


def test_one_frame_at_a_time_or_all_at_once(tmp_path: Path) -> None:
    """The same bytes at every burst size."""
    case = next(case for case in CASES if case.name == "corpus_nat_wlc")
    setup = load(str(case.config), (), view="rx")
    runs = [engine.run(setup, case.received[:400], tmp_path, burst=size) for size in (1, 7, 4096)]
    assert runs[0].sent == runs[1].sent == runs[2].sent
    assert [r.document["totals"] for r in runs] == [runs[0].document["totals"]] * 3


def test_gauges_of_the_table() -> None:
    """What a run tells of the table: buckets, locks, chains."""
    from kernel import CLIENT, VIP, Kernel

    k = Kernel()
    k.send(craft.syn(CLIENT, VIP))
    gauges = k.director.gauges()
    assert gauges["kernel"]["table"] == {"buckets": 4096, "used": 1, "longest": 1, "locks": 32}
    assert gauges["workers"][0]["conns"] == {"created": 1, "expired": 0, "active": 1, "peak": 1}
    assert [real["address"][-4:] for real in gauges["services"][0]["reals"]] == ["8080"] * 3
