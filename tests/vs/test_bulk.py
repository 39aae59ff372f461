"""Floods opened at once: when they are, and when something among them has to be opened in order."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import craft
import numpy as np
import pytest
import rig
import twins
from made_server import endpoint
from oracle import ACK, SYN
from traffic import GATEWAY, OURS, Flow, ethernet, raw

from lbreplay.model import Endpoint, Setup
from lbreplay.replay import Replay
from lbreplay.vs.bulk import Bulk, first_of_each
from lbreplay.vs.laddr import SockAddrPool
from lbreplay.wire.packet import flow_key

VIP = (raw("10.0.0.100"), 80)
SECOND = 10**9
REALS = [f"192.168.100.{n}:8080" for n in (2, 3, 4)]
SIX = """
[[service]]
name = "six"
vip = "[2001:db8:1::a00:64]:80"
scheduler = "rr"
laddr = ["2001:db8:2::200"]
[[service.real]]
address = "[2001:db8:2::2]:8080"
"""
NEXT = """
[[service]]
name = "next"
vip = "10.0.0.100:81"
scheduler = "rr"
laddr = ["192.168.100.201"]
[[service.real]]
address = "192.168.100.9:8080"
"""
REMOVAL = '[[event]]\nat = 1\nremove = "service.web.real.192.168.100.2:8080"\n'


def syn(number: int, flags: int = SYN, source: bytes = GATEWAY, vip: tuple[bytes, int] = VIP) -> bytes:
    """The first packet of a client of its own, by hand because there are many."""
    client = raw(f"2001:db8:c::{number:x}" if len(vip[0]) == 16 else f"172.16.{number >> 8}.{number & 255}")
    return ethernet(Flow((client, 3000), vip, 1000).tcp(flags), OURS, source)


def rush(numbers: range, at: int = 0, step: int = 1000, **fields: object) -> list[craft.Record]:
    """One first packet a *step*, from *at* nanoseconds on."""
    frames = [syn(number, **fields) for number in numbers]  # type: ignore[arg-type]
    return [(craft.START + at + n * step, len(frame), frame) for n, frame in enumerate(frames)]


def setup(**settings: object) -> Setup:
    return rig.setup(reals=REALS, **settings)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rush is what is called one here, whatever is faster."""
    monkeypatch.setattr("lbreplay.vs.bulk.FEW", 16)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many connections each batch opened."""
    sizes: list[int] = []
    entire = Bulk.prepare

    def noted(self: Bulk, *args: Any) -> Any:
        batch = entire(self, *args)
        sizes.extend([len(batch.rows)] if len(batch.rows) else [])
        return batch

    monkeypatch.setattr(Bulk, "prepare", noted)
    return sizes


def test_a_rush_is_opened_at_once(opened: list[int], tmp_path: Path) -> None:
    """On each worker by itself, in both directions, and with its retransmissions."""
    answers = [craft.tcp("10.0.0.100:80", f"172.16.0.{n}:3000", "SA", 7, 1001) for n in range(1, 100)]
    later = [(craft.START + SECOND + n, len(data), data) for n, data in enumerate(answers)]
    records = [*rush(range(1, 200)), *rush(range(190, 260), 10**6), *later]
    assert not twins.disagreement(setup(workers=2, view="client"), records, tmp_path, (100, 4096))
    assert sum(opened) > 2 * 250


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows went through the loop, each time that it ran."""
    return twins.ordered_rows(monkeypatch)


def test_where_nothing_else_happens_all_are_born_at_once(opened: list[int], alone: list[int], tmp_path: Path) -> None:
    """Without the loop."""
    assert not twins.disagreement(setup(workers=2), rush(range(200)), tmp_path, (4096,))
    assert opened == [200] and not alone


STRANGERS = {
    "multicast": craft.udp("10.9.9.9:5353", "224.0.0.251:5353"),
    "a question to another host": craft.udp("10.9.9.9:4000", "10.9.9.8:53"),
    "a first packet to another host": craft.syn("10.9.9.9:4000", "10.9.9.8:80"),
    "an echo to another host": craft.ping("10.9.9.9", "10.9.9.8"),
    "IPv6": craft.udp("[2001:db8::9]:5353", "[ff02::fb]:5353"),
    "no IP": craft.tick(),
}
GUESTS = {
    "an echo to the service": craft.ping("10.9.9.9", "10.0.0.100"),
    "a question to the service's address": craft.udp("10.9.9.9:4000", "10.0.0.100:53"),
}


@pytest.mark.parametrize("scheduler", ["rr", "wlc"])
@pytest.mark.parametrize("who", [*STRANGERS, *GUESTS])
def test_packets_of_others_are_in_nobodys_way(who: str, scheduler: str, opened: list[int], tmp_path: Path) -> None:
    """They open nothing. What goes to a service's address may, and has to be judged before what follows."""
    frame = (STRANGERS | GUESTS)[who]
    made = setup(workers=2, view="client")
    made = made._replace(services=tuple(one._replace(scheduler=scheduler) for one in made.services))
    between = [(craft.START + n * 1000 + 500, len(frame), frame) for n in range(0, 200, 9)]
    assert not twins.disagreement(made, sorted([*rush(range(200)), *between]), tmp_path, (4096,))
    assert (sum(opened) == 200) == (who in STRANGERS)


@pytest.mark.parametrize("loop", [False, True], ids=["at once", "in the loop"])
def test_numbers_are_in_the_order_of_the_rows(loop: bool, opened: list[int], alone: list[int]) -> None:
    """Whichever service and worker opens them."""
    records = [one for n in range(100) for one in rush(range(2 * n, 2 * n + 2), vip=(VIP[0], 80 + n % 2))]
    records += rush(range(300, 301), flags=ACK) if loop else []
    run, (burst,) = twins.driven(setup(workers=2, events=NEXT), records)
    slots = burst.handle[:200] >> 1
    assert opened == [200] and bool(alone) == loop
    table = run.balancer.machine.table
    assert table.columns["number"][slots].tolist() == list(range(1, 201)) and table.created == 200
    assert [lcore.created for lcore in run.balancer.machine.lcores] == [100, 100]


def test_services_that_share_ports_take_them_in_turn(opened: list[int], tmp_path: Path) -> None:
    """The same local addresses and buckets, on each worker: ports go to whoever comes first, and come back so."""
    made = setup(workers=2, events=NEXT, more="[sa_pool]\nhash_size = 1\nhigh = 1500\n")
    addresses = raw("192.168.100.200"), raw("192.168.100.201")
    made = made._replace(services=tuple(service._replace(laddr=addresses) for service in made.services))
    chance = random.Random(5)
    ports = [chance.choice((80, 81)) for _ in range(200)]
    records = [one for n, port in enumerate(ports) for one in rush(range(n, n + 1), n * 1000, vip=(VIP[0], port))]
    assert not twins.disagreement(made, [*records, *rush(range(300, 400), 31 * SECOND)], tmp_path, (100, 4096))
    assert sum(opened) == 600


def test_draws_are_in_the_order_of_the_rows(opened: list[int], tmp_path: Path) -> None:
    """Fractions of timeouts of two services on one worker: who has expired when more come tells them apart."""
    made = setup(events=NEXT)
    made = made._replace(conn=made.conn._replace(timer_jitter=True))
    both = [one for n in range(100) for one in rush(range(n, n + 1), n * 1000, vip=(VIP[0], 80 + n % 2))]
    records = [*both, *rush(range(200, 300), 30 * SECOND + SECOND // 2)]
    assert not twins.disagreement(made, records, tmp_path, (100,)) and opened == [100, 100]


EVENT = '[[event]]\nat = 1\nset = "service.web.real.192.168.100.2:8080.weight=1"\n'


def test_what_was_opened_before_an_event_is_known_behind_it(opened: list[int], tmp_path: Path) -> None:
    """Few in front of it, one by one; many behind it in the same burst, among them those again."""
    records = [*rush(range(10)), *rush(range(30), 2 * SECOND)]
    assert not twins.disagreement(setup(events=EVENT), records, tmp_path, (4096,))
    assert opened == [20]


def test_ends_between_births_at_once(opened: list[int], alone: list[int], tmp_path: Path) -> None:
    """One end a microsecond, one birth in two: the peak is just before the first end."""
    records = [*rush(range(100)), *rush(range(1000, 1060), 30 * SECOND - 37_500, 2000)]
    assert not twins.disagreement(setup(), records, tmp_path, (100,))
    assert opened == [100, 60] and not alone
    document = twins.outcome(setup(), craft.write(tmp_path / "in.pcap", records), 100)[1]
    assert document["workers"][0]["conns"] == {"created": 160, "expired": 81, "active": 79, "peak": 119}


NAT = """
[[service]]
name = "nat"
vip = "10.0.0.100:82"
mode = "nat"
scheduler = "rr"
[[service.real]]
address = "192.168.100.2:8080"
"""


@pytest.mark.parametrize("reset", [False, True], ids=["older ends first", "newer ends first"])
def test_a_tuple_that_two_have_is_nobodys_when_both_ended(reset: bool, tmp_path: Path) -> None:
    """A client behind NAT has a local end of full NAT for its own; whoever has a slot next gets no late answers."""
    end = "192.168.100.200:1025"
    late = [rig.tcp(rig.REAL, end, flags, 5000, 1001 + rig.DELTA, mac=rig.RS_MAC) for flags in ("SA", "A")]
    single = [(SECOND, rig.syn(end, "10.0.0.100:82")), *[(40 * SECOND, rig.tick()), (70 * SECOND, rig.tick())]]
    single += [(SECOND + 9, rig.tcp(end, "10.0.0.100:82", "R", 1001))] if reset else []
    single += [(72 * SECOND + n, frame) for n, frame in enumerate(late)]
    records = [*rush(range(20)), *((craft.START + at, len(frame), frame) for at, frame in single)]
    records = sorted([*records, *rush(range(100, 140), 71 * SECOND)])
    assert not twins.disagreement(rig.setup(events=NAT), records, tmp_path, (20, 4096))


ORDERED = {
    "a connection that ends among them": [*rush(range(200, 256)), *rush(range(1000, 1040), 30 * SECOND - 30_000),
                                          *rush(range(200, 203), 30 * SECOND + 100_000),
                                          *rush(range(2000, 2040), 30 * SECOND + 200_000)],
    "a real server that was taken out": [*rush(range(200, 256)), *rush(range(1000, 1040), 29 * SECOND),
                                         *rush(range(200, 203), 29 * SECOND + 50_000, flags=ACK),
                                         *rush(range(2000, 2040), 29 * SECOND + 60_000),
                                         *rush(range(200, 203), 29 * SECOND + 2_000_000)],
    "a tag, which is odd": [*rush(range(20)), (craft.START + 30_000, 58, syn(77)[:12] + b"\x81\0\0\0" + syn(77)[12:]),
                            *rush(range(100, 140), 40_000)],
}  # fmt: skip


@pytest.mark.parametrize("story", ORDERED)
def test_what_may_open_in_between_keeps_its_turn(story: str, tmp_path: Path) -> None:
    """Schedulers and ports are taken in the order of the packets."""
    made = setup(service="expire_quiescent = true", events=REMOVAL if "taken out" in story else "")
    assert not twins.disagreement(made, ORDERED[story], tmp_path, (56, 4096))


@pytest.mark.parametrize(
    "conn", [{"pool_size": 50}, {"timer_jitter": True}, {"laddr_step": True}, {"redirect": True}], ids=str
)
def test_limits_and_chance_are_those_of_the_loop(conn: dict[str, int], tmp_path: Path) -> None:
    """The pool of connections fills at the same packet; draws come in the same order."""
    made = rig.setup(reals=REALS, workers=4, laddr="192.168.100.200:0")
    service = made.services[0]._replace(laddr=(raw("192.168.100.200"), raw("192.168.100.201"), raw("192.168.100.202")))
    made = made._replace(conn=made.conn._replace(**conn), services=(service,))  # type: ignore[arg-type]
    assert not twins.disagreement(made, [*rush(range(200)), *rush(range(300, 400), 31 * SECOND)], tmp_path, (64, 4096))


def test_ports_that_run_out_in_a_rush(opened: list[int], tmp_path: Path) -> None:
    """The last ports are given out one by one."""
    made = setup(more="[sa_pool]\nhigh = 1060\nhash_size = 1\n")
    assert not twins.disagreement(made, rush(range(120)), tmp_path, (20, 4096))
    assert sum(opened) == 20, "36 ports for all; the second burst of twenty may not fit"


def test_a_state_that_changes_among_them_is_no_end(opened: list[int], tmp_path: Path) -> None:
    """With wlc: the short timeout that begins with a FIN does not count from the packet before."""
    short = "[tcp]\nseq_adjust = true\ntimeout = { established = 3, close_wait = 1 }\n"
    clients = [f"172.16.0.{n}:3000" for n in range(1, 5)]
    singles = [(1, rig.tcp(rig.VIP, one, "SA", 7, 1001)) for one in clients]
    singles += [(2, rig.tcp(one, rig.VIP, "A", 1001, 8)) for one in clients]
    singles += [(2 * SECOND, rig.tcp(one, rig.VIP, "FA", 1001, 8)) for one in clients]
    talk = [(craft.START + SECOND // 2 + at, len(one), one) for at, one in singles]
    records = [*rush(range(1, 30)), *talk, *rush(range(100, 133), 5 * SECOND // 2 + 1, (SECOND - 99) // 32)]
    assert not twins.disagreement(setup(view="client", scheduler="wlc", more=short), records, tmp_path, (37,))
    assert opened == [29, 33]


def test_an_ipv6_address_is_not_the_ipv4_address_in_its_end(tmp_path: Path) -> None:
    """2001:db8:1::a00:64 ends as 10.0.0.100 does."""
    six = rush(range(40), vip=(raw("2001:db8:1::a00:64"), 80))
    assert not twins.disagreement(setup(events=SIX), [*six, *rush(range(40), 50_000)], tmp_path, (256,))
    assert not twins.disagreement(setup(), [*six, *rush(range(40), 50_000)], tmp_path, (256,))


def test_any_number_of_gateways(opened: list[int], tmp_path: Path) -> None:
    """More link headers than are remembered."""
    frames = [syn(n, source=b"\2\1\1\1" + n.to_bytes(2)) for n in range(4300)]
    records = [(craft.START + n * 100, len(frame), frame) for n, frame in enumerate(frames)]
    assert not twins.disagreement(setup(), records, tmp_path, (4200,))
    assert sum(opened) == 4300


# --- the first of each tuple ----------------------------------------------------------------------------------------

SAME = 0x9E3779B97F4A7C15  # what a tuple's second word is multiplied by for its place


def firsts(word0: list[int], word1: list[int]) -> list[bool]:
    """The same by a set."""
    seen: set[tuple[int, int]] = set()
    return [not (one in seen or seen.add(one)) for one in zip(word0, word1, strict=True)]


@pytest.mark.parametrize("number", range(12))
def test_the_first_of_each_tuple(number: int) -> None:
    """Few tuples or many, one word in common or none, all at one place of the scratch table or anywhere."""
    chance = random.Random(number)
    count, few = chance.choice([(1, 1), (17, 3), (500, 40), (3000, 20_000), (4096, 1500)])
    pool = [(chance.getrandbits(64), chance.getrandbits(40)) for _ in range(few)]
    if number % 3 == 0:
        pool = [(chance.choice(pool[:9])[0], word1) for _, word1 in pool]
    if number % 3 == 1:
        pool = [(77 ^ word1 * SAME & (1 << 64) - 1, word1) for _, word1 in pool[:200]]
    word0, word1 = map(list, zip(*(chance.choice(pool) for _ in range(count)), strict=True))
    first = first_of_each(np.array(word0, np.uint64), np.array(word1, np.uint64))
    assert first.tolist() == firsts(word0, word1)


# --- ends -----------------------------------------------------------------------------------------------------------

HEAD = syn(1)[:12]
DATAGRAMS = """
[[service]]
name = "datagrams"
vip = "10.0.0.100:53"
protocol = "udp"
scheduler = "rr"
laddr = ["192.168.100.200"]
[[service.real]]
address = "192.168.100.2:8080"
"""


def world(**settings: object) -> Replay:
    """Two workers, two services that share an address, and so ports; draws count."""
    more = "[sa_pool]\nhigh = 1100\nhash_size = 2\n[udp]\nuoa_max_trail = 0\n"
    made = setup(workers=2, more=more, events=DATAGRAMS, real="max_conn = 50", **settings)
    addresses = raw("192.168.100.200"), raw("192.168.100.201")
    services = tuple(service._replace(laddr=addresses) for service in made.services)
    return Replay(made._replace(services=services, conn=made.conn._replace(timer_jitter=True)), None, None, None)  # type: ignore[arg-type]


def peopled(**settings: object) -> tuple[Replay, list[int]]:
    """And 120 connections, in every service and on every worker."""
    run = world(**settings)
    handles = []
    for n in range(120):
        openers = run.balancer.openers.by_place[n % 3 % 2]
        key = flow_key(17 if n % 4 else 6, raw(f"172.16.0.{n}"), 3000, *endpoint("10.0.0.100", 53 if n % 4 else 80))
        handles.append(openers[key[:1] + key[5:9] + key[11:]].open(key, n, n, HEAD))
    assert min(handles) >= 0
    run.balancer.machine.index.flush()
    for lcore in run.balancer.machine.lcores:
        lcore.find.fresh.clear()
    return run, [handle >> 1 for handle in handles]


def drained(pool: SockAddrPool, peer: Endpoint) -> list[int | None]:
    """The ports of a bucket in the order in which they are given out."""
    return list(iter(lambda: pool.fetch(peer), None))


def left(run: Replay) -> list[Any]:
    """Everything that ends may change, down to the order in which ports and slots are used again."""
    machine = run.balancer.machine
    told: list[Any] = [machine.table.live, machine.table.columns["alive"].tolist()]
    told += [machine.index.words[: 2 * machine.table.used, 1].tolist()]
    for lcore in machine.lcores:
        told += [lcore.created, lcore.expired, lcore.active, lcore.peak, lcore.jitter_again(), lcore.jitter()]
        for server in lcore.servers.by_name.values():
            told += [(dest.actconns, dest.inactconns, dest.overload) for dest in server.dests]
            told += [server.laddrs.conns]
        for pool in lcore.pools.values():
            told += [pool.used, drained(pool, endpoint("9.9.9.9", 80)), drained(pool, endpoint("9.9.9.9", 81))]
    machine.table.recycle()
    return [*told, machine.table.take_many(100).tolist()]


@pytest.mark.parametrize("number", range(4))
def test_many_ends_are_ends_one_by_one(number: int) -> None:
    """Ports come back in the order of the ends, whoever shares them; counts, places and draws are the same."""
    chance = random.Random(number)
    (once, slots), (each, same) = peopled(), peopled()
    assert slots == same
    some = chance.sample(slots, chance.choice([2, 30, 100, 120]))
    order = sorted(chance.randrange(50) * 256 for _ in some)
    for run in (once, each):
        for lcore in run.balancer.machine.lcores:
            for server in lcore.servers.by_name.values():
                server.dests[0].overload = True
        run.balancer.machine.tally.opened(np.array([1, 1]), np.array([100, 5000]))
    assert once.balancer.bulk.silent(np.array(some)) == len(some)
    once.balancer.bulk.end(np.array(some), np.array(order))
    for slot, place in zip(some, order, strict=True):
        assert each.balancer.path.expiry.ends_silently(slot, place)
    for run in (once, each):
        run.balancer.machine.tally.settle()
    assert left(once) == left(each)


def test_what_ended_at_once_is_not_found() -> None:
    """By nobody, while its neighbours are."""
    run, slots = peopled()
    machine = run.balancer.machine
    keys = [(slot, side, machine.index.key(2 * slot + side)) for slot in slots for side in (0, 1)]
    run.balancer.bulk.end(np.array(slots[5:50]), np.arange(45))
    for slot, side, key in keys:
        found = machine.lcores[machine.table.rank[slot]].find.get(key)
        assert found == (None if slot in slots[5:50] else 2 * slot + side)


def test_who_tells_of_his_end_ends_alone() -> None:
    """Established TCP, whoever has a Conn or never had an opener; those in front of him end without him."""
    run, slots = peopled()
    bulk, table = run.balancer.bulk, run.balancer.machine.table
    tcp = next(at for at, slot in enumerate(slots) if at > 8 and table.full[slot] == 1)
    udp = next(at for at, slot in enumerate(slots) if at > tcp and table.full[slot] == 2)
    established = run.balancer.machine.protocols[6].states.index("established")
    assert bulk.silent(np.array(slots)) == len(slots)
    table.state[slots[udp]] = table.state[slots[tcp]] = established
    behind = slots[tcp + 1 :]
    assert [bulk.silent(np.array(some)) for some in (slots, slots[tcp:], behind)] == [tcp, 0, len(behind)]
    assert table.conns[slots[7]] is not None and bulk.silent(np.array(slots)) == 7
    table.opener[slots[3]] = 0
    assert bulk.silent(np.array(slots)) == 3


def test_other_families_and_shared_tuples_end_alone() -> None:
    """The local address is read from an IPv4 tuple; redirect entries go one by one."""
    run, slots = peopled(conn="redirect = true")
    assert run.balancer.bulk.silent(np.array(slots)) == 0
    run = Replay(setup(events=SIX), None, None, None)  # type: ignore[arg-type]
    vip = endpoint("2001:db8:1::a00:64", 80)
    opener = run.balancer.openers.by_place[0][b"\x06" + vip.address + vip.port.to_bytes(2)]
    handle = opener.open(flow_key(6, raw("2001:db8:c::1"), 3000, *vip), 0, 0, HEAD)
    assert handle >= 0 and run.balancer.bulk.silent(np.array([handle >> 1])) == 0
