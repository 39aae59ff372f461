"""Scenes and the services as clients reach them."""

from lab.gen.made_scene import scene, setup

from lbreplay.lab.gen.scene import opening, reachable

MARKED = """
profile = "ipvs"
[[service]]
name = "by mark"
fwmark = 7
scheduler = "rr"
mode = "nat"
real = [{ address = "198.18.0.1:8080" }]
[[mark]]
mark = 7
to = "203.0.113.77/32"
protocol = "tcp"
ports = [8443]
local = true
"""


def test_a_firewall_mark_is_reached_by_its_rule():
    """As the first packet that the rule marks."""
    (service,) = reachable(setup(text=MARKED))
    assert str(service.vip) == "203.0.113.77:8443" and service.protocol == 6


def test_talks_of_a_worker():
    """As many as asked for, all of that worker."""
    made = scene()
    talks = list(made.talks(made.setup.services[0], 5, 3))
    assert len(talks) == 5 and {made.clients.steer(t.service, t.client).rank for t in talks} == {3}
    assert made.workers == [0, 1, 2, 3]


def test_opened():
    """The connection stands."""
    made = scene()
    assert made.opened(made.setup.services[0]) is not None
    assert made.stage.verdicts == ["forwarded_slow", "forwarded_fast", "forwarded_fast"]
    assert opening(made.setup.services[0]._replace(synproxy=True)).endswith("c:A s:SA")
