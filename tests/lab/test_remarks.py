"""What the other end makes of what was sent."""

import craft
from lab.made_capture import TEXT, VIP, capture, client, frames, setup
from scapy.layers.inet import ICMP, IP

from lbreplay.lab.explain import explain

UDP = TEXT.replace('scheduler = "wlc"', 'scheduler = "rr"\nprotocol = "udp"')
PROXY = TEXT.replace('scheduler = "wlc"', 'scheduler = "rr"\nsynproxy = true')
DIRECT = TEXT.replace('laddr = ["192.168.100.200"]', 'mode = "dr"')
KERNEL = """
profile = "ipvs"
edition = "6.1"
[device]
address = ["192.168.100.1/24"]
[[service]]
name = "web"
vip = "10.0.0.100:80"
scheduler = "sh"
mode = "nat"
[[service.real]]
address = "192.168.100.2:80"
weight = 0
[[service.real]]
address = "192.168.100.3:80"
"""


def notes(tmp_path, n, made, text=TEXT, **more):
    return " ".join(explain(setup(text=text, **more), capture(tmp_path, made), n)["notes"])


def test_client_addresses_in_datagrams(tmp_path):
    """Protocol 248 and the module it needs, for the first datagrams; nothing where there are none."""
    made = [craft.udp(client(1), VIP)]
    assert "IP protocol 248" in (said := notes(tmp_path, 1, made, UDP)) and "uoa.ko" in said
    assert "IP option 31" in notes(tmp_path, 1, made, UDP + '[udp]\nuoa_mode = "ipo"\n')
    assert "UOA" not in notes(tmp_path, 1, made, UDP + "[udp]\nuoa_max_trail = 0\n")
    sent = explain(setup(text=UDP), capture(tmp_path, made), 1)["sent"][0]["packet"]
    assert "proto 248 (UOA) udp" in sent


def test_a_client_address_of_the_clients_own(tmp_path):
    """It is named, and that it stays behind the balancer's."""
    forged = craft.tcp(client(1), VIP, "A", 1001, 8, options=[(254, bytes([1, 187, 10, 0, 0, 1]))])
    said = notes(tmp_path, 3, [*frames(1)[:2], forged])
    assert "client-address option of its own, 10.0.0.1:443" in said
    assert notes(tmp_path, 3, frames(1)) == ""


def test_options_that_the_syn_proxy_reflects(tmp_path):
    """What it does not know comes back, what it knows is no matter."""
    odd = craft.tcp(client(1), VIP, "S", 1000, options=[("MSS", 1460), (30, b"\x00\x81" + bytes(8)), ("NOP", None)])
    assert "option 30 of the SYN come back" in notes(tmp_path, 1, [odd], PROXY)
    assert "come back" not in notes(tmp_path, 1, [craft.syn(client(1), VIP)], PROXY)


def test_answers_that_go_past(tmp_path):
    """Past a SYN proxy of direct routing; past a NAT director to a client on the real servers' network; to oneself."""
    proxy = DIRECT.replace('scheduler = "wlc"', 'scheduler = "rr"\nsynproxy = true')
    first = explain(setup(text=proxy), capture(tmp_path, [craft.syn(client(1), VIP)]), 1)
    cookie = int(next(f["after"] for f in first["sent"][0]["fields"] if f["field"] == "seq"))
    made = [craft.syn(client(1), VIP), craft.tcp(client(1), VIP, "A", 1001, cookie + 1)]
    assert "in mode dr goes straight to the client" in notes(tmp_path, 2, made, proxy)
    rr = KERNEL.replace('"sh"', '"rr"')
    said = notes(tmp_path, 1, [craft.syn("192.168.100.9:4000", VIP)], rr)
    assert "on the real server's network 192.168.100.0/24" in said and "equals" not in said
    itself = notes(tmp_path, 1, [craft.syn("192.168.100.3:4000", VIP)], rr)
    assert "source equals destination, 192.168.100.3" in itself
    assert notes(tmp_path, 1, [craft.syn(client(1), VIP)], rr) == ""


def test_a_tunnel_from_nobody(tmp_path):
    """The outer source is the route's; without one it is 0.0.0.0."""
    tunnel = DIRECT.replace('"dr"', '"tunnel"')
    made = [craft.syn(client(1), VIP)]
    assert "the outer source is 0.0.0.0" in notes(tmp_path, 1, made, tunnel)
    assert notes(tmp_path, 1, made, tunnel + '[device]\naddress = ["192.168.100.1/24"]\n') == ""


def test_a_scheduler_without_fallback(tmp_path):
    """The flag is named where a client hashes to a weightless real server."""
    made = [craft.syn(client(number), VIP) for number in range(1, 9)]
    found = [explain(setup(text=KERNEL), capture(tmp_path, made), n) for n in range(1, 9)]
    refused = [one for one in found if one["verdict"] == "no_dest_unreachable"]
    assert 0 < len(refused) < 8 and all("sh-fallback" in " ".join(one["notes"]) for one in refused)
    flagged = KERNEL.replace('"sh"', '"sh"\nflags = ["sh-fallback"]')
    assert all(notes(tmp_path, n, made, flagged) == "" for n in range(1, 9))


def test_a_reply_that_nobody_asked_for(tmp_path):
    """An echo reply from inside opens a session of SNAT; its identifier stands in the line."""
    snat = """
workers = 1
[device]
sapool_address = ["203.0.113.4"]
[[service]]
protocol = "icmp"
mode = "snat"
scheduler = "rr"
match = "proto=icmp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0"
[[service.real]]
address = "203.0.113.4:0"
"""
    reply, request = (
        craft.frame(IP(src="192.168.100.50", dst="203.0.113.9") / ICMP(type=kind, id=77)) for kind in (0, 8)
    )
    assert "a reply opened this session" in notes(tmp_path, 1, [reply], snat, view="rx")
    assert notes(tmp_path, 1, [request], snat, view="rx") == ""
    assert "id=77" in explain(setup(text=snat, view="rx"), capture(tmp_path, [request]), 1)["frame"]["packet"]


TRACKED = """
profile = "ipvs"
edition = "{edition}"
[device]
address = ["192.168.100.1/24"]
[ipv4]
forwarding = true
[ipvs]
conntrack = 1
tracking = true
[[service]]
name = "web"
vip = "10.0.0.100:80"
scheduler = "rr"
mode = "nat"
[[service.real]]
address = "192.168.100.2:80"
"""


def test_what_connection_tracking_drops(tmp_path):
    """A SYN with its old entry, what looks like another connection, and what is of no state: told apart, by name."""
    real_server = "192.168.100.2:80"
    reset = [craft.syn(client(1), VIP), craft.tcp(VIP, client(1), "SA", 5000, 1001),
             craft.tcp(client(1), VIP, "A", 1001, 5001), craft.tcp(VIP, client(1), "R", 5001),
             craft.syn(client(1), VIP, seq=9)]  # fmt: skip
    said = notes(tmp_path, 5, reset, TRACKED.format(edition="6.1"))
    assert "a second later" in said and "Linux 5.9" not in said
    assert "Linux 5.9 and later" in notes(tmp_path, 5, reset, TRACKED.format(edition="5.4"))
    straight = [*reset[:3], craft.syn(client(1), real_server)]
    said = notes(tmp_path, 4, straight, TRACKED.format(edition="6.1"))
    assert f"has {client(1)} > {VIP} already, whose answers are {real_server} > {client(1)}" in said
    early = [craft.syn(client(1), VIP), craft.tcp(client(1), VIP, "A", 1001, 1)]
    assert "to connection tracking it is invalid" in notes(tmp_path, 2, early, TRACKED.format(edition="6.1"))


NAT = """
profile = "ipvs"
edition = "6.1"
[device]
address = ["192.168.100.1/24"]
[ipv4]
forwarding = true
[[route]]
to = "0.0.0.0/0"
via = "192.168.100.254"
[[service]]
name = "web"
vip = "10.0.0.100:80"
scheduler = "rr"
mode = "nat"
[[service.real]]
address = "192.168.100.2:80"
"""


def test_a_real_server_that_answers_past_the_director(tmp_path):
    """Seen by the client from the real server's own address; behind the director it is as it should be."""
    made = [craft.syn(client(1), VIP), craft.tcp("192.168.100.2:80", client(1), "SA", 5000, 1001)]
    assert "went past the director" in notes(tmp_path, 2, made, NAT)
    assert notes(tmp_path, 2, made, NAT, view="rx") == ""


def test_a_real_server_that_refuses(tmp_path):
    """A RST to a SYN; one in the middle of a connection is nothing to remark."""
    refusal = craft.tcp(VIP, client(1), "RA", 0, 1001)
    said = notes(tmp_path, 2, [craft.syn(client(1), VIP), refusal])
    assert "refuses the connection: nothing listens on 192.168.100." in said
    assert notes(tmp_path, 4, [*frames(1)[:3], craft.tcp(VIP, client(1), "R", 5001)]) == ""


def test_direct_routing_through_a_router(tmp_path):
    """The router is named, and what either balancer does about it; a neighbour is nothing to remark."""
    made = [craft.syn(client(1), VIP)]
    far = NAT.replace('mode = "nat"', 'mode = "dr"').replace("192.168.100.2:80", "172.20.0.2:80")
    assert "leads through 192.168.100.254: that router gets the frame with the virtual address" in notes(
        tmp_path, 1, made, far
    )
    dpvs = far.replace('profile = "ipvs"\nedition = "6.1"\n', "workers = 1\n").replace(
        "[ipv4]\nforwarding = true\n", ""
    )
    assert "DPVS asks for the real server's own MAC address" in notes(tmp_path, 1, made, dpvs)
    assert notes(tmp_path, 1, made, NAT.replace('mode = "nat"', 'mode = "dr"')) == ""


def test_headers_of_the_proxy_protocol(tmp_path):
    """Said of the segment that carries it, not of the handshake."""
    text = TEXT.replace('scheduler = "wlc"', 'scheduler = "wlc"\nproxy_protocol = "v2"')
    made = [*frames(1)[:3], craft.tcp(client(1), VIP, "PA", 1001, 8, b"GET / HTTP/1.0\r\n\r\n")]
    assert "a header of the PROXY protocol" in notes(tmp_path, 4, made, text)
    assert notes(tmp_path, 1, made, text) == ""


def test_quic_that_moved(tmp_path):
    """A short header opens a connection; an Initial does so rightly, and so does a service that goes by the CID."""
    text = UDP.replace("10.0.0.100:80", "10.0.0.100:443") + "[udp]\nuoa_max_trail = 0\n"
    short, initial = (
        craft.udp(client(1), "10.0.0.100:443", bytes([first]) + b"ABCDEFGHIJKLMNOP") for first in (0x41, 0xC3)
    )
    assert "looks like QUIC under way" in notes(tmp_path, 1, [short], text)
    assert notes(tmp_path, 1, [initial], text) == ""
    assert notes(tmp_path, 2, [initial, short], text) == ""


def test_window_scaling_that_the_syn_proxy_takes_away(tmp_path):
    """With wscale 0; any other lets it be."""
    syn = craft.tcp(client(1), VIP, "S", 1000, options=[("MSS", 1460), ("WScale", 7)])
    assert "takes the window scaling away" in notes(tmp_path, 1, [syn], PROXY)
    assert notes(tmp_path, 1, [syn], PROXY + "[tcp.synproxy]\nwscale = 5\n") == ""


def test_an_answer_from_another_address(tmp_path):
    """A host with two addresses: the connection whose local end it is for is named, with who was asked."""
    text = UDP.replace("workers = 4", "workers = 1") + "[udp]\nuoa_max_trail = 0\n"
    asked = craft.udp(client(1), VIP)
    sent = explain(setup(text=text), capture(tmp_path, [asked]), 1)["connection"]
    stray = craft.udp("192.168.100.99:8080", sent["local"])
    said = notes(tmp_path, 2, [asked, stray], text, view="rx")
    assert f"the local end of conn 1, which is to {sent['real']}: 192.168.100.99:8080 is not who was asked" in said
    assert notes(tmp_path, 2, [asked, craft.udp(sent["real"], sent["local"])], text, view="rx") == ""
