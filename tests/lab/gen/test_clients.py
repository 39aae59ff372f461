"""Clients where they are wanted: on a worker, behind an entry, on a list, outside."""

import pytest
from lab.gen.made_scene import setup

from lbreplay.lab.gen.clients import Clients, hosts, is_listed, listed, source_ports, target, unlisted
from lbreplay.model import Network


@pytest.mark.parametrize("worker", range(4))
def test_a_client_for_each_worker(worker):
    """The NIC's own rules send it there."""
    clients = Clients(setup())
    for service in clients.setup.services:
        client = clients.one(service, worker)
        assert client is not None and clients.steer(service, client).rank == worker


def test_a_client_through_an_entry():
    """Of the redirection table."""
    clients = Clients(setup())
    service = clients.setup.services[0]
    client = clients.one(service, entry=77)
    assert client is not None and clients.steer(service, client).reta == 77


def test_nobody_twice():
    """Each client is new."""
    clients = Clients(setup())
    found = [clients.one(clients.setup.services[0]) for _ in range(1000)]
    assert len(set(found)) == 1000


def test_no_client_where_none_can_be():
    """Without a hash every client arrives at the first worker."""
    clients = Clients(setup("device.rss='off'"))
    assert clients.one(clients.setup.services[0], 3) is None


def test_lists_are_kept_to():
    """Clients come from the whitelist, and not from the blacklist."""
    more = "service.web.whitelist=['192.0.2.0/28','192.0.2.77']\nservice.web.blacklist=['192.0.2.3']"
    clients = Clients(setup(more))
    service = clients.setup.services[0]
    sources = clients.of(service)
    assert sources and all(is_listed(service.whitelist, a) and not is_listed(service.blacklist, a) for a in sources)
    assert set(sources) <= set(listed(service.whitelist))
    outside = unlisted(service.whitelist, 4)
    assert outside is not None and not is_listed(service.whitelist, outside)


def test_nobody_has_an_address_of_the_balancer():
    """Nor of a real server."""
    clients = Clients(setup())
    taken = {r.endpoint.address for s in clients.setup.services for r in s.reals} | {bytes((203, 0, 113, 10))}
    assert not taken & set(clients.outside(4))


def test_snat_clients_are_inside():
    """A match says who may go out, and with which ports."""
    text = """
[device]
sapool_address = ["203.0.113.1"]
[[service]]
name = "out"
mode = "snat"
match = "proto=tcp,src-range=10.1.0.5-10.1.0.7:4000-4010"
real = [{ address = "203.0.113.1:0" }]
"""
    clients = Clients(setup(text=text))
    service = clients.setup.services[0]
    assert [a[3] for a in clients.of(service)] == [5, 6, 7] and source_ports(service) == range(4000, 4011)
    assert target(service).port == 80


def test_hosts_of_a_network():
    """Neither its first nor its last address, but a single one is itself."""
    assert [a[3] for a in hosts(Network(bytes((10, 0, 0, 0)), 29))] == [1, 2, 3, 4, 5, 6]
    assert hosts(Network(bytes((10, 0, 0, 9)), 32)) == [bytes((10, 0, 0, 9))]
