"""rss-port: a port fits the one worker that RSS of the answer reaches."""

import pytest

from lbreplay.burst import BY_RSS, KIND_TCP
from lbreplay.model import Device, Endpoint, FlowDirector, Setup, Worker
from lbreplay.nic.steer import Nic
from lbreplay.nic.strategies.rss_port import RssPortStrategy

LADDR, PEER = bytes([192, 168, 100, 200]), Endpoint(bytes([192, 168, 100, 2]), 8080)
WORKERS = tuple(Worker(rank, rank + 1, (rank,)) for rank in range(4))


def test_fits_is_where_the_answer_goes():
    """A port fits exactly the worker to which the NIC steers the real server's answer."""
    setup = Setup(workers=WORKERS, flow_director=FlowDirector(strategy="rss-port"))
    nic = Nic(setup)
    for port in range(1025, 1225):
        home = nic.steer_flow(KIND_TCP, 4, PEER.address, PEER.port, LADDR, port)
        assert home.by == BY_RSS
        assert [rank for rank in range(4) if nic.strategy.fits(rank, LADDR, port, PEER, 6)] == [home.rank]


@pytest.mark.parametrize("proto", [6, 17, 132])
def test_addresses_alone_leave_one_worker(proto):
    """Where RSS does not see ports, all of them fit the same worker."""
    strategy = RssPortStrategy(Setup(workers=WORKERS, device=Device(rss=frozenset({"ip"}))))
    fitting = {r for r in range(4) for port in range(1025, 1100) if strategy.fits(r, LADDR, port, PEER, proto)}
    assert len(fitting) == 1


@pytest.mark.parametrize("rss", ["tcp", "ip", ""])
def test_room_counts_fitting_ports(rss):
    """The room towards two real servers is the number of ports that fit either, and all ports belong to somebody."""
    strategy = RssPortStrategy(Setup(workers=WORKERS, device=Device(rss=frozenset(rss.split()))))
    peers = (PEER, Endpoint(PEER.address, 9090))
    for rank in range(4):
        fitting = [any(strategy.fits(rank, LADDR, port, peer, 6) for peer in peers) for port in range(2000, 2100)]
        assert strategy.room(LADDR, rank, 2000, 2099, peers, 6) == sum(fitting)
    assert sum(strategy.room(LADDR, rank, 1025, 65535, peers[:1], 6) for rank in range(4)) == 64511
