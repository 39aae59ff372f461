"""Connections: both look-ups, ports that are not known yet, templates, expiry and its deferral (L 6)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, VIP, A, B, C, Kernel, service

from lbreplay.loop.flags import NO_CPORT
from lbreplay.model import Endpoint

HERE, THERE, REAL = Endpoint(b"\1\1\1\1", 1000), Endpoint(b"\2\2\2\2", 80), Endpoint(b"\3\3\3\3", 8080)
TCP = 6


def test_the_two_look_ups() -> None:
    """In by client and virtual end, out by real and client end; nothing else finds it."""
    k = Kernel()
    conn = k.parts.conns.new(TCP, HERE, THERE, REAL, k.dest(A))
    assert k.parts.conns.find_in(TCP, HERE, THERE) is conn
    assert k.parts.conns.find_out(TCP, REAL, HERE) is conn
    assert k.parts.conns.find_in(17, HERE, THERE) is None
    assert k.parts.conns.find_out(TCP, THERE, HERE) is None


def test_newest_first() -> None:
    """Two connections of one client port to one real server: an answer belongs to the newer."""
    k = Kernel()
    conns, dest = k.parts.conns, k.dest(A)
    old = conns.new(TCP, HERE, THERE, REAL, dest)
    new = conns.new(TCP, HERE, Endpoint(b"\2\2\2\3", 80), REAL, dest)
    assert conns.find_out(TCP, REAL, HERE) is new
    conns.unhash(new)
    assert conns.find_out(TCP, REAL, HERE) is old


def test_port_not_known_yet() -> None:
    """It is found by any port of its client until the first packet tells the port."""
    k = Kernel()
    conns = k.parts.conns
    conn = conns.new(TCP, Endpoint(HERE.address, 0), THERE, REAL, k.dest(A), NO_CPORT)
    assert conns.find_in(TCP, HERE, THERE) is conn
    conns.fill_cport(conn, HERE.port)
    assert conns.find_in(TCP, HERE, THERE) is conns.find_out(TCP, REAL, HERE) is conn
    assert conns.find_in(TCP, Endpoint(HERE.address, 1), THERE) is None


def test_an_ordinary_connection_from_port_0_is_never_found() -> None:
    """Port 0 is searched among those that wait for their port only (L 6.2)."""
    k = Kernel()
    none = Endpoint(HERE.address, 0)
    k.parts.conns.new(TCP, none, THERE, REAL, k.dest(A))
    assert k.parts.conns.find_in(TCP, none, THERE) is None


def test_a_template_is_put_off_while_it_has_children() -> None:
    """Its timer then runs 60 s, and later connections restart it with 60."""
    k = Kernel(service(persistent={"timeout": 10}))
    child = k.handshake().conn
    template = child.control
    k.wait(10)
    assert (k.state(template), template.timeout) == (("ASSURED", 59), 60 * 10**9)
    k.send(craft.syn("198.51.100.1:40001", VIP))
    assert k.state(template)[1] == 60


def test_counts_of_a_life() -> None:
    """Templates count as persistent; the rest follows the state; at the end nothing is left."""
    k = Kernel(service(persistent={"timeout": 10}))
    k.send(craft.syn(CLIENT, VIP))
    assert (k.dest(C).persistconns, k.counts(C)) == (1, (1, 0))
    k.wait(1000)
    assert (k.dest(C).persistconns, k.counts(C), len(k.parts.conns)) == (0, (0, 0), 0)
    assert (k.dest(C).refs, k.parts.conns.expired) == (0, 1)


@pytest.mark.parametrize(("quiescent", "chosen"), [(0, C), (1, B)])
def test_template_of_a_weightless_real_server(quiescent: int, chosen: str) -> None:
    """It is used whatever the weight, unless expire_quiescent_template is set; then it cannot be found again."""
    k = Kernel(service(persistent={"timeout": 60}), ipvs=f"expire_quiescent_template = {quiescent}")
    old = k.send(craft.syn(CLIENT, VIP)).conn.control
    k.set(C, weight=0)
    assert k.send(craft.syn("198.51.100.1:40001", VIP)).real == chosen
    assert (old.virtual.port == 65535) == bool(quiescent)


def test_expire_now_comes_after_the_packet() -> None:
    """A SYN on a closed connection: the old one still counts while the new one is chosen."""
    k = Kernel(service(A))
    k.answer(k.send(craft.syn(CLIENT, VIP)), "R")
    k.send(craft.syn(CLIENT, VIP))
    assert len(k.parts.conns) == 2
    k.wait(0)
    assert (len(k.parts.conns), k.counts(A)) == (1, (1, 0))


def test_locks() -> None:
    """A bucket's lock is its number modulo the locks there are."""
    k = Kernel()
    conn = k.send(craft.syn("192.168.1.10:40000", VIP)).conn
    assert (k.parts.conns.bucket(conn), k.parts.conns.lock(conn)) == (3802, 3802 % 32)


@pytest.mark.parametrize("edition", ["2.6", "6.1.192"])
def test_buckets_of_all(edition: str) -> None:
    """Each connection's own, IPv6 among them; of none there is none."""
    k = Kernel(service(A), service("[2001:db8:2::2]:80", name="six", vip="[2001:db8:1::9]:80"), edition=edition)
    conns = k.parts.conns
    assert conns.buckets().tolist() == []
    for number in range(1, 20):
        k.send(craft.syn(f"198.51.100.{number}:{40000 + number}", VIP))
        k.send(craft.syn(f"[2001:db8:c::{number}]:65535", "[2001:db8:1::9]:80"))
    assert conns.buckets().tolist() == [conns.bucket(conn) for conn in conns] and len(conns) == 38
