"""Keys as people type them find their place in the document."""

from typing import Any

import pytest

from lbreplay.config import keypath
from lbreplay.config.kinds import Refused


def document() -> dict[str, Any]:
    """Two services, one with dots in its name."""
    return {
        "service": [
            {"name": "web", "real": [{"address": "10.0.0.2:80"}, {"address": "[2001:DB8::1]:80"}]},
            {"name": "web.b", "real": [{"address": "10.0.0.2:80"}]},
            {"vip": "10.0.0.100:53", "protocol": "udp", "real": []},
            {"mode": "snat", "match": "proto=tcp,oif=dpdk0"},
        ]
    }


@pytest.mark.parametrize(
    "text, path",
    [
        ("device.rss=ip", "device.rss"),
        ("tcp.timeout.established=5", "tcp.timeout.established"),
        ("service.web.real.10.0.0.2:80.weight=0", "service[0].real[0].weight"),
        ("service.web.real.[2001:db8::1]:80.weight=0", "service[0].real[1].weight"),
        ("service.web.b.real.10.0.0.2:80.weight=0", "service[1].real[0].weight"),
        ("service.udp 10.0.0.100:53.scheduler=rr", "service[2].scheduler"),
        ("service.10.0.0.100:53.scheduler=rr", "service[2].scheduler"),
        ("service.snat proto=tcp,oif=dpdk0.scheduler=rr", "service[3].scheduler"),
        ("service[1].real[0].weight=3", "service[1].real[0].weight"),
    ],
)
def test_assign_finds_the_entry(text: str, path: str) -> None:
    """An entry is named by name, address or number; the longest name that fits wins."""
    assert keypath.assign(document(), text) == path


@pytest.mark.parametrize(
    "text, reason",
    [
        ("device.rss", "KEY=VALUE expected"),
        ("devise.rss=ip", "devise: unknown key, did you mean device?"),
        ("device.mtu.x=1", 'device.mtu: no keys below it, got "x"'),
        ("service.wob.scheduler=rr", "service.wob.scheduler: no such entry, did you mean web?"),
        ("service[7].scheduler=rr", "service: 0 to 3 expected in brackets, got 7"),
        ("service.web=1", "service[0]: a key of this entry expected behind it"),
        ("neighbor.10.0.0.1.mac=x", "neighbor: no list of entries to name one of"),
    ],
)
def test_assign_refuses(text: str, reason: str) -> None:
    """A key that leads nowhere is refused where it goes wrong."""
    with pytest.raises(Refused) as refused:
        keypath.assign(document(), text)
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    "text, value",
    [
        ("device.rss=ip", "ip"),
        ('device.rss="tcp|udp"', "tcp|udp"),
        ("device.rss=tcp|udp", "tcp|udp"),
        ("edition=1.10", "1.10"),
        ("workers=8", 8),
        ("flow_director.dst_port_mask=0xff", 255),
        ("device.address=['10.0.0.1/24']", ["10.0.0.1/24"]),
        ("device.rss=1\nseed=2", "1\nseed=2"),
    ],
)
def test_values_are_toml_or_plain_words(text: str, value: object) -> None:
    """A VALUE is TOML; a word needs no quotes, also where it looks like a number."""
    given: dict[str, Any] = {}
    keypath.assign(given, text)
    name = text.partition("=")[0].split(".")
    at = given[name[0]] if len(name) == 1 else given[name[0]][name[1]]
    assert at == value


def test_default_names() -> None:
    """A service without a name is called by what it is found by, in canonical spelling."""
    assert keypath.service_name({"vip": "[2001:DB8:0::1]:80"}) == "tcp [2001:db8::1]:80"
    assert keypath.service_name({"match": "proto=udp,oif=a"}) == "snat proto=udp,oif=a"
    assert keypath.service_name({"fwmark": 7}) == "fwmark 7"


def test_indexed() -> None:
    """A typed key as the path of a document, or as much of it as there is."""
    document = {"service": [{"name": "a.b", "vip": "1.1.1.1:80", "real": [{"address": "2.2.2.2:80"}]}]}
    assert keypath.indexed(document, "service.a.b.real.2.2.2.2:80.max_conn") == "service[0].real[0].max_conn"
    assert keypath.indexed(document, "service.a.b.real.2.2.2.2:80") == "service[0].real[0]"
    assert keypath.indexed(document, "service.a.b.real") == "service[0].real"
    assert keypath.indexed(document, "service.c.vip") == "service"
    assert keypath.indexed(document, "nothing.of.it") == ""


def test_settings_can_be_typed() -> None:
    """Every key that completion offers is one that --set takes."""
    offered = [text for text, _ in keypath.settings()]
    assert len(offered) == len(set(offered)) > 50
    for text in offered:
        keypath.locate({}, text.partition("=")[0])
