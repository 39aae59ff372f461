"""A client's template names the real server of all its connections (D 2.7)."""

from __future__ import annotations

import pytest
from rig import REAL, VIP, setup, syn
from twins import both

CLIENTS = [f"172.16.1.{n}" for n in range(1, 20)]
REALS = (REAL, "192.168.100.3:8080", "192.168.100.4:8080")


@pytest.mark.parametrize("netmask", ["", "netmask = 29,"])
def test_a_client_keeps_its_real_server(netmask: str) -> None:
    """Each of a network, from whatever port, and nothing of it takes the plain path."""
    made = setup(f"persistent = {{ {netmask} timeout = 60 }}", reals=REALS, workers=2)
    plain, rows = both(made, [syn(f"{client}:{port}", VIP) for port in range(3000, 3004) for client in CLIENTS])
    reals = [plain.trace[n]["real"] for n in range(1, 4 * len(CLIENTS) + 1)]
    assert reals[: len(CLIENTS)] * 4 == reals and set(reals) == set(REALS) and rows == set()
    assert (reals[:6] == [reals[0]] * 6) == bool(netmask)


def test_a_template_lives_as_long_as_its_connections() -> None:
    """Its time is up and it is asked again; without connections it goes, and the next one may have another."""
    made = setup("persistent = { timeout = 3 }", reals=REALS, conn="init_timeout = 3")
    frames = [syn(f"{client}:3000", VIP) for client in CLIENTS]
    plain, rows = both(made, [*frames, (50_000, frames[0]), *frames[1:]])
    assert plain.trace[1]["real"] != plain.trace[20]["real"] and rows == set()
