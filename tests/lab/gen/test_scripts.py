"""Walks through the tables of states."""

import pytest

from lbreplay.lab.gen import scripts
from lbreplay.lvs.protocols import PROTOCOLS
from lbreplay.wire.packet import SCTP, TCP, UDP


@pytest.mark.parametrize("number", [TCP, UDP, SCTP])
def test_a_walk_ends_where_it_says(number):
    """By the table itself: every word is a step."""
    protocol = PROTOCOLS[number]
    columns = protocol.sides("fnat")
    for walk in scripts.walks(protocol, "fnat", True):
        state = 0
        for word in walk.script.split():
            side = "cs".index(word[0])
            event = next(e for e in protocol.events if scripts.word(protocol, side, e) == word)
            state = protocol.step(columns[side], protocol.events.index(event), state)
        assert state == walk.state


def test_every_state_that_can_be_reached():
    """Of TCP all but the three that nobody enters, of one side fewer."""
    tcp = PROTOCOLS[TCP]
    reached = {tcp.states[walk.state] for walk in scripts.walks(tcp, "fnat", True)}
    assert set(tcp.states) - reached == {"none", "last_ack", "listen", "synack"}
    seen = {tcp.states[walk.state] for walk in scripts.walks(tcp, "dr", False)}
    assert seen < reached and "fin_wait" in seen


def test_everything_that_can_be_said():
    """Each side, each event."""
    assert len(scripts.steps(PROTOCOLS[TCP], (0, 1), True, 1)) == 10
    assert {side for side, _, _ in scripts.steps(PROTOCOLS[TCP], (2, 2), False, 1)} == {0}
