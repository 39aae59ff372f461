"""What the next packet of the other side will meet: the same as a replay of that packet says."""

import craft
import pytest
from lab.made_capture import TEXT, VIP, capture, client, frames, setup
from scapy.layers.inet import ICMP, IP

from lbreplay.lab.explain import explain

REAL, LADDR = "192.168.100.3:8080", "192.168.100.200"
SNAT = """
[device]
sapool_address = ["203.0.113.4"]
[[service]]
name = "out"
protocol = "icmp"
mode = "snat"
scheduler = "rr"
match = "proto=icmp,src-range=192.168.100.0-192.168.100.255,oif=dpdk0"
[[service.real]]
address = "203.0.113.4:0"
"""


def landing(tmp_path, n, *sets, made=None, **more):
    return explain(setup(*sets, **more), capture(tmp_path, made), n)["answer"]


def test_home(tmp_path):
    """The real server's answer by a rule, the client's next packet by RSS."""
    first, second = landing(tmp_path, 1), landing(tmp_path, 2)
    assert first["home"] and (first["from"], first["by"], first["fate"]) == (
        "real server",
        "flow_director",
        "transmitted",
    )
    assert second["home"] and (second["from"], second["by"]) == ("client", "rss")


@pytest.mark.parametrize("sets", [(), ("flow_director.enabled=false",), ("flow_director.dst_port_mask=0",)])
def test_it_is_what_a_replay_of_the_packet_says(tmp_path, sets):
    """Worker, verdict and fate are those of the real answer, put behind the frame in a capture of the balancer."""
    for number in range(1, 7):
        asked = craft.syn(client(number), VIP)
        told = landing(tmp_path, 1, *sets, made=[asked], view="rx")
        source, dest = told["flow"].split(" > ")
        replayed = explain(
            setup(*sets, view="rx"), capture(tmp_path, [asked, craft.tcp(source, dest, "SA", 7, 1001)]), 2
        )
        assert (told["worker"], told["verdict"], told["fate"]) == (
            replayed["steering"]["worker"], replayed["verdict"], replayed["fate"],
        )  # fmt: skip
        assert told["home"] == (replayed["connection"] is not None)


def test_redirect_brings_it_home(tmp_path):
    """On the way it is handed over."""
    sets = ("flow_director.enabled=false", "conn.redirect=true")
    found = [landing(tmp_path, n, *sets) for n in range(1, 40, 4)]
    assert all(one["home"] for one in found)
    assert any(one["handed_to"] == one["owner"] != one["worker"] for one in found)


def test_a_connection_of_one_packet_is_in_no_table(tmp_path):
    """Its answer finds nobody, though the rule of its local port brings it to the right worker."""
    udp = TEXT.replace('scheduler = "wlc"', 'scheduler = "rr"\nprotocol = "udp"\none_packet = true')
    found = landing(tmp_path, 1, text=udp, made=[craft.udp(client(1), VIP)])
    assert (found["home"], found["alive"], found["verdict"]) == (False, False, "local_to_kernel")
    assert found["worker"] == found["owner"]
    kept = landing(tmp_path, 1, text=udp.replace("one_packet = true", ""), made=[craft.udp(client(1), VIP)])
    assert kept["home"] and kept["alive"]


def test_what_did_not_arrive_is_not_answered(tmp_path):
    """A dropped SYN, a RST, a mode whose answers go past the balancer: nothing is promised."""
    text = TEXT + '[[route]]\nto = "172.16.0.0/12"\n'
    assert explain(setup(text=text), capture(tmp_path), 1)["verdict"] == "no_route"
    assert landing(tmp_path, 1, text=text) is None
    reset = [*frames(1), craft.tcp(client(1), VIP, "R", 1006)]
    assert landing(tmp_path, 5, made=reset) is None
    assert landing(tmp_path, 1, "service.web.mode=dr", "service.web.laddr=[]") is None


def test_icmp_is_told_by_type_and_identifier(tmp_path):
    """The reply of a ping through SNAT, which RSS sends by another pair of addresses."""
    pings = [craft.frame(IP(src="192.168.100.50", dst=f"203.0.113.{n}") / ICMP(type=8, id=n)) for n in range(100, 116)]
    found = [explain(setup(text="workers = 4\n" + SNAT, view="rx"), capture(tmp_path, pings), n) for n in range(1, 17)]
    first = found[0]
    assert first["answer"]["flow"] == "203.0.113.100 > 203.0.113.4 icmp type 8 code 0 id 100"
    assert first["answer"]["from"] == "remote host" and first["connection"]["client"] == "203.0.113.100"
    assert first["tables"]["asked_for"] == "192.168.100.50 > 203.0.113.100 icmp type 8 code 0 id 100"
    strayed = [one["answer"] for one in found if not one["answer"]["home"]]
    assert strayed and all(one["alive"] and one["verdict"] == "local_to_kernel" for one in strayed)


def test_answers_on_a_vlan_are_tagged(tmp_path):
    """Where the real server's network is a VLAN device's, its answer comes in tagged."""
    text = TEXT + '[[device.vlan]]\nid = 7\naddress = ["192.168.100.5/24"]\n'
    found = landing(tmp_path, 1, text=text)
    assert found["home"] and found["fate"] == "transmitted"


def test_the_syn_proxy_waits_for_a_syn_ack(tmp_path):
    """Behind the SYN that the proxy sends, the real server's SYN|ACK is consumed."""
    text = TEXT.replace('scheduler = "wlc"', 'scheduler = "rr"\nsynproxy = true')
    first = explain(setup(text=text), capture(tmp_path, [craft.syn(client(1), VIP)]), 1)
    assert first["answer"] is None
    cookie = int(next(f["after"] for f in first["sent"][0]["fields"] if f["field"] == "seq"))
    made = [craft.syn(client(1), VIP), craft.tcp(client(1), VIP, "A", 1001, cookie + 1)]
    found = landing(tmp_path, 2, text=text, made=made)
    assert found["home"] and found["verdict"] == "synproxy_synack_consumed"
