"""ICMP and ICMPv6: errors about connections in both directions, and what is not one."""

from __future__ import annotations

from pathlib import Path

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
)  # fmt: skip
from scapy.layers.inet import ICMP, IP, IPerror, TCPerror, UDPerror
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6TimeExceeded, IPerror6, IPv6
from scapy.packet import Packet, Raw

from lbreplay.journey import replay
from lbreplay.model import Setup


def about(data: bytes, source: str = "203.0.113.9", to: str | None = None, kind: int = 3, code: int = 1, keep: int = 48,
          **fields: object) -> bytes:  # fmt: skip
    """An ICMP error from *source* to the sender of the frame *data*, quoting *keep* bytes of it."""
    quoted = craft.parse(data)[IP]
    return craft.frame(
        IP(src=source, dst=to or quoted.src) / ICMP(type=kind, code=code, **fields) / Raw(bytes(quoted)[:keep])
    )


def about6(data: bytes, error: Packet | None = None, source: str = "2001:db8:f::9") -> bytes:
    quoted = craft.parse(data)[IPv6]
    return craft.frame(
        IPv6(src=source, dst=quoted.src) / (error or ICMPv6DestUnreach(code=1)) / Raw(bytes(quoted)[:60])
    )


FLOW = [*handshake(), tcp(CLIENT, VIP, "PA", 1001, 5001, b"GET"), tcp(REAL, LADDR, "PA", 5001, 1004 + DELTA, b"hello")]


def sent(number: int) -> bytes:
    """What the balancer sent as *number* of FLOW."""
    return play(setup(), FLOW).sent[number - 1][2]


def test_an_error_of_the_clients_side() -> None:
    """Outside and inside become what the real server knows; the router's source is the local address (D 9.1)."""
    run = play(setup(), [*FLOW, about(sent(5))])
    error = run.packet(6)
    assert run.verdicts[-1] == "icmp_related_forwarded"
    assert (error[IP].src, error[IP].dst) == ("192.168.100.200", "192.168.100.2")
    assert (error[IPerror].src, error[IPerror].dst) == ("192.168.100.2", "192.168.100.200")
    assert (error[TCPerror].sport, error[TCPerror].dport, error[TCPerror].seq) == (8080, 1025, 5001)


def test_an_error_of_the_real_servers_side() -> None:
    """From the virtual address to the client, the quoted number moved back (D 9.1); it counts as coming in."""
    run = play(setup(), [*FLOW, about(sent(4), kind=11, code=0)])
    error = run.packet(6)
    assert (error[IP].src, error[IP].dst) == ("10.0.0.100", "172.16.0.1")
    assert (error[IPerror].src, error[IPerror].dst) == ("172.16.0.1", "10.0.0.100")
    assert (error[TCPerror].sport, error[TCPerror].dport, error[TCPerror].seq) == (3000, 80, 1001)
    assert (run.real["inpkts"], run.real["outpkts"]) == (4, 2)


def test_errors_over_ipv6() -> None:
    """Unreachable, too big and time exceeded, checksum made anew (D 9.1)."""
    made = setup(vip=VIP6, laddr=LADDR6, reals=(REAL6,))
    first = play(made, [syn(CLIENT6, VIP6)]).sent[0][2]
    for error in (ICMPv6DestUnreach(code=1), ICMPv6TimeExceeded()):
        run = play(made, [syn(CLIENT6, VIP6), about6(first, error)])
        assert run.verdicts[1] == "icmp_related_forwarded"
        assert (run.packet(2)[IPv6].src, run.packet(2)[IPv6].dst) == ("2001:db8:1::100", "2001:db8:c::1")
        assert (run.packet(2)[IPerror6].src, run.packet(2)[TCPerror].seq) == ("2001:db8:c::1", 1000)


@pytest.mark.parametrize(
    "src, dst, forwarding, verdict",
    [
        (LADDR6, REAL6, "", "forward_disabled"),
        (LADDR6, REAL6, "true", "forwarded_plain"),
        (REAL6, LADDR6, "", "local_to_kernel"),
        (REAL6, VIP6, "true", "local_to_kernel"),
    ],
)
def test_an_error_about_another_protocol_is_left_at_what_it_quotes(
    src: str, dst: str, forwarding: str, verdict: str
) -> None:
    """ICMPv6 about ESP, GRE, 248: the quoted packet is routed in its place (D 19, recorded)."""
    more = f"[ipv6]\nforwarding = {forwarding}\n" if forwarding else ""
    made = setup(vip=VIP6, laddr=LADDR6, reals=(REAL6,), more=more)
    quoted = IPv6(src=craft.split(src)[0], dst=craft.split(dst)[0], nh=50, hlim=9) / Raw(b"z" * 20)
    error = craft.frame(IPv6(src="2001:db8:f::9", dst=craft.split(LADDR6)[0]) / ICMPv6DestUnreach() / quoted)
    run = play(made, [error])
    assert run.verdicts == [verdict] and run.trace[1]["reason"] == ["icmp_quotes_other_protocol"]
    if verdict == "forwarded_plain":
        assert bytes(run.packet(1)[IPv6]) == bytes(quoted)[:7] + b"\x08" + bytes(quoted)[8:]


def test_a_quotation_too_short_for_a_message_is_dropped() -> None:
    """Its bytes behind the first header are read as the message (D 7.1, 19)."""
    quoted = IPv6(src=craft.split(REAL6)[0], dst=craft.split(LADDR6)[0], nh=50) / Raw(b"z" * 7)
    error = craft.frame(IPv6(src="2001:db8:f::9", dst=craft.split(LADDR6)[0]) / ICMPv6DestUnreach() / quoted)
    assert play(setup(vip=VIP6, laddr=LADDR6, reals=(REAL6,)), [error]).verdicts == ["l4_header_short"]


def nat64(more: str = "") -> Setup:
    return setup(vip=VIP6, laddr=LADDR, reals=(REAL,), more=more)


def test_nat64_errors_of_the_real_server_leave_as_they_came() -> None:
    """To the IPv6 client's next hop, the ethertype that of IPv6, and all bytes from L3 on untouched (recorded)."""
    frames = [syn(CLIENT6, VIP6), tcp(REAL, LADDR, "SA", 5000, 1001 + DELTA, mac=RS_MAC)]
    error = about(play(nat64(), frames).sent[0][2], source="192.168.100.2")
    run = play(nat64(), [*frames, error])
    assert run.verdicts[-1] == "icmp_related_forwarded"
    assert run.sent[2][2] == run.sent[1][2][:12] + b"\x86\xdd" + error[14:]
    assert play(nat64('[[route]]\nto = "192.168.0.0/16"\n'), [frames[0], error]).verdicts[-1] == "icmp_related_no_route"


def test_nat64_errors_of_the_client_are_not_determined(tmp_path: Path) -> None:
    """They are sent with addresses of which four bytes are set, and a warning says so."""
    frames = [syn(CLIENT6, VIP6), tcp(REAL, LADDR, "SA", 5000, 1001 + DELTA, mac=RS_MAC)]
    frames.append(about6(play(nat64(), frames).sent[1][2]))
    run = play(nat64(), frames)
    frame = run.sent[2][2]
    assert run.verdicts[-1] == "icmp_related_forwarded" and frame[12:15].hex() == "080060"
    assert frame[22:54].hex() == "c0a864c8" + "00" * 12 + "c0a86402" + "00" * 12
    said = replay(nat64(), str(craft.write(tmp_path / "in.pcap", frames)), None).warnings
    assert ["memory it never set" in sentence for sentence in said] == [True]


def test_errors_about_udp_need_eight_bytes_of_it() -> None:
    """Of TCP twenty; less is related to nothing (D 9.1)."""
    made = setup(protocol="udp", more="[udp]\nuoa_max_trail = 0\n")
    first = play(made, [udp(CLIENT, VIP)]).sent[0][2]
    verdicts = [play(made, [udp(CLIENT, VIP), about(first, keep=n)]).verdicts[1] for n in (28, 27)]
    assert verdicts == ["icmp_related_forwarded", "local_to_kernel"]
    run = play(made, [udp(CLIENT, VIP), about(first, keep=28)])
    assert (run.packet(2)[UDPerror].sport, run.packet(2)[UDPerror].dport) == (3000, 80)
    assert play(setup(), [*FLOW, about(sent(4), keep=39)]).verdicts[-1] == "local_to_kernel"


def test_what_is_dropped_and_what_goes_on() -> None:
    """Wrong checksum and quoted fragments drop; other types are no errors about connections (D 9.1)."""
    fragment = bytearray(sent(4))
    fragment[20:22] = b"\0\x05"
    frames = [about(sent(4), chksum=1), about(bytes(fragment)), about(sent(4), kind=5), about(sent(4), kind=12)]
    run = play(setup(), [*FLOW, *frames])
    assert run.verdicts[5:] == ["icmp_related_bad_checksum", "icmp_malformed", "local_to_kernel", "local_to_kernel"]
    assert run.trace[8]["reason"] == ["icmp_untranslated", "no_service"]


def test_an_error_does_not_keep_a_connection() -> None:
    """Its timer is not touched and its state stays (D 9.1)."""
    flow = [syn(CLIENT, VIP), (29_000, about(play(setup(), [syn(CLIENT, VIP)]).sent[0][2])), (31_000, syn(CLIENT, VIP))]
    run = play(setup(), flow)
    assert run.states(2) == ["SYN_RECV", "SYN_RECV"] and run.trace[3]["new"] is True


def test_direct_routing_passes_errors_one_way() -> None:
    """In as any packet, out not at all (D 9.1)."""
    made = setup(mode="dr", reals=("192.168.100.2:80",))
    answer = tcp("192.168.100.2:80", CLIENT, "SA", 1, 1001)
    from_client = about(tcp(VIP, CLIENT, "SA", 1, 1001))
    run = play(made, [syn(CLIENT, VIP), answer, from_client])
    assert run.verdicts[2] == "icmp_related_forwarded" and run.sent[1][2][14:] == from_client[14:]
    out = about(tcp(CLIENT, "192.168.100.2:80", "S", 1000), to="10.0.0.100")
    assert play(made, [syn(CLIENT, VIP), out]).verdicts[1] == "icmp_related_no_out_xmit"


@pytest.mark.parametrize("mode", ["nat", "dr"])
def test_an_error_that_cannot_leave_is_lost(mode: str) -> None:
    """No route to the real server (D 17 V26)."""
    made = setup(mode=mode, reals=("10.9.9.9:80",), more='[[route]]\nto = "172.16.0.0/16"\n')
    error = about(tcp(VIP, CLIENT, "SA", 1, 1001))
    assert play(made, [syn(CLIENT, VIP), error]).verdicts == ["no_route", "icmp_related_no_route"]


def test_lists_judge_the_quoted_packet_as_it_stands() -> None:
    """A listed client's errors go on: the quoted packet's destination is the client, not a service (D 4.1)."""
    event = "[[event]]\nat = 0.004\nset = \"service.web.blacklist=['172.16.0.1']\"\n"
    run = play(setup(events=event), [*FLOW, about(sent(5))])
    assert run.verdicts[-1] == "icmp_related_forwarded"


def test_snat_errors_reach_the_inside() -> None:
    """An error about what left by the SNAT address goes to the host that sent it (D 9.1)."""
    snat = (
        '[[service]]\nmode = "snat"\nprotocol = "udp"\n'
        'match = "proto=udp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0"\n'
        '[[service.real]]\naddress = "192.168.100.10:0"\n'
    )
    made = setup(events=snat, device='sapool_address = ["192.168.100.10"]')
    ask = udp("192.168.100.50:5000", "203.0.113.5:53")
    run = play(made, [ask, about(play(made, [ask]).sent[0][2])])
    error = run.packet(2)
    assert (error[IP].src, error[IP].dst) == ("203.0.113.9", "192.168.100.50")
    assert (error[IPerror].src, error[UDPerror].sport, error[IPerror].dst) == ("192.168.100.50", 5000, "203.0.113.5")


def test_echo_replies_are_looked_up_as_their_requests() -> None:
    """An identifier on the asking side, type and code on the other (D 9.2)."""
    snat = (
        '[[service]]\nmode = "snat"\nprotocol = "icmp"\n'
        'match = "proto=icmp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0"\n'
        '[[service.real]]\naddress = "192.168.100.10:0"\n'
    )
    made = setup(events=snat)
    for ask, answer in ((8, 0), (13, 14), (15, 16), (17, 18)):
        out = craft.frame(IP(src="192.168.100.50", dst="203.0.113.5") / ICMP(type=ask, id=4))
        back = craft.frame(IP(src="203.0.113.5", dst="192.168.100.10") / ICMP(type=answer, id=4))
        run = play(made, [out, back])
        assert run.trace[2]["lookup"] == "in" and run.packet(2)[IP].dst == "192.168.100.50"
