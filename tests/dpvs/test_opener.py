"""Connections that the loop opens: the same as the plain path's, and a Conn when somebody asks for one."""

from __future__ import annotations

from pathlib import Path

import craft
import pytest
import rig
import twins
from made_server import endpoint
from traffic import raw

from lbreplay.dpvs.balancer import Balancer
from lbreplay.dpvs.conn import EXPIRE_QUIESCENT, INACTIVE
from lbreplay.journey import Replay
from lbreplay.loop.ways import NAMES
from lbreplay.model import Setup
from lbreplay.wire.packet import flow_key

OTHER = "192.168.100.3:8080"
IN_KEY = flow_key(6, raw("172.16.0.1"), 3000, raw("10.0.0.100"), 80)
OUT_KEY = flow_key(6, raw("192.168.100.2"), 8080, raw("192.168.100.200"), 1025)


def opened(frames: list[bytes], made: Setup) -> Balancer:
    """The balancer after *frames*, which were the loop's."""
    run, _ = twins.driven(made, frames)
    assert run.plain == set()
    balancer: Balancer = run.balancer
    return balancer


def why(made: Setup) -> str:
    """The reason for which the services' connections are not opened in the loop; "" where they are."""
    balancer = Replay(made, None, None, None).balancer  # type: ignore[arg-type]
    (reason,) = {NAMES[opener.why] for opener in balancer.loop.openers}
    return reason if reason != "loop" else ""


def test_a_connection_has_all_its_columns() -> None:
    """And is found by both keys, until it ends."""
    balancer = opened([rig.syn(rig.CLIENT, rig.VIP)], rig.setup())
    machine, table = balancer.machine, balancer.machine.table
    lcore, dest = machine.lcores[0], machine.lcores[0].servers.by_name["web"].dests[0]
    cursor = lcore.servers.by_name["web"].laddrs
    assert (table.number[0], table.last_use[0], table.rank[0], table.dest[0]) == (1, craft.START, 0, dest.id)
    assert (table.timeout[0], table.delta[0]) == (30 * 10**9, rig.DELTA)
    assert machine.state_name(table.conns[0]) == "syn_recv"  # type: ignore[arg-type]
    assert (machine.tuples.key(0), machine.tuples.key(1)) == (IN_KEY, OUT_KEY)
    assert (lcore.find.get(IN_KEY), lcore.find.get(OUT_KEY)) == (0, 1)
    assert dest.inactconns == lcore.active == cursor.conns[raw("192.168.100.200")] == 1
    table.made.clear()
    assert balancer.loop.end(0)
    used = lcore.pools[raw("192.168.100.200")].used
    assert dest.inactconns == lcore.active == used == table.live == cursor.conns[raw("192.168.100.200")] == 0
    assert lcore.expired == 1 and IN_KEY not in lcore.find and OUT_KEY not in lcore.find


@pytest.mark.parametrize(
    "settings, verdicts",
    [
        ({"real": "weight = 0"}, ["no_dest"] * 3),
        ({"real": "max_conn = 1"}, ["forwarded_slow", "dest_max_conn", "no_dest"]),
        ({"more": "[sa_pool]\nhigh = 1025\n"}, ["forwarded_slow", *["laddr_port_exhausted"] * 2]),
    ],
)
def test_what_refuses_a_connection_says_why(settings: dict[str, str], verdicts: list[str]) -> None:
    """No real server, one that has its fill, no port left (D 2.4)."""
    made = rig.setup(**settings)  # type: ignore[arg-type]
    plain, rows = twins.both(made, [rig.syn(f"172.16.0.{n}:3000", rig.VIP) for n in (1, 2, 3)])
    assert plain.verdicts == verdicts and rows == set()


def test_a_conn_is_made_when_somebody_asks() -> None:
    """With what the columns know by then: state, the first data byte, the MACs of both sides."""
    balancer = opened(rig.handshake(), rig.setup("expire_quiescent = true"))
    table = balancer.machine.table
    conn = table.conns[0]
    assert conn is not None and table.conns[0] is conn
    assert (conn.client, conn.virtual) == (endpoint("172.16.0.1", 3000), endpoint("10.0.0.100", 80))
    assert (conn.real, conn.local) == (endpoint("192.168.100.2", 8080), endpoint("192.168.100.200", 1025))
    assert (conn.number, conn.fdata, conn.delta, conn.has_isn) == (1, 5001, rig.DELTA, True)
    assert conn.flags == EXPIRE_QUIESCENT and not conn.flags & INACTIVE
    ours, gateway, real = (bytes.fromhex(mac.replace(":", "")) for mac in (craft.OURS, craft.GATEWAY, rig.RS_MAC))
    assert conn.in_macs == (real, ours) and conn.out_macs == (gateway, ours)


PLAIN: dict[str, dict[str, object]] = {
    "one_packet": {"service": "one_packet = true", "protocol": "udp"},
    "ttl": {"conn": "xmit_ttl = true"},
    "limited": {"service": "limit_proportion = 50"}, "quic": {"service": "quic = true", "protocol": "udp"},
    "proxy_protocol": {"service": 'proxy_protocol = "v2"', "protocol": "udp"}, "resolved": {"device": "resolve = true"},
    "overlapping": {"conn": 'table = "shared"', "more": '[flow_director]\nstrategy = "off"\n'},
}  # fmt: skip


@pytest.mark.parametrize("reason", PLAIN)
def test_what_needs_the_plain_path_says_why(reason: str) -> None:
    """Whatever asks for more than a real server and a local end."""
    assert why(rig.setup(**PLAIN[reason])) == reason  # type: ignore[arg-type]
    assert why(rig.setup()) == ""


@pytest.mark.parametrize(
    "settings", [{"conn": "redirect = true", "workers": 2}, {"real": "max_conn = 3"}, {"protocol": "udp"}]
)
def test_it_leaves_as_on_the_plain_path(settings: dict[str, object], tmp_path: Path) -> None:
    """Opened, ended in silence, and opened again with the ports that were given back."""
    made = rig.setup(reals=(rig.REAL, OTHER), more="[udp]\nuoa_max_trail = 0\n[sa_pool]\nhigh = 1030\n", **settings)  # type: ignore[arg-type]
    make = rig.udp if settings.get("protocol") else rig.syn
    frames = [make(f"172.16.0.{n % 20 + 1}:3000", rig.VIP) for n in range(60)]
    records = [(craft.START + n // 20 * 400 * 10**9 + n, len(frame), frame) for n, frame in enumerate(frames)]
    assert not twins.disagreement(made, records, tmp_path)


@pytest.mark.parametrize("scheduler", ["rr", "wrr", "wlc", "conhash", "mh", "fo"])
def test_every_scheduler_picks_as_on_the_plain_path(scheduler: str, tmp_path: Path) -> None:
    """Also where real servers differ in weight, and connections end between picks."""
    made = rig.setup(reals=(rig.REAL, OTHER, "192.168.100.4:8080"), scheduler=scheduler, workers=2)
    frames = [rig.syn(f"172.16.0.{n % 30 + 1}:3000", rig.VIP) for n in range(90)]
    records = [(craft.START + n * 10**9, len(frame), frame) for n, frame in enumerate(frames)]
    assert not twins.disagreement(made, records, tmp_path)


def test_events_make_openers_anew(tmp_path: Path) -> None:
    """A list that is set takes a service to the plain path; a real server that is added is picked."""
    listed = "[[event]]\nat = 0.01\nset = \"service.web.blacklist=['172.16.0.15']\"\n"
    added = '[[event]]\nat = 0.02\nadd = "service.web.real"\nvalue = { address = "192.168.100.9:8080" }\n'
    frames = [rig.syn(f"172.16.0.{n}:3000", rig.VIP) for n in range(1, 40)]
    assert not twins.disagreement(rig.setup(events=listed + added), craft.records(frames), tmp_path)
    assert rig.play(rig.setup(events=listed + added), frames).verdicts.count("acl_blacklist") == 1
