"""ip_vs_out: answers, and what real servers say without a connection (L 10)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, VIP, A, Kernel, service
from scapy.layers.inet import ICMP, IP, TCP, UDP


def test_an_answer() -> None:
    """From the virtual address and port, its TTL lowered by forwarding; counted after translation."""
    k = Kernel(service(A))
    seen = k.answer(k.send(craft.syn(CLIENT, VIP)), "SA", ttl=60)
    assert (seen.verdict, seen.story.lookup) == ("nat_replied", "out")
    assert (seen.only[IP].src, seen.only[TCP].sport, seen.only[IP].ttl) == ("10.0.0.100", 80, 59)
    assert (k.dest(A).outpkts, k.dest(A).outbytes) == (1, 40)


def test_checksum_0_of_a_datagram_is_computed() -> None:
    """And an incremental one stays right."""
    k = Kernel(service("10.1.0.11:53", vip="10.0.0.100:53", protocol="udp"))
    seen = k.send(craft.udp(CLIENT, "10.0.0.100:53", udp_sum=0))
    answer = k.send(craft.udp("10.1.0.11:53", CLIENT, udp_sum=0)).only
    for packet in (seen.only, answer):
        sent = packet[UDP].chksum
        del packet[UDP].chksum
        assert sent == craft.parse(bytes(packet))[UDP].chksum != 0


@pytest.mark.parametrize(("asked", "flags", "verdict"), [(0, "A", "forwarded_plain"), (1, "A", "real_without_conn"),
                                                         (1, "R", "forwarded_plain")])  # fmt: skip
def test_real_server_without_connection(asked: int, flags: str, verdict: str) -> None:
    """nat_icmp_send: told by an ICMP error from the address towards it, but not about a reset."""
    seen = Kernel(service(A), ipvs=f"nat_icmp_send = {asked}").send(craft.tcp(A, CLIENT, flags))
    assert seen.verdict == verdict
    assert seen.only[IP].src == ("10.1.0.1" if ICMP in seen.only else "10.1.0.11")


def test_answers_of_one_packet_service() -> None:
    """There is no connection left: the real server's own address stays."""
    k = Kernel(service("10.1.0.11:53", vip="10.0.0.100:53", protocol="udp", one_packet=True))
    seen = k.send(craft.udp(CLIENT, "10.0.0.100:53"))
    assert k.answer(seen).only[IP].src == "10.1.0.11"


def test_snat_is_for_the_virtual_end_of_its_own_connection() -> None:
    """Two services share a real server: the answer leaves with the newer connection's address."""
    k = Kernel(service(A), service(A, name="other", vip="10.0.0.1:80"))
    k.send(craft.syn(CLIENT, VIP))
    k.send(craft.syn(CLIENT, "10.0.0.1:80"))
    assert k.send(craft.tcp(A, CLIENT, "SA")).only[IP].src == "10.0.0.1"
