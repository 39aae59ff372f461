"""The kernel's loop: what it takes, and why it lets go of the rest."""

from __future__ import annotations

import craft
import pytest
import twins
from kernel import CLIENT, VIP, A, B, Kernel, service

from lbreplay.model import Setup

REAL = A


def _plain(setup: Setup, frames: list[bytes]) -> dict[str, int]:
    """By what reasons frames took the plain path, after a replay that came to what the plain path alone comes to."""
    twins.both(setup, frames)
    run, _ = twins.driven(setup, frames)
    return run.balancer.detours.table()


def _talk(client: str = CLIENT, vip: str = VIP, real: str = REAL) -> list[bytes]:
    """A handshake, a segment each way, and an end, as a director sees them."""
    to, back = (client, vip), (real, client)
    flags = ((to, "S"), (back, "SA"), (to, "A"), (to, "PA"), (back, "A"), (back, "FA"), (to, "FA"), (back, "A"))
    return [craft.tcp(*ends, of) for ends, of in flags]


@pytest.mark.parametrize("edition", ["2.6", "4.15", "6.1.192"])
def test_nat_is_its_own(edition: str) -> None:
    """Requests, answers and the end of a connection never leave it."""
    assert _plain(Kernel(service(A), edition=edition).setup, _talk()) == {}


@pytest.mark.parametrize("mode", ["dr", "tunnel"])
def test_requests_of_other_modes_are_its_own(mode: str) -> None:
    """Answers do not pass here."""
    setup = Kernel(service("10.1.0.11:80", mode=mode)).setup
    assert _plain(setup, [frame for frame in _talk() if frame[26:30] == bytes((198, 51, 100, 1))]) == {}


@pytest.mark.parametrize("edition", ["2.6", "4.15", "6.1.192"])
@pytest.mark.parametrize("mode", ["nat", "dr", "tunnel"])
def test_a_client_keeps_its_real_server(edition: str, mode: str) -> None:
    """By a template of its network, which outlives its first connection."""
    setup = Kernel(service(A, B, mode=mode, persistent={"timeout": 300, "netmask": 24}), edition=edition).setup
    frames = [craft.syn(f"198.51.{100 + n % 3}.{n}:{4000 + n}", VIP) for n in range(1, 9)]
    assert _plain(setup, frames) == {}
    run, _ = twins.driven(setup, frames)
    assert sorted(real["conns"] for real in run.balancer.gauges()["services"][0]["reals"]) == [3, 5]


def test_a_client_of_ipv6_keeps_its_real_server() -> None:
    """By the network that a netmask leaves of its address."""
    reals, vip = ("[2001:db8:2::2]:80", "[2001:db8:2::3]:80"), "[2001:db8:1::9]:80"
    setup = Kernel(service(*reals, vip=vip, persistent={"timeout": 300, "netmask": 72})).setup
    clients = [f"[2001:db8:c:{n % 2}:{n // 2 % 2:x}00::{n}]:{4000 + n}" for n in range(12)]
    assert _plain(setup, [craft.syn(client, vip) for client in clients]) == {}


def test_a_template_that_serves_no_more() -> None:
    """Its real server lost its weight: the plain path lets go of it, and the loop makes another one."""
    event = '[[event]]\nat = 0.0015\nset = "service.web.real.10.1.0.12:8080.weight=0"'
    ipvs = "expire_quiescent_template = 1"
    setup = Kernel(service(A, B, persistent={"timeout": 300}), event, ipvs=ipvs).setup
    frames = [craft.syn(f"198.51.100.1:{4000 + n}", VIP) for n in range(5)]
    assert _plain(setup, frames) in ({}, {"persistent": 1})


@pytest.mark.parametrize(
    ("tables", "ipvs", "frames", "reason"),
    [
        ([service(A)], "", [craft.tcp(CLIENT, VIP, "A")], "stranger"),
        ([service(A)], "", [craft.syn(CLIENT, VIP, ttl=1)], "last_hop"),
        ([service(A)], "", [*_talk(), craft.syn(CLIENT, VIP)], "reused"),
        ([service(A)], "nat_icmp_send = 1", [craft.tcp(A, CLIENT, "FA")], "switched"),
        ([service(A)], "drop_packet = 3", [craft.syn(CLIENT, VIP)], "switched"),
        ([service("10.1.0.11:0", persistent={"timeout": 60})], "", [craft.syn(CLIENT, VIP)], "persistent"),
        ([service()], "", [craft.syn("10.0.0.100:1", VIP)] * 2, "stranger"),
        ([service("10.1.0.11:80", mode="tunnel", vip="[2001:db8:1::9]:80")], "", [], ""),
    ],
)
def test_what_is_odd_has_a_reason(tables: list[str], ipvs: str, frames: list[bytes], reason: str) -> None:
    """One packet at a time, by its name."""
    assert _plain(Kernel(*tables, ipvs=ipvs).setup, frames or [craft.syn(CLIENT, VIP)])[reason or "stranger"] == 1


@pytest.mark.parametrize("edition", ["2.6", "6.1.192"])
@pytest.mark.parametrize("keeps", [{}, {"persistent": {"timeout": 60}}], ids=["", "persistent"])
@pytest.mark.parametrize("mode", ["nat", "dr", "tunnel"])
def test_connections_of_one_packet(mode: str, keeps: dict[str, object], edition: str) -> None:
    """Each is scheduled, counted, and over; the answer is nobody's, and nobody waits for anything."""
    words = {"protocol": "udp", "one_packet": True, "mode": mode} | keeps
    setup = Kernel(service("10.1.0.11:80", "10.1.0.12:80", **words), edition=edition).setup
    frames = [craft.udp(f"198.51.100.{n}:{n}", VIP) for n in (1, 2, 1, 3, 1, 2)]
    assert _plain(setup, frames) == {}
    run, _ = twins.driven(setup, frames)
    conns = run.balancer.gauges()["workers"][0]["conns"]
    assert (conns["created"], conns["expired"], conns["active"]) == (6, 6, 3 if keeps else 0)


@pytest.mark.parametrize("edition", ["4.4", "6.1.192"])
def test_a_sloppy_director_opens_with_any_segment(edition: str) -> None:
    """But RST."""
    frames = [craft.tcp(f"198.51.100.{n}:{n}", VIP, flags) for n, flags in enumerate(("A", "PA", "FA", "R", "S"), 1)]
    setup = Kernel(service(A), ipvs="sloppy_tcp = 1", edition=edition).setup
    assert _plain(setup, frames) == {"stranger": 1}


def test_connections_are_looked_through_each_second() -> None:
    """By drop_entry, whose second hand starts with the first one that the loop opens."""
    setup = Kernel(service(A, B), ipvs="drop_entry = 3").setup
    frames = [craft.syn(f"198.51.{n % 200}.{n // 200}:{n}", VIP) for n in range(21, 3000)]
    assert _plain(setup, frames) == {}
    run, _ = twins.driven(setup, frames)
    assert run.balancer.gauges()["kernel"]["dropped_entries"]


def test_real_servers_are_told_that_nobody_knows() -> None:
    """What they say of a connection is translated, all else is for words (`nat_icmp_send`)."""
    setup = Kernel(service(A), ipvs="nat_icmp_send = 1").setup
    assert _plain(setup, [*_talk(), *[craft.tcp(A, "198.51.100.9:9", "A")] * 3]) == {"switched": 3}


def test_many_connections_with_one_answer() -> None:
    """Two virtual addresses behind one real server, and one client port: the newer has its answers."""
    setup = Kernel(service(A), service(A, name="other", vip="10.0.0.101:80")).setup
    frames = [craft.syn(CLIENT, VIP), craft.syn(CLIENT, "10.0.0.101:80"), craft.tcp(A, CLIENT, "SA")]
    assert _plain(setup, frames) == {"shared": 1}


def test_a_removed_real_server_lets_go() -> None:
    """Its connections are the plain path's from then on."""
    event = '[[event]]\nat = 0.0025\nremove = "service.web.real.10.1.0.12:8080"'
    setup = Kernel(service(A, B), event).setup
    assert _plain(setup, [*_talk(real=B)[:2], *[craft.tcp(CLIENT, VIP, "A")] * 2]) == {"deserted": 1}
