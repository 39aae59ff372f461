"""Whether configuration and view fit a capture."""

import craft
import pytest
from lab.made_capture import VIP, capture, client, setup

from lbreplay.journey import replay
from lbreplay.lab.fit import Misfit, answers, met, misfit, shows_nothing, starved
from lbreplay.verdict import Verdict

NO_WEIGHT = [f"service.web.real.192.168.100.{last}:8080.weight=0" for last in (2, 3)]


def judged(tmp_path, *sets, made=None, **more) -> tuple[dict, Misfit | None]:
    path, asked = capture(tmp_path, made), setup(*sets, **more)
    stats = replay(asked, path, None).document()
    return stats, misfit(asked, path, stats)


def test_a_configuration_that_fits(tmp_path):
    """Frames meet the service and answers come: nothing to say."""
    stats, found = judged(tmp_path)
    assert found is None and met(stats) and answers(stats) and not shows_nothing(stats)


def test_a_service_that_nobody_calls(tmp_path):
    """The sentence says how many frames met nothing, what the capture opens, and what to try."""
    stats, found = judged(tmp_path, "service.web.vip='192.0.2.77:9'")
    assert met(stats) == 0 and shows_nothing(stats) and found is not None
    assert found.sentence.startswith(
        f"none of the {stats['totals']['frames']} frames met a service: the capture opens "
    )
    assert f"24 connections to tcp {VIP}" in found.sentence
    assert "lbreplay init" in found.cure


def test_the_wrong_view(tmp_path):
    """A client's capture taken for the balancer's port has no answers, and the view that has them is named."""
    stats, found = judged(tmp_path, view="lb")
    assert met(stats) and not answers(stats)
    assert found is not None and "--view client" in found.cure


def test_only_one_side(tmp_path):
    """Where no view has an answer nothing is wrong: the capture holds clients alone."""
    made = [craft.syn(client(number), VIP) for number in range(1, 9)]
    stats, found = judged(tmp_path, made=made)
    assert met(stats) and not answers(stats) and found is None


def test_refused_is_met(tmp_path):
    """A service that has no real server to give took notice all the same."""
    stats, found = judged(tmp_path, *NO_WEIGHT, made=[craft.syn(client(1), VIP)])
    assert stats["totals"]["verdicts"] == {Verdict.NO_DEST.name.lower(): 1}
    assert met(stats) == 1 and found is None


def test_nothing_that_could_be_balanced(tmp_path):
    """A capture of a neighbour's frames says so."""
    _, found = judged(tmp_path, made=[craft.tick()])
    assert found is not None and "nothing in it can be balanced" in found.cure


@pytest.mark.parametrize("view", ["client", "lb", "rx"])
def test_a_stream_is_not_read_again(view):
    """Standard input has gone by: the words are general."""
    workers = [{"lookup": {"in": 0, "out": 0}, "wrong_worker": 0, "conns": {"created": 0}}]
    stats = {"totals": {"frames": 1, "verdicts": {}, "ignored": 0}, "workers": workers}
    found = misfit(setup(view=view), "-", stats)
    assert found is not None and found.sentence == "the only frame met no service"


def test_a_draft_that_is_too_small(tmp_path):
    """A drafted run that runs out of ports names the draft, one with a configuration does not."""
    made = [craft.syn(client(number), VIP) for number in range(1, 9)]
    path, asked = capture(tmp_path, made), setup("sa_pool.low=65535")
    stats = replay(asked, path, None).document()
    found = starved(asked._replace(drafted=True), path, stats)
    assert found is not None and "--laddrs 2" in found.cure
    assert found.sentence.startswith("6 frames found no local port"), "a port for each of two real servers"
    assert starved(asked, path, stats) is None


def test_a_service_that_frames_do_not_reach(tmp_path):
    """The service is the one they ask for: not a draft is the cure, but what became of them, by name."""
    from scapy.layers.l2 import Dot1Q, Ether

    frame = Ether(craft.syn(client(1), VIP))
    tagged = bytes(Ether(src=frame.src, dst=frame.dst) / Dot1Q(vlan=7) / frame.payload)
    _, found = judged(tmp_path, made=[tagged])
    assert found is not None and "though the capture opens 1 connection to tcp 10.0.0.100:80" in found.sentence
    assert found.cure.endswith("1 ended as vlan_error (Tagged for a VLAN without a device)")
