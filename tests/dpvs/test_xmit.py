"""How packets leave: fast and slow path, lengths, TTL, direct routing, tunnels, client addresses of UDP, VLANs."""

from __future__ import annotations

import craft
import pytest
from rig import (
    CLIENT,
    CLIENT6,
    DELTA,
    LADDR,
    LADDR6,
    REAL,
    REAL6,
    RS_MAC,
    VIP,
    VIP6,
    handshake,
    play,
    setup,
    syn,
    tcp,
    udp,
)
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

V6 = {"vip": VIP6, "laddr": LADDR6, "reals": (REAL6,)}
NEIGHBOR = '[[neighbor]]\naddress = "192.168.100.2"\nmac = "02:00:00:00:09:09"\n'
PLAIN_UDP = "[udp]\nuoa_max_trail = 0\n"


def test_the_fast_path_learns_once() -> None:
    """To the client at once, to the real server after its first answer, whatever neighbours say (D 12.3)."""
    moved = tcp(REAL, LADDR, "A", 5001, 1001 + DELTA, mac="02:00:00:00:03:03")
    run = play(
        setup(more=NEIGHBOR), [*handshake(), moved, tcp(CLIENT, VIP, "A", 1001, 5001, mac="02:00:00:00:04:04"), moved]
    )
    assert run.verdicts == ["forwarded_slow", *["forwarded_fast"] * 5]
    assert [run.packet(n)[Ether].dst for n in (1, 3, 5)] == ["02:00:00:00:09:09", RS_MAC, RS_MAC]
    assert {run.packet(n)[Ether].dst for n in (2, 4, 6)} == {craft.GATEWAY}


def test_without_the_fast_path_neighbours_decide() -> None:
    """`fast_xmit = false`, and every packet of NAT over IPv6 (D 12.1, 12.3)."""
    run = play(setup(more=NEIGHBOR, conn="fast_xmit = false"), handshake())
    assert set(run.verdicts) == {"forwarded_slow"} and run.packet(3)[Ether].dst == "02:00:00:00:09:09"
    nat6 = play(setup(mode="nat", **V6), [syn(CLIENT6, VIP6), tcp(REAL6, CLIENT6, "SA"), tcp(CLIENT6, VIP6, "A")])
    assert set(nat6.verdicts) == {"forwarded_slow"}


def test_a_next_hop_nobody_told() -> None:
    """Its side's frames, else 02:00 and the last four bytes of its address; a gateway counts (interface 2)."""
    assert play(setup(), handshake()).packet(1)[Ether].dst == "02:00:c0:a8:64:02"
    via = '[[route]]\nto = "0.0.0.0/0"\nvia = "192.168.100.1"\n'
    made = setup(more=via, reals=("10.9.9.9:8080",), conn="fast_xmit = false")
    assert play(made, handshake()).packet(1)[Ether].dst == "02:00:c0:a8:64:01"


def test_no_route_loses_the_packet_after_the_statistics() -> None:
    """A frame is lost without a word (D 12.1)."""
    run = play(setup(more='[[route]]\nto = "172.16.0.0/16"\n', reals=("10.9.9.9:8080",)), [syn(CLIENT, VIP)])
    assert run.verdicts == ["no_route"] and run.sent == [] and run.real["inpkts"] == 1


def long(size: int) -> bytes:
    return tcp(CLIENT, VIP, "PA", 1001, 5001, b"x" * (size - 40))


def df(data: bytes) -> bytes:
    """The frame with DF set."""
    packet = craft.parse(data)
    packet[IP].flags = "DF"
    del packet[IP].chksum
    return bytes(packet)


@pytest.mark.parametrize("mode", ["fnat", "nat", "dr"])
def test_too_long_with_df(mode: str) -> None:
    """ICMP 3/4 with the route's MTU from the port's first address; v1.8 says nothing (D 12.1, 12.4, 15)."""
    settings = {
        "mode": mode,
        "reals": ("192.168.100.2:80",),
        "more": '[[route]]\nto = "0.0.0.0/0"\n[[route]]\nto = "192.168.100.2/32"\nmtu = 576\n',
    }
    run = play(setup(**settings), [syn(CLIENT, VIP), df(long(577))])
    error = run.packet(2)
    assert run.verdicts[1] == "frag_needed" and (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (
        3,
        4,
        576,
    )
    assert (error[IP].src, error[IP].dst, error[IP].ttl, len(error[IP])) == ("192.168.100.10", "172.16.0.1", 64, 576)
    assert run.document["totals"]["generated"] == 1
    assert play(setup(**settings), [syn(CLIENT, VIP), df(long(576))]).verdicts[1] == "forwarded_slow"
    assert len(play(setup(edition="1.8", **settings), [syn(CLIENT, VIP), df(long(577))]).sent) == 1


def test_without_df_it_is_fragmented() -> None:
    """By full NAT's slow path; direct routing sends it as it is (D 12.1, 12.4)."""
    more = '[[route]]\nto = "192.168.100.2/32"\nmtu = 100\n'
    run = play(setup(more=more, mode="nat"), [syn(CLIENT, VIP), long(200)])
    assert run.verdicts[1] == "forwarded_fragmented"
    assert [(run.packet(n)[IP].frag, str(run.packet(n)[IP].flags), run.packet(n)[IP].len) for n in (2, 3)] == [
        (0, "MF", 100),
        (10, "MF", 100),
    ]
    direct = play(setup(more=more, mode="dr", reals=("192.168.100.2:80",)), [long(200), syn(CLIENT, VIP), long(200)])
    assert direct.verdicts[2] == "forwarded_slow" and direct.packet(3)[IP].len == 200


@pytest.mark.parametrize(
    "edition, mode, mtu", [("1.10", "fnat", 1280), ("1.8", "fnat", 1280), ("1.8", "nat", 0x00050000)]
)
def test_too_long_over_ipv6(edition: str, mode: str, mtu: int) -> None:
    """ICMPv6 2/0 from the virtual address; v1.8 turns the MTU round, but not towards full NAT's real servers (D 15)."""
    more = '[[route]]\nto = "2001:db8:2::/48"\nmtu = 1280\n[[route]]\nto = "::/0"\n'
    made = setup(mode=mode, more=more, edition=edition, vip=VIP6, laddr=LADDR6, reals=("[2001:db8:2:1::2]:8080",))
    run = play(made, [syn(CLIENT6, VIP6), tcp(CLIENT6, VIP6, "A", 1001, 1, b"x" * 1300)])
    assert run.verdicts[1] == "too_big"
    assert run.packet(2)[ICMPv6PacketTooBig].mtu == mtu and run.packet(2)[IPv6].src == "2001:db8:1::100"


def test_xmit_ttl() -> None:
    """Only the slow path lowers it; at 1 the sender is told, 11/0 or 3/0 (D 12.2)."""
    run = play(setup(conn="xmit_ttl = true"), [syn(CLIENT, VIP, ttl=9), *handshake()[1:]])
    assert [run.packet(n)[IP].ttl for n in (1, 2, 3)] == [8, 64, 64]
    out = play(setup(conn="xmit_ttl = true"), [syn(CLIENT, VIP, ttl=1)])
    assert out.verdicts == ["ttl_exceeded"] and (out.packet(1)[ICMP].type, out.packet(1)[ICMP].code) == (11, 0)
    six = play(setup(conn="xmit_ttl = true", **V6), [syn(CLIENT6, VIP6, ttl=1)])
    assert six.verdicts == ["ttl_exceeded"] and six.packet(1).haslayer(ICMPv6TimeExceeded)
    assert play(
        setup(conn="xmit_ttl = true", mode="dr", reals=("192.168.100.2:80",)), [syn(CLIENT, VIP, ttl=1)]
    ).verdicts == ["forwarded_slow"]


def test_direct_routing_ignores_the_gateway() -> None:
    """The real server's own MAC, nothing else changed (D 12.1)."""
    via = '[[route]]\nto = "0.0.0.0/0"\nvia = "192.168.100.1"\n'
    frame = syn(CLIENT, VIP)
    run = play(setup(more=via, mode="dr", reals=("10.9.9.9:80",)), [frame])
    assert run.packet(1)[Ether].dst == "02:00:0a:09:09:09" and run.sent[0][2][14:] == frame[14:]


@pytest.mark.parametrize("inner, real, outer", [
    (4, "192.168.100.2:80", {"proto": 4, "tos": 0x68, "ttl": 9, "flags": "DF", "src": "192.168.100.10"}),
    (6, "192.168.100.2:80", {"proto": 41, "tos": 0, "ttl": 9, "flags": "DF", "src": "192.168.100.10"}),
])  # fmt: skip
def test_tunnels_into_ipv4(inner: int, real: str, outer: dict[str, object]) -> None:
    """TOS, TTL and DF of the inner packet; over IPv6 DF and TOS 0; identification counted (D 12.1)."""
    frame = df(syn(CLIENT, VIP, ttl=9, tos=0x68)) if inner == 4 else syn(CLIENT6, VIP6, ttl=9)
    run = play(setup(mode="tunnel", vip=VIP if inner == 4 else VIP6, reals=(real,)), [frame, frame])
    head = run.packet(1)[IP]
    assert {name: str(getattr(head, name)) if name == "flags" else getattr(head, name) for name in outer} == outer
    assert [run.packet(n)[IP].id for n in (1, 2)] == [0, 1]
    assert run.sent[0][2][34:] == frame[14:]


def test_a_tunnel_into_ipv6() -> None:
    """Next header 41, class, flow label and hop limit copied (D 12.1)."""
    frame = craft.frame(
        IPv6(src="2001:db8:c::1", dst="2001:db8:1::100", tc=0x68, fl=77, hlim=9) / TCP(sport=1, dport=80, flags="S")
    )
    run = play(setup(mode="tunnel", vip=VIP6, reals=("[2001:db8:2::2]:80",)), [frame])
    head = run.packet(1)[IPv6]
    assert (head.nh, head.tc, head.fl, head.hlim, head.src) == (41, 0x68, 77, 9, "2001:db8:2::10")


def test_a_tunnel_makes_room_for_its_header() -> None:
    """1480 bytes pass an MTU of 1500, 1481 do not (D 12.1)."""
    made = setup(mode="tunnel", reals=("192.168.100.2:80",))
    run = play(made, [syn(CLIENT, VIP), df(long(1480)), df(long(1481)), long(1481)])
    assert run.verdicts[1:] == ["forwarded_slow", "frag_needed", "forwarded_fragmented"]
    assert run.packet(3)[ICMP].nexthopmtu == 1480


def test_the_first_datagrams_tell_the_client() -> None:
    """Three with a private header, one plain by the slow path; MACs are learned from then on (D 7.4, 12.3)."""
    ask, answer = udp(CLIENT, VIP, b"ask"), udp(REAL, LADDR, b"answer")
    run = play(setup(protocol="udp"), [ask, answer, ask, ask, ask, ask, answer, ask])
    assert [run.packet(n)[IP].proto for n in (1, 3, 4, 5, 6, 8)] == [248, 248, 248, 17, 17, 17]
    assert run.verdicts == [*["forwarded_slow"] * 6, *["forwarded_fast"] * 2]
    assert bytes(run.packet(1)[IP].payload)[:12] == b"\x10\x11\0\x0c\x1f\x08\x0b\xb8\xac\x10\0\1"


def test_a_client_address_without_room_goes_first() -> None:
    """An empty datagram before the one that is too long, which is not translated otherwise (D 7.4)."""
    run = play(setup(protocol="udp"), [udp(CLIENT, VIP, b"x" * 1465, ttl=9)])
    alone, whole = run.packet(1), run.packet(2)
    assert run.trace[1]["out"] == [1, 2] and run.document["totals"]["generated"] == 1
    assert (alone[IP].proto, alone[IP].ttl, alone[IP].id, alone[IP].len) == (248, 9, 0, 40)
    assert whole[IP].len == 1493 and bytes(whole[UDP].payload) == b"x" * 1465


def test_the_address_as_an_ip_option() -> None:
    """First of the options; not for IPv6 clients, though it counts as sent (D 7.4)."""
    ipo = '[udp]\nuoa_mode = "ipo"\nuoa_max_trail = 1\n'
    run = play(setup(protocol="udp", more=ipo), [udp(CLIENT, VIP)] * 2)
    assert run.sent[0][2][34:42] == b"\x1f\x08\x0b\xb8\xac\x10\0\1" and run.packet(1)[IP].ihl == 7
    six = play(
        setup(protocol="udp", more=ipo, **V6),
        [udp(CLIENT6, VIP6), udp(CLIENT6, VIP6), udp(REAL6, LADDR6), udp(CLIENT6, VIP6)],
    )
    assert six.sent[0][1] == len(udp(CLIENT6, VIP6)) and six.verdicts[3] == "forwarded_fast"


def test_nat64() -> None:
    """TOS and identification 0, DF, TTL from the hop limit; back class and flow 0; no fast path (D 12.5)."""
    made = setup(vip=VIP6)
    flow = [
        syn(CLIENT6, VIP6, ttl=9),
        tcp(REAL, LADDR, "SA", 5000, 1001 + DELTA, options=[("MSS", 1460)], ttl=33, tos=4),
    ]
    run = play(made, [*flow, tcp(CLIENT6, VIP6, "A", 1001, 5001)])
    head, back = run.packet(1)[IP], run.packet(2)[IPv6]
    assert (head.tos, head.id, str(head.flags), head.ttl, head.src) == (0, 0, "DF", 9, "192.168.100.200")
    assert (back.tc, back.fl, back.hlim, back.src, dict(run.packet(2)[TCP].options)["MSS"]) == (
        0,
        0,
        33,
        "2001:db8:1::100",
        1440,
    )
    assert set(run.verdicts) == {"forwarded_slow"} and run.packet(3)[TCP].options[0][0] == 254


def test_nat64_cannot_convert_everything() -> None:
    """IPv4 options and extension headers are lost (D 12.5)."""
    from scapy.layers.inet import IPOption_NOP
    from scapy.layers.inet6 import IPv6ExtHdrDestOpt

    (a, p), (b, q) = craft.split(REAL), craft.split(LADDR)
    optioned = craft.frame(
        IP(src=a, dst=b, options=[IPOption_NOP()] * 4) / TCP(sport=p, dport=q, flags="SA", ack=1001 + DELTA)
    )
    extended = craft.frame(
        IPv6(src="2001:db8:c::1", dst="2001:db8:1::100") / IPv6ExtHdrDestOpt() / TCP(sport=3000, dport=80, flags="A")
    )
    run = play(setup(vip=VIP6), [syn(CLIENT6, VIP6), optioned, extended])
    assert run.verdicts[1:] == ["nat64_unsupported", "nat64_unsupported"]


def test_nat64_lengths_are_those_that_leave() -> None:
    """1520 bytes of IPv6 are 1500 of IPv4; an answer of 1481 with DF is too long (D 12.1)."""
    made = setup(vip=VIP6, protocol="udp", more=PLAIN_UDP)
    run = play(made, [(0, udp(CLIENT6, VIP6)), udp(CLIENT6, VIP6, b"x" * 1472), udp(CLIENT6, VIP6, b"x" * 1473)])
    assert run.verdicts[1:] == ["forwarded_slow", "too_big"]
    back = play(
        made, [udp(CLIENT6, VIP6), udp(REAL, LADDR, b"x" * 1452, flags="DF"), udp(REAL, LADDR, b"x" * 1453, flags="DF")]
    )
    assert back.verdicts[1:] == ["forwarded_slow", "frag_needed"]


VLANS = 'vlan = [{ id = 7, address = ["172.16.0.254/24"] }, { id = 8, address = ["10.9.9.1/24"] }]'


def test_a_vlan_device_is_a_device() -> None:
    """Packets leave on the device their route or their connection has, tagged where it is a VLAN (S 3.2, D 12.3)."""
    made = setup(device=VLANS, reals=("10.9.9.9:8080",))
    flow = [
        syn(CLIENT, VIP, vlan=7),
        tcp("10.9.9.9:8080", LADDR, "SA", 5000, 1001 + DELTA, vlan=8),
        tcp(CLIENT, VIP, "A", 1001, 5001, vlan=7),
    ]
    run = play(made, flow)
    assert run.verdicts == ["forwarded_slow", "forwarded_fast", "forwarded_fast"]
    assert [run.packet(n)[Dot1Q].vlan for n in (1, 2, 3)] == [8, 7, 8]
    assert play(made, [syn(CLIENT, VIP, vlan=9)]).verdicts == ["vlan_error"]
    untagged = play(
        setup(device=VLANS), [syn(CLIENT, VIP, vlan=7), handshake()[1], tcp(CLIENT, VIP, "A", 1001, 5001, vlan=7)]
    )
    assert [untagged.packet(n).haslayer(Dot1Q) for n in (1, 2, 3)] == [0, 1, 0]


def test_ipv6_does_not_grow_beyond_the_mtu() -> None:
    """A datagram that would be too long with the client's address has it sent before (D 7.4)."""
    made = setup(protocol="udp", **V6)
    run = play(made, [udp(CLIENT6, VIP6, b"x" * 1428), udp(CLIENT6, VIP6, b"x" * 1429)])
    assert [len(t["out"]) for t in run.trace.values()] == [1, 2]
    assert run.packet(1)[IPv6].plen == 1460 and Raw in run.packet(1)
