"""Classes of ports: ownership ignores a wrong mask, the rules follow it."""

from lbreplay.model import Endpoint, FlowDirector, PortClass, Service, Setup, Worker
from lbreplay.nic.strategies.port_class import PortClassStrategy

LADDR = bytes([10, 0, 0, 1])


def test_wrong_mask_changes_rules_only():
    """Values and masks of the rules are the configured mask's, the owned ports are not."""
    workers = tuple(Worker(rank, rank + 1, (rank,)) for rank in range(4))
    service = Service("web", 6, Endpoint(bytes([10, 0, 0, 100]), 80), laddr=(LADDR,))
    setup = Setup(workers=workers, services=(service,), flow_director=FlowDirector(dst_port_mask=1))
    strategy = PortClassStrategy(setup, lambda rank: PortClass(3, rank))
    assert [(rule.value, rule.mask) for rule in strategy.rules()[:4]] == [(0, 1), (1, 1), (0, 1), (1, 1)]
    assert strategy.ports(LADDR, 2, 1025, 1040) == [1026, 1030, 1034, 1038]
