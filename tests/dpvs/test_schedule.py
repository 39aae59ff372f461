"""New connections: which real server, in what order things are bound, and what a refusal leaves behind."""

from __future__ import annotations

import craft
import pytest
from rig import CLIENT, REAL, VIP, play, setup, syn, tick, udp
from scapy.layers.inet import IP, TCP, UDP

SNAT = """[[service]]
mode = "snat"
protocol = "{proto}"
{flags}
match = "proto={proto},src-range=192.168.100.0-192.168.100.255,oif=dpdk0"
[[service.real]]
address = "192.168.100.10:0"
{real}
"""


def snat(flags: str = "", real: str = "", proto: str = "udp", **settings: str) -> object:
    device = 'sapool_address = ["192.168.100.10"]' if settings.pop("pool", "yes") else ""
    return setup(events=SNAT.format(flags=flags, real=real, proto=proto), device=device, **settings)


def clients(count: int, make: object = syn) -> list[bytes]:
    return [make(f"172.16.0.{n}:3000", VIP) for n in range(1, count + 1)]


def test_a_full_real_server_refuses_without_another_being_tried() -> None:
    """The first connection too many sets OVERLOAD and is dropped; then the real server is passed over (D 2.4, 2.8)."""
    run = play(setup(real="max_conn = 1"), clients(3))
    assert run.verdicts == ["forwarded_slow", "dest_max_conn", "no_dest"]
    both = play(setup(reals=(REAL, "192.168.100.3:8080"), real="max_conn = 1"), clients(5))
    assert both.verdicts == ["forwarded_slow", "forwarded_slow", "dest_max_conn", "dest_max_conn", "no_dest"]


def test_max_conn_is_divided_and_below_one_is_none() -> None:
    """Two workers share a limit of 1: nobody has one (D 2.8)."""
    assert set(play(setup(workers=2, real="max_conn = 1"), clients(8)).verdicts) == {"forwarded_slow"}


def test_the_pool_of_connections_may_be_empty() -> None:
    """What is refused there took nothing from anybody (D 2.4)."""
    run = play(setup(conn="pool_size = 1"), clients(2))
    assert run.verdicts == ["forwarded_slow", "conn_pool_empty"]
    assert run.document["services"][0]["laddrs"][0]["used"] == 1


def test_snat_fetches_its_port_before_it_is_refused() -> None:
    """The port goes to the end of the free ones, so the next connection skips it."""
    remote = [udp(f"192.168.100.50:{5000 + n}", "203.0.113.5:53") for n in range(3)]
    event = (
        '[[event]]\nat = 0.0015\nset = "service.snat proto=udp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0'
        '.real.192.168.100.10:0.max_conn=5"\n'
    )
    made = snat(real="max_conn = 1")
    assert play(made, remote[:2]).verdicts == ["forwarded_slow", "dest_max_conn"]
    later = setup(
        events=SNAT.format(flags="", real="max_conn = 1", proto="udp") + event,
        device='sapool_address = ["192.168.100.10"]',
    )
    run = play(later, remote)
    assert [run.packet(n)[UDP].sport for n in (1, 2)] == [1025, 1027]


def test_snat_without_a_pool_or_with_none_left() -> None:
    """An address without a pool, and a pool of one port (D 17 V46)."""
    remote = [udp(f"192.168.100.50:{5000 + n}", "203.0.113.5:53") for n in range(2)]
    assert play(snat(pool=""), remote[:1]).verdicts == ["snat_addr_without_pool"]
    assert play(snat(more="[sa_pool]\nlow = 2000\nhigh = 2000\n"), remote).verdicts[1] == "snat_port_exhausted"


def test_snat_connections_have_no_flags() -> None:
    """One-packet scheduling and expire-quiescent of the service do not reach them."""
    frames = [udp("192.168.100.50:5000", "203.0.113.5:53")] * 2
    run = play(snat("one_packet = true\nexpire_quiescent = true"), frames)
    assert [run.trace[n]["lookup"] for n in (1, 2)] == ["miss", "out"]


@pytest.mark.parametrize("netmask, same", [(32, False), (31, False), (30, True), (0, True)])
def test_persistence_by_netmask(netmask: int, same: bool) -> None:
    """Clients of one masked source share a real server: 172.16.0.1 and .2 with /30 (D 2.7)."""
    made = setup(f"persistent = {{ netmask = {netmask} }}", reals=(REAL, "192.168.100.3:8080"))
    run = play(made, clients(2))
    assert (run.packet(1)[IP].dst == run.packet(2)[IP].dst) is same
    assert sum(real["persistconns"] for real in run.document["services"][0]["reals"]) == (1 if same else 2)


def test_persistence_outlives_the_weight_unless_told_otherwise() -> None:
    """A template of a real server of weight 0 stays in use; `expire_quiescent_template` makes a new one (D 2.7)."""
    reals = (REAL, "192.168.100.3:8080")
    chosen = play(setup("persistent = {}", reals=reals), [syn(CLIENT, VIP)]).trace[1]["real"]
    event = f'[[event]]\nat = 0.01\nset = "service.web.real.{chosen}.weight=0"\n'
    frames = [syn(CLIENT, VIP), (20, syn("172.16.0.1:3001", VIP))]
    kept = play(setup("persistent = {}", reals=reals, events=event), frames)
    moved = play(setup("persistent = {}", reals=reals, events=event, conn="expire_quiescent_template = true"), frames)
    assert kept.trace[2]["real"] == chosen != moved.trace[2]["real"]


def test_one_packet_connections_leave_nothing() -> None:
    """Every datagram is scheduled anew and its port is free at once; persistence switches it off (D 2.6)."""
    run = play(setup("one_packet = true", protocol="udp"), [udp(CLIENT, VIP)] * 3)
    assert [run.trace[n]["lookup"] for n in (1, 2, 3)] == ["miss"] * 3 and run.real["conns"] == 3
    assert run.real["inactconns"] == 0 and run.document["services"][0]["laddrs"][0]["used"] == 0
    kept = play(setup("one_packet = true\npersistent = {}", protocol="udp"), [udp(CLIENT, VIP)] * 2)
    assert kept.trace[2]["lookup"] == "in"


def quic(cid: bytes, short: bool = True) -> bytes:
    """A QUIC datagram with this destination connection id."""
    head = b"\x40" if short else b"\xc0\0\0\0\1" + bytes((len(cid),))
    return udp(CLIENT, VIP, head + cid + bytes(20))


def cid(address: bytes, port: int | None = None) -> bytes:
    """L - 1 in three bits, port present in one, then address and port a nibble later (D 10.4)."""
    body = address + (b"" if port is None else port.to_bytes(2))
    bits = (len(address) - 1) << 1 | (port is not None)
    number = bits << 4 * (2 * len(body) + 1) | int.from_bytes(body) << 4
    return b"\xaa" + number.to_bytes(len(body) + 1) + bytes(6)


@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize("tail", [b"\x03", b"\x64\x03", bytes((192, 168, 100, 3))])
def test_quic_ids_name_the_real_server(tail: bytes, short: bool) -> None:
    """By the low bytes of its address, with or without its port, valid or not (D 10.4)."""
    reals = ("192.168.100.3:8080", REAL, "192.168.100.4:8080")
    made = setup("quic = true", protocol="udp", reals=reals, more="[udp]\nuoa_max_trail = 0\n")
    assert play(made, [quic(cid(tail), short)]).packet(1)[IP].dst == "192.168.100.3"
    assert play(made, [quic(cid(tail, 8080), short)]).packet(1)[IP].dst == "192.168.100.3"
    weightless = setup("quic = true", protocol="udp", reals=reals, real="weight = 0", more="[udp]\nuoa_max_trail = 0\n")
    assert play(weightless, [quic(cid(tail), short)]).verdicts == ["forwarded_slow"]


@pytest.mark.parametrize(
    "sixth, verdicts",
    [
        (0x00, ["synproxy_not_ack"] * 3),
        (0x10, ["synproxy_held", "synproxy_held", "synproxy_hold_full"]),
    ],
)
def test_quic_with_expire_quiescent_makes_proxied_connections(sixth: int, verdicts: list[str]) -> None:
    """A wrong flag (D 19, 11; recorded): what names its real server is read as a segment, whose flags are the sixth
    byte of the payload, and reaches nobody; the connection lives as long as any of UDP."""
    more = "[udp]\nuoa_max_trail = 0\n[tcp.synproxy]\nmax_ack_saved = 1\n"
    made = setup("quic = true\nexpire_quiescent = true", protocol="udp", more=more)
    named = udp(CLIENT, VIP, b"\x40" + bytes([0, 0, 0x20, 0, sixth]) + bytes(8))
    run = play(made, [named, named, (299_000, named), (598_500, tick())])
    assert run.verdicts[:3] == verdicts and run.sent == []
    assert (run.real["conns"], run.real["inpkts"], run.real["inactconns"]) == (1, 3, 1)
    assert play(made, [udp(CLIENT, VIP, b"\x00")]).verdicts == ["forwarded_slow"]


def test_quic_ids_that_name_nobody_are_scheduled() -> None:
    """Another port, an id too short, a version above 1 (D 10.4)."""
    made = setup("quic = true", protocol="udp", reals=("192.168.100.3:8080", REAL), more="[udp]\nuoa_max_trail = 0\n")
    plain = play(
        setup(protocol="udp", reals=("192.168.100.3:8080", REAL), more="[udp]\nuoa_max_trail = 0\n"), [udp(CLIENT, VIP)]
    )
    for frame in (
        quic(cid(b"\x03", 99)),
        quic(b"\xaa\x00\x30", False),
        udp(CLIENT, VIP, b"\xc0\0\0\0\2\x14" + bytes(30)),
    ):
        assert play(made, [frame]).packet(1)[IP].dst == plain.packet(1)[IP].dst


def test_icmp_flows_show_match_rules_their_first_four_bytes() -> None:
    """Type and code stand where the source port is: a range of ports tells types apart (D 10.1)."""
    rule = SNAT.replace("192.168.100.255,", "192.168.100.255:2048-2048,")
    made = setup(events=rule.format(flags="", real="", proto="icmp"))
    from scapy.layers.inet import ICMP

    frames = [craft.frame(IP(src="192.168.100.50", dst="203.0.113.5") / ICMP(type=t, id=4)) for t in (8, 13)]
    assert play(made, frames).verdicts == ["forwarded_slow", "forward_disabled"]


def test_a_match_needs_a_route_that_leaves() -> None:
    """To an address of the balancer nothing matches (D 10.1)."""
    assert play(snat(), [udp("192.168.100.50:5000", "192.168.100.10:53")]).verdicts == ["local_to_kernel"]


def test_cursors_that_went_on_stay_on() -> None:
    """A connection refused for want of a port has moved the scheduler's cursor all the same (D 2.4)."""
    made = setup(reals=(REAL, "192.168.100.3:8080"), more="[sa_pool]\nlow = 2000\nhigh = 2000\nhash_size = 1\n")
    run = play(made, [*clients(2), (40_000, tick()), *[(40_001, frame) for frame in clients(1)]])
    assert run.verdicts[1] == "laddr_port_exhausted"
    assert run.packet(1)[IP].dst == run.packet(2)[IP].dst and run.packet(2)[TCP].sport == 2000
