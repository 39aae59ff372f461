"""A first packet opens a connection, for as long as there is room for them."""

from __future__ import annotations

from rig import REAL, VIP, setup, syn, udp
from twins import both, driven

CLIENTS = [f"172.16.1.{n}:3000" for n in range(1, 9)]


def test_whoever_opens_is_numbered_in_its_turn() -> None:
    """Over TCP and UDP, and nothing of it takes the plain path."""
    for made, first in ((setup(), syn), (setup(protocol="udp", more="[udp]\nuoa_max_trail = 0\n"), udp)):
        plain, rows = both(made, [first(client, VIP) for client in CLIENTS])
        assert [plain.trace[n]["conn"] for n in range(1, 9)] == list(range(1, 9)) and rows == set()


def test_a_pool_without_room_is_for_the_plain_path_to_tell() -> None:
    """It counts there; the others were opened in the loop."""
    run, (burst,) = driven(setup()._replace(conn=setup().conn._replace(pool_size=5)), [syn(c, VIP) for c in CLIENTS])
    assert run.plain == {6, 7, 8} and len(set(burst.verdict[5:])) == 1 and burst.verdict[4] != burst.verdict[5]
    assert run.balancer.gauges()["services"][0]["reals"][0] == {**run.balancer.gauges()["services"][0]["reals"][0],
                                                                "address": REAL, "conns": 5}  # fmt: skip
