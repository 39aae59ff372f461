"""Figures by port and slave: they add up to those of the workers, and a frame counts where its MAC says it left."""

from __future__ import annotations

from typing import Any

import arms
import pytest
from craft import arp, syn, tcp


def talk() -> list[bytes]:
    """A SYN, its answer, an ARP request for an address of dpdk0, and a SYN that nobody serves."""
    return [
        arms.to(arms.OUTSIDE, syn(arms.CLIENT, arms.VIP)),
        arms.to(arms.INSIDE, tcp(arms.REAL, arms.LADDR, "SA", 5000, 1001)),
        arms.to(arms.INSIDE, arp("192.168.100.10", "192.168.100.20")),
        arms.to(arms.OUTSIDE, syn(arms.CLIENT, "192.0.2.77:80")),
    ]


def test_by_port() -> None:
    """Received where it came in, sent where it left; and how each port steered."""
    inside, outside = arms.play(talk()).document["ports"]
    assert [(p["port"], p["ipackets"], p["opackets"], p["rules"]) for p in (inside, outside)] == [
        ("dpdk0", 2, 2, 2),
        ("dpdk1", 2, 1, 0),
    ]
    assert inside["steered"] == {"flow_director": 1, "rss": 0, "default": 1}
    assert outside["steered"] == {"flow_director": 0, "rss": 2, "default": 0}


@pytest.mark.parametrize("plainly", [True, False])
def test_ports_add_up_to_workers(plainly: bool, tmp_path: Any) -> None:
    """Every frame and byte of a worker came by some port and left by some, on the plain path as by the loop."""
    import craft
    import engine

    frames = [*talk(), *(arms.to(arms.OUTSIDE, syn(*flow)) for flow in arms.flows(16))]
    records = [(craft.START + n * 10**6, len(f), f) for n, f in enumerate(frames)]
    document = engine.run(arms.setup(workers="4"), records, tmp_path, plainly=plainly).document
    for figure in ("ipackets", "ibytes", "opackets", "obytes"):
        assert sum(p[figure] for p in document["ports"]) == sum(w[figure] for w in document["workers"]) > 0


def test_one_port_has_no_table() -> None:
    """The statistics of one port stay what they are."""
    import rig

    assert "ports" not in rig.play(rig.setup(), rig.handshake()).document


@pytest.mark.parametrize("mode, sent", [(0, [8, 8]), (1, [16, 0]), (4, None)])
def test_by_slave(mode: int, sent: list[int] | None) -> None:
    """In turn, by the primary, or by the policy: slaves add up to their bond."""
    run = arms.play([arms.to(arms.OUTSIDE, syn(*flow)) for flow in arms.flows(16)], arms.bonded(mode=mode))
    (bond,) = run.document["ports"]
    found = [slave["opackets"] for slave in bond["slaves"]]
    assert sum(found) == bond["opackets"] == 16
    assert found == sent or (sent is None and min(found) > 0)
