"""A conversation, frame by frame: both directions, both legs, every connection; and the first frame of a kind."""

from __future__ import annotations

from pathlib import Path

import craft
import merged
import pytest
from golden_cases import GOLDEN

from lbreplay.config.load import load
from lbreplay.errors import CaptureError, ConfigError
from lbreplay.lab.flows import flow
from lbreplay.lab.ladder import first_of, known, ladder
from lbreplay.verdict import NAMES

from .made_capture import VIP, capture, client, setup


def test_both_directions_whichever_is_asked_for(tmp_path: Path) -> None:
    """Each frame with its side, worker, state and end; another conversation's are left out."""
    path = capture(tmp_path)
    told = ladder(setup(), path, flow(f"{client(2)} > {VIP}"))
    assert [(rung["n"], rung["from"], rung["packet"]) for rung in told["frames"]] == [
        (5, "client", "SYN"),
        (6, "real", "SYN|ACK"),
        (7, "client", "ACK"),
        (8, "client", "5 bytes"),
    ]
    assert [rung["by"] for rung in told["frames"]] == ["rss", "flow_director", "rss", "rss"]
    assert told["frames"][0]["state"] == ["NONE", "SYN_RECV"] and told["frames"][2]["state"][1] == "ESTABLISHED"
    (conn,) = told["connections"]
    assert (conn["service"], conn["client"], conn["virtual"]) == ("web", client(2), VIP)
    assert {rung["worker"] for rung in told["frames"]} == {conn["worker"]}
    back = ladder(setup(), path, flow(f"{VIP} > {client(2)}"))
    assert back["frames"] == told["frames"]


def test_a_mistake_shows(tmp_path: Path) -> None:
    """The answer comes to a worker that does not have the connection, and no frame leaves because of it."""
    narrow = setup("flow_director.dst_port_mask=1", "workers=8")
    rungs = [
        rung for n in range(1, 9) for rung in ladder(narrow, capture(tmp_path), flow(f"{client(n)} > {VIP}"))["frames"]
    ]
    astray = [rung for rung in rungs if rung["from"] == "real" and rung["conn"] is None]
    assert astray and all((rung["lookup"], rung["fate"], rung["sent"]) == ("miss", "to_kernel", 0) for rung in astray)


def test_the_other_leg_belongs_to_it(tmp_path: Path) -> None:
    """In a capture at the balancer answers have the local address; they are found by their connection."""
    case = merged.case("dpvs", "tcp_life")
    lb = load(str(GOLDEN / "dpvs" / "tcp_life" / "lb.toml"), view="lb")
    told = ladder(lb, merged.capture(case, tmp_path / "both.pcap"), flow("172.16.0.1:40000 > 10.0.0.100:80"))
    sides = {rung["from"] for rung in told["frames"] if rung["fate"] == "transmitted"}
    assert sides == {"client", "real"} and len(told["connections"]) == 1


def test_a_second_connection_of_the_same_ends(tmp_path: Path) -> None:
    """Both are named, and every frame says which it belonged to."""
    made = [craft.syn(client(1), VIP), craft.tcp(client(1), VIP, "R", 1001, 0), craft.syn(client(1), VIP)]
    told = ladder(setup(), capture(tmp_path, made), flow(f"{client(1)} > {VIP}"))
    assert [conn["conn"] for conn in told["connections"]] == sorted({rung["conn"] for rung in told["frames"]})


def test_the_kernel_has_ladders_too() -> None:
    """With its connections and its one worker."""
    folder = GOLDEN / "ipvs" / "nat_tcp_client_close"
    told = ladder(load(str(folder / "lb.toml")), str(folder / "in.pcap"), flow("198.51.100.1:40002 > 10.0.0.100:80"))
    assert told["connections"][0]["laddr"] is None and {rung["worker"] for rung in told["frames"]} == {0}
    assert {rung["from"] for rung in told["frames"]} == {"client", "real"}


def test_udp_and_nothing(tmp_path: Path) -> None:
    """Datagrams have their size; a flow that is not there is an error."""
    path = capture(tmp_path, [craft.udp(client(1), VIP, b"hello")])
    (rung,) = ladder(setup(), path, flow(f"{client(1)} > {VIP}"))["frames"]
    assert rung["packet"] == "5 bytes" and rung["conn"] is None


def test_the_first_of_its_kind(tmp_path: Path) -> None:
    """By name; unknown names have the nearest, verdicts that do not occur the ones that do."""
    path = capture(tmp_path)
    assert first_of(known("forwarded_slow"), setup(), path) == 1
    assert first_of(known(" FORWARDED_FAST "), setup(), path) == 2
    assert known("no_dest") == NAMES.index("no_dest")
    with pytest.raises(ConfigError, match="did you mean no_dest"):
        known("no_dst")
    with pytest.raises(CaptureError, match=r"no frame ends as no_dest; there are forwarded_fast 72, forwarded_slow 24"):
        first_of(known("no_dest"), setup(), path)
