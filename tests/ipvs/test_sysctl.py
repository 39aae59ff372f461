"""net.ipv4.vs.*: defaults, what an edition has, modes of a defence."""

from __future__ import annotations

import pytest

from lbreplay.config.schema import SYSCTLS
from lbreplay.ipvs.sysctl import DEFAULTS, IN_26, Sysctls


def test_known_to_the_configuration() -> None:
    """A switch that does something can be set."""
    assert set(DEFAULTS) <= set(SYSCTLS)
    assert set(IN_26) <= set(DEFAULTS)


@pytest.mark.parametrize(("exist", "reuse", "pmtu"), [("all", 1, 1), ("2.6", 0, 1)])
def test_defaults(exist: str, reuse: int, pmtu: int) -> None:
    """Switches that 2.6 has not are as 0, but DF is honoured."""
    values = Sysctls({}, exist)
    assert (values["conn_reuse_mode"], values["pmtu_disc"], values["am_droprate"]) == (reuse, pmtu, 10)


@pytest.mark.parametrize(("mode", "acts"), [(0, False), (1, False), (2, False), (3, True)])
def test_modes(mode: int, acts: bool) -> None:
    """A replay never lacks memory."""
    assert Sysctls({"drop_packet": mode}, "all").always("drop_packet") is acts


@pytest.mark.parametrize("spelled", ["5 20", [5, 20]])
def test_sync_threshold(spelled: object) -> None:
    """As text or as a list."""
    values = Sysctls({"sync_threshold": spelled}, "all")
    assert (values.threshold, values.period) == (5, 20)
