"""The forwarding modes as data."""

from __future__ import annotations

from lbreplay.dpvs.forwarding import BINDINGS
from lbreplay.dpvs.modes import MODES
from lbreplay.loop.names import DIRECT


def test_every_mode_binds() -> None:
    """A mode of the table has its code, and no code is without a mode."""
    assert set(MODES) == set(BINDINGS)


def test_a_mode_is_found_by_its_own_name() -> None:
    """What a connection says of its mode is the key of the table."""
    assert {name: mode.name for name, mode in MODES.items()} == {name: name for name in MODES}


def test_what_does_not_rewrite_sees_no_answers() -> None:
    """Direct routing and tunnels leave the addresses: answers go past the balancer, and no worker is asked (D 12.1)."""
    for mode in MODES.values():
        assert mode.rewrites == mode.answers == (mode.kind < DIRECT)
