"""Fragments: put together in any order, taken apart as requests or as answers (L 3)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, Kernel, service
from scapy.layers.inet import IP, UDP, fragment
from scapy.packet import Raw

VIP, REAL = "10.0.0.100:53", "10.1.0.11:53"
DNS = service(REAL, vip=VIP, protocol="udp")


def pieces(src: str, dst: str, size: int, step: int, **ip: object) -> list[bytes]:
    """The frames of a datagram of *size* payload bytes in pieces of *step*."""
    (source, sport), (dest, dport) = craft.split(src), craft.split(dst)
    payload = Raw(bytes(range(256)) * (size // 256))
    whole = IP(src=source, dst=dest, id=77, **ip) / UDP(sport=sport, dport=dport) / payload
    return [craft.frame(piece) for piece in fragment(whole, step)]


def sizes(k: Kernel, frames: list[bytes]) -> list[int]:
    """Lengths of what the last of *frames* makes leave; the others wait."""
    *first, last = [k.send(frame) for frame in frames]
    assert {seen.verdict for seen in first} == {"fragment_queued"}
    assert all(not seen.frames for seen in first)
    return [packet[IP].len for packet in last.sent]


def test_requests_leave_in_equal_pieces() -> None:
    """As long as the largest received, whatever order they came in."""
    small, large = pieces(CLIENT, VIP, 1024, 800)[1], pieces(CLIENT, VIP, 1024, 800)[0]
    assert sizes(Kernel(DNS), [small, large]) == [820, 252]
    assert sizes(Kernel(DNS), pieces(CLIENT, VIP, 1024, 200)) == [220] * 5 + [52]


def test_answers_keep_their_pieces() -> None:
    """The very pieces that came; with tracking, requests too."""
    k = Kernel(DNS)
    k.send(craft.udp(CLIENT, VIP))
    first, second = pieces(REAL, CLIENT, 1024, 200)[:1], pieces(REAL, CLIENT, 1024, 200)[1:]
    assert sizes(k, second[::-1] + first) == [220] * 5 + [52]
    tracked = Kernel(DNS, ipvs="tracking = true")
    uneven = [*pieces(CLIENT, VIP, 1024, 200)[:1], *pieces(CLIENT, VIP, 1024, 200)[1:]]
    assert sizes(tracked, uneven) == [220] * 5 + [52]


def test_addresses_and_checksum_of_pieces() -> None:
    """All pieces carry the new address, the first the moved checksum; identification stays."""
    k = Kernel(DNS)
    last = [k.send(frame) for frame in pieces(CLIENT, VIP, 1024, 400)][-1]
    assert {packet[IP].dst for packet in last.sent} == {"10.1.0.11"}
    assert {packet[IP].id for packet in last.sent} == {77}
    body = b"".join(bytes(packet[IP].payload) for packet in last.sent)
    whole = IP(src="198.51.100.1", dst="10.1.0.11") / UDP(body)
    sent = whole[UDP].chksum
    del whole[UDP].chksum
    assert IP(bytes(whole))[UDP].chksum == sent


def test_incomplete_and_late() -> None:
    """Nothing leaves; after 30 s the rest comes too late."""
    k = Kernel(DNS)
    first, *rest = pieces(CLIENT, VIP, 1024, 400)
    k.send(first)
    k.wait(31)
    assert [k.send(frame).verdict for frame in rest] == ["fragment_queued"] * len(rest)


def test_overlap() -> None:
    """Overlapping pieces give up the whole datagram; the same piece twice does not."""
    one, two, *_ = pieces(CLIENT, VIP, 1024, 400)
    k = Kernel(DNS)
    assert sizes(k, [one, one, *pieces(CLIENT, VIP, 1024, 400)[1:]])
    k = Kernel(DNS)
    other = pieces(CLIENT, VIP, 1024, 600)[1]
    verdicts = [k.send(frame).verdict for frame in (one, two, other, *pieces(CLIENT, VIP, 1024, 400)[2:])]
    assert set(verdicts) == {"fragment_queued"}


@pytest.mark.parametrize("edition", ["2.6", "6.1.192"])
def test_strangers(edition: str) -> None:
    """Fragments of others that pass by are put together, and sent on in their own pieces, TTL lowered once."""
    k = Kernel(DNS, edition=edition)
    frames = pieces("203.0.113.1:5", "203.0.113.9:6", 1024, 400, ttl=20)
    last = [k.send(frame) for frame in frames][-1]
    assert [(packet[IP].len, packet[IP].ttl) for packet in last.sent] == [(420, 19), (420, 19), (252, 19)]
