"""port-high: blocks of ports, what is below the range is lost to the first."""

from lbreplay.model import Setup, Worker
from lbreplay.nic.strategies.port_high import PortHighStrategy


def test_blocks():
    """With 64 workers rank 0 has nothing left, rank 1 one port less, the others a block of 1,024."""
    owned = PortHighStrategy(Setup(workers=tuple(Worker(rank, rank + 1, (rank,)) for rank in range(64))))
    assert [len(owned.ports(b"", rank, 1025, 65535)) for rank in (0, 1, 2, 63)] == [0, 1023, 1024, 1024]
    assert owned.ports(b"", 2, 1025, 65535)[0] == 2048


def test_one_worker_owns_everything():
    """A single worker has every port of the range."""
    owned = PortHighStrategy(Setup(workers=(Worker(0, 1, (0,)),)))
    assert owned.ports(b"", 0, 1025, 65535) == range(1025, 65536)
