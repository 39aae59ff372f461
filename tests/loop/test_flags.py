"""The numbers of the kernel's connections: flags that no two share a bit of."""

from __future__ import annotations

from itertools import combinations

from lbreplay.loop import flags


def test_flags_are_told_apart() -> None:
    """A connection may have any of them at once, and a side of it, or a state, any of theirs."""
    own = (flags.NOOUTPUT, flags.INACTIVE, flags.NO_CPORT, flags.TEMPLATE, flags.ONE_PACKET, flags.NFCT)
    for together in (own, (flags.IN_THERE, flags.OUT_THERE), (flags.SYNCED, flags.CLOSING, flags.STEADY)):
        assert all(one and other and not one & other for one, other in combinations(together, 2))
