"""The tuple at hand: what a row is known by, in both families."""

from __future__ import annotations

import craft
import pytest
from made_server import address
from rig import CLIENT, CLIENT6, setup, syn
from twins import driven

from lbreplay.wire.packet import TCP, flow_key


@pytest.mark.parametrize(("client", "vip"), [(CLIENT, "10.0.0.100:81"), (CLIENT6, "[2001:db8:1::100]:81")])
def test_the_key_of_a_row(client: str, vip: str) -> None:
    """As the plain path has it, of a frame that stays as it is."""
    ends = [end for text in (client, vip) for end in (address(craft.split(text)[0]), int(craft.split(text)[1]))]
    run, _ = driven(setup(), [syn(client, vip)])
    assert run.balancer.loop.table_key(0) == flow_key(TCP, *ends)
