"""Pairs and plans: what connections of many openers are made of at once, against the same one by one."""

from __future__ import annotations

import numpy as np
import rig
from made_server import endpoint
from traffic import raw

from lbreplay.replay import Replay
from lbreplay.vs.opener import Openers
from lbreplay.vs.plans import AT_HOME, PAIR
from lbreplay.wire.packet import flow_key

REALS = [f"192.168.100.{n}:8080" for n in (2, 3, 4)]
LADDRS = raw("192.168.100.200"), raw("192.168.100.201")


def openers(**settings: object) -> Openers:
    """Two workers, three real servers and two local addresses each."""
    made = rig.setup(reals=REALS, workers=2, **settings)  # type: ignore[arg-type]
    services = tuple(service._replace(laddr=LADDRS) for service in made.services)
    return Replay(made._replace(services=services), None, None, None).balancer.openers  # type: ignore[arg-type]


def numbers(some: Openers) -> np.ndarray:
    return np.array([opener.number for places in some.by_place for opener in places.values()])


def test_plans_stand_one_behind_the_other() -> None:
    """Each opener's pairs, by real server and then by local address, whoever was asked first."""
    some = openers()
    first, second = numbers(some)[::-1]
    assert not len(some.plans.unable(np.array([first]), np.array([1, 1])))
    assert not len(some.plans.unable(np.array([second, first]), np.array([1, 1])))
    pairs = some.machine.pairs
    for number in (first, second):
        opener = some.machine.table.openers[number]
        assert opener is not None
        taken = some.plans.take(np.full(6, number), np.repeat(np.arange(3), 2), np.tile(np.arange(2), 3))
        assert taken.tolist() == opener.plan.tolist() and taken[AT_HOME].all()
        assert pairs.dests(taken[PAIR]).tolist() == [dest.id for dest in opener.server.dests for _ in LADDRS]


def test_tuples_are_those_of_keys() -> None:
    """As the index has them."""
    some = openers()
    machine = some.machine
    (opener,) = some.by_place[0].values()
    word0, word1 = machine.pairs.tuples(opener.plan[PAIR], np.arange(1025, 1031))
    machine.index.insert(np.arange(6), word0, word1)
    places = [(dest, laddr) for dest in opener.server.dests for laddr in LADDRS]
    for n, (dest, laddr) in enumerate(places):
        assert machine.index.key(n) == flow_key(6, dest.address, dest.port, laddr, 1025 + n)
    found = machine.pairs.of(machine.pairs.dests(opener.plan[PAIR]), word0)
    assert found.tolist() == opener.plan[PAIR].tolist()


def test_counts_follow() -> None:
    """Of real servers and of local addresses; who had his fill may be picked again."""
    (opener,) = openers().by_place[0].values()
    pairs, server = opener.machine.pairs, opener.server
    pairs.opened(opener.plan[PAIR][np.array([0, 0, 1, 5])])
    assert [(dest.conns, dest.inactconns) for dest in server.dests] == [(3, 3), (0, 0), (1, 1)]
    assert server.laddrs.conns == {LADDRS[0]: 2, LADDRS[1]: 2}
    for dest in server.dests:
        dest.overload = True
    pairs.ended(opener.plan[PAIR][np.array([0, 1])])
    assert [(dest.conns, dest.inactconns) for dest in server.dests] == [(3, 1), (0, 0), (1, 1)]
    assert server.laddrs.conns == {LADDRS[0]: 1, LADDRS[1]: 1}
    assert [dest.overload for dest in server.dests] == [False, True, True]


def test_who_may_not_open_many() -> None:
    """A worker whose ports would not last, and all of them where a real server has a limit."""
    few = openers(more="[sa_pool]\nhigh = 1044\n")
    assert few.plans.unable(numbers(few), np.array([10, 10])).tolist() == []
    assert set(few.plans.unable(numbers(few), np.array([10, 11])).tolist()) == {1}
    (opener,) = few.by_place[0].values()
    assert opener.open(flow_key(6, raw("172.16.0.1"), 3000, *endpoint("10.0.0.100", 80)), 0, 0, bytes(12)) >= 0
    assert few.plans.unable(numbers(few), np.array([10, 10])).tolist() == [0]
    full = openers(real="max_conn = 9")
    assert set(full.plans.unable(numbers(full), np.array([1, 1])).tolist()) == {0, 1}
