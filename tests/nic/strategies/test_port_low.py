"""port-low: the pool sizes of S 2.2 and the order of the first ports."""

import pytest

from lbreplay.model import Setup, Worker
from lbreplay.nic.strategies.port_low import PortLowStrategy


def strategy(workers):
    """The strategy of so many workers."""
    return PortLowStrategy(Setup(workers=tuple(Worker(rank, rank + 1, (rank,)) for rank in range(workers))))


@pytest.mark.parametrize(
    ("workers", "first", "other"),
    [(1, 64511, 0), (2, 32255, 32256), (3, 16127, 16128), (8, 8063, 8064), (9, 4031, 4032), (33, 1007, 1008)],
)
def test_sizes(workers, first, other):
    """Rank 0 has one port less than the others, 1024 being below the range."""
    sizes = [len(strategy(workers).ports(b"", rank, 1025, 65535)) for rank in range(workers)]
    assert sizes == [first] + [other] * (workers - 1)


def test_first_ports():
    """With four workers the ports ascend by four from the first that has the rank's bits."""
    firsts = [list(strategy(4).ports(b"", rank, 1025, 65535)[:3]) for rank in range(4)]
    assert firsts == [[1028, 1032, 1036], [1025, 1029, 1033], [1026, 1030, 1034], [1027, 1031, 1035]]
