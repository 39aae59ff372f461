"""Plans about connections show what their sentences say."""

from collections import Counter

from lab.gen.made_scene import scene

from lbreplay.lab.gen import connections
from lbreplay.wire.packet import Packet


def played(plan, more="", service=0, view="client"):
    """A plan on a stage."""
    made = scene(more, view)
    plan(made, made.setup.services[service])
    return made


def real_servers(made):
    """How often each real server speaks."""
    packets = (Packet(frame.data, frame.length) for frame in made.stage.capture)
    return Counter(packet.src[3] for packet in packets if packet.sport == 8080)


def test_a_life_on_every_worker():
    """Two on each: the client closes, the server closes."""
    made = played(connections.life)
    assert len(made.stage.capture) == 4 * 2 * 14


def test_the_timeouts_are_met():
    """Each state is probed twice; the later probe finds nobody."""
    made = played(connections.timeouts)
    assert made.stage.verdicts.count("tcp_bad_ack_rst") == 7


def test_turnover_meets_every_real_server():
    """On the first worker twice."""
    made = played(connections.turnover, view="rx")
    assert set(real_servers(made)) == {1, 2, 3} and min(real_servers(made).values()) >= 2
    assert connections.turns(made.setup.services[0]) >= 7


def test_lists_refuse_and_let_in():
    """Inside, outside, and at the edges."""
    made = played(connections.lists, "service.web.blacklist=['192.0.2.0/28', '198.51.100.9']")
    found = Counter(made.stage.verdicts)
    assert found["acl_blacklist"] >= 10 and found["forwarded_slow"] >= 4


def test_limits_are_passed():
    """limit_proportion drops both ways, a full real server refuses."""
    made = played(connections.limits, "service.web.limit_proportion=50\nservice.web.real.198.18.0.1:8080.max_conn=4")
    assert {"rate_limit_in", "rate_limit_out"} <= set(made.stage.verdicts)


def test_a_port_too_few():
    """One connection more than ports."""
    more = "sa_pool.low=2000\nsa_pool.high=2099"
    made = played(connections.fill, more)
    assert made.stage.verdicts[-1] == "laddr_port_exhausted"
    assert connections.room(made.setup, made.setup.services[0]) < 100


def test_persistent_clients_stay():
    """And are forgotten when their template is gone."""
    made = played(connections.persistence, "service.web.persistent={timeout=100, netmask=26}", view="rx")
    assert made.stage.seconds > 260 and set(made.stage.verdicts) <= {"forwarded_slow", "forwarded_fast"}


def test_a_proxy_is_tried_in_every_way():
    """Held, full, reused, refused."""
    made = played(connections.syn_proxy, "service.web.synproxy=true", view="rx")
    steps = "synack synack_flagged ack_accepted held hold_full not_ack synack_consumed reused"
    wanted = {f"synproxy_{step}" for step in steps.split()} | {"tcp_bad_ack_rst"}
    assert wanted <= set(made.stage.verdicts)


def test_around_events():
    """Connections before and after a real server is taken out."""
    made = scene("[[event]]\nat = 2.0\nset = 'service.web.real.198.18.0.1:8080.weight=0'")
    connections.events(made, list(made.setup.services))
    times = [(f.time_ns - made.stage.capture[0].time_ns) / 1e9 for f in made.stage.capture]
    assert any(t < 2 for t in times) and any(2 < t < 5 for t in times)


def test_lifetimes_of_both_profiles():
    """By the configuration, and by the kernel's tables."""
    made = scene("tcp.timeout.established=77")
    assert 77 in connections.lifetimes(made.setup, made.setup.services[0])
    kernel = made.setup._replace(profile="ipvs", ipvs={"timeout": {"tcp": 33}})
    assert 33 in connections.lifetimes(kernel, made.setup.services[0])


def test_states_of_one_side():
    """All events of a client in all states that are reached: five in each of seven."""
    made = scene()
    connections.states(made, made.setup.services[0], 0)
    assert len({Packet(f.data, f.length).dport for f in made.stage.capture}) > 1
    clients = {(p.src, p.sport) for f in made.stage.capture if (p := Packet(f.data, f.length)).dport == 80}
    assert len(clients) == 5 * 7


def test_aborts_reuse_and_checks():
    """Whatever ends a connection, somebody comes again."""
    made = scene("service.web.dest_check=true")
    service = made.setup.services[0]
    for plan in (connections.aborts, connections.reuse, connections.dest_check):
        before = len(made.stage.capture)
        plan(made, service)
        assert len(made.stage.capture) > before
