"""The table of plans."""

from lab.gen.made_scene import SCTP, setup

from lbreplay.lab.gen.plans import OF_NETWORK, OF_SERVICE


def applying(more=""):
    """Names of the plans that apply to the first service, and to the network."""
    made = setup(more)
    names = {plan.name for plan in OF_SERVICE if plan.applies(made, made.services[0])}
    return names | {plan.name for plan in OF_NETWORK if plan.applies(made)}


def test_names_and_sentences():
    """Each has a name of its own, and a sentence that says of whom it speaks."""
    names = [plan.name for plan in (*OF_SERVICE, *OF_NETWORK)]
    assert len(set(names)) == len(names)
    assert all("{service}" in plan.sentence and plan.sentence.endswith(".") for plan in OF_SERVICE)
    assert all("{" not in plan.sentence and plan.sentence.endswith(".") for plan in OF_NETWORK)


def test_a_plan_applies_where_there_is_something_to_show():
    """Lists, limits, persistence, SYN-proxy, events: only with the setting."""
    plain = applying()
    assert {"life", "states-out", "timeouts", "turnover", "rules", "wanderers"} <= plain
    for more, name in (
        ("service.web.blacklist=['192.0.2.1']", "lists"),
        ("service.web.limit_proportion=50", "limits"),
        ("service.web.persistent={timeout=60}", "persistence"),
        ("service.web.synproxy=true", "synproxy"),
        ("service.web.dest_check=true", "dest-check"),
        ("service.web.proxy_protocol='v2'", "proxy-header"),
        ("device.resolve=true", "neighbours"),
        ("conn.pool_size=100", "fill"),
        ("[[event]]\nat = 1\nremove = 'service.web'", "events"),
    ):
        assert name not in plain and name in applying(more + SCTP if "[" not in more[:2] else more)
