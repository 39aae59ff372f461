"""ip_vs_in: what it looks at, old connections, deleted real servers (L 3, L 4)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, VIP, A, B, C, Kernel, service
from scapy.layers.inet import IP, UDP
from scapy.layers.ipsec import ESP


def test_counted_before_it_is_sent() -> None:
    """A packet that dies of its TTL counts, with the bytes of its IP datagram."""
    k = Kernel(service(A))
    k.send(craft.syn(CLIENT, VIP))
    frame = craft.tcp(CLIENT, VIP, ttl=1)
    assert k.send(frame).verdict == "ttl_exceeded"
    assert (k.dest(A).inpkts, k.dest(A).inbytes) == (2, len(craft.syn(CLIENT, VIP)) + len(frame) - 28)


@pytest.mark.parametrize("flags", ["A", "S"])
def test_deleted_real_server(flags: str) -> None:
    """Its connections' requests are dropped silently, SYNs too; answers still pass; back again, all goes on."""
    k = Kernel(service(A, B))
    seen = k.handshake()
    k.remove(B)
    dropped = k.send(craft.tcp(CLIENT, VIP, flags))
    assert (dropped.verdict, dropped.frames) == ("dest_unavailable", [])
    assert k.answer(seen).verdict == "nat_replied"
    k.add(B)
    assert k.send(craft.tcp(CLIENT, VIP)).verdict == "nat_forwarded"


@pytest.mark.parametrize(
    ("mode", "method", "ends", "real"),
    [
        (1, "nat", "R", B),
        (0, "nat", "R", C),
        (1, "dr", "F", C),
        (2, "dr", "F", B),
        (2, "nat", "F", C),
    ],
)
def test_conn_reuse_mode(mode: int, method: str, ends: str, real: str) -> None:
    """A SYN on CLOSE is scheduled anew unless the mode is 0; on FIN_WAIT of direct routing only with bit 2."""
    k = Kernel(service(mode=method), ipvs=f"conn_reuse_mode = {mode}")
    k.send(craft.syn(CLIENT, VIP))
    k.send(craft.tcp(CLIENT, VIP, "A"))
    k.send(craft.tcp(CLIENT, VIP, ends))
    assert k.send(craft.syn(CLIENT, VIP)).real == real


def test_esp_follows_the_key_exchange() -> None:
    """AH and ESP have no connection of their own: UDP from 500 to 500 has it for them."""
    k = Kernel(service("10.1.0.11:500", vip="10.0.0.100:500", protocol="udp"))
    esp = craft.frame(IP(src="198.51.100.1", dst="10.0.0.100") / ESP(spi=1, seq=1, data=b"secret"))
    assert k.send(esp).verdict == "local_to_kernel"
    k.send(craft.udp("198.51.100.1:500", "10.0.0.100:500"))
    seen = k.send(esp)
    assert (seen.verdict, seen.only[IP].dst) == ("nat_forwarded", "10.1.0.11")


def test_not_for_the_host() -> None:
    """A frame to everybody reaches LOCAL_IN, and IPVS does not look at it."""
    frame = b"\xff" * 6 + craft.syn(CLIENT, VIP)[6:]
    seen = Kernel().send(frame)
    assert (seen.verdict, seen.story.reasons) == ("local_to_kernel", ["not_for_host"])


def test_packet_numbers_of_one_packet_connections() -> None:
    """Their template counts in their place."""
    dns = service("10.1.0.11:53", vip="10.0.0.100:53", protocol="udp", one_packet=True, persistent={"timeout": 60})
    k = Kernel(dns)
    for port in (1, 2, 3):
        assert UDP in k.send(craft.udp(f"198.51.100.1:{port}", "10.0.0.100:53")).only
    assert [conn.in_pkts for conn in k.parts.conns if conn.is_template] == [3]
