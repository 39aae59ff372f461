"""What a setup says about itself: addresses, networks, the ports of workers, local addresses."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lbreplay.model import (
    EDITIONS,
    Behaviour,
    Device,
    Endpoint,
    Match,
    Network,
    PortClass,
    RealServer,
    Service,
    Setup,
    Worker,
)


def ip(text: str) -> bytes:
    return ip_address(text).packed


@pytest.mark.parametrize("text", ["10.0.0.1:80", "[2001:db8::1]:443"])
def test_an_endpoint_is_written_as_read(text: str) -> None:
    address, _, port = text.rpartition(":")
    assert str(Endpoint(ip(address.strip("[]")), int(port))) == text


@pytest.mark.parametrize(
    "network, address, within",
    [
        (Network(ip("192.168.100.10"), 24), "192.168.100.255", True),
        (Network(ip("192.168.100.10"), 24), "192.168.101.10", False),
        (Network(ip("0.0.0.0"), 0), "255.255.255.255", True),
        (Network(ip("10.0.0.1"), 32), "10.0.0.1", True),
        (Network(ip("10.0.0.1"), 32), "10.0.0.2", False),
        (Network(ip("2001:db8::"), 33), "2001:db8:7fff::1", True),
        (Network(ip("2001:db8::"), 33), "2001:db8:8000::1", False),
        (Network(ip("::"), 0), "10.0.0.1", False),
    ],
)
def test_a_network_holds_addresses_of_its_family(network: Network, address: str, within: bool) -> None:
    """Host bits of the network do not matter."""
    assert (ip(address) in network) is within
    assert "text" not in network


def test_a_network_keeps_its_host_bits() -> None:
    """It is an interface's address too."""
    assert str(Network(ip("192.168.100.10"), 24)) == "192.168.100.10/24"


@pytest.mark.parametrize("workers, mask", [(1, 0), (2, 1), (3, 3), (4, 3), (5, 7), (8, 7), (9, 15), (64, 63)])
def test_the_mask_of_workers(workers: int, mask: int) -> None:
    """The smallest of all ones that tells them apart; each port is owned at most once (D 11.3)."""
    setup = Setup(workers=tuple(Worker(n, n + 1, (n,)) for n in range(workers)))
    assert setup.port_mask == mask
    owners = [[n for n in range(workers) if PortClass(mask, n).owns(port)] for port in range(1025, 1025 + 2 * mask + 2)]
    assert all(len(found) <= 1 for found in owners) and {n for found in owners for n in found} == set(range(workers))


def test_a_kernel_worker_forwards_nothing() -> None:
    """And counts for no mask."""
    forwarding = tuple(Worker(n, n + 1, (n,)) for n in range(2))
    setup = Setup(workers=(*forwarding, Worker(-1, 5, (2,), "kni")))
    assert setup.forwarding_workers == forwarding and setup.port_mask == 1


def test_local_addresses_come_once_in_order() -> None:
    """Those of services first, then those of the device's pool."""
    a, b, c = (ip(f"192.168.100.{n}") for n in (1, 2, 3))
    services = tuple(Service(f"s{n}", 6, laddr=laddr) for n, laddr in enumerate([(b, a), (a,)]))
    assert Setup(services=services, device=Device(sapool_address=(c, a))).local_addresses == (b, a, c)


@pytest.mark.parametrize(
    "service, family",
    [
        (Service("a", 6, vip=Endpoint(ip("10.0.0.1"), 80)), 4),
        (Service("a", 6, vip=Endpoint(ip("2001:db8::1"), 80)), 6),
        (Service("a", 6, match=Match(6, 6)), 6),
        (Service("a", 6, fwmark=7, reals=(RealServer(Endpoint(ip("2001:db8::1"), 0)),)), 6),
        (Service("a", 6, fwmark=7), 4),
    ],
)
def test_the_family_of_a_service(service: Service, family: int) -> None:
    """That of its virtual address, its match, or its real servers."""
    assert service.family == family


def test_a_setup_cannot_be_changed() -> None:
    """It is judged once."""
    with pytest.raises(AttributeError):
        Setup().seed = 1  # type: ignore[misc]


def test_editions_differ_by_name() -> None:
    """The defaults are the newest one's, and an older one differs in something."""
    assert EDITIONS["1.10"] == Behaviour() != EDITIONS["1.8"]
