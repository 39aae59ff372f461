"""Failover picks the greatest weight."""

from made_server import picks, reals, virtual


def test_greatest_weight_takes_all() -> None:
    """The first in list order (the newest) wins a tie; the next takes over when it is full, gone or without weight."""
    server = virtual(scheduler="fo", reals=reals(1, 3, 3))
    assert picks(server, 2) == "CC"
    server.dests[0].overload = True
    assert picks(server, 1) == "B"
    server.edit(server.dests[1], 0)
    assert picks(server, 1) == "A"
    server.remove(server.dests[2])
    assert picks(server, 1) == "-"
