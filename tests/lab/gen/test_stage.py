"""A balancer that is fed by hand, and what it says back."""

from lab.gen.made_scene import scene, setup

from lbreplay.lab.gen import frames
from lbreplay.lab.gen.stage import GAP_NS, START_NS, Stage, own_addresses
from lbreplay.model import Endpoint
from lbreplay.wire.packet import Packet

CLIENT, VIP = Endpoint(bytes((198, 51, 100, 1)), 2000), Endpoint(bytes((203, 0, 113, 10)), 80)


def test_what_leaves_is_heard():
    """A SYN comes out towards a real server, and both stand where they belong."""
    stage = Stage(setup(), "rx")
    left = stage.packet(frames.tcp(CLIENT, VIP, "S", 1, 0))
    packet = Packet(left[0].frame, len(left[0].frame))
    assert packet.dst[:3] == bytes((198, 18, 0)) and packet.dport == 8080
    assert stage.verdicts == ["forwarded_slow"] and [f.n for f in stage.capture] == [1]
    assert stage.capture[0].time_ns == START_NS and stage.now == START_NS + GAP_NS


def test_time_passes():
    """As much as is asked for, never backwards."""
    stage = Stage(setup(), "rx")
    stage.wait(2.5)
    stage.until(1)
    assert stage.seconds == 2.5
    stage.until(4)
    assert stage.seconds == 4


def test_the_balancers_port_shows_both_legs():
    """View lb keeps what the view will tell as the balancer's own."""
    stage = Stage(setup(), "lb")
    stage.packet(frames.tcp(CLIENT, VIP, "S", 1, 0))
    assert len(stage.capture) == 2 and stage.capture[1].data != stage.capture[0].data


def test_own_addresses():
    """Virtual and local ones."""
    assert {VIP.address, bytes((198, 19, 0, 1))} <= own_addresses(setup())


def test_neighbours_answer():
    """Where next hops are asked for, somebody answers, unless all are mute."""
    asked = scene("device.resolve=true\ndevice.mac='02:70:63:61:70:00'\ndevice.address=['198.19.0.9/16']").stage
    asked.packet(frames.tcp(CLIENT, VIP, "S", 1, 0))
    assert asked.verdicts == ["neigh_queued", "arp_to_kernel"]
    asked.mute = True
    asked.packet(frames.tcp(CLIENT._replace(port=2001), VIP, "S", 1, 0))
    assert len(asked.verdicts) == 3
