"""With what rows leave: what frames told, each asked for once and kept until something changes."""

from __future__ import annotations

import rig
from rig import CLIENT, DELTA, LADDR, REAL, VIP, setup, syn, tcp
from twins import both

GATEWAYS = ("02:00:00:00:01:01", "02:00:00:00:01:02")


def test_answers_go_back_to_where_their_client_came_from() -> None:
    """Two gateways take turns: each client's answers have the MAC that its first packet told."""
    clients = [f"172.16.1.{n}:3000" for n in range(1, 9)]
    frames = [tcp(client, VIP, "S", 1000, mac=GATEWAYS[n % 2]) for n, client in enumerate(clients)]
    laddrs = [f"192.168.100.200:{1025 + n}" for n in range(8)]
    frames += [tcp(REAL, laddr, "SA", 5000, 1001 + DELTA, mac=rig.RS_MAC) for laddr in laddrs]
    plain, rows = both(setup(), frames)
    assert [plain.packet(n).dst for n in range(9, 17)] == [*GATEWAYS] * 4 and rows == set()


def test_a_real_servers_mac_is_learned_of_its_first_answer() -> None:
    """Requests leave with it from then on, fast; a second connection learns it of its own."""
    frames = [
        syn(CLIENT, VIP),
        tcp(REAL, LADDR, "SA", 5000, 1001 + DELTA, mac=rig.RS_MAC),
        tcp(CLIENT, VIP, "A", 1001, 1),
    ]
    plain, rows = both(setup(), frames)
    assert plain.verdicts == ["forwarded_slow", "forwarded_fast", "forwarded_fast"] and rows == set()
    assert plain.packet(3).dst == rig.RS_MAC
