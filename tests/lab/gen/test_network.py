"""Plans about what stands around the services."""

import pytest
from lab.gen.made_scene import TEXT, scene

from lbreplay.lab.gen import network
from lbreplay.lab.gen.scene import reachable

V6 = """
[[service]]
name = "web6"
vip = "[2001:db8::10]:80"
laddr = ["2001:db8:1::1"]
real = [{ address = "[2001:db8:2::1]:80" }]
"""
PORT = "device.mac='02:70:63:61:70:00'\ndevice.address=['198.19.0.9/16']\n"
ROUTES = TEXT + "[[route]]\nto = '198.51.100.0/24'\nvia = '198.19.0.254'\n[[route]]\nto = '198.18.0.0/16'\n"


def played(plan, more="", text=TEXT + V6, view="client"):
    """Verdicts of a plan."""
    made = scene(more, view, text)
    plan(made, reachable(made.setup))
    return made.stage.verdicts


@pytest.mark.parametrize(
    ("plan", "wanted"),
    [
        (network.strays, {"local_to_kernel", "l4_header_short", "tunnel_input", "ospf", "reply_without_conn"}),
        (network.link, {"arp_answered", "arp_to_kernel", "arp_bad_opcode", "ethertype_unhandled", "vlan_error",
                        "truncated", "l3_otherhost", "multicast"}),
        (network.ip_input, {"l3_header_error", "l3_truncated", "fragment_v4", "v6_no_next_header"}),
        (network.icmp, {"local_echo_reply", "icmp_local_invalid", "icmp_malformed"}),
        (network.discovery, {"nd_to_kernel", "nd_invalid"}),
        (network.transit, {"forward_disabled", "forward_ttl", "forward_too_big"}),
    ],
)  # fmt: skip
def test_what_a_plan_reaches(plan, wanted):
    """The verdicts that it is about."""
    assert wanted <= set(played(plan, PORT))


def test_every_rule_and_every_entry_is_met():
    """Rules: four workers, two protocols, three addresses; entries: as many as the table has."""
    made = scene(text=TEXT + V6)
    network.rules(made, [])
    assert len(made.stage.capture) == len(made.clients.nic.rules) == 24
    made = scene()
    network.entries(made, reachable(made.setup))
    assert len(made.stage.capture) == 128


def test_wanderers_meet_another_worker():
    """Strays at the ports of the neighbours."""
    assert "local_to_kernel" in played(network.wanderers, view="rx")


def test_neighbours_that_do_not_answer():
    """Packets wait, and too many do not."""
    assert {"neigh_queued", "neigh_queue_full"} <= set(played(network.neighbours, PORT + "device.resolve=true\n"))


def test_clients_without_a_way_back():
    """Their answers, and errors about those, find no route."""
    found = played(network.unrouted, "device.address=['198.19.0.9/16']", text=ROUTES, view="rx")
    assert {"no_route", "icmp_related_no_route"} <= set(found)
