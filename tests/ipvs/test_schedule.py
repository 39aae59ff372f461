"""New connections: who may open one, persistence, and what those hear whom nobody takes (L 5)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, VIP, A, B, C, Kernel, real, service
from scapy.layers.inet import ICMP, IP

MARK = '[[mark]]\nto = "10.0.0.0/24"\nprotocol = "tcp"\nports = [80, 443]\nmark = 7'
NOBODY = service(real(A, weight=0))


@pytest.mark.parametrize(
    ("flags", "sloppy", "verdict"),
    [
        ("S", 0, "nat_forwarded"),
        ("SA", 0, "nat_forwarded"),
        ("SR", 0, "local_to_kernel"),
        ("A", 0, "local_to_kernel"),
        ("A", 1, "nat_forwarded"),
        ("R", 1, "local_to_kernel"),
    ],
)
def test_first_segment(flags: str, sloppy: int, verdict: str) -> None:
    """Only the SYN bit matters, and RST forbids."""
    assert Kernel(ipvs=f"sloppy_tcp = {sloppy}").send(craft.tcp(CLIENT, VIP, flags)).verdict == verdict


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_nobody_takes_it(proto: str) -> None:
    """Port unreachable from the virtual address, for TCP too, quoting the packet."""
    k = Kernel(service(real("10.1.0.11:80", weight=0), protocol=proto))
    seen = k.send((craft.syn if proto == "tcp" else craft.udp)(CLIENT, VIP))
    assert (seen.verdict, seen.only[IP].src, seen.only[IP].tos) == ("no_dest_unreachable", "10.0.0.100", 0xC0)
    assert (seen.only[ICMP].type, seen.only[ICMP].code) == (3, 3)


def templates(k: Kernel) -> list[tuple[str, str, str]]:
    return [(str(c.client), str(c.virtual), str(c.real)) for c in k.parts.conns if c.is_template]


@pytest.mark.parametrize(
    ("tables", "vip", "template", "real_server"),
    [
        ([service(C, persistent={"timeout": 60})], VIP, ("198.51.100.1:0", VIP, C), C),
        (
            [service("10.1.0.13:0", vip="10.0.0.100:0", persistent={"timeout": 60})],
            "10.0.0.100:443",
            ("198.51.100.1:0", "10.0.0.100:0", "10.1.0.13:0"),
            "10.1.0.13:443",
        ),
        (
            [service("10.1.0.13:21", vip="10.0.0.100:21", persistent={"timeout": 60})],
            "10.0.0.100:21",
            ("198.51.100.1:0", "10.0.0.100:0", "10.1.0.13:0"),
            "10.1.0.13:21",
        ),
        (
            [MARK, service("10.1.0.13:0", vip=None, fwmark=7, persistent={"timeout": 60})],
            "10.0.0.100:443",
            ("198.51.100.1:0", "0.0.0.7:0", "10.1.0.13:0"),
            "10.1.0.13:443",
        ),
    ],
    ids=["port", "all ports", "ftp", "mark"],
)
def test_templates(tables: list[str], vip: str, template: tuple[str, str, str], real_server: str) -> None:
    """The four keys of L 5.4, and where the connection goes."""
    k = Kernel(*tables)
    assert k.send(craft.syn(CLIENT, vip)).real == real_server
    assert templates(k) == [template]


def test_netmask() -> None:
    """Clients of one network share a real server, others do not."""
    k = Kernel(service(persistent={"timeout": 60, "netmask": 24}))
    clients = ("198.51.100.1:5", "198.51.100.200:5", "198.51.101.1:5")
    assert [k.send(craft.syn(client, VIP)).real for client in clients] == [C, C, B]


@pytest.mark.parametrize(("bypass", "verdict"), [(0, "no_dest_unreachable"), (1, "bypassed")])
def test_cache_bypass(bypass: int, verdict: str) -> None:
    """A marked packet for somebody else goes on when no cache is left; its connection has no real server."""
    mark = '[[mark]]\nto = "203.0.113.0/24"\nmark = 7\nlocal = true'
    k = Kernel(mark, service(real("10.1.0.13:0", weight=0), vip=None, fwmark=7), ipvs=f"cache_bypass = {bypass}")
    seen = k.send(craft.syn(CLIENT, "203.0.113.9:80"))
    assert seen.verdict == verdict
    if bypass:
        assert (seen.only[IP].dst, seen.conn.dest, k.state(seen.conn)[0]) == ("203.0.113.9", None, "SYN_RECV")
    else:
        assert seen.frames == [], "an address that is local by a rule only cannot be the source of an error"


def test_mark_of_two_ports() -> None:
    """One service for both; a real server's own port replaces the packet's, port 0 keeps it."""
    k = Kernel(MARK, service("10.1.0.11:0", B, vip=None, fwmark=7))
    assert k.send(craft.syn(CLIENT, "10.0.0.100:443")).real == B
    assert k.send(craft.syn(CLIENT, "10.0.0.100:80")).real == "10.1.0.11:80"


def test_port_0_of_a_client() -> None:
    """A connection from port 0 is made anew each time (L 6.2)."""
    k = Kernel()
    chosen = [k.send(craft.syn("198.51.100.1:0", VIP)).real for _ in range(3)]
    assert chosen == [C, B, A]
