"""Ports and local addresses are taken as D 11 and D 18 say."""

import pytest
from made_server import address, endpoint

from lbreplay.dpvs.laddr import SockAddrPool, owned_ports, sub_pool
from lbreplay.model import PortClass, SaPool

LADDR = address("10.0.1.1")
PEER = endpoint("10.0.2.5", 8080)


def pool(ports: range = range(1025, 65536), hash_size: int = 16) -> SockAddrPool:
    return SockAddrPool(LADDR, ports, hash_size)


@pytest.mark.parametrize(
    "mask, sizes, firsts",
    [
        (0, [64511], [1025]),
        (1, [32255, 32256], [1026, 1025]),
        (3, [16127, 16128, 16128, 16128], [1028, 1025, 1026, 1027]),
        (7, [8063] + [8064] * 7, [1032, 1025, 1026, 1027, 1028, 1029, 1030, 1031]),
    ],
)
def test_owned_ports(mask: int, sizes: list[int], firsts: list[int]) -> None:
    """Sizes and first ports by rank; together they are every port once."""
    owned = [owned_ports(SaPool(), PortClass(mask, base)) for base in range(mask + 1)]
    assert [len(ports) for ports in owned] == sizes
    assert [ports[0] for ports in owned] == firsts
    assert sorted(port for ports in owned for port in ports) == list(range(1025, 65536))


@pytest.mark.parametrize(
    "ip, port, size, expected",
    [
        ("10.0.0.1", 80, 16, 1),
        ("10.0.255.250", 443, 16, 5),
        ("10.0.2.5", 8080, 16, 5),
        ("10.0.255.250", 443, 128, 65973 % 128),
        ("2001:db8::1", 80, 16, 14),
        ("2001:db8::2", 443, 16, 4),
    ],
)
def test_sub_pool(ip: str, port: int, size: int, expected: int) -> None:
    """The bucket of a peer; the sum of an IPv4 address and port is not cut to 16 bits."""
    assert sub_pool(endpoint(ip, port), size) == expected
    assert sub_pool(None, size) == 0


def test_released_port_goes_to_the_tail() -> None:
    """1025, 1029, 1033; release 1025: the next is 1037, and 1025 comes back only after 65533."""
    ports = pool(range(1025, 65536, 4))
    assert [ports.fetch(PEER) for _ in range(3)] == [1025, 1029, 1033]
    ports.release(1025, PEER)
    assert ports.fetch(PEER) == 1037
    rest = [ports.fetch(PEER) for _ in range(16128 - 3)]
    assert rest == [*range(1041, 65536, 4), 1025]
    assert ports.fetch(PEER) is None


def test_released_ports_come_back_in_order_of_release() -> None:
    """First in, first out."""
    ports = pool(range(1, 5))
    taken = [ports.fetch(PEER) for _ in range(4)]
    assert taken == [1, 2, 3, 4]
    for port in (3, 1, 4):
        ports.release(port, PEER)
    assert [ports.fetch(PEER) for _ in range(4)] == [3, 1, 4, None]


def test_buckets_share_nothing() -> None:
    """Peers of different buckets get the same port, peers of one bucket never."""
    ports = pool()
    other, same = endpoint("10.0.2.6", 8080), endpoint("10.0.2.6", 8079)
    assert [ports.fetch(peer) for peer in (PEER, other, same, None)] == [1025, 1025, 1026, 1025]


def test_ports_that_are_no_range() -> None:
    """In the order they were given."""
    ports = SockAddrPool(LADDR, [9, 4, 7], 1)
    assert [ports.fetch(PEER) for _ in range(4)] == [9, 4, 7, None]


def test_counters() -> None:
    """Used, free over all buckets, and misses."""
    ports = pool(range(10, 12), hash_size=4)
    assert (ports.used, ports.free, ports.miss) == (0, 8, 0)
    assert [ports.fetch(PEER) for _ in range(4)] == [10, 11, None, None]
    assert (ports.used, ports.free, ports.miss) == (2, 6, 2)
    ports.release(10, PEER)
    assert (ports.used, ports.free, ports.miss) == (1, 7, 2)


def test_only_fitting_ports() -> None:
    """With a test, a peer gets the first free port that fits it; others keep their place for those they fit."""
    even, odd = endpoint("10.0.0.1", 16), endpoint("10.0.0.1", 32)
    parity = {even: 0, odd: 1, None: 0}
    ports = SockAddrPool(LADDR, range(10, 16), 16, fits=lambda port, peer: port % 2 == parity[peer])
    assert sub_pool(even, 16) == sub_pool(odd, 16)
    assert [ports.fetch(peer) for peer in (odd, odd, even)] == [11, 13, 10]
    ports.release(11, odd)
    ports.release(10, even)
    assert [ports.fetch(peer) for peer in (odd, odd, odd)] == [15, 11, None]
    assert [ports.fetch(even) for _ in range(4)] == [12, 14, 10, None]
    assert (ports.used, ports.miss) == (6, 2)
