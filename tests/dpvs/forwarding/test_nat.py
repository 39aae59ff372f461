"""NAT: the client's own address and port towards the real server (D 2.2)."""

from __future__ import annotations

from rig import CLIENT, REAL, VIP, play, setup, syn, tcp
from scapy.layers.inet import IP, TCP


def test_only_one_end_changes() -> None:
    """Destination in, source out; nothing is taken from a pool."""
    run = play(setup(mode="nat"), [syn(CLIENT, VIP), tcp(REAL, CLIENT, "SA", 1, 1001)])
    there, back = run.packet(1), run.packet(2)
    assert (there[IP].src, there[TCP].sport, there[IP].dst, there[TCP].dport) == (
        "172.16.0.1",
        3000,
        "192.168.100.2",
        8080,
    )
    assert (back[IP].src, back[TCP].sport, back[IP].dst, back[TCP].dport) == ("10.0.0.100", 80, "172.16.0.1", 3000)
    assert run.document["workers"][0]["sa_pool"]["used"] == 0 and run.trace[1]["laddr"] is None


def test_two_services_of_one_real_server() -> None:
    """Equal answers: the newer connection has them, and when it is gone the older (D 2.1)."""
    other = f'[[service]]\nname = "other"\nvip = "10.0.0.101:80"\nmode = "nat"\n[[service.real]]\naddress = "{REAL}"\n'
    answer = tcp(REAL, CLIENT, "A", 1, 1001)
    frames = [
        syn(CLIENT, VIP),
        (5_000, syn(CLIENT, "10.0.0.101:80")),
        (5_001, answer),
        (34_000, syn(CLIENT, VIP)),
        (41_000, answer),
    ]
    run = play(setup(mode="nat", events=other, more="[tcp.timeout]\nestablished = 30\n"), frames)
    assert [run.trace[n]["service"] for n in (3, 5)] == ["other", "web"]
