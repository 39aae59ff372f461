"""ICMP errors about connections (L 11)."""

from __future__ import annotations

from typing import Any

import craft
import pytest
from kernel import CLIENT, VIP, A, C, Kernel, Seen, real, service
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, TCPerror
from scapy.packet import Packet

PEER = "198.51.100.1"


def about_answer(dst: str = "10.0.0.100", **icmp: Any) -> bytes:
    """A client's error about what the virtual address said."""
    quoted = IP(src="10.0.0.100", dst=PEER) / TCP(sport=80, dport=40000)
    return error(IP(src=PEER, dst=dst), quoted, **icmp)


def error(ends: Packet, quoted: Packet, **icmp: Any) -> bytes:
    return craft.frame(ends / ICMP(**({"type": 3, "code": 1} | icmp)) / quoted)


@pytest.mark.parametrize(("kind", "verdict"), [(3, "icmp_related_forwarded"), (4, "icmp_related_forwarded"),
                                               (11, "icmp_related_forwarded"), (5, "local_to_kernel"),
                                               (8, "local_to_kernel")])  # fmt: skip
def test_types(kind: int, verdict: str) -> None:
    """Unreachable, source quench and time exceeded; nothing else."""
    k = Kernel(service(A))
    k.send(craft.syn(CLIENT, VIP))
    assert k.send(about_answer(type=kind)).verdict == verdict


def test_towards_the_real_server() -> None:
    """Outer destination, quoted source and port become the real server's; checksums are right; state and timer stay."""
    k = Kernel(service(A))
    conn = k.send(craft.syn(CLIENT, VIP)).conn
    k.wait(10)
    packet = k.send(about_answer()).only
    assert (packet[IP].dst, packet[IPerror].src, packet[TCPerror].sport) == ("10.1.0.11", "10.1.0.11", 8080)
    assert (k.state(conn), k.dest(A).inpkts) == (("SYN_RECV", 49), 2)
    again = craft.parse(bytes(packet))
    del again[IP].chksum, again[ICMP].chksum
    assert craft.parse(bytes(again))[ICMP].chksum == packet[ICMP].chksum


def test_bad_checksum_and_short_quotation() -> None:
    """A wrong sum of a hit is dropped; less than the ports is let go, a header that is not whole dropped."""
    k = Kernel(service(A))
    k.send(craft.syn(CLIENT, VIP))
    assert k.send(about_answer(chksum=1)).verdict == "icmp_related_bad_checksum"
    short = craft.parse(about_answer())
    for size, verdict in ((23, "local_to_kernel"), (24, "icmp_related_forwarded")):
        cut = IP(src=PEER, dst="10.0.0.100") / ICMP(type=3, code=1) / bytes(short[IPerror])[:size]
        assert k.send(craft.frame(cut)).verdict == verdict
    headless = IP(src=PEER, dst="10.0.0.100", proto=1) / b"\3\1\0\0"
    assert k.send(craft.frame(headless)).verdict == "icmp_malformed"


def test_own_errors_about_direct_routing_count_as_answers() -> None:
    """The director's 3/4 passes LOCAL_OUT, where it is found by its quotation (recorded)."""
    k = Kernel(service(A, mode="dr"), '[[route]]\nto = "10.1.0.11/32"\nmtu = 1000')
    seen = k.send(big())
    assert (seen.verdict, seen.only[ICMP].nexthopmtu) == ("frag_needed", 1000)
    assert (k.dest(A).outpkts, k.dest(A).outbytes) == (1, 576)


def big() -> bytes:
    packet = craft.parse(craft.tcp(CLIENT, VIP, "S", payload=b"x" * 1200))
    packet[IP].flags = "DF"
    del packet[IP].chksum
    return bytes(packet)


def tunnelled(k: Kernel, **icmp: Any) -> Seen:
    """An error from the path about the last tunnelled packet."""
    outer = k.send(craft.tcp(CLIENT, VIP)).only[IP]
    return k.send(error(IP(src="10.1.0.200", dst=outer.src), outer, **icmp))


def test_tunnel_errors_reach_the_client() -> None:
    """From the virtual address, quoting the inner packet; counted twice as an answer."""
    k = Kernel(service(C, mode="tunnel"))
    k.send(craft.syn(CLIENT, VIP))
    seen = tunnelled(k, type=3, code=1)
    assert (seen.verdict, seen.only[IP].src, seen.only[IP].dst) == ("tunnel_error_returned", "10.0.0.100", PEER)
    assert (seen.only[IPerror].src, seen.only[TCPerror].dport, k.dest(C).outpkts) == (PEER, 80, 2)


@pytest.mark.parametrize("tunnel", [{"type": "gre"}, {"type": "gre", "checksum": True}, {"type": "gue", "port": 5555}])
def test_other_tunnels(tunnel: dict[str, Any]) -> None:
    """Their headers are taken off as well."""
    k = Kernel(service(real(C, tunnel=tunnel), mode="tunnel"))
    k.send(craft.syn(CLIENT, VIP))
    assert tunnelled(k).only[TCPerror].dport == 80


def test_learned_path_mtu() -> None:
    """The first error tells the route's own MTU, the next one what was learned; after 600 s it is forgotten."""
    k = Kernel(service(C, mode="tunnel"))
    frame = craft.parse(big())
    k.send(bytes(frame))
    for told, mtu in ((1480, 1300), (1180, 1200)):
        outer = frame[IP].copy()
        wrapped = IP(src="10.1.0.1", dst="10.1.0.13", flags="DF") / outer
        seen = k.send(error(IP(src="10.1.0.200", dst="10.1.0.1"), wrapped, type=3, code=4, nexthopmtu=mtu))
        assert seen.only[ICMP].nexthopmtu == told
    assert k.send(big()).verdict == "frag_needed"
    k.wait(601)
    assert k.send(big()).verdict == "tunnel_forwarded"


@pytest.mark.parametrize("proto", [50, 51])
def test_about_esp_and_ah(proto: int) -> None:
    """What has no ports belongs to the key exchange, UDP 500, also where an error quotes it (recorded)."""
    k = Kernel(service("10.1.0.11:500", protocol="udp", vip="10.0.0.100:500"))
    k.send(craft.frame(IP(src=PEER, dst="10.0.0.100") / UDP(sport=500, dport=500) / b"ike"))
    seen = k.send(error(IP(src=PEER, dst="10.0.0.100"), IP(src="10.0.0.100", dst=PEER, proto=proto) / b"x"))
    assert (seen.verdict, seen.only[IP].dst, seen.only[IPerror].src) == ("icmp_related_forwarded", *["10.1.0.11"] * 2)
    assert k.send(craft.frame(IP(src=PEER, dst="10.0.0.100", proto=proto) / b"x")).only[IP].dst == "10.1.0.11"


@pytest.mark.parametrize(("mode", "source"), [("dr", "10.1.0.11"), ("tunnel", "10.1.0.11"), ("nat", "10.0.0.100")])
def test_of_a_real_server(mode: str, source: str) -> None:
    """About what came for the virtual address: counted as an answer, translated back only under NAT (recorded)."""
    k = Kernel(service(A, mode=mode))
    k.send(craft.syn(CLIENT, VIP))
    port = {"nat": 8080}.get(mode, 80)
    quoted = IP(src=PEER, dst="10.1.0.11" if mode == "nat" else "10.0.0.100") / TCP(sport=40000, dport=port)
    assert k.send(error(IP(src="10.1.0.11", dst=PEER), quoted)).only[IP].src == source
    assert k.dest(A).outpkts == 1


@pytest.mark.parametrize(("schedule", "verdicts"), [(0, ["local_to_kernel"] * 2),
                                                    (1, ["l4_header_short", "icmp_related_forwarded"])])  # fmt: skip
def test_scheduled_by_an_error(schedule: int, verdicts: list[str]) -> None:
    """schedule_icmp: an error about nothing known opens a connection; with ports that are not whole it is dropped."""
    k = Kernel(service(A), ipvs=f"schedule_icmp = {schedule}")
    quoted = bytes(IP(src="10.0.0.100", dst=PEER) / TCP(sport=80, dport=40000))
    frames = [craft.frame(IP(src=PEER, dst="10.0.0.100") / ICMP(type=3, code=1) / quoted[:size]) for size in (23, 24)]
    assert [k.send(frame).verdict for frame in frames] == verdicts
