"""Consistent hashing chooses as D 18 says, and spreads weights as the release does."""

import random
from collections import Counter
from math import gcd

import pytest
from made_server import address, by_source, flow, reals, virtual

from lbreplay.dpvs.server import VirtualServer
from lbreplay.loop.hashed import ring_key
from lbreplay.lvs.schedulers.conhash import quic_id

SOURCES = [3, 2, 1, 1, 2, 2, 3, 1, 1, 2, 2, 2]


def shares(server: VirtualServer) -> Counter[int]:
    """Places on the ring by real server."""
    server.scheduler.pick(flow())
    shares, spread = list(server.scheduler._shares), server.scheduler._spread  # type: ignore[attr-defined]
    return Counter(shares[at].address[-1] for at in spread.owners.tolist())


def test_published_choices() -> None:
    """Three equal real servers, twelve sources."""
    server = virtual(scheduler="conhash", reals=reals(7, 7, 7))
    assert by_source(server) == SOURCES
    assert shares(server) == {1: 160, 2: 160, 3: 160}


def test_ports_do_not_matter() -> None:
    """One source meets one real server."""
    server = virtual(scheduler="conhash", reals=reals(1, 1, 1))
    assert len({server.scheduler.pick(flow(sport=port)) for port in range(1000, 1050)}) == 1


def test_no_fallback() -> None:
    """Sources of a real server that is not valid are refused, the others stay where they are."""
    server = virtual(scheduler="conhash", reals=reals(1, 1, 1))
    server.dests[1].overload = True
    assert by_source(server) == [0 if n == 2 else n for n in SOURCES]


@pytest.mark.parametrize("edition, expected", [("1.10", {1: 320, 2: 160, 3: 480}), ("1.8", {1: 160, 2: 160, 3: 480})])
def test_weights_while_adding(edition: str, expected: dict[int, int]) -> None:
    """4, 2, 6: by their final divisor, or each with the divisor at the moment it was added."""
    assert shares(virtual(edition=edition, scheduler="conhash", reals=reals(4, 2, 6))) == expected


@pytest.mark.parametrize("edition, expected", [("1.10", {1: 640, 2: 480}), ("1.8", {1: 320, 2: 480})])
def test_weights_after_an_edit(edition: str, expected: dict[int, int]) -> None:
    """An edit that changes the divisor re-spreads everybody, or only the one edited."""
    server = virtual(edition=edition, scheduler="conhash", reals=reals(2, 1))
    server.edit(server.dests[1], 4)
    assert shares(server) == {1: 640, 2: 160}
    server = virtual(edition=edition, scheduler="conhash", reals=reals(4, 2))
    server.edit(server.dests[1], 4)
    server.edit(server.dests[0], 3)
    assert shares(server) == expected


def test_removed_and_weightless_have_no_place() -> None:
    """Weight 0 takes all places away, removal too; with nobody on the ring there is no pick."""
    server = virtual(scheduler="conhash", reals=reals(1, 1))
    server.edit(server.dests[0], 0)
    assert shares(server) == {1: 160}
    server.remove(server.dests[1])
    assert server.scheduler.pick(flow()) is None


def test_ipv6_source() -> None:
    """The words of an IPv6 source are combined by exclusive or, read natively."""
    server = virtual(scheduler="conhash", reals=reals(1, 1, 1))
    same = flow()._replace(src=address("::192.168.1.7"))
    assert server.scheduler.pick(same) is server.scheduler.pick(flow("192.168.1.7"))


def test_colliding_key_keeps_its_first_owner() -> None:
    """10.0.0.1 with a native port of 12345 and 10.0.0.11 with 2345 have the same names, so the same places."""
    first, second = 12345 >> 8 | (12345 & 255) << 8, 2345 >> 8 | (2345 & 255) << 8
    one = reals(1, port=first)[0]
    other = reals(*[1] * 11, port=second)[10]
    assert by_source(virtual(scheduler="conhash", reals=(one, other)), 3) == [1, 1, 1]
    assert by_source(virtual(scheduler="conhash", reals=(other, one)), 3) == [11, 11, 11]


def test_quic_id() -> None:
    """Eight bytes after the first, little endian, only where bit 3 says so and they are there."""
    assert quic_id(bytes.fromhex("480100000000000080")) == 0x8000000000000001
    assert quic_id(bytes.fromhex("400100000000000080")) is None
    assert quic_id(bytes.fromhex("4801")) is None


def test_hash_of_quic_id() -> None:
    """With an id the source does not matter, without one it does; TCP services cannot hash ids."""
    server = virtual(scheduler="conhash", protocol=17, hash_target="quic", reals=reals(1, 1, 1))
    payload = b"\x48" + (77).to_bytes(8, "little")
    chosen = {server.scheduler.pick(flow(f"192.168.1.{n}", payload=payload)) for n in range(1, 13)}
    assert len(chosen) == 1
    spread = server.scheduler._spread  # type: ignore[attr-defined]
    at = next((at for at, key in enumerate(spread.keys.tolist()) if key >= ring_key(77)), 0)
    assert chosen == {list(server.scheduler._shares)[spread.owners[at]]}  # type: ignore[attr-defined]
    assert by_source(server) == SOURCES
    assert by_source(virtual(scheduler="conhash", hash_target="quic", reals=reals(1)), 1) == [0]


def test_weights_from_32768_have_no_place() -> None:
    """They are negative in DPVS: they divide nobody's weight and own nothing."""
    server = virtual(scheduler="conhash", reals=reals(65535, 4, 32768, 2))
    assert shares(server) == {2: 320, 4: 160}


@pytest.mark.parametrize("edition", ["1.8", "1.10"])
def test_one_added_with_a_negative_weight_stays_outside(edition: str) -> None:
    """An edit finds no place of it to change; what is added anew with a good weight has places."""
    server = virtual(edition=edition, scheduler="conhash", reals=reals(65535, 1))
    server.edit(server.dests[1], 1)
    assert shares(server) == {2: 160}
    server.remove(server.dests[1])
    server.add(reals(1)[0])
    assert shares(server) == {1: 160, 2: 160}


def test_an_edit_that_changes_no_share_keeps_the_ring() -> None:
    """All weights doubled are the same shares in the end, and a limit is none of the ring's business."""
    server = virtual(scheduler="conhash", reals=reals(1))
    server.scheduler.pick(flow())
    ring = server.scheduler._spread  # type: ignore[attr-defined]
    server.edit(server.dests[0], 30000)
    server.edit(server.dests[0], max_conn=5)
    assert server.scheduler._spread is ring  # type: ignore[attr-defined]
    assert server.scheduler.pick(flow()) is server.dests[0]


@pytest.mark.parametrize("edition", ["1.8", "1.10"])
def test_changes_one_by_one_are_those_of_all_at_once(edition: str) -> None:
    """However real servers came, changed and went: who is left has the places of its weight, where all are spread."""
    server, rng = virtual(edition=edition, scheduler="conhash", reals=reals(*[4] * 9)), random.Random(edition)
    for _ in range(60):
        dest = rng.choice(server.dests)
        if rng.random() < 0.3 and len(server.dests) > 3:
            server.remove(dest)
            server.add(dest.real)
        else:
            server.edit(dest, rng.choice([0, 2, 4, 6, 8]))
        places = shares(server)
        assert set(places) == {dest.address[-1] for dest in server.dests if dest.weight}
        if edition == "1.10":
            unit = gcd(*(dest.weight for dest in server.dests)) or 1
            assert places == {d.address[-1]: 160 * (d.weight // unit) for d in server.dests if d.weight}
