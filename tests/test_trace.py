"""The trace: a line of JSON for every frame, in order, and for what is sent without one (interface 6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import craft
import pytest
from lab.made_capture import VIP, frames, setup

from lbreplay.errors import OutputError
from lbreplay.journey import replay
from lbreplay.verdict import ENTRIES, NAMES

CLIENT = "172.16.0.1:3000"


def traced(folder: Path, frames: list[craft.Record] | list[bytes], *sets: str) -> list[dict[str, Any]]:
    source, trace = craft.write(folder / "in.pcap", frames), folder / "trace.ndjson"
    replay(setup(*sets), str(source), None, trace=str(trace))
    return [json.loads(line) for line in trace.read_text().splitlines()]


def test_a_line_has_the_whole_story(tmp_path: Path) -> None:
    """Steering, look-up, connection, state, verdict, and what left."""
    first, second = traced(tmp_path, [craft.syn(CLIENT, VIP), craft.tcp(CLIENT, VIP, "A", 1001, 8)])
    assert (first["n"], first["t_ns"], first["lookup"], first["new"]) == (1, craft.START, "miss", True)
    assert first["state"] == ["NONE", "SYN_RECV"] and first["out"] == [1]
    assert first["steer"]["by"] == "rss" and int(first["steer"]["hash"], 16) % 128 == first["steer"]["reta"]
    assert first["worker"] == first["queue"] == first["steer"]["reta"] % 4
    assert (first["service"], first["verdict"], first["fate"]) == ("web", "forwarded_slow", "transmitted")
    assert first["why"] == ENTRIES[NAMES.index("forwarded_slow")].sentence
    assert (second["lookup"], second["new"], second["conn"]) == ("in", False, first["conn"])
    assert second["real"] == first["real"] and second["laddr"] == first["laddr"]


def test_a_rule_of_the_nic_is_named(tmp_path: Path) -> None:
    """The answer to a local address came by flow director."""
    lines = traced(tmp_path, [craft.syn(CLIENT, VIP), craft.tcp(VIP, CLIENT, "SA", 7, 1001)])
    worker = lines[1]["worker"]
    assert lines[1]["steer"] == {"by": "flow_director", "rule": f"192.168.100.200 & 0x3 == {worker}"}
    assert lines[1]["lookup"] == "out"


def test_a_frame_that_nobody_wanted_has_its_reason(tmp_path: Path) -> None:
    """Names that are never final stand beside the verdict."""
    (line,) = traced(tmp_path, [craft.syn(CLIENT, "10.0.0.100:81")])
    assert (line["lookup"], line["verdict"], line["out"]) == ("miss", "local_to_kernel", [])
    assert line["reason"] == ["no_service"]


def test_an_ignored_frame_has_no_worker(tmp_path: Path) -> None:
    """It was not received."""
    (line,) = traced(tmp_path, [craft.tcp(VIP, CLIENT, "A", 7, 1)])
    assert (line["worker"], line["queue"], line["steer"]) == (None, None, None)
    assert line["verdict"] == "reply_without_conn"


def test_what_timers_send_has_no_frame(tmp_path: Path) -> None:
    """Before the line of the frame whose time let them fire."""
    opened = [craft.syn(CLIENT, VIP), craft.tcp(VIP, CLIENT, "SA", 7, 1001), craft.tcp(CLIENT, VIP, "A", 1001, 8)]
    late = (craft.START + 120 * 10**9, 60, craft.tick())
    lines = traced(tmp_path, [*craft.records(opened), late])
    assert [(line["n"], line["out"]) for line in lines[2:]] == [(3, [3]), (None, [4]), (None, [5]), (4, [])]
    assert lines[3]["t_ns"] == lines[4]["t_ns"] == lines[2]["t_ns"] + 90 * 10**9


def test_a_redirected_frame_names_its_owner(tmp_path: Path) -> None:
    """`worker` received it, `owner` handled it."""
    frames = [craft.syn(CLIENT, VIP), craft.tcp(VIP, CLIENT, "SA", 7, 1001)]
    for port in range(3000, 3020):
        frames += [craft.syn(f"172.16.0.2:{port}", VIP), craft.tcp(VIP, f"172.16.0.2:{port}", "SA", 7, 1001)]
    lines = traced(tmp_path, frames, "conn.redirect=true", "flow_director.dst_port_mask=1")
    moved = [line for line in lines if "owner" in line]
    assert moved and all(line["owner"] != line["worker"] and "redirected" in line["reason"] for line in moved)
    assert all(int(line["laddr"].rpartition(":")[2]) & 3 == line["owner"] for line in moved), "who owns the local port"


def test_an_unwritable_trace_is_one_line(tmp_path: Path) -> None:
    """Said before anything is replayed."""
    source = craft.write(tmp_path / "in.pcap", [craft.syn(CLIENT, VIP)])
    with pytest.raises(OutputError, match="no/where/t: cannot be written: No such file"):
        replay(setup(), str(source), None, trace=str(tmp_path / "no" / "where" / "t"))


@pytest.mark.parametrize("told", [{"trace": "trace"}, {"out_path": "out.pcapng"}])
def test_who_looks_on_does_not_change_the_way(told: dict[str, str], tmp_path: Path) -> None:
    """The same frames take the plain path, and for the same reasons, whether or not they are told of."""
    source = craft.write(tmp_path / "in.pcap", frames(40))
    given = {"out_path": "out.pcap"} | told
    alone = replay(setup(), str(source), str(tmp_path / "out.pcap")).plain
    assert replay(setup(), str(source), **{name: str(tmp_path / path) for name, path in given.items()}).plain == alone
