"""The director's own stack: source addresses, learned MTUs, what is reported about."""

from __future__ import annotations

import craft
import pytest
from kernel import Kernel
from scapy.layers.inet import ICMP, IP

from lbreplay.ipvs.skb import Skb
from lbreplay.wire.packet import Packet


@pytest.mark.parametrize(
    ("towards", "source"), [("10.1.0.11", "10.1.0.1"), ("198.51.100.1", "10.0.0.1"), ("10.0.0.9", "10.0.0.1")]
)
def test_source(towards: str, source: str) -> None:
    """The address in the network of the next hop."""
    k = Kernel()
    assert k.parts.net.source(bytes(map(int, towards.split(".")))) == bytes(map(int, source.split(".")))


def test_learned_mtu() -> None:
    """It lowers the route's for 600 s, and never raises it."""
    k, dst = Kernel(), bytes((10, 1, 0, 11))
    for learned, mtu in ((1400, 1400), (9000, 1500)):
        k.parts.net.learn_mtu(dst, learned)
        assert k.parts.net.route(dst).mtu == mtu
    k.wait(600)
    assert k.parts.net.learned_mtu(dst) is None


@pytest.mark.parametrize(
    ("packet", "reported"),
    [
        (IP(src="1.2.3.4", dst="10.0.0.100") / ICMP(type=8), True),
        (IP(src="1.2.3.4", dst="10.0.0.100") / ICMP(type=3), False),
        (IP(src="0.0.0.0", dst="10.0.0.100"), False),
        (IP(src="1.2.3.4", dst="10.0.0.100", frag=5), False),
        (IP(src="1.2.3.4", dst="203.0.113.1"), False),
    ],
)
def test_what_is_reported_about(packet: IP, reported: bool) -> None:
    """Not errors, not later fragments, not from nobody; and only from an address that is ours."""
    k = Kernel()
    frame = craft.frame(packet)
    k.parts.net.out = []
    k.parts.net.error(Skb(Packet(frame, len(frame))), 3, 3)
    assert bool(k.parts.net.out) is reported
