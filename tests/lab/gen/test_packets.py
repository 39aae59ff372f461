"""Plans about single packets."""

import pytest
from lab.gen.made_scene import SCTP, scene

from lbreplay.lab.gen import packets


def played(plan, service=0, more="", view="rx"):
    """Verdicts of a plan."""
    made = scene(SCTP + more, view)
    plan(made, made.setup.services[service])
    return set(made.stage.verdicts)


@pytest.mark.parametrize(
    ("plan", "service", "wanted"),
    [
        (packets.first_packets, 0, {"forwarded_slow", "tcp_bad_ack_rst", "tcp_header_short", "tcp_bad_ack_drop"}),
        (packets.first_packets, 1, {"forwarded_slow", "l4_header_short"}),
        (packets.odd, 0, {"forwarded_fast", "truncated", "vlan_error", "l4_handler_error"}),
        (packets.odd, 2, {"forwarded_slow", "truncated", "l4_handler_error"}),
        (packets.sizes, 0, {"frag_needed", "forwarded_fragmented", "forwarded_fast"}),
        (packets.fragments, 0, {"fragment_v4"}),
        (packets.errors, 0, {"icmp_related_forwarded", "icmp_related_bad_checksum"}),
        (packets.quic, 1, {"forwarded_slow"}),
    ],
)
def test_what_a_plan_reaches(plan, service, wanted):
    """The verdicts that it is about."""
    assert wanted <= played(plan, service)


def test_errors_of_both_sides():
    """About what the client got and about what the real server got."""
    made = scene(view="rx")
    packets.errors(made, made.setup.services[0])
    assert made.stage.verdicts.count("icmp_related_forwarded") > 20


def test_proxy_headers_of_their_own():
    """Clients behind another proxy."""
    made = scene("service.web.proxy_protocol='v2'", "rx")
    packets.proxy_header(made, made.setup.services[0])
    assert set(made.stage.verdicts) <= {"forwarded_slow", "forwarded_fast"}


def test_a_helper_announces_connections():
    """Active and passive FTP."""
    text = """
profile = "ipvs"
edition = "6.1"
[[service]]
name = "ftp"
vip = "203.0.113.21:21"
mode = "nat"
real = [{ address = "198.18.0.1:21" }]
[ipvs]
modules = ["ip_vs_ftp"]
"""
    made = scene(view="rx", text=text)
    packets.helper(made, made.setup.services[0])
    assert made.stage.verdicts.count("nat_forwarded") >= 5


def test_echo_from_inside():
    """Answered, through SNAT of ICMP."""
    text = """
[device]
sapool_address = ["203.0.113.1"]
[[service]]
name = "ping"
mode = "snat"
protocol = "icmp"
match = "proto=icmp,src-range=10.1.0.5-10.1.0.9"
scheduler = "rr"
real = [{ address = "203.0.113.1:0" }]
"""
    made = scene(view="rx", text=text)
    packets.icmp_flows(made, [])
    assert made.stage.verdicts.count("forwarded_slow") >= 12
