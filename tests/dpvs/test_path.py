"""The hooks in their order: what is looked at before what, and what a packet without a connection may do."""

from __future__ import annotations

import tempfile
from pathlib import Path

import craft
import rig
from rig import CLIENT, DELTA, LADDR, REAL, VIP, play, setup, syn, tcp, udp
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Raw


def sctp(src: str, dst: str, chunks: object) -> bytes:
    (a, sport), (b, dport) = craft.split(src), craft.split(dst)
    return craft.frame(IP(src=a, dst=b) / SCTP(sport=sport, dport=dport, tag=7) / chunks)


def stub(src: str, dst: str, there: int = 14) -> bytes:
    """SCTP with its common header and not quite a chunk header behind it."""
    (a, sport), (b, dport) = craft.split(src), craft.split(dst)
    head = sport.to_bytes(2) + dport.to_bytes(2) + bytes(8)
    return craft.frame(IP(src=a, dst=b, proto=132) / Raw((head + bytes(8))[:there]))


def test_sctp_events_are_read_behind_the_common_header() -> None:
    """An INIT opens in INIT1, not in ESTABLISHED (D 8)."""
    run = play(setup(protocol="sctp"), [sctp(CLIENT, VIP, SCTPChunkInit())])
    assert run.states(1) == ["NONE", "INIT1"]


def test_an_sctp_stub_opens_a_connection_each_time() -> None:
    """Without a chunk header nothing is looked up, no list is asked, and there is no event (D 4.1)."""
    made = setup('blacklist = ["172.16.0.1"]', protocol="sctp")
    run = play(made, [stub(CLIENT, VIP), stub(CLIENT, VIP)])
    assert [run.trace[n]["new"] for n in (1, 2)] == [True, True]
    assert run.states(2) == ["NONE", "NONE"]
    assert play(made, [stub(CLIENT, VIP, 11)]).verdicts == ["l4_header_short"]
    assert play(made, [sctp(CLIENT, VIP, SCTPChunkInit())]).verdicts == ["acl_blacklist"]


def test_a_short_header_that_the_capture_cut_is_truncated() -> None:
    """The packet is not blamed for the snap length (interface 4)."""
    data = udp(CLIENT, VIP, b"payload")
    run = play(setup(protocol="udp"), [(0, data[:40], len(data))])
    assert run.verdicts == ["truncated"]
    short = craft.frame(IP(src="172.16.0.1", dst="10.0.0.100", proto=17) / Raw(b"\0\1\0\1"))
    assert play(setup(protocol="udp"), [short]).verdicts == ["l4_header_short"]


def test_lists_come_before_the_connection_table() -> None:
    """An event lists a client whose connection is established: its next packet is dropped (D 4.1)."""
    event = "[[event]]\nat = 0.01\nset = \"service.web.blacklist=['172.16.0.1']\"\n"
    frames = [
        *rig.handshake(),
        (20, tcp(CLIENT, VIP, "A", 1001, 5001)),
        (21, tcp(REAL, LADDR, "A", 5001, 1001 + DELTA)),
    ]
    assert play(setup(events=event), frames).verdicts[3:] == ["acl_blacklist", "forwarded_fast"]


def test_what_a_first_packet_may_be() -> None:
    """Only a pure SYN opens; a bare ACK to a service is answered with RST; all else is the kernel's (D 5.1)."""
    frames = [
        tcp(f"172.16.0.1:{3000 + n}", VIP, flags) for n, flags in enumerate(("S", "SA", "A", "FA", "R", "SF", "SR"))
    ]
    verdicts = play(setup(), frames).verdicts
    assert verdicts == ["forwarded_slow", *["local_to_kernel"], "tcp_bad_ack_rst", *["local_to_kernel"] * 4]
    assert play(setup(), frames[1:2]).trace[1]["reason"] == ["tcp_not_syn"]


def test_defences_look_at_the_address_only() -> None:
    """TCP without a connection, and UDP to an address that has only TCP services, whatever the port (D 1.5, 5.1)."""
    more = "[tcp]\ndefence_drop = true\n[udp]\ndefence_drop = true\n"
    frames = [
        tcp(CLIENT, "10.0.0.100:81", "S"),
        tcp(CLIENT, VIP, "FA"),
        udp(CLIENT, "10.0.0.100:53"),
        udp(CLIENT, "10.0.0.9:53"),
    ]
    assert play(setup(more=more), frames).verdicts == [
        "tcp_defence",
        "tcp_defence",
        "udp_to_tcp_vip",
        "forward_disabled",
    ]


def test_fragments_of_ipv4_are_dropped_and_of_ipv6_are_not() -> None:
    """The first IPv6 fragment is an ordinary packet to the balancer, later ones are not its business (D 1.5, S 4.7)."""
    first = craft.frame(IP(src="172.16.0.1", dst="10.0.0.100", flags="MF") / TCP(sport=3000, dport=80, flags="S"))
    assert play(setup(), [first]).verdicts == ["fragment_v4"]
    v6 = {"vip": rig.VIP6, "laddr": rig.LADDR6, "reals": (rig.REAL6,)}
    head = IPv6(src="2001:db8:c::1", dst="2001:db8:1::100")
    frames = [
        craft.frame(head / IPv6ExtHdrFragment(offset=o, m=1 - o, nh=6) / TCP(sport=3000, dport=80, flags="S"))
        for o in (0, 1)
    ]
    run = play(setup(**v6), frames)
    assert run.verdicts == ["forwarded_slow", "local_to_kernel"]
    assert run.trace[2]["reason"] == ["proto_unsupported"]


def test_a_quiescent_connection_ends_and_a_new_one_gets_through() -> None:
    """Weight 0: the packet of a connection that was there is dropped and it expires at the next tick (D 1.5 step 8)."""
    event = '[[event]]\nat = 0.01\nset = "service.web.real.192.168.100.2:8080.weight=0"\n'
    frames = [*rig.handshake(), (20, tcp(CLIENT, VIP, "A", 1001, 5001)), (25, rig.tick())]
    run = play(setup("expire_quiescent = true", events=event), frames)
    assert run.verdicts[3] == "quiescent"
    assert [run.after(4), run.after(5)] == [21, 21] and run.packet(4)["TCP"].flags == "R"


def test_a_template_opens_to_a_weightless_server_and_lets_its_first_packet_through() -> None:
    """Step 8 asks connections that were found; those of persistent services end with their second packet (D 2.7)."""
    event = '[[event]]\nat = 0.01\nset = "service.web.real.192.168.100.2:8080.weight=0"\n'
    frames = [
        syn(CLIENT, VIP),
        (20, syn("172.16.0.1:3001", VIP)),
        (21, syn("172.16.0.1:3001", VIP)),
        (22, syn("172.16.0.2:1", VIP)),
    ]
    run = play(setup("persistent = { timeout = 60 }", events=event), frames)
    assert run.verdicts == ["forwarded_slow", "forwarded_slow", "quiescent", "no_dest"]


def test_an_answer_of_direct_routing_is_counted_and_let_go() -> None:
    """OUT of a mode without an OUT transmit function: ACCEPT after the statistics (D 1.5 step 12)."""
    run = play(setup(mode="dr", reals=("192.168.100.2:80",)), [syn(CLIENT, VIP), tcp("192.168.100.2:80", CLIENT, "SA")])
    assert run.trace[2]["reason"] == ["no_xmit_function"] and run.verdicts[1] == "forward_disabled"
    assert run.real["outpkts"] == 1


def redirecting(**settings: str) -> tuple[object, list[bytes]]:
    """Four workers without rules: SYNs of some clients, and the real server's answers to them."""
    made = setup(workers=4, more="[flow_director]\nenabled = false\n", **settings)
    asked = play(made, [syn(f"172.16.0.{n}:3000", VIP) for n in range(1, 9)])
    frames = [syn(f"172.16.0.{n}:3000", VIP) for n in range(1, 9)]
    return made, frames + [craft.reply(sent, "SA") for _, _, sent in asked.sent]


def test_redirect_hands_an_answer_to_its_owner() -> None:
    """The receiver counts it, the owner translates it; without redirect it is the kernel's (D 4.4)."""
    made, frames = redirecting(conn="redirect = true")
    run = play(made, frames)
    assert set(run.verdicts[8:]) == {"forwarded_fast"}
    moved = [t for t in run.trace.values() if "owner" in t]
    assert moved and all(
        t["reason"] == ["redirected"] and t["lookup"] == "miss" and t["owner"] != t["worker"] for t in moved
    )
    workers = run.document["workers"]
    assert sum(w["redirected"]["in"] for w in workers) == sum(w["redirected"]["out"] for w in workers) == len(moved)
    assert sum(w["wrong_worker"] for w in workers) == len(moved)
    lost = play(redirecting()[0], frames)
    assert lost.counter("local_to_kernel") == len(moved)


def test_redirect_helps_the_icmp_flows_of_snat() -> None:
    """Their entry is the IN side (D 4.2, 4.4)."""
    snat = (
        '[[service]]\nmode = "snat"\nprotocol = "icmp"\n'
        'match = "proto=icmp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0"\n'
        '[[service.real]]\naddress = "192.168.100.10:0"\n'
    )
    made = setup(workers=4, conn="redirect = true", events=snat)
    echo = [craft.frame(IP(src="192.168.100.50", dst=f"203.0.113.{n}") / ICMP(type=8, id=n)) for n in range(1, 9)]
    back = [craft.frame(IP(src=f"203.0.113.{n}", dst="192.168.100.10") / ICMP(type=0, id=n)) for n in range(1, 9)]
    run = play(made, echo + back)
    assert set(run.verdicts) == {"forwarded_slow"}
    handed = sum("owner" in t for t in run.trace.values())
    assert handed and sum(w["wrong_worker"] for w in run.document["workers"]) == handed


def test_one_lcore_for_all_echo() -> None:
    """Built with ICMP_REDIRECT_CORE, echo and its answer meet on one worker, and nothing else does (S 4.1)."""
    snat = (
        '[[service]]\nmode = "snat"\nprotocol = "icmp"\n'
        'match = "proto=icmp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0"\n'
        '[[service.real]]\naddress = "192.168.100.10:0"\n'
    )
    echo = [craft.frame(IP(src="192.168.100.50", dst=f"203.0.113.{n}") / ICMP(type=8, id=n)) for n in range(1, 9)]
    back = [craft.frame(IP(src=f"203.0.113.{n}", dst="192.168.100.10") / ICMP(type=0, id=n)) for n in range(1, 9)]
    stamp = [craft.frame(IP(src="192.168.100.50", dst=f"203.0.113.{n}") / ICMP(type=13, id=n)) for n in range(1, 9)]
    run = play(setup(workers=4, conn="icmp_redirect_core = 3", events=snat), echo + back + stamp)
    assert set(run.verdicts) == {"forwarded_slow"}
    assert {t.get("owner", t["worker"]) for n, t in run.trace.items() if n <= 16} == {2}
    assert len({t["worker"] for n, t in run.trace.items() if n > 16}) > 1
    assert all(w["wrong_worker"] == 0 for w in run.document["workers"])
    lost = play(
        setup(workers=4, conn="icmp_redirect_core = 3"),
        [craft.frame(IP(src="203.0.113.1", dst="10.0.0.100") / ICMP(type=0, id=n)) for n in range(4)],
    )
    assert set(lost.verdicts) == {"local_to_kernel"}


def test_icmp_of_another_workers_connection_is_on_the_wrong_worker() -> None:
    """Replies of SNAT, and errors about a connection, count like any frame of it."""
    first = play(setup(workers=4), [syn(CLIENT, VIP)])
    sent = first.sent[0][2][14:]
    errors = [
        craft.frame(IP(src=f"192.168.9.{n}", dst="192.168.100.200") / ICMP(type=3, code=1) / sent) for n in range(16)
    ]
    run = play(setup(workers=4), [syn(CLIENT, VIP), *errors])
    strayed = run.verdicts.count("local_to_kernel")
    assert 0 < strayed < 16 and sum(w["wrong_worker"] for w in run.document["workers"]) == strayed


def test_a_link_address_of_somebody_else_keeps_the_balancer_out() -> None:
    """Broadcast passes the guard and the kernel gets it; another host's frame is dropped (D 1.5 step 1)."""
    frames = [
        bytes(Ether(dst=mac, src="02:00:00:00:00:01") / Ether(syn(CLIENT, VIP)).payload)
        for mac in ("ff:ff:ff:ff:ff:ff", "02:09:09:09:09:09")
    ]
    run = play(setup(), frames)
    assert run.verdicts == ["local_to_kernel", "l3_otherhost"]
    assert run.trace[1]["reason"] == ["not_for_host"]


def test_udp_needs_nothing_but_a_service() -> None:
    """Any datagram to a service opens; to another port it is the kernel's (D 7.1)."""
    run = play(setup(protocol="udp"), [udp(CLIENT, VIP), udp(CLIENT, "10.0.0.100:81")])
    assert run.verdicts == ["forwarded_slow", "local_to_kernel"]
    assert run.packet(1)[IP].proto == 248  # the client's address goes along (D 7.4)


def test_a_limited_service_counts_its_connections_only() -> None:
    """Packets of both directions and ICMP errors are drawn for; neither those that pass count nor those that do not
    (D 13.1, 14.1)."""
    ends = craft.split(VIP), craft.split(CLIENT)
    quoted = IP(src=ends[0][0], dst=ends[1][0]) / TCP(sport=80, dport=3000, seq=5001)
    error = craft.frame(IP(src="172.16.0.254", dst="10.0.0.100") / ICMP(type=3, code=1) / quoted)
    both = [tcp(CLIENT, VIP, "A", 1001, 5001), tcp(REAL, LADDR, "A", 5001, 1001 + DELTA), error]
    run = play(setup("limit_proportion = 49"), [*rig.handshake(), *both * 20])
    kinds = set(run.verdicts[3:])
    assert {"rate_limit_in", "rate_limit_out", "icmp_related_rate_limited", "icmp_related_forwarded"} <= kinds
    assert (run.real["conns"], run.real["inpkts"], run.real["outbytes"]) == (1, 0, 0)
    assert run.states(3)[1] == "ESTABLISHED"


def test_a_file_of_networks_is_an_ipset() -> None:
    """Networks of both families, one a line (D 14.2)."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "partners.txt"
        file.write_text("172.16.0.0/24\n2001:db8:c::/48\n")
        made = setup(f'whitelist = ["@{file}"]')
        assert play(made, [syn(CLIENT, VIP), syn("172.16.1.1:3", VIP)]).verdicts == ["forwarded_slow", "acl_whitelist"]
        six = setup(f'blacklist = ["@{file}"]', vip=rig.VIP6, laddr=rig.LADDR6, reals=(rig.REAL6,))
        assert play(six, [syn(rig.CLIENT6, rig.VIP6)]).verdicts == ["acl_blacklist"]


def test_one_table_for_all_finds_every_answer() -> None:
    """Without rules an answer meets any worker; with `conn.table = "shared"` it finds its connection there."""
    clients = [f"172.16.0.{n}:3000" for n in range(1, 9)]
    opened = [syn(client, VIP) for client in clients]

    def answers(conn: str) -> list[str]:
        made = setup(workers=4, conn=conn, more="[flow_director]\nenabled = false\n")
        sent = play(made, opened).sent
        return play(made, [*opened, *[craft.reply(data, "SA") for _, _, data in sent]]).verdicts[8:]

    assert set(answers('table = "shared"')) == {"forwarded_fast"}
    assert "local_to_kernel" in answers("")


def test_answers_of_sctp_under_nat64_are_misread() -> None:
    """The state machine takes their IPv4 header for one of IPv6: twenty bytes into the first chunk (v1.10.2)."""
    made = setup(protocol="sctp", vip=rig.VIP6)
    (a, p), (b, q) = craft.split(rig.CLIENT6), craft.split(rig.VIP6)
    opened = craft.frame(IPv6(src=a, dst=b) / SCTP(sport=p, dport=q, tag=7) / SCTPChunkInit())
    for cookie, state in ((b"\x06", "REJECTED"), (b"\x00", "INIT1")):
        body = b"\2\0\0\x18" + bytes(16) + cookie + bytes(3)
        chunks = SCTP(sport=8080, dport=1025, tag=7) / Raw(body)
        answer = craft.frame(IP(src="192.168.100.2", dst="192.168.100.200", flags="DF") / chunks)
        assert play(made, [opened, answer]).states(2) == ["INIT1", state]
