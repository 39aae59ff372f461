"""The story of a frame."""

import json

import craft
import pytest
from lab.made_capture import TEXT, VIP, capture, client, frames, setup
from scapy.layers.inet import ICMP, IP, TCP
from scapy.packet import Raw

from lbreplay.lab.explain import changes, dissected, explain, lines


def story(tmp_path, n, *sets, made=None, **more):
    return explain(setup(*sets, **more), capture(tmp_path, made), n)


def test_a_new_connection(tmp_path):
    """The candidates with their numbers before the choice, the trial of a local address, and where the answer lands."""
    found = story(tmp_path, 1)
    assert (found["tables"]["answer"], found["service"], found["verdict"]) == ("miss", "web", "forwarded_slow")
    candidates = {one["real"]: one for one in found["scheduler"]["candidates"]}
    assert [one["inactconns"] for one in candidates.values()] == [0, 0]
    chosen = next(one["real"] for one in candidates.values() if one["chosen"])
    conn = found["connection"]
    assert conn["real"] == chosen and conn["new"] and conn["state"] == ["NONE", "SYN_RECV"]
    (trial,) = found["laddr"]["trials"]
    assert f"{trial['laddr']}:{trial['port']}" == conn["local"]
    assert trial["port"] & 3 == conn["worker"] == found["steering"]["worker"]
    assert found["answer"]["home"] and found["answer"]["by"] == "flow_director"
    assert conn["timeout"] == 30.0


def test_bucket(tmp_path):
    """The bucket of the pool is that of the real server (D 11.3)."""
    found = story(tmp_path, 1)
    address, port = craft.split(found["connection"]["real"])
    low = int(address.split(".")[2]) * 256 + int(address.split(".")[3])
    assert found["laddr"]["bucket"] == (low + port) % 16


def test_bytes_before_and_after(tmp_path):
    """What changed is marked, and what did not is there too."""
    fields = {(f["layer"], f["field"]): f for f in story(tmp_path, 1)["sent"][0]["fields"]}
    assert fields["IP", "src"]["before"] == "172.16.0.1" and fields["IP", "src"]["after"] == "192.168.100.200"
    assert fields["IP", "src"]["changed"] and not fields["TCP", "window"]["changed"]
    assert "Timestamp" in fields["TCP", "options"]["before"] and "Timestamp" not in fields["TCP", "options"]["after"]


def test_the_client_address_option(tmp_path):
    """The option with the client's address is read as such."""
    fields = story(tmp_path, 3)["sent"][0]["fields"]
    options = next(f for f in fields if f["field"] == "options" and f["layer"] == "TCP")
    assert f"TOA {client(1)}" in options["after"] and "TOA" not in options["before"]


def test_no_room_for_the_client_address(tmp_path):
    """Why a real server does not learn the client's address."""
    full = [("Timestamp", (1, 2)), ("NOP", None), ("NOP", None), ("SAck", (1, 2, 3, 4, 5, 6))]
    made = [*frames(1)[:2], craft.tcp(client(1), VIP, "A", 1001, 8, options=full)]
    found = story(tmp_path, 3, made=made, text='edition = "1.8"\n' + TEXT)
    assert found["notes"] == ["no client address in it: the TCP header has 60 bytes, 8 more do not fit into 60"]
    assert story(tmp_path, 3, "tcp.toa=false")["notes"] == ["no client address in it: tcp.toa is off"]


def test_a_strayed_answer(tmp_path):
    """The worker that was asked has nothing, the one that has it was not asked."""
    sets = ("flow_director.dst_port_mask=0",)
    strayed = next(s for n in range(2, 97, 4) if (s := story(tmp_path, n, *sets))["tables"]["wrong_worker"])
    owners = [entry["worker"] for entry in strayed["tables"]["workers"] if entry["conn"] is not None]
    asked = [entry["worker"] for entry in strayed["tables"]["workers"] if entry["asked"]]
    assert len(owners) == 1 and asked == [0] and owners != asked
    assert strayed["received_as"]["packet"].startswith("192.168.100.")
    assert strayed["line"].endswith(f"worker {owners[0]} has the connection")
    assert strayed["reasons"][0]["name"] == "tcp_not_syn" and strayed["verdict"] == "local_to_kernel"


def test_redirect(tmp_path):
    """A redirected frame names the owner, and comes home in the end."""
    sets = ("flow_director.enabled=false", "conn.redirect=true")
    stories = [story(tmp_path, n, *sets) for n in range(2, 30, 4)]
    handed = next(s for s in stories if any(r["name"] == "redirected" for r in s["reasons"]))
    assert handed["tables"]["redirect"] == handed["connection"]["worker"] != handed["steering"]["worker"]
    assert handed["fate"] == "transmitted" and f"handed to worker {handed['connection']['worker']}" in handed["line"]


def test_timer_before_and_after(tmp_path):
    """How long the connection had to live, and has now."""
    conn = story(tmp_path, 2)["connection"]
    assert conn["seconds_left"] == pytest.approx(29.999) and conn["timeout"] == 30.0
    assert story(tmp_path, 3)["connection"]["timeout"] == 90.0


def test_nobody_to_choose(tmp_path):
    """A service whose real servers all have weight 0 shows them, none chosen."""
    sets = [f"service.web.real.192.168.100.{host}:8080.weight=0" for host in (2, 3)]
    found = story(tmp_path, 1, *sets)
    assert found["verdict"] == "no_dest" and found["connection"] is None
    assert not any(one["valid"] or one["chosen"] for one in found["scheduler"]["candidates"])


def test_exhausted_ports(tmp_path):
    """A local address without a free port is shown as tried."""
    stories = [story(tmp_path, n, "sa_pool.low=65535") for n in range(1, 20, 4)]
    refused = next(s for s in stories if s["steering"]["worker"] != 3)
    assert refused["laddr"]["trials"] == [{"laddr": "192.168.100.200", "port": None, "free_before": 0}]
    assert refused["verdict"] == "laddr_port_exhausted" and refused["sent"] == []


def test_frames_that_no_table_sees(tmp_path):
    """ARP, a frame nobody handles, an answer without a connection: each has its story."""
    made = [craft.arp("10.0.0.100"), craft.tick(), craft.tcp(VIP, "9.9.9.9:9", "A")]
    found = [story(tmp_path, n, made=made) for n in (1, 2, 3)]
    assert [one["verdict"] for one in found] == ["arp_answered", "ethertype_unhandled", "reply_without_conn"]
    assert found[2]["steering"] is None and found[2]["line"] == "#3 not received reply_without_conn"
    assert found[0]["sent"][0]["fields"]


def test_lines(tmp_path):
    """Several frames in one replay, a line each, in whatever order they are asked for."""
    found = lines(setup(), capture(tmp_path), [3, 1, 3])
    assert list(found) == [1, 3]
    assert found[1].endswith("new conn 1 in -> real server: forwarded_slow")
    assert found[3].endswith("conn 1 in -> real server: forwarded_fast")


def test_a_document_is_json(tmp_path):
    """Whatever is in it can be written down."""
    for n in (1, 2, 4):
        assert json.loads(json.dumps(story(tmp_path, n)))["frame"]["n"] == n


def test_changes_keep_the_order_of_the_wire():
    """A layer that only one of both has stands where it stood there."""
    plain, tagged = craft.syn(client(1), VIP), craft.syn(client(1), VIP, vlan=7)
    layers = list(dict.fromkeys(f["layer"] for f in changes(plain, tagged)))
    assert layers == ["Ethernet", "802.1Q", "IP", "TCP"]
    assert [f["after"] for f in changes(plain, tagged) if f["field"] == "vlan"] == ["7"]
    assert not any(f["changed"] for f in changes(plain, plain))


@pytest.mark.parametrize("size", [0, 1, 13, 20, 33, 40, 60])
def test_cut_frames_can_be_dissected(size):
    """Whatever the capture has of a frame."""
    assert isinstance(dissected(craft.syn(client(1), VIP)[:size]), dict)


def test_the_kernel_profile(tmp_path):
    """The ipvs profile has stories too, without local addresses."""
    text = 'profile = "ipvs"\n[[service]]\nvip = "10.0.0.100:80"\nscheduler = "rr"\nmode = "nat"\n'
    found = story(tmp_path, 1, text=text + '[[service.real]]\naddress = "192.168.100.2:8080"\n')
    assert found["connection"]["real"] == "192.168.100.2:8080" and found["laddr"] is None
    assert found["sent"][0]["fields"]


def test_tagged_frames_have_their_story(tmp_path):
    """What is behind the tag of a VLAN device is looked up like any packet."""
    vlan = TEXT + '[[device.vlan]]\nid = 3\naddress = ["192.168.100.5/24"]\n'
    made = [frame[:12] + b"\x81\0\0\3" + frame[12:] for frame in frames(1)]
    found = [story(tmp_path, n, made=made, text=vlan) for n in range(1, 5)]
    assert all(one["fate"] == "transmitted" and one["connection"]["number"] == 1 for one in found)
    assert found[1]["tables"]["answer"] == "out" and found[1]["received_as"] is not None
    unknown = story(tmp_path, 1, made=[made[0][:14] + b"\0\7" + made[0][16:]], text=vlan)
    assert unknown["verdict"] == "vlan_error" and unknown["connection"] is None


def test_a_quote_that_is_too_short(tmp_path):
    """The connection it is about is named, and that nobody is asked for it."""
    quoted = IP(src="10.0.0.100", dst="172.16.0.1") / TCP(sport=80, dport=3000)
    for kept, reason in ((28, "icmp_quote_short"), (40, None)):
        error = craft.frame(IP(src="9.9.9.9", dst="10.0.0.100") / ICMP(type=3, code=4) / Raw(bytes(quoted)[:kept]))
        found = story(tmp_path, 2, "workers=1", made=[craft.syn(client(1), VIP), error], view="rx")
        reasons = [one["name"] for one in found["reasons"]]
        assert found["tables"]["unread"] is (reason is not None) and (reason in reasons) is (reason is not None)
        assert [entry["conn"] for entry in found["tables"]["workers"]] == [1]
    assert found["verdict"] == "icmp_related_forwarded"
