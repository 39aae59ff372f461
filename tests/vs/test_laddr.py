"""Ports and local addresses are taken as D 11 and D 18 say."""

import random
from itertools import pairwise

import numpy as np
import pytest
from made_server import address, endpoint

from lbreplay.model import PortClass, SaPool
from lbreplay.vs.draws import Draws
from lbreplay.vs.laddr import LaddrCursor, PortBook, SockAddrPool, next_many, owned_ports, sub_pool

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


def test_many_at_once_are_one_by_one() -> None:
    """Fresh ports of several buckets in rows' order, more buckets than there was room for, and all of them back."""
    chance, peers = random.Random(3), [endpoint(f"10.0.{n >> 8}.{n & 255}", 80) for n in range(150)]
    book = PortBook()
    (one, once) = (SockAddrPool(LADDR, range(7, 70, 2), 150, book=made) for made in (None, book))
    rows = [chance.choice(peers) for _ in range(500)]
    assert [once.fetch(peer) for peer in peers] == [one.fetch(peer) for peer in peers]
    buckets = np.array([once.bucket(peer).number for peer in rows])
    assert book.fresh(buckets).min() == len(range(7, 70, 2)) - 1
    taken = book.take_many(buckets).tolist()
    assert taken == [one.fetch(peer) for peer in rows] and once.used == one.used == 650
    book.give_many(buckets[:300], np.array(taken[:300]))
    for port, peer in zip(taken, rows, strict=True):
        one.release(port, peer)
    for port, peer in zip(taken[300:], rows[300:], strict=True):
        once.release(port, peer)
    assert once.used == one.used == 150
    for peer in peers[:20]:
        assert [once.fetch(peer) for _ in range(33)] == [one.fetch(peer) for _ in range(33)]


def test_ports_that_are_no_range_are_taken_one_by_one() -> None:
    """Nothing fresh of them is told of."""
    book = PortBook()
    ports = SockAddrPool(LADDR, [9, 4, 7], 1, book=book)
    assert book.fresh(np.array([ports.bucket(PEER).number])).tolist() == [0]
    assert [ports.fetch(PEER) for _ in range(4)] == [9, 4, 7, None]


@pytest.mark.parametrize("chance", [True, False], ids=["double steps", "single"])
def test_next_addresses_of_many_cursors(chance: bool) -> None:
    """As each of them alone, and from where each of them stood."""
    lists = [[address(f"10.0.{n}.{m}") for m in range(n)] for n in (1, 3, 4)]
    each, all_ = ([LaddrCursor(one, Draws(5, str(len(one))) if chance else None) for one in lists] for _ in range(2))
    for counts in ([1, 70, 3], [40, 1, 90]):
        found = next_many(all_, np.array(counts)).tolist()
        pools = {laddr: SockAddrPool(laddr, range(1, 500), 1) for one in lists for laddr in one}
        bound = [one.bind(pools, PEER) for one, count in zip(each, counts, strict=True) for _ in range(count)]
        whose = [one for one, count in zip(lists, counts, strict=True) for _ in range(count)]
        assert [one[place] for one, place in zip(whose, found, strict=True)] == [got[0] for got in bound if got]


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


def cursor_and_pools(count: int, chance: Draws | None = None) -> tuple[LaddrCursor, dict[bytes, SockAddrPool]]:
    laddrs = [address(f"10.0.1.{n}") for n in range(1, count + 1)]
    return LaddrCursor(laddrs, chance), {laddr: SockAddrPool(laddr, range(1, 3), 1) for laddr in laddrs}


def test_addresses_in_turn() -> None:
    """Each connection takes the next address, with its first port; the count of live ones follows."""
    cursor, pools = cursor_and_pools(3)
    bound = [cursor.bind(pools, PEER) for _ in range(4)]
    assert bound == [(address(f"10.0.1.{n}"), port) for n, port in ((1, 1), (2, 1), (3, 1), (1, 2))]
    assert list(cursor.conns.values()) == [2, 1, 1]
    cursor.release(address("10.0.1.1"))
    assert list(cursor.conns.values()) == [1, 1, 1]


def test_next_address_after_a_miss() -> None:
    """An address without ports or without a pool is passed over, and the miss counted."""
    cursor, pools = cursor_and_pools(3)
    first, second, third = pools
    pools[first] = SockAddrPool(first, range(0), 1)
    del pools[second]
    assert cursor.bind(pools, PEER) == (third, 1)
    assert pools[first].miss == 1
    assert cursor.bind({}, PEER) is None
    assert cursor.conns == {first: 0, second: 0, third: 1}


def test_at_most_16_trials() -> None:
    """The seventeenth address is not tried, but the cursor has moved on."""
    cursor, pools = cursor_and_pools(17)
    last = address("10.0.1.17")
    only = {last: pools[last]}
    assert cursor.bind(only, PEER) is None
    assert cursor.bind(only, PEER) == (last, 1)


def test_no_address() -> None:
    """A service without local addresses binds nothing."""
    assert cursor_and_pools(0)[0].bind({}, PEER) is None


def test_double_steps() -> None:
    """About one step in twenty skips an address, by the generator given: the same seed, the same steps."""
    runs = []
    for _ in range(2):
        cursor, _ = cursor_and_pools(200, Draws(7, "test"))
        places = [cursor._next()[-1] - 1 for _ in range(4000)]
        runs.append(places)
        steps = [(b - a) % 200 for a, b in pairwise(places)]
        assert set(steps) == {1, 2}
        assert 140 < steps.count(2) < 260
    assert runs[0] == runs[1]
