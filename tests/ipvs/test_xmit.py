"""Transmitters: NAT, direct routing, tunnels; TTL, MTU, fragments (L 9)."""

from __future__ import annotations

from typing import Any

import craft
import pytest
from kernel import CLIENT, VIP, A, Kernel, real, service
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import GRE, Ether

NARROW = '[[route]]\nto = "10.1.0.11/32"\nmtu = 1000'


def sized(length: int, flags: str = "DF") -> bytes:
    """A first segment whose IP packet has *length* bytes."""
    packet = craft.parse(craft.tcp(CLIENT, VIP, "S", payload=b"x" * (length - 40)))
    packet[IP].flags = flags
    del packet[IP].chksum
    return bytes(packet)


@pytest.mark.parametrize(("mode", "most", "told"), [("nat", 1000, 1000), ("dr", 1000, 1000), ("tunnel", 980, 980)])
def test_too_long_with_df(mode: str, most: int, told: int) -> None:
    """ICMP 3/4 with the path MTU, less the outer header; the quoted TTL is lowered already."""
    k = Kernel(service(A, mode=mode), NARROW)
    assert k.send(sized(most)).verdict.endswith("_forwarded")
    seen = k.send(sized(most + 1))
    assert (seen.verdict, seen.only[ICMP].nexthopmtu, seen.only[ICMP].payload.ttl) == ("frag_needed", told, 63)


@pytest.mark.parametrize(("mode", "sizes"), [("nat", [996, 224]), ("dr", [996, 224]), ("tunnel", [996, 244])])
def test_fragments(mode: str, sizes: list[int]) -> None:
    """Without DF: pieces of (MTU - 20) rounded down to 8."""
    k = Kernel(service(A, mode=mode), NARROW)
    assert [packet[IP].len for packet in k.send(sized(1200, "")).sent] == sizes


@pytest.mark.parametrize(
    ("tunnel", "inner", "added"),
    [
        ({}, lambda p: p[IP].payload, 20),
        ({"type": "gre"}, lambda p: p[GRE].payload, 24),
        ({"type": "gre", "checksum": True}, lambda p: p[GRE].payload, 28),
        ({"type": "gue", "port": 5555}, lambda p: IP(bytes(p[UDP].payload)[4:]), 32),
    ],
    ids=["ipip", "gre", "gre sum", "gue"],
)
def test_outer_headers(tunnel: dict[str, Any], inner: Any, added: int) -> None:
    """From the director's address towards the real server; DF and so identification 0; TOS and TTL copied."""
    k = Kernel(service(real(A, **({"tunnel": tunnel} if tunnel else {})), mode="tunnel"))
    packet = k.send(sized(100)).only
    outer = packet[IP]
    assert (outer.src, outer.dst, outer.id, outer.ttl, outer.len) == ("10.1.0.1", "10.1.0.11", 0, 63, 100 + added)
    assert (inner(packet).dst, inner(packet).ttl) == ("10.0.0.100", 63)


def test_pmtu_disc_off() -> None:
    """DF is not copied, and nobody is told of a packet that is too long."""
    k = Kernel(service(A, mode="tunnel"), NARROW, ipvs="pmtu_disc = 0")
    packets = k.send(sized(1200)).sent
    assert [str(packet[IP].flags) for packet in packets] == ["MF", ""]


def test_direct_routing_changes_the_mac_alone() -> None:
    """And the TTL, in 6.1."""
    k = Kernel(service(A, mode="dr"), '[[neighbor]]\naddress = "10.1.0.11"\nmac = "02:00:00:01:00:0b"')
    frame = craft.syn(CLIENT, VIP)
    packet = k.send(frame).only
    assert (packet[Ether].dst, packet[Ether].src) == ("02:00:00:01:00:0b", "02:70:63:61:70:00")
    assert bytes(packet[IP])[12:] == frame[26:]


def test_no_error_about_an_error() -> None:
    """An ICMP error whose TTL ran out is dropped in silence."""
    k = Kernel(service(A))
    k.send(craft.syn(CLIENT, VIP))
    quoted = IP(src="10.0.0.100", dst="198.51.100.1") / UDP(sport=80, dport=40000)
    quoted.proto = 6
    error = IP(src="198.51.100.1", dst="10.0.0.100", ttl=1) / ICMP(type=3, code=1) / quoted
    seen = k.send(craft.frame(error))
    assert (seen.verdict, seen.frames) == ("ttl_exceeded", [])


@pytest.mark.parametrize("mode", ["nat", "dr", "tunnel"])
def test_ipv6(mode: str) -> None:
    """The same three ways for IPv6."""
    k = Kernel(service("[2001:db8::11]:80", vip="[2001:db8::100]:80", mode=mode))
    seen = k.send(craft.syn("[2001:db8:1::1]:5", "[2001:db8::100]:80"))
    assert seen.verdict == f"{mode}_forwarded"
    packet = seen.only
    assert packet.payload.dst == ("2001:db8::100" if mode == "dr" else "2001:db8::11")
    assert packet.payload.hlim == 63
    if mode == "nat":
        assert k.answer(seen, "SA").only.payload.src == "2001:db8::100"


@pytest.mark.parametrize(
    ("vip", "real_server", "client", "layers"),
    [
        ("10.0.0.100:80", "[2001:db8::11]:80", CLIENT, ("IPv6", "IP")),
        ("[2001:db8::100]:80", "10.1.0.11:80", "[2001:db8:9::1]:5", ("IP", "IPv6")),
    ],
)
def test_tunnels_of_the_other_family(vip: str, real_server: str, client: str, layers: tuple[str, str]) -> None:
    """Either way; around IPv6 an IPv4 header has no DF (recorded)."""
    packet = Kernel(service(real_server, vip=vip, mode="tunnel")).send(craft.syn(client, vip)).only
    assert tuple(layer.__name__ for layer in packet.layers()[1:3]) == layers
    assert layers[0] == "IPv6" or not packet["IP"].flags
