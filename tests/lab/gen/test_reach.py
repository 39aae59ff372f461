"""Reasons why a verdict cannot be reached, held against what is reached."""

import pytest
from lab.gen.made_scene import SCTP, TEXT, setup

from lbreplay.lab.gen.cases import planned, played
from lbreplay.lab.gen.reach import DPVS, IPVS, SHARED, unreachable
from lbreplay.verdict import NAMES

DIRECT = TEXT.replace('laddr = ["198.19.0.1"]', 'mode = "tunnel"')
KERNEL = """
profile = "ipvs"
edition = "6.1"
[[service]]
name = "web"
vip = "203.0.113.10:80"
scheduler = "rr"
mode = "nat"
real = [{ address = "198.18.0.1:8080" }, { address = "198.18.0.2:8080", mode = "dr" }]
"""
STRICT = """udp.defence_drop=true
tcp.defence_drop=true
service.web.synproxy=true
service.web.blacklist=['192.0.2.1']
conn.xmit_ttl=true
device.mac='02:70:63:61:70:00'
device.rx_ip_checksum_offload=false"""


@pytest.mark.parametrize(
    ("text", "more", "view"),
    [(TEXT, "", "client"), (TEXT + SCTP, STRICT, "rx"), (DIRECT, "", "client"), (KERNEL, "", "rx")],
    ids=["plain", "strict", "direct", "kernel"],
)
def test_every_verdict_is_reached_or_has_a_true_reason(text, more, view):
    """Reached ones have none, and those without a reason are reached."""
    made = setup(more, view, text)
    reached = {verdict for plan in planned(made) for verdict in played(plan, made, view).verdicts}
    reasons = unreachable(made, view)
    assert {name: reasons[name] for name in reached if name in reasons} == {}
    assert [name for name in NAMES if name not in reached and name not in reasons] == []


def test_reasons_are_about_verdicts():
    """Every name is one, and every reason a sentence of its own."""
    assert {*DPVS, *IPVS, *SHARED} <= set(NAMES)
    assert all(unreachable(setup(), "rx").values())


def test_a_reason_goes_with_its_setting():
    """What a setting makes reachable has no reason any more."""
    assert unreachable(setup(), "client")["l3_otherhost"].startswith("device.mac is unset")
    assert "l3_otherhost" not in unreachable(setup("device.mac='02:70:63:61:70:00'"), "client")
