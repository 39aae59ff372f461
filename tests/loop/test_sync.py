"""Which packets a backup would be sent (L 15)."""

from __future__ import annotations

import craft
import pytest
from kernel import CLIENT, VIP, A, Kernel, service


@pytest.mark.parametrize("edition", ["2.6", "6.1.192"])
def test_third_packet_then_every_fiftieth(edition: str) -> None:
    """Of an established connection: packets 3, 53, 103."""
    k = Kernel(service(A), edition=edition)
    k.handshake()
    told = []
    for number in range(3, 120):
        k.send(craft.tcp(CLIENT, VIP))
        if k.parts.sync.counters["conns"] > len(told):
            told.append(number)
    assert told == [3, 53, 103]


@pytest.mark.parametrize(("edition", "told"), [("2.6", 2), ("6.1.192", 2)])
def test_closing(edition: str, told: int) -> None:
    """A change to FIN_WAIT and its like is told at the next request packet."""
    k = Kernel(service(A), edition=edition)
    seen = k.handshake()
    k.answer(seen, "FA")
    k.send(craft.tcp(CLIENT, VIP))
    k.send(craft.tcp(CLIENT, VIP, "FA"))
    k.send(craft.tcp(CLIENT, VIP))
    assert k.parts.sync.counters["conns"] == told


def test_settings() -> None:
    """Threshold and period; a refresh period spares what hardly moved."""
    k = Kernel(service(A), ipvs='sync_threshold = "1 2"')
    k.handshake()
    for _ in range(10):
        k.send(craft.tcp(CLIENT, VIP))
    assert k.parts.sync.counters["conns"] == 5
    k = Kernel(service(A), ipvs='sync_threshold = "1 2"\nsync_refresh_period = 100')
    k.handshake()
    for _ in range(10):
        k.send(craft.tcp(CLIENT, VIP))
    assert k.parts.sync.counters["conns"] == 1


def test_templates() -> None:
    """6.1 tells of the template at each packet, unless sync_persist_mode leaves such connections out."""
    for mode, templates in ((0, 3), (1, 0)):
        k = Kernel(service(A, persistent={"timeout": 60}), ipvs=f"sync_persist_mode = {mode}")
        k.handshake()
        k.send(craft.tcp(CLIENT, VIP))
        assert k.parts.sync.counters["templates"] == templates


def test_deferred_expiry() -> None:
    """A connection that stays for its children's sake is told of."""
    k = Kernel(service(A, persistent={"timeout": 10}))
    k.handshake()
    k.wait(11)
    assert k.parts.sync.counters["deferred"] == 1
