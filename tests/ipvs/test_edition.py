"""What the design documents' kernels do and a modern one does otherwise: L 21, row by row."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, VIP, A, B, C, Kernel, real, service
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, TCPerror

from lbreplay.errors import ConfigError
from lbreplay.ipvs.edition import CHANGES, EDITIONS, FORWARD, LOCAL_IN, LOCAL_OUT, edition
from lbreplay.loop.entry import Conn
from lbreplay.model import KERNELS

OLD, NEW, NEWEST = "2.6", "6.1", "6.1.192"
BOTH = pytest.mark.parametrize("edition", [OLD, NEW])
DR = service(A, B, C, mode="dr")
STRANGER = "198.51.100.9:7"


def test_hooks() -> None:
    """2.6: LOCAL_IN 100, FORWARD 99 and 100; 6.1: LOCAL_IN 98 and 99, LOCAL_OUT, FORWARD, only with services."""
    assert [hook[:2] for hook in EDITIONS[OLD].hooks] == [(LOCAL_IN, 100), (FORWARD, 99), (FORWARD, 100)]
    wanted = [(LOCAL_IN, 98), (LOCAL_IN, 99), (LOCAL_OUT, -99), (LOCAL_OUT, -98), (FORWARD, 99), (FORWARD, 100)]
    assert [hook[:2] for hook in EDITIONS[NEW].hooks] == wanted


@pytest.mark.parametrize(("edition", "verdict"), [(OLD, "dest_unavailable"), (NEW, "local_to_kernel")])
def test_hooks_without_services(edition: str, verdict: str) -> None:
    """A segment of a connection after the last service is gone: the old hooks are still there."""
    k = Kernel(edition=edition)
    k.send(craft.syn(CLIENT, VIP))
    k.remove()
    assert k.send(craft.tcp(CLIENT, VIP)).verdict == verdict


@pytest.mark.parametrize(("edition", "verdict"), [(OLD, "nat_replied"), (NEW, "forwarded_plain")])
def test_conn_out_get_of_direct_routing(edition: str, verdict: str) -> None:
    """An answer from the real address of a DR connection: found, and translated, only by the old key."""
    k = Kernel(DR, edition=edition)
    seen = k.send(craft.syn(CLIENT, VIP))
    seen = k.send(craft.tcp(seen.real, CLIENT, "SA"))
    assert seen.verdict == verdict
    assert seen.only[IP].src == {OLD: "10.0.0.100", NEW: "10.1.0.13"}[edition]


@pytest.mark.parametrize(("edition", "state"), [(OLD, "CLOSE"), (NEW, "ESTABLISHED")])
@pytest.mark.parametrize("mode", ["nat", "dr"])
@pytest.mark.parametrize("secure", [0, 3])
def test_none_and_ack(edition: str, state: str, mode: str, secure: int) -> None:
    """The four cells: an ACK of the client in NONE, in the normal and the secure table, with and without answers."""
    k = Kernel(service(mode=mode), edition=edition, ipvs=f"secure_tcp = {secure}")
    conn = k.send(craft.syn(CLIENT, VIP)).conn
    conn.state = 0
    k.send(craft.tcp(CLIENT, VIP))
    assert k.state(conn)[0] == state


@pytest.mark.parametrize(("edition", "counts"), [(OLD, [(0, 1), (1, 0)]), (NEW, [(1, 0), (1, 0)])])
def test_active_states(edition: str, counts: list[tuple[int, int]]) -> None:
    """After a SYN and after the handshake: 2.6 counts ESTABLISHED only."""
    k = Kernel(edition=edition)
    seen = k.send(craft.syn(CLIENT, VIP))
    first = k.counts(C)
    k.answer(seen, "SA")
    k.send(craft.tcp(CLIENT, VIP))
    assert [first, k.counts(C)] == counts


@pytest.mark.parametrize(("edition", "again", "made"), [(OLD, C, 1), (NEW, B, 2)])
def test_syn_on_a_closed_connection(edition: str, again: str, made: int) -> None:
    """2.6 uses the connection and its real server again, 6.1 schedules anew (conn_reuse_mode 1)."""
    k = Kernel(edition=edition)
    seen = k.send(craft.syn(CLIENT, VIP))
    k.answer(seen, "R")
    seen = k.send(craft.syn(CLIENT, VIP, seq=9))
    assert (seen.real, k.state(seen.conn)[0]) == (again, "SYN_RECV")
    assert k.parts.services.by_name["web"].counts.conns == made


@pytest.mark.parametrize(
    ("edition", "ack", "syn"), [(OLD, "dest_unavailable", "nat_forwarded"), (NEW, "local_to_kernel", "nat_forwarded")]
)
def test_expire_nodest_conn(edition: str, ack: str, syn: str) -> None:
    """2.6 drops the packet and the connection dies after it; 6.1 flushed the connection with the real server."""
    k = Kernel(edition=edition, ipvs="expire_nodest_conn = 1")
    k.send(craft.syn(CLIENT, VIP))
    k.remove(C)
    assert len(k.parts.conns) == (1 if edition == OLD else 0)
    assert k.send(craft.tcp(CLIENT, VIP)).verdict == ack
    seen = k.send(craft.syn(CLIENT, VIP))
    assert (seen.verdict, seen.story.new) == (syn, True)


@pytest.mark.parametrize(("edition", "real_server"), [(OLD, C), (NEW, B)])
def test_weightless_real_server_and_syn(edition: str, real_server: str) -> None:
    """With expire_nodest_conn 6.1 schedules a SYN anew when the real server has weight 0."""
    k = Kernel(edition=edition, ipvs="expire_nodest_conn = 1")
    k.send(craft.syn(CLIENT, VIP))
    k.set(C, weight=0)
    assert k.send(craft.syn(CLIENT, VIP)).real == (real_server if edition == OLD else B)


@pytest.mark.parametrize("mode", ["nat", "dr", "tunnel"])
@pytest.mark.parametrize(("edition", "ttl"), [(OLD, 64), (NEW, 63)])
def test_ttl_on_requests(edition: str, ttl: int, mode: str) -> None:
    """2.6 keeps the TTL; 6.1 lowers it, and a TTL of 1 ends with ICMP 11/0."""
    k = Kernel(service(mode=mode), edition=edition)
    packet = k.send(craft.syn(CLIENT, VIP)).only
    assert packet.getlayer(IP, 2 if mode == "tunnel" else 1).ttl == ttl
    seen = k.send(craft.syn("198.51.100.2:1", VIP, ttl=1))
    assert seen.verdict.endswith("forwarded") if edition == OLD else seen.only[ICMP].type == 11


@pytest.mark.parametrize(
    "key", ["sloppy_tcp", "sloppy_sctp", "schedule_icmp", "ignore_tunneled", "backup_only", "snat_reroute", "pmtu_disc",
            "conntrack", "conn_reuse_mode"]
)  # fmt: skip
def test_later_sysctls(key: str) -> None:
    """2.6 does not have them: refused with the key's path."""
    with pytest.raises(ConfigError, match=rf"^lb\.toml:\d+:\d+: ipvs\.{key}: edition = \"4\.4\" or later expected"):
        Kernel(edition=OLD, ipvs=f"{key} = 1")
    Kernel(edition=NEW, ipvs=f"{key} = 1")


@pytest.mark.parametrize(("client", "flags"), [(CLIENT, "SR"), ("198.51.100.1:20", "S")])
@pytest.mark.parametrize(("edition", "verdict"), [(OLD, "nat_forwarded"), (NEW, "local_to_kernel")])
def test_rst_and_syn_and_source_port_20(client: str, flags: str, edition: str, verdict: str) -> None:
    """2.6 schedules them, 6.1 lets them pass."""
    assert Kernel(edition=edition).send(craft.tcp(client, VIP, flags)).verdict == verdict


FTP = service("10.1.0.11:21", vip="10.0.0.100:21", persistent={"timeout": 60})


@pytest.mark.parametrize(("edition", "verdict"), [(OLD, "local_to_kernel"), (NEW, "nat_forwarded")])
def test_data_connection_of_persistent_ftp(edition: str, verdict: str) -> None:
    """Without a template of the client 2.6 schedules no data connection; with one it does."""
    k = Kernel(FTP, edition=edition)
    assert k.send(craft.syn(CLIENT, "10.0.0.100:2000")).verdict == verdict
    k.send(craft.syn(CLIENT, "10.0.0.100:21"))
    assert k.send(craft.syn("198.51.100.1:40001", "10.0.0.100:2000")).verdict == "nat_forwarded"


@pytest.mark.parametrize(("edition", "method"), [(OLD, "local"), (NEW, "nat")])
def test_real_server_that_is_the_director(edition: str, method: str) -> None:
    """2.6 knows it from the configuration and leaves the packet as it is; 6.1 translates, and asks the route."""
    seen = Kernel(service("10.1.0.1:8080"), edition=edition).send(craft.syn(CLIENT, VIP))
    assert (seen.verdict, seen.frames, seen.conn.method) == ("local_real_server", [], method)


@pytest.mark.parametrize(("edition", "most", "locks"), [(OLD, 20, 16), (NEW, 27, 32)])
def test_connection_table(edition: str, most: int, locks: int) -> None:
    """8 to 20 bits at compile time and 16 locks, against 8 to 27 and 32."""
    k = Kernel(edition=edition, ipvs=f"conn_tab_bits = {most}")
    assert (k.parts.conns.size, k.parts.edition.locks) == (1 << most, locks)
    with pytest.raises(ConfigError, match="conn_tab_bits"):
        Kernel(edition=edition, ipvs=f"conn_tab_bits = {most + 1}")


@pytest.mark.parametrize(("edition", "bucket"), [(OLD, 3028), (NEW, 3802)])
def test_hash_of_the_table(edition: str, bucket: int) -> None:
    """Jenkins's lookup2 against lookup3, with the boot word 0 (L 19)."""
    k = Kernel(edition=edition)
    assert k.parts.conns.bucket(k.send(craft.syn("192.168.1.10:40000", VIP)).conn) == bucket


def template(k: Kernel) -> Conn:
    return next(conn for conn in k.parts.conns if conn.is_template)


@pytest.mark.parametrize(("edition", "states"), [(OLD, ["NONE", "NONE"]), (NEW, ["NONE", "ASSURED"])])
def test_state_of_templates(edition: str, states: list[str]) -> None:
    """6.1 marks the template of a connection that was established."""
    k = Kernel(service(persistent={"timeout": 60}), edition=edition)
    seen = k.send(craft.syn(CLIENT, VIP))
    first = k.state(template(k))[0]
    k.answer(seen, "SA")
    k.send(craft.tcp(CLIENT, VIP))
    assert [first, k.state(template(k))[0]] == states


@pytest.mark.parametrize(("edition", "left"), [(OLD, 0), (NEW, 1)])
def test_drop_entry_and_the_parent(edition: str, left: int) -> None:
    """With a dropped connection 2.6 always expires the parent; 6.1 spares one that is ASSURED."""
    k = Kernel(service(persistent={"timeout": 600}), edition=edition)
    seen = k.send(craft.syn(CLIENT, VIP))
    template(k).assured = True
    k.parts.conns.delete(seen.conn)
    k.wait(0.001)
    assert len(k.parts.conns) == left


@BOTH
def test_one_packet(edition: str) -> None:
    """The connection is gone with its datagram, in 2.6 by a timer of 0, in 6.1 at once."""
    dns = service("10.1.0.11:53", vip="10.0.0.100:53", protocol="udp", one_packet=True)
    k = Kernel(dns, edition=edition)
    seen = k.send(craft.udp(CLIENT, "10.0.0.100:53"))
    k.wait(0)
    assert (seen.verdict, len(k.parts.conns), k.counts("10.1.0.11:53")) == ("nat_forwarded", 0, (0, 0))


@pytest.mark.parametrize(("edition", "weight"), [(OLD, 50), (NEW, 256), (NEWEST, 257)])
def test_weight_of_active_connections_in_lblc(edition: str, weight: int) -> None:
    """One active connection against as many inactive ones: below the number the busy one is still chosen."""
    k = Kernel(service(A, B, scheduler="lblc"), edition=edition)
    busy, idle = k.dest(A), k.dest(B)
    for inactive, chosen in ((weight - 1, idle), (weight + 1, busy)):
        busy.actconns, idle.inactconns = 1, inactive
        k.parts.services.by_name["web"].scheduler._entries.clear()
        assert k.send(craft.syn(f"198.51.100.1:{inactive}", VIP)).conn.dest is chosen
        k.wait(1000)


@pytest.mark.parametrize(("edition", "buckets"), [(OLD, [234, 155, 196, 177]), (NEW, [248, 90, 52, 118])])
def test_source_hash(edition: str, buckets: list[int]) -> None:
    """Low bits of Knuth's product without weights, against high bits of the golden ratio with weights (L 19)."""
    reals = [f"10.1.1.{n}:80" for n in range(1, 9)]
    k = Kernel(service(*reals, scheduler="sh"), edition=edition)
    clients = ["192.168.1.10", "192.168.1.11", "1.2.3.4", "10.1.1.1"]
    chosen = [k.send(craft.syn(f"{client}:1000", VIP)).real for client in clients]
    assert chosen == [reals[::-1][bucket % 8] for bucket in buckets]
    k = Kernel(service(real(A, weight=1), real(B, weight=255), scheduler="sh"), edition=edition)
    web = k.parts.services.by_name["web"]
    assert sum(web.dests[at] is k.dest(A) for at in web.scheduler.owners) == {OLD: 128, NEW: 1}[edition]


@pytest.mark.parametrize(("edition", "after"), [(OLD, C), (NEW, A)])
def test_rr_after_an_edit(edition: str, after: str) -> None:
    """2.6 begins at the head after every change, 6.1 goes on."""
    k = Kernel(edition=edition)
    chosen = [k.send(craft.syn(f"198.51.100.1:{port}", VIP)).real for port in (1, 2)]
    k.set(A, weight=2)
    assert [*chosen, k.send(craft.syn("198.51.100.1:3", VIP)).real] == [C, B, after]


@pytest.mark.parametrize(("edition", "order"), [(OLD, "ABACBACBAABACBACBA"), (NEW, "CBAABACBACBAABACBA")])
def test_wrr_after_building_up(edition: str, order: str) -> None:
    """Weights 4, 3 and 2: the first round is weighted in 2.6 and unweighted in 6.1 (L 19)."""
    k = Kernel(service(real(A, weight=4), real(B, weight=3), real(C, weight=2), scheduler="wrr"), edition=edition)
    chosen = [k.send(craft.syn(f"198.51.100.1:{port}", VIP)).real for port in range(1, 19)]
    assert "".join({A: "A", B: "B", C: "C"}[one] for one in chosen) == order


@pytest.mark.parametrize("scheduler", ["fo", "ovf", "mh"])
def test_later_schedulers(scheduler: str) -> None:
    """2.6 has them not."""
    with pytest.raises(ConfigError, match=r"service\[0\]\.scheduler"):
        Kernel(service(scheduler=scheduler), edition=OLD)
    assert Kernel(service(scheduler=scheduler), edition=NEW).send(craft.syn(CLIENT, VIP)).verdict == "nat_forwarded"


@pytest.mark.parametrize(("edition", "overloaded"), [(OLD, False), (NEW, False), (NEWEST, True)])
def test_thresholds(edition: str, overloaded: bool) -> None:
    """A template that ends with an idle real server: every unbind clears OVERLOAD; the newest only on crossing."""
    k = Kernel(service(real(A, max_conn=4), persistent={"timeout": 60}), edition=edition)
    k.send(craft.syn(CLIENT, VIP))
    k.dest(A).overload = True
    k.parts.conns.unbind(template(k))
    assert k.dest(A).overload is overloaded


@pytest.mark.parametrize(("edition", "sent"), [(OLD, 0), (NEW, 1)])
def test_sync_of_a_close(edition: str, sent: int) -> None:
    """Both tell a backup of FIN_WAIT and its like; a connection that the client resets only 6.1."""
    k = Kernel(edition=edition)
    k.handshake()
    k.send(craft.tcp(CLIENT, VIP, "R"))
    assert k.parts.sync.counters["conns"] == sent
    k = Kernel(edition=edition)
    k.handshake()
    k.send(craft.tcp(CLIENT, VIP, "FA"))
    assert k.parts.sync.counters["conns"] == 1


@pytest.mark.parametrize(("edition", "conns"), [(OLD, 1), (NEW, 2)])
def test_ftp_extended_passive(edition: str, conns: int) -> None:
    """EPSV and its answer are read by 6.1 only."""
    k = Kernel(service("10.1.0.11:21", vip="10.0.0.100:21"), edition=edition, ipvs='modules = ["ip_vs_ftp"]')
    seen = k.handshake(vip="10.0.0.100:21")
    seen = k.send(craft.tcp(CLIENT, "10.0.0.100:21", "PA", 1001, 5001, b"EPSV\r\n"))
    k.answer(seen, "PA", seq=5001, payload=b"229 Entering Extended Passive Mode (|||4000|)\r\n")
    assert len(k.parts.conns) == conns


@pytest.mark.parametrize(("edition", "seconds"), [(OLD, 60), (NEW, 4)])
def test_sctp(edition: str, seconds: int) -> None:
    """The first INIT: 60 s in 2.6, INIT1 with 4 s in 6.1."""
    from scapy.layers.sctp import SCTP, SCTPChunkInit

    k = Kernel(service("10.1.0.11:9", vip="10.0.0.100:9", protocol="sctp"), edition=edition)
    packet = IP(src="198.51.100.1", dst="10.0.0.100") / SCTP(sport=5, dport=9) / SCTPChunkInit()
    assert k.state(k.send(craft.frame(packet)).conn) == ("INIT1", seconds)


@pytest.mark.parametrize(("edition", "tos", "flags"), [(OLD, 0x03, "evil"), (NEW, 0x02, "")])
def test_outer_header_of_tunnels(edition: str, tos: int, flags: str) -> None:
    """2.6 copies TOS and fragment word; 6.1 takes CE back to ECT(0) and copies DF alone."""
    k = Kernel(service(A, mode="tunnel"), edition=edition)
    syn = craft.parse(craft.syn(CLIENT, VIP, tos=3))
    syn[IP].flags = "evil"
    syn[IP].chksum = None
    packet = k.send(bytes(syn)).only
    assert (packet[IP].tos, str(packet[IP].flags)) == (tos, flags)


@pytest.mark.parametrize("kind", ["gue", "gre"])
def test_kinds_of_tunnels(kind: str) -> None:
    """2.6 has IPIP only."""
    tunnel = service(real(A, tunnel={"type": kind, "port": 5555}), mode="tunnel")
    with pytest.raises(ConfigError, match=r"service\[0\]\.real\[0\]\.tunnel"):
        Kernel(tunnel, edition=OLD)
    assert (UDP in Kernel(tunnel, edition=NEW).send(craft.syn(CLIENT, VIP)).only) == (kind == "gue")


@BOTH
def test_icmp_of_a_real_server(edition: str) -> None:
    """An error about what the client sent, passing by: 2.6 finds it at FORWARD 99 already, 6.1 at 100."""
    k = Kernel(edition=edition)
    k.send(craft.syn(CLIENT, VIP))
    quoted = IP(src="198.51.100.1", dst="10.1.0.13") / TCP(sport=40000, dport=8080)
    seen = k.send(craft.frame(IP(src="10.1.0.13", dst="198.51.100.1") / ICMP(type=3, code=3) / quoted))
    assert (seen.verdict, seen.only[IP].src, seen.only[IPerror].dst) == (
        "icmp_related_forwarded", "10.0.0.100", "10.0.0.100"
    )  # fmt: skip


@pytest.mark.parametrize(("edition", "conns"), [(OLD, 0), (NEW, 1)])
def test_icmp_that_misses(edition: str, conns: int) -> None:
    """schedule_icmp, which 2.6 has not, makes a connection of the quoted ports."""
    k = Kernel(edition=edition, ipvs="" if edition == OLD else "schedule_icmp = 1")
    quoted = IP(src="10.0.0.100", dst="198.51.100.1") / TCP(sport=80, dport=40000)
    k.send(craft.frame(IP(src="198.51.100.1", dst="10.0.0.100") / ICMP(type=3, code=1) / quoted))
    assert len(k.parts.conns) == conns


def test_icmp_scheduled() -> None:
    """schedule_icmp makes a connection of the quoted ports, in NONE, for 3 s."""
    k = Kernel(edition=NEW, ipvs="schedule_icmp = 1")
    quoted = IP(src="10.0.0.100", dst="198.51.100.1") / TCP(sport=80, dport=40000)
    seen = k.send(craft.frame(IP(src="198.51.100.1", dst="10.0.0.100") / ICMP(type=3, code=1) / quoted))
    assert (seen.verdict, k.state(seen.conn)) == ("icmp_related_forwarded", ("NONE", 3))
    assert (seen.only[IP].dst, seen.only[IPerror].src, seen.only[TCPerror].sport) == ("10.1.0.13", "10.1.0.13", 8080)


@BOTH
def test_listings(edition: str) -> None:
    """Columns for persistence engines are 6.1's."""
    assert Kernel(edition=edition).director.gauges()["listing"]()["pe"] is (edition == NEW)


def test_stranger_is_forwarded_in_both() -> None:
    """What is nobody's business leaves by route, its TTL lowered once."""
    for name in EDITIONS:
        seen = Kernel(edition=name).send(craft.tcp(STRANGER, "203.0.113.5:9", ttl=9))
        assert (seen.verdict, seen.only[IP].ttl) == ("forwarded_plain", 8)


# --- mainline releases between -----------------------------------------------------------------------------------


def test_each_change_has_its_release() -> None:
    """A release has what came before it and not what came after; 6.0 is 6.1, and every name is known."""
    for change in CHANGES:
        before, then = (
            edition(f"{major}.{minor}") for major, minor in ((change.since[0], change.since[1] - 1), change.since)
        )
        assert {field: getattr(before, field) for field in change.before} == change.before
        assert all(getattr(then, field) == getattr(EDITIONS[NEW], field) for field in change.before)
    assert [edition(name).name for name in KERNELS if name != "6.1.170"] == [n for n in KERNELS if n != "6.1.170"]


@pytest.mark.parametrize(
    ("release", "verdicts"), [("5.8", ["conntrack_old", "nat_forwarded"]), ("5.9", ["nat_forwarded"] * 2)]
)
def test_syn_on_time_wait_with_connection_tracking(release: str, verdicts: list[str]) -> None:
    """Before 5.9 it is dropped, and its repetition scheduled: a second. conn_reuse_mode 0 loses none."""
    assert _reused(release, "conntrack = 1\ntracking = true") == verdicts
    assert _reused(release, "conntrack = 1\ntracking = true\nconn_reuse_mode = 0") == ["nat_forwarded"] * 2
    assert _reused(release, "conntrack = 1\ntracking = false") == ["nat_forwarded"] * 2
    assert _reused(release, "conntrack = 1") == verdicts, "in use before 5.9 because it is set, not in use later"


def _reused(release: str, ipvs: str) -> list[str]:
    """What becomes of two SYNs of a port whose connection is in TIME_WAIT."""
    k = Kernel(service(A), edition=release, ipvs=ipvs)
    k.handshake()
    k.send(craft.tcp(A, CLIENT, "FA", 5001, 1001))
    k.answer(k.send(craft.tcp(CLIENT, VIP, "FA", 1001, 5002)), "A")
    return [k.send(craft.syn(CLIENT, VIP, seq=9)).verdict for _ in range(2)]


@pytest.mark.parametrize(("release", "real_server"), [("5.15", A), ("5.16", B)])
def test_weightless_real_server_without_conn_reuse_mode(release: str, real_server: str) -> None:
    """expire_nodest_conn needed conn_reuse_mode until 5.16."""
    k = Kernel(service(B, A), edition=release, ipvs="expire_nodest_conn = 1\nconn_reuse_mode = 0")
    k.answer(k.send(craft.syn(CLIENT, VIP)), "R")
    k.set(A, weight=0)
    assert k.send(craft.syn(CLIENT, VIP, seq=9)).real == real_server


@pytest.mark.parametrize(
    ("release", "tables", "ipvs", "lacks"),
    [
        ("4.17", service(scheduler="mh"), "", "4.18"),
        ("5.1", service(real(A, tunnel={"type": "gue", "port": 5555}), mode="tunnel"), "", "5.2"),
        ("5.2", service(real(A, tunnel={"type": "gre"}), mode="tunnel"), "", "5.3"),
        ("5.15", service(), "run_estimation = 0", "5.16"),
    ],
)
def test_what_a_release_lacks(release: str, tables: str, ipvs: str, lacks: str) -> None:
    """It is refused with the first edition that has it, and taken by that."""
    with pytest.raises(ConfigError, match=rf'edition = "{lacks}" or later expected .* got "{release}"'):
        Kernel(tables, edition=release, ipvs=ipvs)
    assert Kernel(tables, edition=lacks, ipvs=ipvs).parts.edition.name == lacks
