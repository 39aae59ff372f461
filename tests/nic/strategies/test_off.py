"""off: everybody may bind everything, no rules."""

from lbreplay.model import Setup
from lbreplay.nic.strategies.off import OffStrategy


def test_everything_and_no_rules():
    """The whole range for any rank, and nothing for the NIC."""
    strategy = OffStrategy(Setup())
    assert strategy.ports(b"", 7, 1025, 65535) == range(1025, 65536)
    assert strategy.rules() == []
