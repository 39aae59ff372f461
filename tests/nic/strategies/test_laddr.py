"""laddr: an address belongs to one worker with all its ports."""

from lbreplay.model import Endpoint, Service, Setup, Worker
from lbreplay.nic.strategies.laddr import LaddrStrategy

LADDRS = tuple(bytes([10, 0, 0, i]) for i in range(5))


def test_addresses_in_turn():
    """Five addresses over two workers: 0, 1, 0, 1, 0; the others bind nothing of them."""
    workers = tuple(Worker(rank, rank + 1, (rank,)) for rank in range(2))
    service = Service("web", 6, Endpoint(bytes([10, 0, 0, 100]), 80), laddr=LADDRS)
    owned = LaddrStrategy(Setup(workers=workers, services=(service,)))
    assert [(rule.rank, rule.mask, rule.value) for rule in owned.rules()[::2]] == [(i % 2, 0, 0) for i in range(5)]
    assert [len(owned.ports(laddr, 1, 1025, 65535)) for laddr in LADDRS] == [0, 64511, 0, 64511, 0]
