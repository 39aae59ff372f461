"""SNAT: inside hosts leave by one address and ports of its pool, towards each remote host (D 2.2, 11.3)."""

from __future__ import annotations

import craft
from rig import play, setup, syn, tcp, udp
from scapy.layers.inet import ICMP, IP, TCP, UDP

RULE = """[[service]]
mode = "snat"
protocol = "{0}"
match = "proto={0},src-range=192.168.100.0-192.168.100.255,oif=dpdk0"
[[service.real]]
address = "192.168.100.10:0"
"""
INSIDE, REMOTE, OUTSIDE = "192.168.100.50:5000", "203.0.113.5:80", "192.168.100.10:1025"


def snat(proto: str = "tcp", **settings: object) -> object:
    return setup(events=RULE.format(proto), device='sapool_address = ["192.168.100.10"]', **settings)  # type: ignore[arg-type]


def test_out_and_back() -> None:
    """States are those of OUT first: SYN_SENT, ESTABLISHED (D 5.2)."""
    run = play(snat(), [syn(INSIDE, REMOTE), tcp(REMOTE, OUTSIDE, "SA", 9, 1001), tcp(INSIDE, REMOTE, "A", 1001, 10)])
    out, back = run.packet(1), run.packet(2)
    assert (out[IP].src, out[TCP].sport, out[IP].dst) == ("192.168.100.10", 1025, "203.0.113.5")
    assert (back[IP].src, back[IP].dst, back[TCP].dport) == ("203.0.113.5", "192.168.100.50", 5000)
    assert [run.states(n)[1] for n in (1, 2, 3)] == ["SYN_SENT", "ESTABLISHED", "ESTABLISHED"]
    assert set(run.verdicts) == {"forwarded_slow"} and "Timestamp" in dict(out[TCP].options)
    snat_service = run.document["services"][1]["reals"][0]
    assert (snat_service["inpkts"], snat_service["outpkts"]) == (1, 2)


def test_udp_is_oneway_until_the_internet_answers() -> None:
    """The mirrored rows (D 7.2)."""
    run = play(snat("udp"), [udp(INSIDE, REMOTE), udp(REMOTE, OUTSIDE), udp(INSIDE, REMOTE)])
    assert [run.states(n)[1] for n in (1, 2, 3)] == ["ONEWAY", "NORMAL", "NORMAL"]


def test_one_port_may_serve_two_remote_hosts() -> None:
    """Buckets are chosen by the remote end (D 11.3)."""
    run = play(
        snat("udp"),
        [udp(INSIDE, REMOTE), udp("192.168.100.51:5000", "203.0.113.6:80"), udp("192.168.100.52:1", REMOTE)],
    )
    assert [run.packet(n)[UDP].sport for n in (1, 2, 3)] == [1025, 1025, 1026]


def test_echo_keeps_its_identifier_and_the_newest_asker_gets_the_answer() -> None:
    """No port is taken; two hosts with one identifier collide (D 9.2)."""
    ask = [craft.frame(IP(src=f"192.168.100.{n}", dst="203.0.113.5") / ICMP(type=8, id=4)) for n in (50, 51)]
    answer = craft.frame(IP(src="203.0.113.5", dst="192.168.100.10") / ICMP(type=0, id=4))
    run = play(snat("icmp"), [*ask, answer])
    assert run.packet(1)[ICMP].id == 4 and run.packet(3)[IP].dst == "192.168.100.51"
    assert run.document["workers"][0]["sa_pool"]["used"] == 0


def test_every_reply_from_inside_is_a_connection_of_its_own() -> None:
    """It is entered as sent and looked up as its request, so nobody finds it: requests are found (recorded)."""
    frames = [craft.frame(IP(src="192.168.100.50", dst="203.0.113.5") / ICMP(type=kind, id=4)) for kind in (0, 14, 8)]
    run = play(snat("icmp"), [frame for frame in frames for _ in range(2)])
    assert [run.trace[n]["new"] for n in range(1, 7)] == [True, True, True, True, True, False]
    assert {run.packet(n)[IP].src for n in range(1, 7)} == {"192.168.100.10"}


def test_a_stranger_is_not_let_in() -> None:
    """What nobody inside asked for is the kernel's."""
    assert play(snat(), [tcp(REMOTE, OUTSIDE, "SA")]).verdicts == ["local_to_kernel"]
