"""Encapsulation, against recordings and for the outer fields each kind copies."""

import pytest
import recorded

from lbreplay.wire import checksum, tunnel
from lbreplay.wire.craft import ipv4, ipv6
from lbreplay.wire.length import total_length
from lbreplay.wire.packet import IPIP, IPV6_IN_IP, UDP

A4, B4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
A6, B6 = bytes(15) + b"\1", bytes(15) + b"\2"
V4 = ipv4(A4, B4, UDP, bytes(20), tos=0x2E, ident=5, flags=0x4000, ttl=9)
V6 = ipv6(A6, B6, UDP, bytes(20), hops=7, flow=0x0AB12345)


@pytest.mark.parametrize("name", ["dpvs/tunnel", "dpvs/tunnel_routed", "dpvs-1.8/tunnel"])
def test_recorded_tunnels(name):
    """The outer header is what DPVS wrote, given its source and identification."""
    seen = 0
    for came, left in recorded.frames(name):
        for sent in left:
            if came and sent.proto in (IPIP, IPV6_IN_IP) and sent.l3[sent.l4_at :] == came.l3:
                assert tunnel.encapsulate(came.l3, sent.src, sent.dst, int.from_bytes(sent.l3[4:6])) == sent.l3
                seen += 1
    assert seen >= 20


def test_4in4():
    """Protocol 4; TOS, TTL and DF of the inner packet, identification of its own."""
    l3 = tunnel.encapsulate(V4, B4, A4, 77)
    assert l3[:10].hex() == "452e003c004d40000904" and l3[12:20] == B4 + A4 and l3[20:] == V4
    assert checksum.verify_ip_header(l3)


def test_6in6():
    """Next header 41; class, flow label and hop limit of the inner packet."""
    l3 = tunnel.encapsulate(V6, B6, A6)
    assert l3[:8].hex() == "6ab12345003c2907" and l3[8:40] == B6 + A6 and l3[40:] == V6


def test_6in4():
    """Protocol 41; TOS 0, DF, TTL from the hop limit."""
    l3 = tunnel.encapsulate(V6, B4, A4, 3)
    assert l3[:10].hex() == "45000050000340000729" and l3[20:] == V6


@pytest.mark.parametrize("inner, outer", [(V4, A4), (V6, A6), (V6, A4)])
def test_cut_packets_keep_their_length(inner, outer):
    """The outer length counts what the snap length cut off."""
    l3 = tunnel.encapsulate(inner[:-9], bytes(len(outer)), outer, 0)
    assert total_length(l3) == len(l3) + 9
