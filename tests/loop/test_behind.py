"""Behind a SYN proxy: who is answered first, and what a settled connection's rows leave with, take no plain path."""

from __future__ import annotations

import tempfile
from pathlib import Path

import craft
import floods
import pytest
import rig
import twins
from rig import CLIENT, DELTA, LADDR, REAL, VIP, setup, syn, tcp

from lbreplay.model import Setup
from lbreplay.wire.capture import open_capture


def proxied(more: str = "", service: str = "", **settings: object) -> Setup:
    return setup(f"synproxy = true\n{service}", more=f"[tcp.synproxy]\n{more}\n" if more else "", **settings)  # type: ignore[arg-type]


def handshake(made: Setup) -> list[bytes]:
    """SYN, the client's ACK with the cookie, and the real server's SYN|ACK, on the first port."""
    seq = rig.play(made, [syn(CLIENT, VIP)]).packet(1)["TCP"].seq
    answer = tcp(REAL, LADDR, "SA", 7000, 1001 + DELTA, options=[("MSS", 1400), ("WScale", 3)])
    return [syn(CLIENT, VIP), tcp(CLIENT, VIP, "A", 1001, seq + 1), answer]


def test_a_settled_connection_is_ordinary() -> None:
    """Behind the handshake no packet takes the plain path: numbers, SACK, windows and a storm are the loop's."""
    made = proxied("wscale = 2\nack_storm_thresh = 2")
    start = handshake(made)
    seq = int.from_bytes(start[1][42:46])
    edges = [("SAck", (7001, 7002))]
    more = [tcp(REAL, LADDR, "A", 7001, 1001 + DELTA, options=edges, window=9000) for _ in range(5)]
    more += [tcp(CLIENT, VIP, "PA", 1001, seq, options=[("SAck", (seq, seq + 1))], payload=b"x")]
    more += [tcp(REAL, LADDR, "FA", 7001, 1002 + DELTA), tcp(CLIENT, VIP, "FA", 1002, seq + 1)]
    played, plain = twins.both(made, [*start, *more])
    assert played.verdicts[3:] == ["forwarded_fast"] * 8
    assert not plain & set(range(4, 12))


def test_nobody_answers_whom_lists_shut_out() -> None:
    """A service without weight has nothing to offer, and a list drops before the cookie is made (D 6.1)."""
    weightless = proxied(real="weight = 0")
    listed = proxied(service=f'blacklist = ["{CLIENT.split(":")[0]}"]')
    for made, verdict in ((weightless, "synproxy_no_dest"), (listed, "synproxy_acl")):
        played, plain = twins.both(made, [syn(CLIENT, VIP), syn("172.16.0.9:3000", VIP)])
        assert played.verdicts[0] == verdict and not plain


def test_counters_move_with_the_rows() -> None:
    """The extended counters of cookies are those of the plain path (D 13.3)."""
    frames = [*handshake(proxied()), *[syn(f"172.16.2.{n}:3000", VIP) for n in range(1, 5)]]
    run, _ = twins.driven(proxied(), frames)
    assert run.balancer.gauges()["workers"][0]["counters"] == {"SYNPROXY_SYN_CNT": 5, "SYNPROXY_OK_ACK": 1}


@pytest.mark.parametrize("kind", [kind for kind in floods.KINDS if kind.startswith("syn proxy")])
def test_floods_move_the_counters_of_the_plain_path(kind: str) -> None:
    """Cookies given, believed and refused, packets held and lost, storms: D 13.3 counts them whoever handles them."""
    flood = floods.flood(3, 50, kind)
    rows, _ = twins.driven(flood.setup, flood.records)
    plain = twins.Driven(flood.setup)
    plain.balancer.plainly = True
    with tempfile.TemporaryDirectory() as folder:
        path = craft.write(Path(folder) / "in.pcap", flood.records)
        with open_capture(str(path)) as source:
            for burst in source.bursts(4096):
                plain.journey(burst)
    counted = [[worker["counters"] for worker in run.balancer.gauges()["workers"]] for run in (rows, plain)]
    assert counted[0] == counted[1] and any(counted[0])
