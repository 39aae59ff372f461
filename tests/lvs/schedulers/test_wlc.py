"""Weighted least connection picks in the order of D 18."""

from made_server import picks, reals, virtual


def test_order_with_growing_load() -> None:
    """Each pick leaves one inactive connection."""
    server = virtual(workers=4, scheduler="wlc", reals=reals(1, 1, 2))
    assert picks(server, 12, connect=True) == "BACCBACCBACC"


def test_active_connections_weigh_256() -> None:
    """One active connection outweighs 255 inactive ones."""
    server = virtual(scheduler="wlc", reals=reals(1, 1))
    newest, oldest = server.dests
    newest.actconns, oldest.inactconns = 1, 255
    assert picks(server, 1) == "A"
    oldest.inactconns = 257
    assert picks(server, 1) == "B"


def test_products_are_32_bits() -> None:
    """load * weight wraps as it does in C."""
    server = virtual(edition="1.8", scheduler="wlc", reals=reals(1 << 16, 1))
    server.dests[0].inactconns, server.dests[1].inactconns = 1 << 16, 1
    assert picks(server, 1) == "B"  # 2^16 * 2^16 is 0, no more than 1


def test_validity() -> None:
    """Weight 0 and full ones are passed over; nobody left, no pick."""
    server = virtual(scheduler="wlc", reals=reals(0, 1, 1))
    server.dests[0].overload = True
    assert picks(server, 2, connect=True) == "BB"
    server.edit(server.dests[1], 0)
    assert picks(server, 1) == "-"
