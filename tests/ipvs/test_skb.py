"""A packet on its way: lengths, TTL."""

from __future__ import annotations

import craft

from lbreplay.ipvs.skb import Skb
from lbreplay.wire import checksum
from lbreplay.wire.packet import Packet


def test_ttl_and_header_checksum() -> None:
    """One less, and the header still sums up."""
    frame = craft.tcp("1.2.3.4:5", "6.7.8.9:10", ttl=64)
    skb = Skb(Packet(frame, len(frame)))
    skb.lower_ttl()
    assert skb.ttl == 63
    assert checksum.verify_ip_header(skb.l3)


def test_what_the_capture_cut() -> None:
    """Lengths are those of the wire."""
    frame = craft.tcp("1.2.3.4:5", "6.7.8.9:10", payload=b"x" * 100)
    skb = Skb(Packet(frame[:60], len(frame)))
    assert (skb.missing, skb.length) == (len(frame) - 60, len(frame) - 14)
