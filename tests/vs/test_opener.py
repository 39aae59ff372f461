"""Connections opened in columns are those of the plain path, and become objects only when somebody asks."""

from __future__ import annotations

from typing import Any

import pytest
import rig
from rig import CLIENT, CLIENT6, DELTA, LADDR, LADDR6, REAL, REAL6, VIP, VIP6, setup, syn, tcp, udp
from twin import Driven, driven, twins

from lbreplay.model import Setup
from lbreplay.vs.conn import Conn

TWO = [REAL, "192.168.100.3:8080"]
NO_UOA = "[udp]\nuoa_max_trail = 0\n"


def facts(conn: Conn) -> dict[str, Any]:
    """What a connection holds, but for who made it."""
    own = ("server", "dest", "mode", "reply", "slot", "proxy", "control", "isn")  # isn: only a proxy protocol asks
    held = {name: getattr(conn, name) for name in Conn.__slots__ if name not in own}
    return held | {"mode": conn.mode.name, "dest": str(conn.dest.endpoint), "server": conn.server.service.name}


def objects(made: Setup, frames: list[Any], plain: bool) -> list[dict[str, Any]]:
    run, _ = driven(made, frames) if not plain else _traced(made, frames)
    return [facts(conn) for conn in run.balancer.machine.table.conns if conn is not None]


def _traced(made: Setup, frames: list[Any]) -> Any:
    before = Driven.__init__

    def traced(self: Driven, made: Setup) -> None:
        before(self, made)
        self.balancer.stories = []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Driven, "__init__", traced)
        return driven(made, frames)


CONVERSATION = [
    syn(CLIENT, VIP),
    tcp(REAL, LADDR, "SA", 5000, 1001 + DELTA, mac=rig.RS_MAC),
    tcp(CLIENT, VIP, "A", 1001, 5001),
]


@pytest.mark.parametrize("frames", [CONVERSATION[:1], CONVERSATION[:2], CONVERSATION])
def test_an_object_made_late_is_the_one_made_early(frames: list[bytes]) -> None:
    """Ends, keys, numbers, flags and MACs."""
    assert objects(setup(), frames, plain=False) == objects(setup(), frames, plain=True)


def test_nobody_asks_for_an_ordinary_connection() -> None:
    """Its columns say it all."""
    run, _ = driven(setup(), CONVERSATION)
    assert run.balancer.machine.table.made == [None]


@pytest.mark.parametrize(
    "service, how",
    [
        ("", {}),
        ("", {"reals": TWO, "scheduler": "wrr", "real": "weight = 3"}),
        ("", {"reals": TWO, "scheduler": "wlc"}),
        ("", {"reals": TWO, "scheduler": "conhash"}),
        ("", {"reals": TWO, "scheduler": "mh"}),
        ("", {"reals": TWO, "scheduler": "fo"}),
        ("", {"workers": 3, "reals": TWO}),
        ("", {"vip": VIP6, "reals": [REAL6], "laddr": LADDR6}),
        ("expire_quiescent = true", {}),
        ("conn_timeout = 5", {}),
        ("", {"edition": "1.8"}),
        ("", {"conn": "redirect = true", "workers": 4}),
    ],
)
def test_ordinary_services_open_in_columns(service: str, how: dict[str, Any]) -> None:
    """No first packet takes the plain path; numbers, real servers and ports are its."""
    vip = how.get("vip", VIP)
    clients = [f"[2001:db8:c::{n:x}]:3000" if vip == VIP6 else f"172.16.0.{n}:3000" for n in range(1, 12)]
    plain, rows = twins(setup(service, **how), [syn(client, vip) for client in clients])
    assert rows == set() and {line["new"] for line in plain.trace.values()} == {True}


@pytest.mark.parametrize(
    "service, how",
    [
        ("persistent = { timeout = 60 }", {}),
        ("synproxy = true", {}),
        ("one_packet = true", {"protocol": "udp", "more": NO_UOA}),
        ("", {"protocol": "udp"}),
        ('blacklist = ["172.16.0.77"]', {}),
        ('proxy_protocol = "v2"', {}),
        ("limit_proportion = 50", {}),
        ("dest_check = true", {}),
        ("", {"mode": "nat"}),
        ("", {"mode": "dr", "reals": ["192.168.100.2:80"]}),
        ("", {"conn": "fast_xmit = false"}),
        ("", {"conn": "xmit_ttl = true"}),
        ("", {"vip": VIP6, "reals": [REAL], "laddr": LADDR}),
    ],
)
def test_whoever_needs_the_packet_does_not(service: str, how: dict[str, Any]) -> None:
    """The plain path opens it, and both give the same."""
    vip = how.get("vip", VIP)
    first = udp if how.get("protocol") == "udp" else syn
    frames = [first(CLIENT6 if vip == VIP6 else f"172.16.0.{n}:3000", vip) for n in range(1, 5)]
    _, rows = twins(setup(service, **how), frames)
    assert rows >= {1}


def test_a_service_that_an_event_changed_is_looked_at_again() -> None:
    """A list that comes in the middle of a burst."""
    event = "[[event]]\nat = 0.0045\nset = \"service.web.blacklist=['172.16.0.8']\"\n"
    plain, rows = twins(setup(events=event), [syn(f"172.16.0.{n}:3000", VIP) for n in range(1, 11)])
    assert plain.verdicts[7] == "acl_blacklist" and rows == {6, 7, 8, 9, 10}


def test_the_end_gives_back_everything() -> None:
    """Ports, counts and places in the tables, when nobody ever asked for the object."""
    made = setup(more="[tcp.timeout]\nsyn_recv = 2\n")
    run, _ = driven(made, [syn(f"172.16.0.{n}:3000", VIP) for n in range(1, 30)] + [(40_000, rig.tick())])
    machine = run.balancer.machine
    (lcore,) = machine.lcores
    assert lcore.find == {} and machine.table.live == lcore.active == 0 and lcore.expired == 29
    assert [pool.used for pool in lcore.pools.values()] == [0] * len(lcore.pools)
    assert [(dest.actconns, dest.inactconns) for dest in lcore.servers.by_name["web"].dests] == [(0, 0)]


def test_a_pool_of_connections_that_is_full() -> None:
    """Is the plain path's to refuse."""
    plain, _ = twins(setup(conn="pool_size = 65536"), [syn(CLIENT, VIP)])
    assert plain.verdicts == ["forwarded_slow"]
