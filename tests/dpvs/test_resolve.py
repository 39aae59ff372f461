"""Next hops that are asked for: packets wait, answers let them go, silence frees them (S 4.9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import craft
import rig
from rig import CLIENT, DELTA, LADDR, REAL, VIP, play, setup, syn, tcp, tick, udp
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from lbreplay.journey import replay

RS_MAC = "02:00:00:00:02:02"
ASKS = "resolve = true"


def balancer(**settings: Any) -> Any:
    return setup(device=settings.pop("device", ASKS), **{"mode": "nat", "protocol": "udp", **settings})


def answer(mac: str = RS_MAC, address: str = "192.168.100.2") -> bytes:
    """The real server tells its MAC to the port's own address."""
    return craft.frame(ARP(op=2, psrc=address, hwsrc=mac, pdst="192.168.100.10"))


def ask(n: int = 0) -> bytes:
    return udp(CLIENT, VIP, b"%4d" % n)


def macs(run: rig.Played) -> list[str]:
    return [run.packet(n)[Ether].dst for n in range(1, len(run.sent) + 1)]


def test_packets_wait_for_the_answer() -> None:
    """One request for all of them, from the port's address; they leave in order, by the frame that answered."""
    run = play(balancer(), [ask(1), ask(2), answer(), ask(3)])
    assert run.verdicts == ["neigh_queued", "neigh_queued", "arp_to_kernel", "forwarded_slow"]
    request = run.packet(1)[ARP]
    assert (request.op, request.psrc, request.pdst, len(run.sent[0][2])) == (1, "192.168.100.10", "192.168.100.2", 60)
    assert macs(run) == ["ff:ff:ff:ff:ff:ff", *[RS_MAC] * 3]
    assert run.trace[3]["out"] == [2, 3] and bytes(run.packet(2)[UDP].payload) == b"   1"
    assert run.document["totals"]["held"] == 2 and run.document["totals"]["generated"] == 1
    assert run.real["inpkts"] == 3


def test_too_many_wait() -> None:
    """The 130th is dropped (S 4.9)."""
    run = play(balancer(), [ask()] * 131)
    assert run.verdicts == ["neigh_queued"] * 129 + ["neigh_queue_full"] * 2


def test_nobody_answers() -> None:
    """Asked again by a packet after three seconds; two seconds of silence after that free what waits."""
    run = play(balancer(), [(0, ask(1)), (3001, ask(2)), (8002, tick()), (8003, answer())])
    assert [run.after(n) for n in (1, 2)] == [0, 3001] and len(run.sent) == 2
    late = play(balancer(), [(0, ask(1)), (2999, ask(2)), (4999, answer())])
    assert len(late.sent) == 3


def test_an_old_entry_is_asked_for_on_the_way() -> None:
    """A minute reachable, then probed by the first packet, which leaves; the answer makes it young again."""
    run = play(balancer(), [(0, ask()), (1, answer()), (60_000, ask()), (60_002, ask()), (60_003, ask())])
    assert macs(run)[2:] == [RS_MAC, RS_MAC, "ff:ff:ff:ff:ff:ff", RS_MAC]


def test_answers_of_connections_keep_an_entry_young() -> None:
    """The real server's datagrams confirm it, at most every half minute (D 4.3)."""
    made = balancer(mode="fnat", conn="fast_xmit = false", more="[udp]\nuoa_max_trail = 0\n")
    back = udp(REAL, LADDR)
    client = answer(craft.GATEWAY, "172.16.0.1")
    flow = [(0, ask()), (1, answer()), (2, client), (20_000, back), (70_000, ask())]
    assert macs(play(made, flow))[2:] == [craft.GATEWAY, RS_MAC]
    assert macs(play(made, [*flow[:3], (70_000, ask())]))[2:] == [RS_MAC, "ff:ff:ff:ff:ff:ff"]


def test_neighbours_that_are_configured_are_never_asked() -> None:
    """Nor is the fast path, which has its MACs from the frames."""
    known = '[[neighbor]]\naddress = "192.168.100.2"\nmac = "02:00:00:00:09:09"\n'
    run = play(balancer(more=known), [ask()])
    assert run.verdicts == ["forwarded_slow"] and macs(run) == ["02:00:00:00:09:09"]
    fast = play(setup(device=ASKS, more=known), rig.handshake())
    assert fast.verdicts == ["forwarded_slow", "forwarded_fast", "forwarded_fast"]


def test_every_worker_asks_and_all_hear() -> None:
    """Entries are a worker's own; one reply lets the packets of both go (S 3.5, 4.9)."""
    clients = [udp(f"172.16.0.{n}:3000", VIP) for n in range(1, 9)]
    run = play(balancer(workers=2), [*clients, answer()])
    assert macs(run).count("ff:ff:ff:ff:ff:ff") == 2 and macs(run)[2:] == [RS_MAC] * 8
    assert {run.trace[n]["worker"] for n in range(1, 9)} == {0, 1}


def test_over_ipv6_neighbours_are_solicited() -> None:
    """Of the solicited-node group, from the port's address; an advertisement answers."""
    made = balancer(vip=rig.VIP6, reals=(rig.REAL6,), laddr=rig.LADDR6)
    told = ICMPv6ND_NA(tgt="2001:db8:2::2", R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=RS_MAC)
    advert = craft.frame(IPv6(src="2001:db8:2::2", dst="2001:db8:2::10", hlim=255) / told)
    run = play(made, [udp(rig.CLIENT6, rig.VIP6), advert])
    assert run.verdicts == ["neigh_queued", "nd_to_kernel"]
    asked = run.packet(1)
    assert (asked[Ether].dst, asked[IPv6].src, asked[ICMPv6ND_NS].tgt) == (
        "33:33:ff:00:00:02",
        "2001:db8:2::10",
        "2001:db8:2::2",
    )
    assert macs(run)[1] == RS_MAC


def test_answers_and_errors_wait_too() -> None:
    """An echo reply is held; an ICMP error waits without changing the verdict of its cause."""
    run = play(balancer(), [craft.ping(CLIENT[:-5], "192.168.100.10"), answer(craft.GATEWAY, "172.16.0.1")])
    assert run.verdicts[0] == "neigh_queued" and run.packet(2)[IP].dst == "172.16.0.1"
    expired = play(balancer(conn="xmit_ttl = true"), [udp(CLIENT, VIP, ttl=1), answer(craft.GATEWAY, "172.16.0.1")])
    assert expired.verdicts[0] == "ttl_exceeded" and expired.packet(2)[IP].dst == "172.16.0.1"


def test_a_reset_pair_waits_for_both_ends() -> None:
    """What timers send is queued like everything else."""
    made = setup("conn_timeout = 200", device=ASKS, conn="fast_xmit = false")
    flow = [(0, syn(CLIENT, VIP)), (1, answer()), (2, answer(craft.GATEWAY, "172.16.0.1")),
            (3, tcp(REAL, LADDR, "SA", 5000, 1001 + DELTA)), (4, tcp(CLIENT, VIP, "A", 1001, 5001)),
            (200_004, tick()), (200_005, answer())]  # fmt: skip
    run = play(made, flow)
    assert macs(run)[-3:] == ["ff:ff:ff:ff:ff:ff", "ff:ff:ff:ff:ff:ff", RS_MAC]
    assert run.document["totals"]["generated"] == 4


def test_the_columns_wait_as_well(tmp_path: Path) -> None:
    """Without a trace nothing is carried past a queue: requests for both ends, the SYN and the ACK."""
    made = setup(device=ASKS, conn="fast_xmit = false")
    source = craft.write(tmp_path / "in.pcap", [rig.handshake()[0], answer(), *rig.handshake()[1:]])
    totals = replay(made, str(source), str(tmp_path / "out.pcap")).document()["totals"]
    assert totals["verdicts"] == {"arp_to_kernel": 1, "forwarded_slow": 1, "neigh_queued": 2}
    assert len(craft.read(tmp_path / "out.pcap")) == 4
