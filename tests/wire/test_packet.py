"""One frame as an object: what stands where, trimmed to its own length, and nothing judged."""

from __future__ import annotations

import craft
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH
from scapy.packet import Packet as Layers
from scapy.packet import Raw

from lbreplay.wire.packet import FRAGMENT, NO_NEXT, SYN, Packet, flow_key, skip_extensions

SRC, DST, SRC6, DST6 = "10.1.2.3", "10.4.5.6", "2001:db8::1", "2001:db8::2"


def packet(layers: Layers | bytes, cut: int | None = None, padding: int = 0) -> Packet:
    data = (layers if isinstance(layers, bytes) else craft.frame(layers)) + bytes(padding)
    return Packet(data[:cut], len(data))


def test_a_segment_is_read() -> None:
    """Ends, flags, numbers."""
    p = packet(IP(src=SRC, dst=DST, ttl=7) / TCP(sport=1, dport=2, seq=3, ack=2**32 - 1, flags="SA"))
    assert (p.family, p.proto, p.l4_at, p.ttl) == (4, 6, 20, 7)
    assert (p.src, p.sport, p.dst, p.dport) == (bytes([10, 1, 2, 3]), 1, bytes([10, 4, 5, 6]), 2)
    assert (p.seq, p.ack, p.flags) == (3, 2**32 - 1, 0x12)
    assert p.key == flow_key(6, p.src, 1, p.dst, 2) and p.complete and not p.is_fragment


def test_padding_is_none_of_it() -> None:
    """By the lengths of the IP header, in both families."""
    for layers in (IP(src=SRC, dst=DST) / UDP() / b"x", IPv6(src=SRC6, dst=DST6) / UDP() / b"x"):
        p = packet(layers, padding=9)
        assert p.l3 == bytes(layers) and p.l3_length == len(layers) and p.complete


def test_a_length_that_lies_does_not_lengthen() -> None:
    """A total longer than the frame leaves what is there."""
    p = packet(IP(src=SRC, dst=DST, len=900) / UDP() / b"x")
    assert p.l3_length == len(p.l3) == 29 and p.complete


def test_a_cut_frame_is_not_complete() -> None:
    """What is missing reads as 0."""
    whole = craft.frame(IP(src=SRC, dst=DST) / TCP(sport=1, dport=2, seq=3, flags="S") / bytes(100))
    p = packet(whole, cut=60)
    assert not p.complete and p.l3_length == 140 and len(p.l3) == 46 and p.flags == SYN
    p = packet(whole, cut=14 + 20 + 6)
    assert (p.sport, p.dport, p.seq, p.flags, p.l4_there) == (1, 2, 0, 0, 6)
    p = packet(whole, cut=14 + 19)
    assert (p.family, p.src, p.l4_at) == (0, b"", 0)


def test_a_tag_is_taken_off() -> None:
    """Its id stays known."""
    p = packet(craft.frame(IP(src=SRC, dst=DST) / UDP(sport=5), vlan=100))
    assert p.family == 0 and p.vlan is None
    p.untag()
    assert (p.family, p.vlan, p.l3_at, p.sport) == (4, 100, 18, 5)


@pytest.mark.parametrize("fields", [{"flags": "MF"}, {"frag": 3}])
def test_fragments_have_no_ports(fields: dict[str, object]) -> None:
    """Not even the first one, of IPv4."""
    p = packet(IP(src=SRC, dst=DST, **fields) / UDP(sport=5, dport=6))
    assert p.is_fragment and (p.sport, p.dport) == (0, 0)


def test_do_not_fragment() -> None:
    assert packet(IP(src=SRC, dst=DST, flags="DF") / UDP()).dont_fragment
    assert not packet(IP(src=SRC, dst=DST) / UDP()).dont_fragment
    assert not packet(IPv6(src=SRC6, dst=DST6) / UDP()).dont_fragment


def test_options_move_the_ports() -> None:
    """Of IPv4."""
    p = packet(IP(src=SRC, dst=DST, options=IPOption_RR()) / UDP(sport=5, dport=6))
    assert p.l4_at == 24 and (p.sport, p.dport) == (5, 6)


@pytest.mark.parametrize("offset, length", [(2, 20), (5, 20), (8, 32), (15, 44)])
def test_the_tcp_header_is_at_least_its_base_and_at_most_what_is_there(offset: int, length: int) -> None:
    """Whatever its data offset says."""
    p = packet(IP(src=SRC, dst=DST) / TCP(dataofs=offset) / Raw(bytes(24)))
    assert p.tcp_header_length == length


@pytest.mark.parametrize(
    "headers, proto, at",
    [
        (UDP(), 17, 40),
        (IPv6ExtHdrHopByHop() / UDP(), 17, 48),
        (IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(addresses=[DST6]) / IPv6ExtHdrDestOpt() / TCP(), 6, 80),
        (AH(nh=17, payloadlen=4, icv=bytes(12)) / UDP(), 17, 64),
        (IPv6ExtHdrFragment(offset=0, m=1) / UDP(), 17, 48),
        (IPv6ExtHdrFragment(offset=3) / UDP(), FRAGMENT, 40),
        (IPv6ExtHdrDestOpt(nh=NO_NEXT), NO_NEXT, 48),
    ],
)
def test_extension_headers_are_skipped(headers: Layers, proto: int, at: int) -> None:
    """A first fragment is looked through, a later one is not."""
    l3 = bytes(IPv6(src=SRC6, dst=DST6) / headers)
    assert skip_extensions(l3) == (proto, at, True)
    assert packet(craft.frame(IPv6(l3))).extended is (at != 40)


def test_an_extension_header_that_is_not_there() -> None:
    """The look-up stops before it."""
    l3 = bytes(IPv6(src=SRC6, dst=DST6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / UDP())
    assert skip_extensions(l3[:52]) == (60, 48, False)


def test_other_ethertypes_are_no_packets() -> None:
    """Nor is IPv4 with the version of another."""
    assert packet(craft.arp("10.0.0.1")).family == 0
    assert packet(craft.frame(IP(src=SRC, dst=DST) / ICMP())).proto == 1
