"""ipvsadm commands make services, as DPVS would on its own."""

import inspect
from typing import Any

import pytest

from lbreplay.config.found import Found
from lbreplay.config.ipvsadm import LONG_COMMANDS, Services, Wrong, dest_check, options, prefix
from lbreplay.config.kernel import KernelServices
from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.model import Setup

WEB = [
    "-A -t 10.0.0.100:80 -s rr",
    "-a -t 10.0.0.100:80 -r 192.168.0.2:8080 -b -w 3",
    "-P -z 192.168.0.200 -t 10.0.0.100:80 -F dpdk0",
]


def services(lines: list[str], events: list[tuple[float, str]] = []) -> Services:  # noqa: B006
    """The services after *lines* and, as events, *events*."""
    made = Services(Found())
    for n, line in enumerate(lines, 1):
        made.apply(line.split(), f"s.sh:{n}")
    for at, line in events:
        made.apply(line.split(), f"e.txt:{at}", at)
    made.finish()
    made.finish_events()
    return made


def document(*lines: str) -> Any:
    """The TOML document of *lines*."""
    return services(list(lines)).found.document


def setup(lines: list[str], events: list[tuple[float, str]] = []) -> Setup:  # noqa: B006
    """The configuration of *lines*."""
    return load(None, text=services(lines, events).found.text())


@pytest.mark.parametrize(
    "line, command, given",
    [
        ("-A -t 1.1.1.1:80 -s rr", "add-service", {"tcp-service": "1.1.1.1:80", "scheduler": "rr"}),
        ("-At 1.1.1.1:80 -srr", "add-service", {"tcp-service": "1.1.1.1:80", "scheduler": "rr"}),
        ("--add-service --tcp-service=1.1.1.1:80", "add-service", {"tcp-service": "1.1.1.1:80"}),
        ("-A -u 1.1.1.1:53 -p -o", "add-service", {"udp-service": "1.1.1.1:53", "persistent": "", "ops": ""}),
        ("-A -u 1.1.1.1:53 -p 60", "add-service", {"udp-service": "1.1.1.1:53", "persistent": "60"}),
        ("-O -1 [::1]:0 -2 ::2", "add-whtlst", {"icmpv6-service": "[::1]:0", "whtlst": "::2"}),
        ("--set 900 120 300", "set", {"set": "900 120 300"}),
        ("-Ln", "list", {"numeric": ""}),
    ],
)
def test_options(line: str, command: str, given: dict[str, str]) -> None:
    """Short, long, clustered and glued options; the time of -p may be missing."""
    assert options(line.split()) == (command, given)


@pytest.mark.parametrize(
    "line, message",
    [
        ("-t 1.1.1.1:80 -A", "the command must come first"),
        ("-A -t", "--tcp-service needs a value"),
        ("-A -K", "unknown option -K"),
        ("-A --foo", "unknown option --foo"),
        ("-A -s rr -s wrr", "--scheduler is given twice"),
        ("-A x", "an option expected, got x"),
    ],
)
def test_wrong_options(line: str, message: str) -> None:
    """What popt refuses."""
    with pytest.raises(Wrong, match=message):
        options(line.split())


def test_a_service_in_full() -> None:
    """Every option of -A, -a, -P and the lists has its key."""
    document_ = document(
        "-A -t 10.0.0.100:80 -s conhash -p 60 -M 255.255.255.0 -j enable --conn-timeout 5 --expire-quiescent --quic "
        "--proxy-protocol v2 --hash-target qid --dest-check default",
        "-a -t 10.0.0.100:80 -r 192.168.0.2:8080 -b -w 3 -x 100 -y 50",
        *WEB[2:],
        "-U -t 10.0.0.100:80 -k 172.16.0.1",
        "-O -t 10.0.0.100:80 -2 172.16.0.2",
    )
    assert document_["service"] == [
        {
            "vip": "10.0.0.100:80",
            "protocol": "tcp",
            "scheduler": "conhash",
            "persistent": {"timeout": 60, "netmask": 24},
            "expire_quiescent": True,
            "quic": True,
            "synproxy": True,
            "conn_timeout": 5,
            "hash_target": "quic",
            "proxy_protocol": "v2",
            "dest_check": True,
            "mode": "fnat",
            "laddr": ["192.168.0.200"],
            "blacklist": ["172.16.0.1"],
            "whitelist": ["172.16.0.2"],
            "real": [{"address": "192.168.0.2:8080", "weight": 3, "max_conn": 100, "min_conn": 50}],
        }
    ]


@pytest.mark.parametrize("letter, mode", [("-b", "fnat"), ("-m", "nat"), ("-g", "dr"), ("-i", "tunnel"), ("", "dr")])
def test_modes(letter: str, mode: str) -> None:
    """The forwarding letters; -g is the default, and with -g and -i the port is the service's."""
    service = document("-A -t 10.0.0.100:80", f"-a -t 10.0.0.100:80 -r 192.168.0.2:99 {letter}")["service"][0]
    port = 80 if mode in ("dr", "tunnel") else 99
    assert (service["mode"], service["real"][0]["address"]) == (mode, f"192.168.0.2:{port}")
    assert service["scheduler"] == "wlc"


def test_snat() -> None:
    """A match service and its addresses."""
    match = "proto=tcp,src-range=192.168.0.1-192.168.0.9,oif=dpdk0"
    made = setup([f"-A -H {match} -s rr", f"-a -H {match} -r 1.1.1.1:0 -J -w 100"])
    assert (made.services[0].mode, made.services[0].name) == ("snat", f"snat {match}")


def test_editing_and_deleting() -> None:
    """-E, -e, -d, -Q, -V, -Y and -D undo and change."""
    found = document(
        *WEB,
        "-E -t 10.0.0.100:80 -s wrr",
        "-a -t 10.0.0.100:80 -r 192.168.0.3:8080 -b",
        "-e -t 10.0.0.100:80 -r 192.168.0.3:8080 -b -w 0",
        "-d -t 10.0.0.100:80 -r 192.168.0.2:8080",
        "-P -z 192.168.0.201 -t 10.0.0.100:80",
        "-Q -z 192.168.0.200 -t 10.0.0.100:80",
        "-U -t 10.0.0.100:80 -k 1.1.1.1",
        "-V -t 10.0.0.100:80 -k 1.1.1.1",
        "-A -u 10.0.0.100:53",
        "-D -u 10.0.0.100:53",
    )["service"]
    assert len(found) == 1
    assert (found[0]["scheduler"], found[0]["laddr"], "blacklist" in found[0]) == ("wrr", ["192.168.0.201"], False)
    assert found[0]["real"] == [{"address": "192.168.0.3:8080", "weight": 0}]
    assert "service" not in document(*WEB, "-C")


@pytest.mark.parametrize(
    "line, message",
    [
        ("-A -t 10.0.0.100:80", "the service exists"),
        ("-a -t 10.0.0.100:81 -r 1.1.1.1:1", "no such service, tcp 10.0.0.100:81"),
        ("-a -t 10.0.0.100:80 -r 192.168.0.2:8080 -b", "the real server exists"),
        ("-e -t 10.0.0.100:80 -r 192.168.0.9:8080 -b", "no such real server"),
        ("-a -t 10.0.0.100:80 -r 192.168.0.3:80 -b -m", "one way of forwarding expected"),
        ("-a -t 10.0.0.100:80 -r 192.168.0.3:80 -b -w 70000", "0 to 65535 expected, got 70000"),
        ("-A -f 7", "DPVS never looks at firewall marks"),
        ("-A -t 80", "ADDRESS:PORT expected, got 80"),
        ("-U -t 10.0.0.100:80 -k ipset:bad", "no such ipset, bad"),
        ("-A -s rr", "one service expected, got 0"),
    ],
)
def test_what_ipvsadm_refuses_is_a_warning(line: str, message: str) -> None:
    """A wrong line is named with its place, the rest goes on."""
    made = services([*WEB, line])
    assert any(w.startswith("s.sh:4: ipvsadm") and message in w for w in made.found.warnings)
    assert len(made.found.document["service"]) == 1


def test_no_laddr_is_made_up() -> None:
    """Full NAT without local addresses (a save file) gets one, and a warning; NAT needs none."""
    made = services(WEB[:2])
    assert made.found.document["service"][0]["laddr"] == ["198.19.0.1"]
    assert any("tcp 10.0.0.100:80 has no local address; 198.19.0.1 is made up" in w for w in made.found.warnings)
    assert len(load(None, text=made.found.text()).services) == 1


def test_a_service_without_real_server_is_left_out() -> None:
    """It could not forward anything."""
    made = services(["-A -t 10.0.0.100:80"])
    assert "service" not in made.found.document and "has no real server and is left out" in made.found.warnings[0]


def test_a_real_server_of_another_mode_is_left_out() -> None:
    """A service has one mode."""
    made = services([*WEB, "-a -t 10.0.0.100:80 -r 192.168.0.9:80 -m"])
    assert len(made.found.document["service"][0]["real"]) == 1
    assert "192.168.0.9:80 is forwarded by nat, its service by fnat: left out" in made.found.warnings[0]


def test_comments_say_what_options_cannot() -> None:
    """Flags of mh and old connection timeouts are said before the service."""
    made = Services(Found())
    made.comment("the mh-port flag of this service is set through keepalived", "s.sh:1")
    made.comment("conn_timeout 10 of this service is set through keepalived", "s.sh:2")
    for line in WEB:
        made.apply(line.split(), "s.sh:3")
    made.finish()
    service = made.found.document["service"][0]
    assert (service["mh_port"], service["conn_timeout"]) == (True, 10)


def test_events() -> None:
    """Commands at a time are events: weights, thresholds, real servers, lists, services."""
    made = setup(
        [*WEB, "-U -t 10.0.0.100:80 -k 1.1.1.1"],
        [
            (1, "-e -t 10.0.0.100:80 -r 192.168.0.2:8080 -b -w 0 -x 5"),
            (2, "-a -t 10.0.0.100:80 -r 192.168.0.3:8080 -b -w 7"),
            (2.5, "-e -t 10.0.0.100:80 -r 192.168.0.3:8080 -b"),
            (3, "-d -t 10.0.0.100:80 -r 192.168.0.2:8080"),
            (4, "-U -t 10.0.0.100:80 -k 2.2.2.2"),
            (5, "-D -t 10.0.0.100:80"),
        ],
    )
    assert [(event.at_ns // 10**8, event.action, event.path[2:]) for event in made.events] == [
        (10, "set", ("real", "192.168.0.2:8080", "max_conn")),
        (10, "set", ("real", "192.168.0.2:8080", "weight")),
        (20, "add", ("real",)),
        (25, "set", ("real", "192.168.0.3:8080", "weight")),
        (30, "remove", ("real", "192.168.0.2:8080")),
        (40, "set", ("blacklist",)),
        (50, "remove", ()),
    ]


def test_events_that_cannot_be() -> None:
    """An event that ipvsadm would refuse, or that is not modelled, is refused with its line."""
    with pytest.raises(ConfigError, match=r"e\.txt:1: ipvsadm -d .*: no such real server"):
        services(WEB, [(1, "-d -t 10.0.0.100:80 -r 9.9.9.9:9")])
    with pytest.raises(ConfigError, match=r"e\.txt:2: ipvsadm -E .*: not modelled in the middle of a replay"):
        services(WEB, [(1, "-e -t 10.0.0.100:80 -r 192.168.0.2:8080 -b -w 4"), (2, "-E -t 10.0.0.100:80 -s rr")])


def test_local_addresses_as_events() -> None:
    """Added and removed in the middle; what is there already, or is not, is refused."""
    said = [(1, "-P -z 192.168.0.201 -t 10.0.0.100:80 -F dpdk0"), (2, "-Q -z 192.168.0.200 -t 10.0.0.100:80 -F dpdk0")]
    made = setup(WEB, said)
    assert [(event.path[2], event.value) for event in made.events] == [
        ("laddr", (bytes([192, 168, 0, 200]), bytes([192, 168, 0, 201]))),
        ("laddr", (bytes([192, 168, 0, 201]),)),
    ]
    with pytest.raises(ConfigError, match=r"192\.168\.0\.200 exists"):
        services(WEB, [(1, "-P -z 192.168.0.200 -t 10.0.0.100:80 -F dpdk0")])


def test_numbers_in_words() -> None:
    """Netmasks and the specification of --dest-check."""
    assert [prefix(text) for text in ("255.255.255.0", "0.0.0.0", "64")] == [24, 0, 64]
    with pytest.raises(Wrong):
        prefix("255.0.255.0")
    assert dest_check("disable") is False
    for_good = {"up_confirm": 0, "inhibit_min": 0, "inhibit_max": 0}
    assert dest_check("2,4s") == {"down_retry": 2, "down_wait": 4} | for_good
    assert dest_check("1,1,3s,5-3600s") == {
        "down_retry": 1,
        "up_confirm": 1,
        "down_wait": 3,
        "inhibit_min": 5,
        "inhibit_max": 3600,
    }
    with pytest.raises(Wrong):
        dest_check("often")


@pytest.mark.parametrize("made", [Services, KernelServices])
def test_every_command_has_a_handler_of_its_own_or_none(made: type[Services]) -> None:
    """Nothing that merely is called alike is taken for one: `--list` in the middle of a replay is refused in words."""
    for command in LONG_COMMANDS:
        for begins, takes in (("_", ["self", "given", "place"]), ("_at_", ["self", "given", "place", "at"])):
            handler = getattr(made, begins + command.replace("-", "_"), None)
            assert handler is None or list(inspect.signature(handler).parameters) == takes, command
