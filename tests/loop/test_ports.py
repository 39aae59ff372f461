"""Local addresses in turn, and ports longest free first (D 11)."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from made_server import address, endpoint

from lbreplay.dpvs.laddr import SockAddrPool
from lbreplay.loop.draws import Draws
from lbreplay.loop.names import NO_PORT
from lbreplay.loop.ports import Bucket, FittingBucket, LaddrCursor, peer_hash
from lbreplay.lvs.hashes import jhash, native_words
from lbreplay.model import Endpoint

PEER_SEED = 10
PEER = endpoint("10.0.2.5", 8080)


def test_a_bucket_gives_what_is_free_for_longest() -> None:
    """The range first, then what came back, in order; a miss is counted."""
    bucket = Bucket(range(5, 8))
    assert [bucket.take(PEER) for _ in range(4)] == [5, 6, 7, NO_PORT]
    bucket.give(7)
    bucket.give(5)
    assert (bucket.used(), bucket.miss, bucket.take(PEER), bucket.take(PEER)) == (1, 1, 7, 5)


def test_ports_go_round() -> None:
    """However many are free at a time, in the order in which they came back; a glance at the next one takes none."""
    chance, bucket, free = random.Random(1), Bucket(range(300)), list(range(300))
    taken: list[int] = []
    for _ in range(6000):
        if taken and chance.random() < 0.49:
            free.append(taken.pop(chance.randrange(len(taken))))
            bucket.give(free[-1])
        elif free:
            assert bucket.next() == free[0]
            taken.append(bucket.take(PEER))
            assert taken[-1] == free.pop(0)
        else:
            assert bucket.next() == bucket.take(PEER) == NO_PORT
    assert bucket.used() == len(taken)


def test_a_port_that_fits() -> None:
    """Others keep their place."""
    bucket = FittingBucket(range(5, 9), lambda port, peer: port % 2 == 0)
    assert [bucket.take(PEER) for _ in range(3)] == [6, 8, NO_PORT] and (bucket.used(), bucket.miss) == (2, 1)
    bucket.give(6)
    assert bucket.take(PEER) == 6


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
        places = [cursor.next() for _ in range(4000)]
        runs.append(places)
        steps = [(b - a) % 200 for a, b in pairwise(places)]
        assert set(steps) == {1, 2}
        assert 140 < steps.count(2) < 260
    assert runs[0] == runs[1]


def test_the_turn_goes_on_where_addresses_change() -> None:
    """Behind the last one taken that is still there; what was taken out is counted on."""
    a, b, c, d = (bytes([10, 0, 0, n]) for n in range(1, 5))
    pools = {laddr: SockAddrPool(laddr, range(1025, 1035), 1) for laddr in (a, b, c, d)}
    cursor = LaddrCursor((a, b, c))
    assert [cursor.bind(pools, PEER)[0] for _ in range(2)] == [a, b]
    cursor.replace((a, c, d))
    assert [cursor.bind(pools, PEER)[0] for _ in range(3)] == [c, d, a]
    cursor.release(b)
    assert cursor.conns == {a: 2, c: 1, d: 1, b: 0}
    cursor.replace(())
    assert cursor.bind(pools, PEER) is None


@pytest.mark.parametrize("size", [1, 5, 16])
def test_the_bucket_of_a_peer(size: int) -> None:
    """By its words as by its end, of both families (D 11.3)."""
    rng = random.Random(size)
    pool = SockAddrPool(address("10.0.1.1"), range(1, 3), size)
    for width in (4, 16) * 50:
        peer = Endpoint(rng.randbytes(width), rng.randrange(1 << 16))
        low, high = int.from_bytes(peer.address[:8], "little"), int.from_bytes(peer.address[8:], "little")
        port = int.from_bytes(peer.port.to_bytes(2), "little")
        assert pool.towards(low, high, port, width == 16) is pool.bucket(peer)
        assert width == 4 or peer_hash(low, high, port) == jhash((port, *native_words(peer.address)), PEER_SEED)
