"""Full NAT: a local address and port of this worker, given back at the end (D 11.1)."""

from __future__ import annotations

from rig import CLIENT, VIP, play, setup, syn, tick, udp
from scapy.layers.inet import IP, TCP


def clients(count: int) -> list[bytes]:
    return [syn(f"172.16.0.{n}:3000", VIP) for n in range(1, count + 1)]


def test_the_real_server_sees_the_local_address() -> None:
    """(laddr, lport) to the real server's address and port; the connection counts at its local address."""
    run = play(setup(), clients(2))
    assert [(run.packet(n)[IP].src, run.packet(n)[TCP].sport, run.packet(n)[TCP].dport) for n in (1, 2)] == [
        ("192.168.100.200", 1025, 8080),
        ("192.168.100.200", 1026, 8080),
    ]
    told = run.document["services"][0]["laddrs"][0]
    assert (told["conns"], told["used"], told["free"] + told["used"]) == (2, 2, 16 * 64511)


def test_without_a_port_the_packet_is_dropped() -> None:
    """One port towards each bucket of real servers; a miss is counted (D 11.2)."""
    made = setup(more="[sa_pool]\nlow = 2000\nhigh = 2000\n")
    run = play(made, [*clients(2), (31_000, tick()), (31_001, syn(CLIENT, VIP))])
    assert run.verdicts[:2] == ["forwarded_slow", "laddr_port_exhausted"] and run.verdicts[3] == "forwarded_slow"
    assert run.document["services"][0]["laddrs"][0]["miss"] == 1 and run.real["conns"] == 2


def test_ports_of_workers_come_home() -> None:
    """Each worker has the ports whose low bits are its rank (D 11.3)."""
    run = play(setup(workers=4), clients(12))
    assert all(run.packet(n)[TCP].sport % 4 == run.trace[n]["worker"] for n in range(1, 13))


def test_udp_takes_ports_of_the_same_pool() -> None:
    """Protocols share an address's ports."""
    run = play(
        setup(protocol="udp", more="[udp]\nuoa_max_trail = 0\n"), [udp(CLIENT, VIP), udp("172.16.0.1:3001", VIP)]
    )
    assert [run.packet(n)["UDP"].sport for n in (1, 2)] == [1025, 1026]
