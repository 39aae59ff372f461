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


def test_a_rule_for_ports_marks_the_first_piece_alone() -> None:
    """It waits with the director, the others on their way through: none of them leaves (recorded)."""
    mark = '[[mark]]\nto = "192.0.2.0/24"\nprotocol = "udp"\nports = [53]\nmark = 6\nlocal = true'
    k = Kernel(service("10.1.0.11:0", vip=None, fwmark=6), mark)
    seen = [k.send(frame) for frame in pieces(CLIENT, "192.0.2.9:53", 1024, 400)]
    assert [s.verdict for s in seen] == ["fragment_queued"] * 3 and not any(s.frames for s in seen)


@pytest.mark.parametrize(("dst", "source"), [(VIP, "10.0.0.53"), ("203.0.113.9:6", "10.0.0.1")])
def test_a_late_rest_is_told(dst: str, source: str) -> None:
    """30 s after the first piece the sender hears ICMP 11/1 about it, of the director as of what passes."""
    k = Kernel(service(REAL, vip="10.0.0.53:53", protocol="udp"))
    dst = "10.0.0.53:53" if dst == VIP else dst
    k.parts.net.out = out = []
    for at, told in ((0, 0), (29, 0), (2, 1)):
        k.wait(at)
        if not at:
            k.send(pieces(CLIENT, dst, 1024, 400)[0])
            k.parts.net.out = out
        assert len(out) == told
    (packet,) = [craft.parse(made.frame) for made in out]
    assert (packet[IP].src, packet["ICMP"].type, packet["ICMP"].code, packet["ICMP"].payload.flags) == (
        source,
        11,
        1,
        "MF",
    )


def test_pieces_of_ipv6() -> None:
    """Put together on arrival as soon as there is a service of IPv6, and sent in the received pieces."""
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6

    k = Kernel(service("[2001:db8::11]:53", vip="[2001:db8::100]:53", protocol="udp"))
    whole = IPv6(src="2001:db8:9::1", dst="2001:db8::100") / IPv6ExtHdrFragment(id=5) / UDP(sport=5, dport=53)
    frames = [craft.frame(piece) for piece in fragment6(whole / Raw(bytes(3000)), 1400)]
    seen = [k.send(frame) for frame in frames]
    assert [s.verdict for s in seen] == ["fragment_queued"] * (len(frames) - 1) + ["nat_forwarded"]
    assert [len(frame) for frame in seen[-1].frames] == [len(frame) for frame in frames]
    assert {packet[IPv6].dst for packet in seen[-1].sent} == {"2001:db8::11"}
    offsets = [
        [packet[IPv6ExtHdrFragment].offset for packet in some] for some in (seen[-1].sent, map(craft.parse, frames))
    ]
    assert offsets[0] == offsets[1]
