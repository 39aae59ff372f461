"""Direct routing and tunnel: the packet stays as it is, and answers are not looked for (D 2.2, 12.1)."""

from __future__ import annotations

import pytest
from rig import CLIENT, VIP, play, setup, syn, tcp


@pytest.mark.parametrize("mode, head", [("dr", 14), ("tunnel", 34)])
def test_the_packet_stays_as_it_is(mode: str, head: int) -> None:
    """With its addresses, options, and whatever is wrong with its checksum."""
    frame = syn(CLIENT, VIP, tcp_sum=0x1234)
    run = play(setup(mode=mode, reals=("192.168.100.2:80",)), [frame])
    assert run.sent[0][2][head:] == frame[14:] and run.verdicts == ["forwarded_slow"]


@pytest.mark.parametrize("mode", ["dr", "tunnel"])
def test_states_see_one_side_only(mode: str) -> None:
    """A client's FIN in ESTABLISHED leads to FIN_WAIT (D 5.2)."""
    frames = [syn(CLIENT, VIP), tcp(CLIENT, VIP, "A", 1001, 1), tcp(CLIENT, VIP, "FA", 1001, 1)]
    run = play(setup(mode=mode, reals=("192.168.100.2:80",)), frames)
    assert [run.states(n)[1] for n in (1, 2, 3)] == ["SYN_RECV", "ESTABLISHED", "FIN_WAIT"]
    assert run.document["workers"][0]["sa_pool"]["used"] == 0
