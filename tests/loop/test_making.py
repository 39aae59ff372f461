"""What a connection is made of, until there is none left."""

from __future__ import annotations

from rig import REAL, VIP, setup, syn
from twins import both, driven

CLIENTS = [f"172.16.1.{n}:3000" for n in range(1, 40)]


def test_a_real_server_that_is_full_refuses_in_its_turn() -> None:
    """No connection, and the packet's end; the next ones after an expiry are served again."""
    made = setup(real="max_conn = 2", conn="init_timeout = 3")
    frames = [syn(client, VIP) for client in CLIENTS[:4]] + [(40_000, syn(CLIENTS[4], VIP))]
    plain, rows = both(made, frames)
    assert plain.verdicts == ["forwarded_slow"] * 2 + ["dest_max_conn", "no_dest", "forwarded_slow"]
    assert rows == set()


def test_ports_that_run_out_refuse() -> None:
    """And are counted where they were missed."""
    made = setup(more="[sa_pool]\nlow = 1025\nhigh = 1030\n")
    plain, _ = both(made, [syn(client, VIP) for client in CLIENTS])
    assert plain.verdicts.count("forwarded_slow") == 6
    assert set(plain.verdicts[6:]) == {"laddr_port_exhausted"}
    assert plain.document["workers"][0]["sa_pool"]["miss"] == len(CLIENTS) - 6


def test_what_ends_gives_back_all_it_took() -> None:
    """Half-open connections end in silence: their ports, places and counts are free again."""
    frames = [syn(client, VIP) for client in CLIENTS] + [(40_000, syn(CLIENTS[0], VIP))]
    run, _ = driven(setup(conn="init_timeout = 3"), frames)
    assert run.plain == set() and run.balancer.machine.tuples.size == 2
    (service,), (worker,) = run.balancer.gauges()["services"], run.balancer.gauges()["workers"]
    assert worker["conns"] == {"created": 40, "expired": 39, "active": 1, "peak": 39}
    assert service["reals"][0]["inactconns"] == worker["sa_pool"]["used"] == service["laddrs"][0]["conns"] == 1
    assert service["reals"][0]["address"] == REAL
