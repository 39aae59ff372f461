"""Columns: rows of known connections many at a time. In waves they are what they are one by one."""

from __future__ import annotations

import random

import craft
import numpy as np
import pytest
import rig
from rig import CLIENT, CLIENT6, DELTA, LADDR, LADDR6, REAL, REAL6, VIP, VIP6, setup, syn, tcp
from twins import both, driven

from lbreplay.vs.waves import Wave

OTHER_REAL = "192.168.100.3:8080"


def opened(client: str = CLIENT, vip: str = VIP, real: str = REAL, laddr: str = LADDR) -> list[bytes]:
    return [
        syn(client, vip),
        tcp(real, laddr, "SA", 5000, 1001 + DELTA, options=[("MSS", 1460)], mac=rig.RS_MAC),
        tcp(client, vip, "A", 1001, 5001),
    ]


def seen_by_client(client: str, seq: int = 1001) -> list[bytes]:
    """A connection in a capture taken at clients."""
    return [
        syn(client, VIP),
        tcp(VIP, client, "SA", 5000, seq, options=[("MSS", 1460)]),
        tcp(client, VIP, "PA", seq, 5001, b"question"),
        tcp(VIP, client, "PA", 5001, seq + 8, b"answer"),
        tcp(VIP, client, "FA", 5007, seq + 8),
        tcp(client, VIP, "FA", seq + 8, 5008),
    ]


def woven(talks: list[list[bytes]], seed: int) -> list[bytes]:
    """The frames of several connections, each in its order."""
    rng, left, frames = random.Random(seed), [list(talk) for talk in talks], []
    while any(left):
        frames.append(rng.choice([talk for talk in left if talk]).pop(0))
    return frames


@pytest.mark.parametrize("six", [False, True])
def test_a_second_burst_knows_the_connection(six: bool) -> None:
    """Without a look into the dicts, and without the plain path."""
    ends = (CLIENT6, VIP6, REAL6, LADDR6) if six else (CLIENT, VIP, REAL, LADDR)
    made = setup(vip=ends[1], reals=[ends[2]], laddr=ends[3])
    frames = opened(*ends) + [tcp(ends[0], ends[1], "PA", 1001 + n, 5001, b"x") for n in range(20)]
    plain, rows = both(made, frames)
    assert rows == set() and plain.verdicts[3:] == ["forwarded_fast"] * 20
    run, bursts = driven(made, frames, burst=3)
    assert run.plain == set() and all((burst.handle >= 0).all() for burst in bursts)


def test_a_wave_is_rows_by_connection() -> None:
    """In order within each, whichever side they are of."""
    wave = Wave(np.array([3, 4, 6, 7, 9]), np.array([8, 5, 9, 4, 8], np.int32))
    assert wave.rows.tolist() == [4, 7, 3, 6, 9] and wave.slots.tolist() == [2, 2, 4, 4, 4]
    assert (wave.begin.tolist(), wave.last.tolist(), wave.group.tolist()) == ([0, 2], [1, 4], [0, 0, 1, 1, 1])


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("scheduler", ["rr", "wlc"])
def test_connections_woven_together(number: int, scheduler: str) -> None:
    """Many states change inside one burst; where wlc reads the counts, they change in order."""
    made = setup(reals=[REAL, OTHER_REAL], scheduler=scheduler, workers=4, view="client")
    talks = [seen_by_client(f"172.16.0.{n}:3000") for n in range(1, 30)]
    plain, _ = both(made, woven(talks, number))
    assert sum(real["actconns"] for real in plain.document["services"][0]["reals"]) < 29
    assert {plain.trace[n]["state"][1] for n in plain.trace if plain.trace[n]["state"]} >= {
        "SYN_RECV",
        "ESTABLISHED",
        "TIME_WAIT",
    }


def test_states_go_through_all_rows_of_a_connection() -> None:
    """Not only from the first to the last: FIN, RST and what follows."""
    frames = opened() + [
        tcp(CLIENT, VIP, "FA", 1001, 5001),
        tcp(REAL, LADDR, "A", 5001, 1002 + DELTA, mac=rig.RS_MAC),
        tcp(REAL, LADDR, "FA", 5001, 1002 + DELTA, mac=rig.RS_MAC),
        tcp(CLIENT, VIP, "A", 1002, 5002),
        tcp(CLIENT, VIP, "RA", 1002, 5002),
        tcp(CLIENT, VIP, "A", 1002, 5002),
    ]
    plain, rows = both(setup(), frames)
    states = [plain.states(n)[1] for n in range(4, 10)]
    assert states[0] == "CLOSE_WAIT" and "TIME_WAIT" in states and "CLOSE" in states and rows == set()


def test_an_odd_packet_sees_what_waited_before_it() -> None:
    """An ICMP error about a connection, and a fragment, between its rows."""
    told = craft.parse(tcp(CLIENT, VIP, "PA", 1001, 5001, b"question"))["IP"]
    error = craft.frame(craft.ip("172.16.0.9", "10.0.0.100") / craft.ICMP(type=3, code=4) / bytes(told)[:28])
    frames = [*opened(), tcp(CLIENT, VIP, "PA", 1001, 5001, b"question"), error]
    frames += [tcp(CLIENT, VIP, "FA", 1009, 5001), tcp(CLIENT, VIP, "A", 1010, 5001)]
    _, rows = both(setup(), frames)
    assert rows == {5}


def test_the_clients_address_goes_until_it_is_acknowledged() -> None:
    """The first data byte is learned inside the burst that needs it (D 5.4)."""
    frames = [*opened(), tcp(CLIENT, VIP, "PA", 1001, 5001, b"a"), tcp(CLIENT, VIP, "PA", 1002, 5009, b"b")]
    plain, _ = both(setup(), frames)
    sizes = [len(record[2]) for record in plain.sent]
    assert sizes[3] == len(frames[3]) + 8 and sizes[4] == len(frames[4])


def test_acknowledgements_that_go_back() -> None:
    """The real server's numbers of the closing RST are the newest ones, not the last ones (D 5.5)."""
    answers = [(5001, 1009), (5001, 1005), (5011, 1003)]
    frames = opened() + [
        tcp(REAL, LADDR, "A", seq, ack + DELTA, b"x" * (n + 1), mac=rig.RS_MAC) for n, (seq, ack) in enumerate(answers)
    ]
    plain, _ = both(setup(), [*frames, (200_000, craft.tick())])
    assert len(plain.own) == 2, "the pair of RSTs"


def test_a_wrong_mask_in_the_client_view() -> None:
    """Answers that do not come home take the plain path, and are lost there."""
    made = setup(workers=4, view="client", more="[flow_director]\ndst_port_mask = 1\n")
    talks = [seen_by_client(f"172.16.0.{n}:3000") for n in range(1, 30)]
    plain, rows = both(made, woven(talks, 1))
    assert sum(worker["wrong_worker"] for worker in plain.document["workers"]) > 5
    lost = {n for n in plain.trace if plain.trace[n]["verdict"] == "local_to_kernel"}
    assert lost and lost <= rows


def test_answers_of_the_balancer_itself_are_not_received() -> None:
    """In the lb view: its own addresses, on every path."""
    frames = [*opened(), tcp(VIP, CLIENT, "A", 1, 1), tcp(LADDR, REAL, "A", 1, 1)]
    plain, _ = both(setup(view="lb"), frames)
    assert plain.verdicts[3:] == ["own_transmit"] * 2


def test_one_table_for_all_workers() -> None:
    """Then any worker steps any connection."""
    made = setup(workers=4, conn='table = "shared"', view="client")
    talks = [seen_by_client(f"172.16.0.{n}:3000") for n in range(1, 20)]
    plain, _ = both(made, woven(talks, 2))
    assert sum(worker["wrong_worker"] for worker in plain.document["workers"]) == 0


def test_a_segment_longer_than_timeouts_is_taken_in_order() -> None:
    """Connections end between rows of one burst."""
    frames = opened() + [(95_000 * n, tcp(CLIENT, VIP, "A", 1001, 5001)) for n in range(1, 4)]
    frames += [(285_001, syn(CLIENT, VIP)), (285_002, tcp(CLIENT, VIP, "A", 1001, 5001))]
    plain, _ = both(setup(), frames)
    assert plain.document["workers"][0]["conns"] == {"created": 2, "expired": 1, "active": 1, "peak": 1}


def test_a_syn_reuses_a_connection_in_time_wait() -> None:
    """In the middle of a burst whose rows closed it."""
    frames = opened() + [
        tcp(CLIENT, VIP, "FA", 1001, 5001),
        tcp(REAL, LADDR, "FA", 5001, 1002 + DELTA, mac=rig.RS_MAC),
        tcp(CLIENT, VIP, "A", 1002, 5002),
        syn(CLIENT, VIP, 90_000),
        tcp(REAL, LADDR, "SA", 800, 90_001 + DELTA, mac=rig.RS_MAC),
    ]
    both(setup(), frames)


def test_mtu_and_other_hosts_are_for_the_plain_path() -> None:
    """Rows that are too long for some route, or not ours."""
    long = tcp(CLIENT, VIP, "PA", 1001, 5001, bytes(1600))
    foreign = craft.frame(craft.parse(tcp(CLIENT, VIP, "A", 1001, 5001))["IP"], dst="02:00:00:00:00:77")
    plain, rows = both(setup(), [*opened(), long, foreign])
    assert rows == {4, 5} and plain.verdicts[4] not in ("forwarded_fast", "forwarded_slow")
