"""Events are parsed and judged when the configuration is loaded."""

import pytest

from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.model import AccessList, Endpoint, Event, Persistence, RealServer, Service

BASE = """
[[service]]
name = "web"
vip = "10.0.0.100:80"
laddr = ["192.168.0.200"]
real = [{ address = "192.168.0.2:80" }]
"""
ADDRESS = bytes([192, 168, 0, 5])


def events(text: str) -> tuple[Event, ...]:
    """The events of *text* behind the base."""
    return load(None, text=BASE + text).events


def test_every_action() -> None:
    """set, add and remove carry path and value, in order of time; what was added may be named."""
    found = events(
        """
[[event]]
at = 2.5
set = "service.web.real.192.168.0.5:80.weight=7"
[[event]]
at = 1
add = "service.web.real"
value = { address = "192.168.0.5:80", weight = 3 }
[[event]]
at = 3
set = "service.web.blacklist=['172.16.66.66']"
[[event]]
at = 4
remove = "service.web.real.192.168.0.5:80"
[[event]]
at = 5
remove = "service.web"
"""
    )
    assert [event.at_ns for event in found] == [
        1_000_000_000,
        2_500_000_000,
        3_000_000_000,
        4_000_000_000,
        5_000_000_000,
    ]
    assert [event.action for event in found] == ["add", "set", "set", "remove", "remove"]
    assert found[0].value == RealServer(Endpoint(ADDRESS, 80), weight=3)
    assert (found[1].path, found[1].value) == (("service", "web", "real", "192.168.0.5:80", "weight"), 7)
    assert found[2].value == AccessList(frozenset({bytes([172, 16, 66, 66])}))
    assert found[3].path == ("service", "web", "real", "192.168.0.5:80")
    assert found[4].path == ("service", "web")


def test_an_added_real_server_is_enough() -> None:
    """A service may start empty when an event brings its first real server."""
    text = BASE.replace('real = [{ address = "192.168.0.2:80" }]', "")
    setup = load(
        None, text=text + '[[event]]\nat = 1\nadd = "service.web.real"\nvalue = { address = "192.168.0.2:80" }\n'
    )
    assert setup.services[0].reals == ()


@pytest.mark.parametrize(
    "text, reason",
    [
        ("at = 1", "event[0]: one of set, remove, add, zero expected, got none"),
        ('set = "seed=1"', "event[0].at: required: seconds after the first frame"),
        (
            'at = 1\nset = "service.web.real.192.168.0.2:80.weight=70000"',
            "event[0].set: 0 to 65535 expected, got 70000",
        ),
        ('at = 1\nset = "service.web.vip=1"', "event[0].set: an event may set laddr, blacklist, whitelist, not vip"),
        ("at = 1\nset = \"service.web.laddr=['::1']\"", "event[0].set: addresses of the families that the service has"),
        ('at = 1\nset = "service.web.laddr=3"', "event[0].set: "),
        ('at = 1\nset = "service.wob.weight=1"', "event[0].set: service.NAME expected, got service.wob.weight"),
        ('at = 1\nset = "seed"', "event[0].set: KEY=VALUE expected, got seed"),
        ('at = 1\nset = "ipvs.drop_entry=1"', 'event[0].set: ipvs keys only under profile = "ipvs"'),
        ('at = 1\nadd = "service.web.real"', "event[0].value: a value belongs to add, and to nothing else"),
        (
            'at = 1\nadd = "service.web.real"\nvalue = { address = "192.168.0.2:80" }',
            "event[0].add: 192.168.0.2:80 is a real server of web already",
        ),
        (
            'at = 1\nremove = "service.web.real.192.168.0.3:80"',
            "event[0].remove: a real server of the service expected, got 192.168.0.3:80, did you mean 192.168.0.2:80?",
        ),
    ],
)
def test_refusals(text: str, reason: str) -> None:
    """An event that cannot be carried out is refused before the replay."""
    with pytest.raises(ConfigError) as refused:
        events(f"[[event]]\n{text}\n")
    assert reason in str(refused.value)


KERNEL = 'profile = "ipvs"\n[[service]]\nname = "web"\nvip = "10.0.0.100:80"\nreal = [{ address = "10.1.0.2:80" }]\n'


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ('set = "service.web.scheduler=sh"', ("service", "web", "scheduler"), "sh"),
        ("set = \"service.web.flags=['sh-port']\"", ("service", "web", "flags"), ("sh-port",)),
        ('set = "service.web.persistent={ timeout = 9 }"', ("service", "web", "persistent"), Persistence(9)),
        ('set = "service.web.persistent=false"', ("service", "web", "persistent"), None),
        ('set = "service.web.one_packet=true"', ("service", "web", "one_packet"), True),
        ('set = "service.web.real.10.1.0.2:80.mode=nat"', ("service", "web", "real", "10.1.0.2:80", "mode"), "nat"),
        ('set = "ipvs.timeout.tcpfin=9"', ("ipvs", "timeout", "tcpfin"), 9),
        ('zero = "all"', (), None),
        ('zero = "service.web"', ("service", "web"), None),
    ],
)
def test_what_the_kernels_tools_change(text: str, path: tuple[str, ...], value: object) -> None:
    """-E, -e, --set and -Z of profile ipvs; of DPVS they are refused."""
    (event,) = load(None, text=f"{KERNEL}[[event]]\nat = 1\n{text}\n").events
    assert (event.path, event.value) == (path, value)
    with pytest.raises(ConfigError):
        load(None, text=f"{BASE}[[event]]\nat = 1\n{text}\n")


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ('{ name = "web", vip = "10.0.0.100:81" }', "a name of its own expected, got web"),
        ('{ name = "more", vip = "10.0.0.100:81", scheduler = "best" }', "best"),
        ('{ name = "more", vip = "10.0.0.100:81", real = [{ address = "x" }] }', 'got "x"'),
    ],
)
def test_a_service_more(service: str, reason: str) -> None:
    """It is judged like those of the beginning; later events may name it."""
    event = "[[event]]\nat = {}\n{} = '{}'\n"
    good = '{ name = "more", vip = "10.0.0.100:81" }'
    later = event.format(2, "remove", "service.more")
    made = load(None, text=KERNEL + event.format(1, "add", "service") + f"service = {good}\n{later}")
    assert isinstance(made.events[0].value, Service) and made.events[1].path == ("service", "more")
    with pytest.raises(ConfigError, match=reason):
        load(None, text=KERNEL + event.format(1, "add", "service") + f"service = {service}\n")
