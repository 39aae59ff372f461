"""A frame's way around IPVS: input, routing, forwarding (L 2, L 3, L 20)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, VIP, A, Kernel, service
from scapy.layers.inet import ICMP, IP

STRANGER, FAR = "198.51.100.9:7", "203.0.113.9:7"


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (craft.tick(), "ethertype_unhandled"),
        (craft.arp("10.0.0.100"), "arp_to_kernel"),
        (craft.ping("198.51.100.1", "10.0.0.100"), "local_to_kernel"),
        (craft.syn(CLIENT, "10.0.0.100:81"), "local_to_kernel"),
        (craft.udp(CLIENT, "224.0.0.1:520"), "multicast"),
        (craft.tcp("127.0.0.1:5", VIP), "martian_source"),
        (craft.tcp("10.0.0.1:5", VIP), "martian_source"),
        (b"\x02" * 6 + craft.syn(CLIENT, VIP)[6:], "l3_otherhost"),
        (b"\xff" * 6 + craft.tcp(STRANGER, FAR)[6:], "forward_to_many"),
        (craft.tcp(STRANGER, FAR), "forwarded_plain"),
        (craft.tcp(STRANGER, FAR, ttl=1), "forward_ttl"),
        (craft.syn(CLIENT, VIP)[:20], "l3_header_error"),
    ],
)
def test_what_is_not_ipvs_business(frame: bytes, verdict: str) -> None:
    """Each ends where the kernel's stack ends it."""
    assert Kernel(service(A)).send(frame).verdict == verdict


def test_errors_of_the_router() -> None:
    """TTL and MTU, from the address towards the sender, quoting the packet as it came."""
    k = Kernel(service(A), '[[route]]\nto = "203.0.113.0/24"\nmtu = 600\nvia = "10.0.0.254"')
    seen = k.send(craft.tcp(STRANGER, FAR, ttl=1)).only
    assert (seen[IP].src, seen[ICMP].type, seen[ICMP].payload.ttl) == ("10.0.0.1", 11, 1)
    large = craft.parse(craft.tcp(STRANGER, FAR, payload=b"x" * 700))
    large[IP].flags = "DF"
    del large[IP].chksum
    assert k.send(bytes(large)).only[ICMP].nexthopmtu == 600


def test_forwarding_off() -> None:
    """The kernel's switch, on by default in this profile."""
    k = Kernel(service(A), "[ipv4]\nforwarding = false")
    assert k.send(craft.tcp(STRANGER, FAR)).verdict == "forward_disabled"


def test_an_answer_is_found_only_with_services() -> None:
    """6.1's hooks are there for a family that has a service."""
    k = Kernel(service("[2001:db8::11]:80", vip="[2001:db8::100]:80"))
    seen = k.send(craft.syn(CLIENT, VIP))
    assert (seen.verdict, seen.story.reasons) == ("local_to_kernel", [])
