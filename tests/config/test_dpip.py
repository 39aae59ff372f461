"""dpip commands make the port."""

from typing import Any

import pytest

from lbreplay.config.dpip import Ports, destination
from lbreplay.config.found import Found
from lbreplay.config.ipvsadm import Services
from lbreplay.config.load import load


def found(*lines: str) -> Found:
    """What *lines* make."""
    result = Found()
    services = Services(result)
    port = Ports(result, services)
    for n, line in enumerate(lines, 1):
        port.apply(line.split(), f"s.sh:{n}")
    port.finish()
    load(None, text=result.text())
    return result


def document(*lines: str) -> Any:
    """The document of *lines*."""
    return found(*lines).document


def test_addresses() -> None:
    """Addresses keep their prefix; those with a pool that no service lists are named apart."""
    device = document(
        "addr add 192.168.0.1/24 dev dpdk0",
        "addr add 10.0.0.100 dev dpdk0",
        "-6 addr add fd00::1/64 dev dpdk0",
        "addr add 1.1.1.1/32 dev dpdk0 sapool",
        "addr add 2.2.2.2/24 dev dpdk0 sapool",
        "addr add 3.3.3.3/24 dev dpdk0",
        "addr del 3.3.3.3/24 dev dpdk0",
    )["device"]
    assert device["address"] == ["192.168.0.1/24", "10.0.0.100/32", "fd00::1/64", "2.2.2.2/24"]
    assert device["sapool_address"] == ["1.1.1.1", "2.2.2.2"]


def test_routes_and_neighbours() -> None:
    """Gateways, sources and MTUs of routes, static neighbours."""
    made = document(
        "route add default via 10.0.0.1 dev dpdk0",
        "-6 route add default via fd00::1 dev dpdk0 mtu 1400",
        "route add 10.9.0.0/16 dev dpdk0 src 10.0.0.5 scope link",
        "route add 10.8.0.0/16 via 10.0.0.2 dev dpdk0",
        "route del 10.8.0.0/16 via 10.0.0.2 dev dpdk0",
        "route add local 0.0.0.0/0 dev lo table 100",
        "neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev dpdk0",
        "neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev dpdk0",
        "neigh del 10.0.0.2 dev dpdk0",
    )
    assert made["route"] == [
        {"to": "0.0.0.0/0", "via": "10.0.0.1"},
        {"to": "::/0", "via": "fd00::1", "mtu": 1400},
        {"to": "10.9.0.0/16", "source": "10.0.0.5"},
    ]
    assert made["neighbor"] == [{"address": "10.0.0.1", "mac": "02:00:00:00:00:01"}]


@pytest.mark.parametrize(
    "text, six, to",
    [
        ("default", False, "0.0.0.0/0"),
        ("default", True, "::/0"),
        ("10.0.0.0/0", False, "10.0.0.0/32"),
        ("::1", True, "::1/128"),
    ],
)
def test_destination(text: str, six: bool, to: str) -> None:
    """A default route must be written default; /0 is a single host."""
    assert destination(text, six) == to


def test_vlan_devices() -> None:
    """Addresses on a VLAN device go to it."""
    device = document(
        "vlan add link dpdk0 proto 802.1q id 100",
        "vlan add blue link dpdk0 id 7",
        "addr add 10.1.0.1/24 dev dpdk0.100",
        "link set blue addr 02:00:00:00:00:07",
    )["device"]
    assert device["vlan"] == [
        {"id": 100, "address": ["10.1.0.1/24"]},
        {"id": 7, "address": [], "mac": "02:00:00:00:00:07"},
    ]


def test_link() -> None:
    """The port's MAC and forward2kni; the rest of a link is listed."""
    made = found("link set dpdk0 addr 02:00:00:00:00:01", "link set dpdk0 forward2kni on", "link set dpdk0 promisc on")
    assert made.document["device"] == {"mac": "02:00:00:00:00:01", "forward2kni": True}
    assert made.left_out == ["s.sh:3: dpip link set dpdk0 promisc on"]


def test_ports() -> None:
    """Addresses, routes, neighbours, VLAN devices and MACs are on the port that a command names."""
    made = found(
        "addr add 10.0.0.1/24 dev dpdk0",
        "addr add 10.0.1.1/24 dev dpdk1",
        "vlan add blue link dpdk1 id 7",
        "addr add 10.7.0.1/24 dev blue",
        "route add 10.8.0.0/16 dev blue",
        "route add default via 10.0.1.254 dev dpdk1",
        "neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev dpdk0",
        "link set dpdk1 addr 02:00:00:00:00:01",
    )
    assert made.document["device"] == [
        {"name": "dpdk0", "address": ["10.0.0.1/24"]},
        {
            "name": "dpdk1",
            "address": ["10.0.1.1/24"],
            "mac": "02:00:00:00:00:01",
            "vlan": [{"id": 7, "address": ["10.7.0.1/24"]}],
        },
    ]
    assert [route["device"] for route in made.document["route"]] == ["dpdk1.7", "dpdk1"]
    assert made.document["neighbor"][0]["device"] == "dpdk0" and not made.warnings


def test_a_tunnel_is_no_port() -> None:
    """It is listed with what is on it; the port that it goes by stays alone."""
    made = found("tunnel add mode gre gre1 local 10.0.0.1 remote 10.0.0.2 dev dpdk0", "addr add 10.9.0.1/24 dev gre1",
                 "route add 10.9.1.0/24 dev gre1", "addr add 10.0.0.1/24 dev dpdk0")  # fmt: skip
    assert made.document == {"device": {"address": ["10.0.0.1/24"]}} and len(made.left_out) == 3


def test_reading_commands_change_nothing() -> None:
    """show and list are passed over; unknown objects are listed."""
    made = found("addr show", "-s link show dpdk0", "tunnel add mode ipip ipip1", "flow add type kni dev dpdk0 1.1.1.1")
    assert made.document == {} and len(made.left_out) == 2


@pytest.mark.parametrize(
    "line",
    [
        "addr add 300.0.0.1 dev dpdk0",
        "addr del 10.0.0.1 dev dpdk0",
        "route add 10.0.0.0/8 via x dev dpdk0",
        "route del 10.0.0.0/8 dev dpdk0",
        "neigh add 10.0.0.1 dev dpdk0",
        "vlan add x id 5",
        "ipset add nobody 1.1.1.1",
    ],
)
def test_wrong_lines_are_warnings(line: str) -> None:
    """A line that dpip would refuse is named."""
    assert found(line).warnings[0].startswith(f"s.sh:1: dpip {line}")


def test_ipsets() -> None:
    """Sets of addresses and networks feed lists; other types are listed."""
    result = Found()
    services = Services(result)
    port = Ports(result, services)
    for line in ("ipset create bad hash:net", "ipset add bad 10.0.0.0/8,1.1.1.1", "ipset create x hash:ip,port"):
        port.apply(line.split(), "s.sh:1")
    assert services.ipsets == {"bad": ["10.0.0.0/8", "1.1.1.1"]} and len(result.left_out) == 1


@pytest.mark.parametrize("line", ["ip link-set a b", "one port", "device of", "_init_ _", "pools x", "on x"])
def test_no_command_is_called_like_what_it_is_made_of(line: str) -> None:
    """A word that nobody knows is listed as not modelled, whatever it is."""
    result = Found()
    Ports(result, Services(result)).apply(line.split(), "s.sh:1")
    assert len(result.left_out) == 1
