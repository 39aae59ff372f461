"""What the kernel would list, as plain values (L 18)."""

from __future__ import annotations

import craft
from kernel import CLIENT, VIP, A, Kernel, real, service

from lbreplay.ipvs.listing import listing


def test_services_and_connections() -> None:
    """Newest real servers first, thresholds, masks, states and whole seconds left."""
    k = Kernel(service(real(A, max_conn=5, min_conn=2), persistent={"timeout": 60, "netmask": 24}))
    k.send(craft.syn(CLIENT, VIP))
    k.wait(10.5)
    listed = listing(k.parts)
    web = listed["services"][0]
    assert (web["persistent"], web["mask"], web["counts"]["conns"]) == (60, "255.255.255.0", 1)
    assert (web["reals"][0]["upper"], web["reals"][0]["lower"], web["reals"][0]["persistconns"]) == (5, 2, 1)
    assert sorted((conn["state"], conn["seconds"]) for conn in listed["conns"]) == [("NONE", 49), ("SYN_RECV", 49)]


def test_marks_come_last() -> None:
    """In the kernel's order services by address stand before those by mark."""
    k = Kernel(service("10.1.0.11:0", name="m", vip=None, fwmark=3), service())
    assert [s["mark"] for s in listing(k.parts)["services"]] == [0, 3]
