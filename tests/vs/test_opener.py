"""Connections opened without a packet object: the same as the plain path's, and a Conn when somebody asks for one."""

from __future__ import annotations

from pathlib import Path

import craft
import pytest
import rig
import twins
from made_server import endpoint
from traffic import raw

from lbreplay.model import Service, Setup
from lbreplay.nic.steer import Nic
from lbreplay.replay import Replay
from lbreplay.verdict import Verdict
from lbreplay.vs.conn import EXPIRE_QUIESCENT, INACTIVE
from lbreplay.vs.opener import REFUSED, Opener
from lbreplay.wire.packet import flow_key

OTHER = "192.168.100.3:8080"
HEAD = craft.frame(craft.ip("1.1.1.1", "2.2.2.2"))[:12]  # link header of what clients send


def openers(made: Setup, rank: int = 0) -> dict[bytes, Opener]:
    nic = Nic(made)
    run = Replay(made, None, None, None)  # type: ignore[arg-type]
    assert nic.rules is not None
    return run.balancer.openers.by_place[rank]


def opener(**settings: object) -> Opener:
    (one,) = openers(rig.setup(**settings)).values()  # type: ignore[arg-type]
    return one


def first(number: int) -> bytes:
    vip = endpoint("10.0.0.100", 80)
    return flow_key(6, raw("172.16.0.1"), number, vip.address, vip.port)


@pytest.mark.parametrize("indexed", [False, True], ids=["in its burst", "in later bursts"])
def test_a_connection_has_all_its_columns(indexed: bool) -> None:
    """And is found by both keys, until it ends."""
    one = opener(conn="")
    handle = one.open(first(3000), 10**9, 7, HEAD)
    table, slot = one.machine.table, handle >> 1
    assert (table.number[slot], table.last_use[slot], table.armed[slot], table.rank[slot]) == (1, 10**9, 7, 0)
    assert (table.timeout[slot], table.delta[slot], table.state[slot]) == (30 * 10**9, rig.DELTA, one.first_state)
    index, find = one.machine.index, one.lcore.find
    out_key = flow_key(6, raw("192.168.100.2"), 8080, raw("192.168.100.200"), 1025)
    assert (index.key(handle), index.key(handle + 1)) == (first(3000), out_key)
    if indexed:
        index.flush()
        find.fresh.clear()
    assert (find.get(first(3000)), find.get(out_key)) == (handle, handle + 1)
    assert one.server.dests[0].inactconns == one.lcore.active == one.server.laddrs.conns[raw("192.168.100.200")] == 1
    one.end(slot, 9)
    used = one.lcore.pools[raw("192.168.100.200")].used
    assert one.server.dests[0].inactconns == one.lcore.active == used == table.live == 0
    assert one.server.laddrs.conns[raw("192.168.100.200")] == 0 and one.lcore.expired == 1
    index.flush()
    assert first(3000) not in find and out_key not in find and not list(index.candidates(first(3000)))


def test_what_refuses_a_connection_says_why() -> None:
    """No real server, one that has its fill, no port left (D 2.4)."""
    assert opener(real="weight = 0").open(first(1), 0, 0, HEAD) == REFUSED - Verdict.NO_DEST
    full = opener(real="max_conn = 1")
    assert full.open(first(1), 0, 0, HEAD) >= 0
    assert full.open(first(2), 0, 0, HEAD) == REFUSED - Verdict.DEST_MAX_CONN
    assert full.open(first(2), 0, 0, HEAD) == REFUSED - Verdict.NO_DEST
    few = opener(more="[sa_pool]\nhigh = 1025\n")
    assert few.open(first(1), 0, 0, HEAD) >= 0
    assert few.open(first(2), 0, 0, HEAD) == REFUSED - Verdict.LADDR_PORT_EXHAUSTED


def test_a_conn_is_made_when_somebody_asks() -> None:
    """With what the columns know by then: state, the first data byte, the MACs of both sides."""
    one = opener(service="expire_quiescent = true")
    handle = one.open(first(3000), 0, 0, HEAD)
    slot, table = handle >> 1, one.machine.table
    one.change(slot, one.first_state, one.established)
    table.fdata[slot] = 77
    one.links.meet(slot, (b"real's", b"ours.."))
    conn = table.conns[slot]
    assert conn is not None and table.conns[slot] is conn
    assert (conn.client, conn.virtual) == (endpoint("172.16.0.1", 3000), endpoint("10.0.0.100", 80))
    assert (conn.real, conn.local) == (endpoint("192.168.100.2", 8080), endpoint("192.168.100.200", 1025))
    assert (conn.number, conn.fdata, conn.delta, conn.has_isn) == (1, 77, rig.DELTA, True)
    assert conn.flags == EXPIRE_QUIESCENT and not conn.flags & INACTIVE
    assert conn.in_macs == (b"real's", b"ours..") and conn.out_macs == (HEAD[6:], HEAD[:6])


PLAIN: dict[str, dict[str, object]] = {
    "persistent": {"service": "persistent = { timeout = 9 }"}, "synproxy": {"service": "synproxy = true"},
    "one packet": {"service": "one_packet = true", "protocol": "udp"}, "uoa": {"protocol": "udp"},
    "nat": {"mode": "nat"}, "slow": {"conn": "fast_xmit = false"}, "ttl": {"conn": "xmit_ttl = true"},
    "limit": {"service": "limit_proportion = 50"}, "list": {"service": 'blacklist = ["172.16.0.9"]'},
    "two owners": {"conn": "redirect = true", "more": '[flow_director]\nstrategy = "off"\n'},
}  # fmt: skip


@pytest.mark.parametrize("why", PLAIN)
def test_what_needs_the_plain_path_has_no_opener(why: str) -> None:
    """Whatever asks for more than columns."""
    assert not openers(rig.setup(**PLAIN[why]))  # type: ignore[arg-type]
    assert openers(rig.setup())


@pytest.mark.parametrize(
    "settings", [{"conn": "redirect = true", "workers": 2}, {"real": "max_conn = 3"}, {"protocol": "udp"}]
)
def test_one_by_one_leaves_as_on_the_plain_path(settings: dict[str, object], tmp_path: Path) -> None:
    """Opened, ended in silence, and opened again with the ports that were given back."""
    made = rig.setup(reals=(rig.REAL, OTHER), more="[udp]\nuoa_max_trail = 0\n[sa_pool]\nhigh = 1030\n", **settings)  # type: ignore[arg-type]
    make = rig.udp if settings.get("protocol") else rig.syn
    frames = [make(f"172.16.0.{n % 20 + 1}:3000", rig.VIP) for n in range(60)]
    records = [(craft.START + n // 20 * 400 * 10**9 + n, len(frame), frame) for n, frame in enumerate(frames)]
    assert not twins.disagreement(made, records, tmp_path)


def test_events_make_openers_anew(tmp_path: Path) -> None:
    """A list that is set takes a service to the plain path; a real server that is added is picked."""
    listed = "[[event]]\nat = 0.01\nset = \"service.web.blacklist=['172.16.0.15']\"\n"
    added = '[[event]]\nat = 0.02\nadd = "service.web.real"\nvalue = { address = "192.168.100.9:8080" }\n'
    frames = [rig.syn(f"172.16.0.{n}:3000", rig.VIP) for n in range(1, 40)]
    assert not twins.disagreement(rig.setup(events=listed + added), craft.records(frames), tmp_path)
    assert rig.play(rig.setup(events=listed + added), frames).verdicts.count("acl_blacklist") == 1


def test_schedulers_that_look_at_the_packet_see_it() -> None:
    """With conhash clients differ, one by one and many at once."""
    made = rig.setup(reals=(rig.REAL, OTHER))
    services: tuple[Service, ...] = tuple(s._replace(scheduler="conhash") for s in made.services)
    (one,) = openers(made._replace(services=services)).values()
    keys = [first(7)[:4] + bytes((n,)) + first(7)[5:] for n in range(1, 60)]
    picked = [one.machine.table.dest[one.open(key, 0, 0, HEAD) >> 1] for key in keys]
    at_once = [one.server.dests[place].id for place in one.pick_many(lambda: keys, len(keys), []).tolist()]
    assert len(set(picked)) == 2 and at_once == picked
