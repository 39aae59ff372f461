"""Rules of iptables become [[mark]] where that says the same."""

from typing import Any

import pytest

from lbreplay.config.iptables import gives_mark, mark

RULE = "-t mangle -A PREROUTING"


@pytest.mark.parametrize(
    "rule, found",
    [
        (
            f"{RULE} -d 10.0.0.1/32 -p tcp --dport 80 -j MARK --set-mark 1",
            {"mark": 1, "to": "10.0.0.1/32", "protocol": "tcp", "ports": [80]},
        ),
        (f"{RULE} -d 10.0.0.1 -j MARK --set-mark 0x10", {"mark": 16, "to": "10.0.0.1/32"}),
        (f"{RULE} -j MARK --set-xmark 0x1/0xffffffff", {"mark": 1}),
        (
            f"{RULE} -p tcp -m tcp -m multiport --dports http,443,8000:8002 -j MARK --set-mark=2",
            {"mark": 2, "protocol": "tcp", "ports": [80, 443, 8000, 8001, 8002]},
        ),
        (f"{RULE} -d 10.0.0.0/255.255.255.0 -j MARK --set-mark 3", {"mark": 3, "to": "10.0.0.0/24"}),
        (
            f"{RULE} -d 2001:db8::1 -p ipv6-icmp -j MARK --set-mark 4",
            {"mark": 4, "to": "2001:db8::1/128", "protocol": "icmpv6"},
        ),
        ("-w -t mangle -I INPUT 1 -p all -m comment --comment web -j MARK --set-mark 5", {"mark": 5}),
    ],
)
def test_plain_rules(rule: str, found: dict[str, Any]) -> None:
    """A destination, a protocol, ports: in all the spellings iptables takes."""
    assert gives_mark(rule.split()) and mark(rule.split()) == found


@pytest.mark.parametrize(
    "rule, why",
    [
        (f"{RULE} -s 10.0.9.0/24 -j MARK --set-mark 1", "-s cannot be said in"),
        (f"{RULE} -i eth0 -j MARK --set-mark 1", "-i cannot be said in"),
        (f"{RULE} ! -d 10.0.0.1 -j MARK --set-mark 1", "! cannot be said in"),
        (f"{RULE} -m state --state NEW -j MARK --set-mark 1", "-m state cannot be said in"),
        (f"{RULE} -j MARK --set-xmark 0x1/0xff", "a mark of all bits expected"),
        (f"{RULE} -j MARK --set-mark 0", "a mark from 1 expected"),
        (f"{RULE} -j CONNMARK --set-mark 1", "-j MARK expected"),
        (f"{RULE} -p gre -j MARK --set-mark 1", "a protocol that is modelled expected, got gre"),
        (f"{RULE} -p tcp --dport 0:65535 -j MARK --set-mark 1", "at most 4096 ports expected"),
        ("-t mangle -A OUTPUT -j MARK --set-mark 1", "a mark is read from -t mangle -A PREROUTING"),
        (f"{RULE} -d nowhere -j MARK --set-mark 1", ""),
        (f"{RULE} -j MARK --set-mark", ""),
    ],
)
def test_others(rule: str, why: str) -> None:
    """What asks for more than [[mark]] can say is not taken, with the reason."""
    with pytest.raises(ValueError) as refused:
        mark(rule.split())
    assert why in str(refused.value)
