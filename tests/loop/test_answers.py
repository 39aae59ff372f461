"""Whose answers are, in a capture of clients and on the wire."""

from __future__ import annotations

import pytest
import rig
from rig import DELTA, REAL, VIP, setup, syn, tcp
from twins import both

CLIENTS = [f"172.16.1.{n}:3000" for n in range(1, 40)]


def test_answers_that_nobody_asked_for() -> None:
    """A capture of clients that began in the middle: they are no packets of the balancer, and cost nothing."""
    made = setup(view="client")
    plain, rows = both(made, [tcp(VIP, client, "PA", 1, 1, b"x") for client in CLIENTS])
    assert rows == set() and set(plain.verdicts) == {"reply_without_conn"}


@pytest.mark.parametrize("view", ["rx", "client"])
def test_a_packet_is_handed_to_its_owner(view: str) -> None:
    """Redirect under a wrong mask: the worker that misses asks for the owner, who takes it on (D 4.4)."""
    made = setup(workers=4, view=view, conn="redirect = true", more="[flow_director]\ndst_port_mask = 0\n")
    frames = [syn(client, VIP) for client in CLIENTS]
    if view == "client":
        frames += [tcp(VIP, client, "SA", 5000, 1001) for client in CLIENTS]
    else:
        opened = both(made, frames)[0]
        laddrs = [opened.trace[n]["laddr"] for n in range(1, len(CLIENTS) + 1)]
        frames += [tcp(REAL, laddr, "SA", 5000, 1001 + DELTA, mac=rig.RS_MAC) for laddr in laddrs]
    plain, rows = both(made, frames)
    workers = plain.document["workers"]
    assert sum(worker["redirected"]["in"] for worker in workers) > 9 and plain.document["totals"]["dropped"] == 0
    assert rows == set()


def test_an_answer_that_is_led_astray_ends_as_the_first_did() -> None:
    """The worker that receives it knows nothing of its connection: for nobody there, and the next ones too."""
    made = setup(workers=2, view="client", conn="redirect = false", more="[flow_director]\ndst_port_mask = 0\n")
    frames = [frame for client in CLIENTS[:8] for frame in (syn(client, VIP), tcp(VIP, client, "SA", 5000, 1001))]
    plain, rows = both(made, frames)
    assert rows == {4} and set(plain.verdicts) == {"forwarded_slow", "forwarded_fast", "local_to_kernel"}
