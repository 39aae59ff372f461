"""Which port addresses are reached by: routes, local addresses, and the default that nobody configured."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lbreplay.config.load import load
from lbreplay.stack import Stack

TOML = """
[[device]]
name = "dpdk0"
address = ["192.168.100.10/24", "2001:db8:2::10/64"]
[[device]]
name = "dpdk1"
address = ["10.0.0.1/24"]
vlan = [{{ id = 7, address = ["10.7.0.1/24"] }}]
[[service]]
vip = "10.0.0.100:80"
laddr = ["10.9.9.9@dpdk1"]
real = [{{ address = "{real}:80" }}]
{more}
"""
DEFAULT = '[[route]]\nto = "0.0.0.0/0"\nvia = "10.0.0.254"\n'


def face(address: str, real: str = "192.168.100.2", more: str = "") -> int:
    stack = Stack(load("lb.toml", text=TOML.format(real=real, more=more)))
    return stack.facing.port(ip_address(address).packed)


@pytest.mark.parametrize(
    "address, real, more, port",
    [
        ("192.168.100.77", "192.168.100.2", DEFAULT, 0),  # connected
        ("10.7.0.5", "192.168.100.2", DEFAULT, 1),  # on a VLAN device of the port
        ("203.0.113.5", "192.168.100.2", DEFAULT, 1),  # by a gateway on its network
        ("10.9.9.9", "192.168.100.2", DEFAULT, 1),  # a local address, on its device
        ("2001:db8:2::2", "192.168.100.2", DEFAULT, 0),
        ("2001:db8:9::2", "192.168.100.2", DEFAULT, -1),  # no route
        ("203.0.113.5", "192.168.100.2", "", 1),  # nobody configured a default: where no real server is
        ("203.0.113.5", "172.30.0.2", "", -1),  # real servers are on no network: either port may be the clients'
        ("10.1.2.3", "192.168.100.2", DEFAULT + '[[route]]\nto = "10.1.0.0/16"\ndevice = "dpdk0"\n', 0),
    ],
)
def test_a_port_faces_an_address(address: str, real: str, more: str, port: int) -> None:
    """Asked one by one, and of IPv4 by zones, the answer is the same."""
    assert face(address, real, more) == port
    stack = Stack(load("lb.toml", text=TOML.format(real=real, more=more)))
    starts, ports = stack.facing.zones()
    if ":" not in address:
        number = int(ip_address(address))
        assert ports[max(n for n, start in enumerate(starts) if start <= number)] == port


def test_the_next_hop() -> None:
    """Of what is behind a gateway, the gateway's; of neighbours, that of the port that faces them."""
    told = '[[neighbor]]\naddress = "10.0.0.254"\nmac = "02:00:00:00:00:99"\ndevice = "dpdk1"\n'
    stack = Stack(load("lb.toml", text=TOML.format(real="192.168.100.2", more=DEFAULT + told)))
    assert stack.facing.hop(ip_address("203.0.113.5").packed).hex() == "020000000099"
    assert stack.neighbors.mac(ip_address("10.0.0.254").packed, None, 0).hex() == "02000a0000fe"
