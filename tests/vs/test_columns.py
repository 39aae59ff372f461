"""The column path: who waits, who has to be taken before whom, and what waves remember; the plain path is the judge."""

from __future__ import annotations

from pathlib import Path

import craft
import numpy as np
import pytest
import rig
import twins
from scapy.layers.l2 import ARP, Ether

from lbreplay.vs.waves import Wave

CLIENT, VIP, REAL, LADDR = rig.CLIENT, rig.VIP, rig.REAL, rig.LADDR
DELTA = rig.DELTA


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small bursts are rushes too."""
    monkeypatch.setattr("lbreplay.vs.bulk.FEW", 16)


def data(seq: int, ack: int, payload: bytes = b"hello", **fields: object) -> bytes:
    return rig.tcp(CLIENT, VIP, "PA", seq, ack, payload, **fields)


def heard(seq: int, ack: int, flags: str = "A", payload: bytes = b"", **fields: object) -> bytes:
    return rig.tcp(REAL, LADDR, flags, seq, ack + DELTA, payload, mac=rig.RS_MAC, **fields)


def records(*frames: bytes | tuple[float, bytes]) -> list[craft.Record]:
    """One frame a millisecond, or at the milliseconds said."""
    made: list[craft.Record] = []
    at = -1.0
    for frame in frames:
        at, frame = frame if isinstance(frame, tuple) else (at + 1, frame)
        made.append((craft.START + int(at * 10**6), len(frame), frame))
    return made


TALK = [*rig.handshake(), data(1001, 5001), heard(5001, 1006, payload=b"x" * 20), data(1006, 5021), heard(5021, 1011)]
LESSON = bytes(craft.frame(ARP(op=2, psrc="192.168.100.2", hwsrc="02:00:00:00:0a:0a", pdst="192.168.100.10")))
LATE = (200_000, rig.tick())
STORIES = {
    "a talk": TALK,
    "acknowledgements that go back": [
        *TALK,
        heard(5021, 1001),
        heard(5000, 1011),
        heard(6000, 1011),
        (200_000, rig.tick()),
    ],
    "a second SYN|ACK": [*TALK, heard(9000, 1001, "SA"), data(1011, 9001), data(1016, 9001)],
    "a reset in the middle": [*TALK, heard(5021, 1011, "R"), data(1011, 5021), rig.syn(CLIENT, VIP, 7), data(8, 1)],
    "both close": [*TALK, heard(5021, 1011, "FA"), rig.tcp(CLIENT, VIP, "FA", 1011, 5022), heard(5022, 1012)],
    "a fragment's error in between": [*TALK, craft.ping(CLIENT[:-5], VIP[:-3]), *TALK[3:]],
    "retransmissions at once": [TALK[0]] * 4 + [TALK[1]] * 3 + TALK[2:],
    "both sides before the handshake's end": [TALK[0], data(1001, 1), TALK[1], data(1001, 5001), heard(5001, 1006)],
    "a neighbour tells its MAC": [*TALK, LESSON, *TALK[3:]],
    "an expiry between rows": [*TALK, (91_000, data(1011, 5021)), rig.syn(CLIENT, VIP, 1), data(2, 2)],
}


@pytest.mark.parametrize("setting", ["", "fast_xmit = false", "xmit_ttl = true"])
@pytest.mark.parametrize("story", STORIES)
def test_a_connection_goes_the_same_way_in_waves(story: str, setting: str, tmp_path: Path) -> None:
    """Whatever stands in one burst, rows see what the rows before them did."""
    made = rig.setup(conn=setting)
    assert not twins.disagreement(made, records(*STORIES[story]), tmp_path, (1, 2, 3, 4096))


@pytest.mark.parametrize("scheduler", ["wlc", "rr"])
def test_counts_that_a_scheduler_reads_stay_in_order(scheduler: str, tmp_path: Path) -> None:
    """With wlc who becomes active between two openings decides where the second goes."""
    made = rig.setup(reals=(REAL, "192.168.100.3:8080"), view="client")
    made = made._replace(services=tuple(s._replace(scheduler=scheduler) for s in made.services))
    frames: list[bytes] = []
    for n in range(1, 60):
        end = f"172.16.0.{n}:3000"
        frames += [rig.syn(end, VIP)]
        frames += [rig.tcp(VIP, end, "SA", 7, 1001), rig.tcp(end, VIP, "A", 1001, 8)] if n % 3 else []
        frames += [rig.tcp(f"172.16.0.{n - 2}:3000", VIP, "R", 1001, 8)] if n % 4 == 0 else []
    assert not twins.disagreement(made, craft.records(frames), tmp_path)


def test_what_leaves_has_the_mac_of_its_time(tmp_path: Path) -> None:
    """Rows before a neighbour's lesson leave with the old MAC, rows behind it with the new one."""
    made = rig.setup(
        conn="fast_xmit = false", more='[[neighbor]]\naddress = "192.168.100.2"\nmac = "02:00:00:00:01:01"\n'
    )
    source = craft.write(tmp_path / "in.pcap", records(*TALK[:4], LESSON, *TALK[5:6]))
    sent, _ = twins.outcome(made, source)
    inward = [Ether(frame).dst for _, _, frame in sent if craft.parse(frame).getlayer("TCP").dport == 8080]
    assert inward == ["02:00:00:00:01:01"] * 3 + ["02:00:00:00:0a:0a"]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rush is what is called one here, whatever is faster."""
    monkeypatch.setattr("lbreplay.vs.bulk.FEW", 16)


def dialogue(client: str) -> list[bytes]:
    """An ordinary connection in a capture taken at clients, its first data twice."""
    question = rig.tcp(client, VIP, "PA", 1001, 8, b"question")
    return [
        rig.syn(client, VIP), rig.tcp(VIP, client, "SA", 7, 1001), rig.tcp(client, VIP, "A", 1001, 8), question,
        question, rig.tcp(VIP, client, "PA", 8, 1009, b"answer"), rig.tcp(client, VIP, "FA", 1009, 14),
    ]  # fmt: skip


def in_turn(talks: list[list[bytes]]) -> list[bytes]:
    """The first frame of each, then the second of each, and so on."""
    return [frame for frames in zip(*talks, strict=True) for frame in frames]


CLIENTS = [f"172.16.0.{n}:3000" for n in range(1, 41)]
DATAGRAMS = in_turn([[rig.udp(client, VIP, b"x" * n) for n in range(1, 6)] for client in CLIENTS])
UDP = {"protocol": "udp", "more": "[udp]\nuoa_max_trail = 0\n"}
MICROSECOND = 1000


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_behind_their_opening_row_join_those_that_wait(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All datagrams of new connections, and answers with their clients, in one burst: none goes through the loop."""
    alone = twins.ordered_rows(monkeypatch)
    datagrams = craft.records(DATAGRAMS, MICROSECOND)
    assert not twins.disagreement(rig.setup(workers=workers, **UDP), datagrams, tmp_path, (4096, 80)) and not alone
    talks = craft.records(in_turn([dialogue(client) for client in CLIENTS]), MICROSECOND)
    assert not twins.disagreement(rig.setup(workers=workers, view="client"), talks, tmp_path, (4096,)) and not alone


def test_rows_before_their_opening_row_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They meet nobody; for their sake every opening row takes its turn in the loop."""
    alone = twins.ordered_rows(monkeypatch)
    early = [rig.tcp(client, VIP, "A", 1001, 8) for client in CLIENTS[:2]]
    talks = craft.records([*early, *in_turn([dialogue(client) for client in CLIENTS])], MICROSECOND)
    assert not twins.disagreement(rig.setup(view="client"), talks, tmp_path, (4096,))
    assert alone == [2 + len(CLIENTS)]


def test_who_joins_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Datagrams of connections that an earlier burst made, or this one, in turn."""
    alone = twins.ordered_rows(monkeypatch)
    known, new = DATAGRAMS[:20] * 3, DATAGRAMS[20:40] * 3
    records = craft.records(known + in_turn([known, new]), MICROSECOND)
    assert not twins.disagreement(rig.setup(**UDP), records, tmp_path, (60, 4096))
    assert not alone


MANY = [f"172.16.1.{n}:3000" for n in range(1, 121)]


def answered() -> list[bytes]:
    """What the real server says to many local ports."""
    ends = [f"192.168.100.200:{port}" for port in range(1025, 1085)]
    return [rig.tcp(REAL, end, "SA", 5000, 1001 + DELTA, mac=rig.RS_MAC) for end in ends]


@pytest.mark.parametrize("director", ["", "dst_port_mask = 1", "enabled = false"])
@pytest.mark.parametrize("view", ["client", "rx"])
def test_answers_in_the_burst_of_the_opening_rows(director: str, view: str, tmp_path: Path) -> None:
    """On the worker that has the connection they join, on another one, or where they do not come home, they do not."""
    made = rig.setup(workers=4, view=view, more=f"[flow_director]\n{director}\n")
    syns = [rig.syn(client, VIP) for client in MANY]
    answers = [rig.tcp(VIP, client, "SA", 7, 1001) for client in MANY] if view == "client" else answered()
    frames = craft.records([*syns, *answers, *answers[::2]], MICROSECOND)
    assert not twins.disagreement(made, frames, tmp_path, (4096,))


def test_a_lesson_among_rows_that_wait_and_rows_that_join(tmp_path: Path) -> None:
    """Those before it leave with the old MAC, whichever way they came to wait."""
    made = rig.setup(view="client", more='[[neighbor]]\naddress = "192.168.100.2"\nmac = "02:00:00:00:01:01"\n')
    known, new = ([dialogue(client) for client in clients] for clients in (CLIENTS[:20], CLIENTS[20:]))
    before = [*in_turn([talk[:1] for talk in known]) * 6, rig.tick()]
    woven = in_turn([
        in_turn([talk[1:4] for talk in known[:10]]) + in_turn([talk[1:4] for talk in known[10:]]),
        in_turn([talk[:3] for talk in new]),
    ])  # fmt: skip
    frames = craft.records([*before, *woven[:60], LESSON, *woven[60:]], MICROSECOND)
    assert not twins.disagreement(made, frames, tmp_path, (121, 4096))


def test_changes_that_somebody_counts_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With wlc: of connections that were known, and of those that are opened between their rows; else they go alone."""
    alone = twins.ordered_rows(monkeypatch)
    made = rig.setup(reals=(REAL, "192.168.100.3:8080"), view="client", scheduler="wlc")
    first, second = ([dialogue(client) for client in clients] for clients in (CLIENTS[:20], CLIENTS[20:]))
    woven = in_turn([in_turn([talk[2:] for talk in first]), in_turn([talk[:5] for talk in second])])
    frames = [*in_turn([talk[:2] for talk in first]), *woven]
    records = craft.records(frames, MICROSECOND)
    assert not twins.disagreement(made, records, tmp_path, (4096,)) and not alone
    assert not twins.disagreement(made, records, tmp_path, (40,)) and alone == [20, 20], (
        "the last to close, and to open"
    )


def test_a_wave_has_a_run_for_each_connection() -> None:
    """Rows by connection, in order within each; both sides are one connection."""
    wave = Wave(np.array([1, 3, 4, 8, 9]), np.array([6, 2, 7, 3, 6], np.int32))
    assert wave.rows.tolist() == [3, 8, 1, 4, 9] and wave.slots.tolist() == [1, 1, 3, 3, 3]
    assert (wave.begin.tolist(), wave.last.tolist(), wave.group.tolist()) == ([0, 2], [1, 4], [0, 0, 1, 1, 1])
