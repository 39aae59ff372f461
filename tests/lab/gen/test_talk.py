"""Two ends that answer what they hear, wherever the capture is taken."""

import pytest
from lab.gen.made_scene import scene

from lbreplay.lab.gen import scripts
from lbreplay.lab.gen.talk import understood
from lbreplay.wire.packet import TCP, Packet

SYNPROXY = "service.web.synproxy=true"


def played(view, more=""):
    """A whole connection of the first service."""
    made = scene(more, view)
    talk = made.talk(made.setup.services[0], 2)
    assert talk is not None
    extra = " s:SA" if more else ""
    talk.play(f"{scripts.OPEN[TCP]}{extra} {scripts.DATA[TCP]} {scripts.CLOSE[TCP]}")
    return made, talk


@pytest.mark.parametrize("view", ["client", "rx", "lb"])
def test_a_connection_lives(view):
    """Every packet of it is forwarded, and the numbers of both sides fit."""
    made, talk = played(view)
    assert set(made.stage.verdicts) <= {"forwarded_slow", "forwarded_fast"}
    assert len(made.stage.verdicts) == 14
    assert talk.to_client is not None and talk.to_client.ack == talk._client_seq


def test_at_the_balancer_real_servers_speak():
    """Their packets come to the local address that the request came from."""
    made, _ = played("rx")
    sources = {Packet(f.data, f.length).src for f in made.stage.capture}
    assert any(source[:2] == bytes((198, 18)) for source in sources) and bytes((203, 0, 113, 10)) not in sources
    made, _ = played("client")
    sources = {Packet(f.data, f.length).src for f in made.stage.capture}
    assert bytes((203, 0, 113, 10)) in sources and not any(source[:2] == bytes((198, 18)) for source in sources)


@pytest.mark.parametrize("view", ["client", "rx"])
def test_a_proxied_connection_lives(view):
    """The cookie is acknowledged, the real server answers when it is asked."""
    made, _ = played(view, SYNPROXY)
    assert {"synproxy_synack", "synproxy_ack_accepted", "forwarded_fast"} <= set(made.stage.verdicts)


def test_what_a_host_understands():
    """The client's address in front of a datagram is taken off."""
    made = scene(view="rx")
    talk = made.talk(made.setup.services[1], 0)
    assert talk is not None
    left = talk.c("+20")
    assert left[0].l3[9] == 248
    packet = understood(left[0].l3)
    assert packet is not None and (packet.proto, packet.dport) == (17, 53)
    assert talk.s("+30")
