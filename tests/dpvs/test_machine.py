"""What the lcores share: the clock, the tables with their newest connection first, timeouts, redirect entries."""

from __future__ import annotations

import pytest
import rig
from made_server import endpoint

from lbreplay.dpvs.conn import INACTIVE, Conn
from lbreplay.dpvs.machine import TIMER_TICK, Machine
from lbreplay.dpvs.modes import MODES
from lbreplay.model import NANOSECOND
from lbreplay.nic.steer import Nic
from lbreplay.wire.packet import TCP


def machine(*args: str, **settings: object) -> Machine:
    made = rig.setup(*args, **settings)  # type: ignore[arg-type]
    return Machine(made, Nic(made).strategy)


def conn(owner: Machine, rank: int = 0, mode: str = "nat", port: int = 3000) -> Conn:
    """A connection of the first service, in the tables."""
    server = owner.lcores[rank].servers.by_name["web"]
    made = Conn(TCP, rank, server, server.dests[0], MODES[mode], 0)
    made.client, made.virtual = endpoint("172.16.0.1", port), endpoint("10.0.0.100", 80)
    made.real = endpoint("192.168.100.2", 8080)
    made.take_local(*made.client)
    owner.table.add(made)
    owner.hash(made)
    return made


def test_the_newest_of_equal_tuples_is_found_and_the_older_after_it() -> None:
    """Nodes go to the head of their bucket (D 2.1)."""
    owner = machine(mode="nat")
    find = owner.lcores[0].find
    first, second, third = conn(owner), conn(owner), conn(owner)
    assert list(owner.tuples.all(first.out_key)) == [2 * one.slot + 1 for one in (third, second, first)]
    assert find.get(first.in_key) == 2 * third.slot
    owner.unhash(second)
    assert find.get(first.in_key) == 2 * third.slot
    owner.unhash(third)
    assert (find.get(first.in_key), find.get(first.out_key)) == (2 * first.slot, 2 * first.slot + 1)
    owner.unhash(first)
    assert first.in_key not in find and first.out_key not in find and not owner.tuples.size


@pytest.mark.parametrize(
    "mode, side", [("fnat", "out_key"), ("nat", "out_key"), ("snat", "in_key"), ("dr", ""), ("tunnel", "")]
)
def test_what_other_workers_find_an_owner_by(mode: str, side: str) -> None:
    """The real server's side, of SNAT the Internet's, of direct routing nothing (D 4.4)."""
    owner = machine(workers=2, conn="redirect = true")
    made = conn(owner, rank=1, mode=mode)
    sides = ("in_key", "out_key")
    assert [name for name in sides if owner.owner(getattr(made, name)) == 1] == ([side] if side else [])
    owner.unhash(made)
    assert [owner.owner(getattr(made, name)) for name in sides] == [None, None]
    still = machine(workers=2)
    assert still.owner(getattr(conn(still, mode=mode), side or "in_key")) is None


def test_equal_redirect_entries_of_two_workers() -> None:
    """The owner that is left takes over."""
    owner = machine(workers=2, mode="nat", conn="redirect = true")
    first, second = conn(owner, 0), conn(owner, 1)
    assert owner.owner(first.out_key) == 1
    owner.unhash(second)
    assert owner.owner(first.out_key) == 0


def test_a_shared_table_is_one_table() -> None:
    """`conn.table = "shared"`: what a worker enters the others find (interface 2)."""
    owner = machine(workers=2, mode="nat", conn='table = "shared"')
    made = conn(owner, 1)
    assert made.in_key in owner.lcores[0].find and owner.has(made.in_key)
    again = conn(owner, 0)
    owner.unhash(again)
    assert owner.lcores[1].find.get(made.in_key) == 2 * made.slot


def test_draws_passed_over_are_draws() -> None:
    """The next one is the same as after as many that somebody had; openings have a stream of their own."""
    made = rig.setup()
    jittered = made._replace(conn=made.conn._replace(timer_jitter=True))
    once, each = (Machine(jittered, Nic(jittered).strategy).lcores[0] for _ in range(2))
    once.passed += 700
    assert len({each.jitter_again() for _ in range(700)}) > 600
    assert [once.jitter_again() for _ in range(3)] == [each.jitter_again() for _ in range(3)] and not once.passed
    still = machine().lcores[0]
    assert still.jitter_again() == still.jitter() == 0 and still.jitters is None


def test_established_connections_are_active() -> None:
    """Entering ESTABLISHED and leaving it moves one between the counts (D 5.2)."""
    owner = machine()
    made, protocol = conn(owner), owner.protocols[TCP]
    made.dest.inactconns = 1
    established, closed = protocol.states.index("established"), protocol.states.index("close")
    owner.changed(made, 0, established, protocol)
    assert (made.dest.actconns, made.dest.inactconns, made.flags & INACTIVE) == (1, 0, 0)
    assert owner.state_name(made) == "established"
    owner.changed(made, established, closed, protocol)
    assert (made.dest.actconns, made.dest.inactconns, made.flags & INACTIVE) == (0, 1, INACTIVE)


def test_timeouts_by_state_and_service() -> None:
    """conn_timeout takes the place of ESTABLISHED's alone; a killed connection has a tick left (D 2.5)."""
    owner = machine("conn_timeout = 7", more="[tcp.timeout]\nclose = 9\n")
    made, protocol = conn(owner), owner.protocols[TCP]
    for state, seconds in (("established", 7), ("close", 9), ("time_wait", 7), ("syn_recv", 30)):
        owner.changed(made, 0, protocol.states.index(state), protocol)
        assert owner.table.timeout[made.slot] == seconds * NANOSECOND
    owner.kill(made)
    assert owner.table.timeout[made.slot] == TIMER_TICK


def test_what_is_said_is_said_once() -> None:
    """Warnings are for the end of the run."""
    owner = machine()
    owner.warn("a")
    owner.warn("a")
    assert owner.warnings == ["a"]
