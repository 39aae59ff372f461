"""IPv4 options: what is written into them, what is dropped, what is answered (L 9, recorded)."""

from __future__ import annotations

import craft
import pytest
from kernel import A, Kernel, Seen, service
from scapy.layers.inet import ICMP, IP, TCP

from lbreplay.ipvs.options import Malformed, Options, received, without_copied
from lbreplay.wire import checksum

OURS, NOON = bytes((10, 0, 0, 100)), 12 * 3600 * 10**9
MIDDAY = (12 * 3600 * 1000).to_bytes(4).hex()


def read(options: str) -> tuple[str, Options]:
    """The options after reading, and what was found."""
    raw = bytes.fromhex(options)
    l3 = bytearray([0x45 + len(raw) // 4]) + bytes(19) + raw
    found = received(l3, lambda: OURS, NOON, lambda address: address == OURS)
    return l3[20:].hex(), found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("070b04000000000000000000", "070b080a0000640000000000"),
        ("070708010203040000000000"[:16], "0707080102030400"),
        ("440805000000000000000000"[:16], f"44080900{MIDDAY}"),
        ("440c05010000000000000000", f"440c0d010a000064{MIDDAY}"),
        ("440c05030a00006400000000", f"440c0d030a000064{MIDDAY}"),
        ("440c0503010203040000000000"[:24], "440c050301020304000000000000"[:24]),
        ("44080911aabbccdd", "44080921aabbccdd"),
        ("0101010094040000", "0101010000000000"),
        ("9404000001010101", "9404000001010101"),
    ],
)
def test_what_is_written(before: str, after: str) -> None:
    """Record route and timestamps in the next free place, full lists counted, 0 behind the end; others as they are."""
    assert read(before)[0] == after


@pytest.mark.parametrize(
    ("options", "at"),
    [
        ("07020400", 21),
        ("07030300", 22),
        ("0707050000000000", 22),
        ("07ff0400", 20),
        ("0700ff00", 20),
        ("01010107", 23),
        ("07070400000000070704000000000101", 27),
        ("8303030a", 22),
        ("4404050044040500", 24),
        ("440409f0", 23),
        ("94030000", 21),
    ],
)
def test_what_cannot_be(options: str, at: int) -> None:
    """Lengths and pointers that lie, a second list: the pointer says where."""
    with pytest.raises(Malformed) as raised:
        read(options)
    assert raised.value.at == at


def with_options(options: str, src: str = "198.51.100.1", dst: str = "10.0.0.100") -> bytes:
    raw = bytes.fromhex(options)
    head = IP(src=src, dst=dst, ihl=5 + len(raw) // 4, len=40 + len(raw), proto=6)
    l3 = bytearray(bytes(head) + raw + bytes(TCP(sport=5, dport=80, flags="S")))
    checksum.ip_header(l3)
    return craft.frame(IP(bytes(l3)))


def sent(k: Kernel, *frame: str) -> Seen:
    return k.send(with_options(*frame))


@pytest.mark.parametrize(
    ("options", "verdict"),
    [("8307040102030400", "source_routed"), ("07020400", "options_malformed"), ("94040000", "nat_forwarded")],
)
def test_what_becomes_of_a_request(options: str, verdict: str) -> None:
    """Source routes are not followed, what is malformed is answered."""
    seen = sent(Kernel(service(A)), options)
    assert seen.verdict == verdict
    if verdict == "options_malformed":
        assert (seen.only[ICMP].type, seen.only[ICMP].ptr, seen.only[IP].src) == (12, 21, "10.0.0.100")


def test_addresses_of_a_route() -> None:
    """A request gets the virtual address, a stranger's packet the address it leaves by; checksums are right."""
    k, route = Kernel(service(A, mode="tunnel")), "0707040000000000"
    inner = bytes(sent(k, route).only[IP].payload)
    assert inner[20:28].hex() == "0707080a00006400"
    passing = bytes(sent(k, route, "10.1.0.11", "203.0.113.9").only[IP])
    assert passing[20:28].hex() == "0707080a00000100"
    for l3 in (inner, passing):
        again = IP(l3)
        del again.chksum
        assert IP(bytes(again)).chksum == IP(l3).chksum


def test_later_fragments() -> None:
    """What is not copied becomes no operation."""
    l3 = bytes((0x48,)) + bytes(19) + bytes.fromhex("94040000070704010203040000"[:24])
    assert without_copied(l3).hex() == "940400000101010101010100"
