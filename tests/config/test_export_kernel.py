"""Export for the kernel and import are inverse: what was tried can be put on a director, and taken back."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbreplay.config.export_kernel import KernelExport, export
from lbreplay.config.found import inline
from lbreplay.config.imports import DIRECTIVE, Texts, import_texts
from lbreplay.config.load import load
from lbreplay.config.schema import IPVS_SCHEDULERS
from lbreplay.model import Event, RealServer, Service, Setup

GOLDEN = Path(__file__).parents[1] / "golden" / "ipvs"
CASES = sorted(GOLDEN.glob("*/lb.toml"))


def again(texts: KernelExport) -> Setup:
    """The configuration that an export imports to."""
    events = ("events.txt", texts.events) if texts.events else None
    return plain(load("again", text=import_texts(Texts(scripts=(("setup.sh", texts.script),), events=events)).text()))


def plain(setup: Setup) -> Setup:
    """Without the spelling of events; each real server with its own mode."""
    modes = {service.name: service.mode for service in setup.services}

    def moded(service: Service) -> Service:
        return service._replace(mode="", reals=tuple(own(real, service.mode) for real in service.reals))

    def own(real: RealServer, mode: str) -> RealServer:
        return real._replace(mode=real.mode or mode)

    def told(event: Event) -> Event:
        value = event.value
        if isinstance(value, RealServer):
            value = own(value, modes[event.path[1]])
        elif isinstance(value, Service):
            modes[value.name] = value.mode
            value = moded(value)
        return event._replace(text="", value=value)

    return setup._replace(
        drafted=False, services=tuple(map(moded, setup.services)), events=tuple(map(told, setup.events))
    )


@pytest.mark.parametrize("path", CASES[::4], ids=lambda path: path.parent.name)
def test_recorded_cases_come_back(path: Path) -> None:
    """The configuration of a recorded director survives export and import."""
    setup = load(str(path))
    assert again(export(setup)) == plain(setup)


def ints(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


V4 = st.builds(lambda a, b: f"10.{a}.{b}.7", ints(0, 255), ints(0, 255))
V6 = st.builds(lambda a: f"fd00::{a:x}", ints(1, 0xFFFF))
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(str.strip)
TUNNELS = st.sampled_from([{"type": "gre", "checksum": True}, {"type": "gue", "port": 5555, "checksum": False}])


def table(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the keys."""
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def services(draw: Any) -> dict[str, Any]:
    """A service by address or by mark, its real servers each forwarded in its own way."""
    six, marked = draw(st.booleans()), draw(st.booleans())
    port, protocol = draw(ints(1, 65535)), draw(st.sampled_from(["tcp", "udp", "sctp"]))
    address = V6 if six else V4

    def endpoint(host: str, number: int) -> str:
        return f"[{host}]:{number}" if six else f"{host}:{number}"

    def real(host: str) -> dict[str, Any]:
        mode = draw(st.sampled_from(["nat", "dr", "tunnel"]))
        other = 0 if marked else port
        found = {
            "address": endpoint(host, draw(ints(1, 65535)) if mode == "nat" and not marked else other),
            "weight": draw(ints(0, 65535)),
            "mode": mode,
            "max_conn": draw(ints(5, 9)),
            "min_conn": draw(ints(0, 5)),
        }
        return {**found, **({"tunnel": draw(TUNNELS)} if mode == "tunnel" and draw(st.booleans()) else {})}

    found = {
        **({"fwmark": draw(ints(1, 99))} if marked else {"vip": endpoint(draw(address), port), "protocol": protocol}),
        "mode": draw(st.sampled_from(["nat", "dr", "tunnel"])),
        "scheduler": draw(st.sampled_from(IPVS_SCHEDULERS)),
        "real": [real(host) for host in draw(st.lists(address, min_size=marked, max_size=4, unique=True))],
    }
    optional = {
        "name": WORDS,
        "persistent": st.builds(lambda t, n: {"timeout": t, "netmask": n}, ints(1, 999), ints(1, 128 if six else 32)),
        "one_packet": st.just(marked or protocol == "udp"),
        "flags": st.lists(st.sampled_from(["sh-port", "sh-fallback", "mh-port"]), max_size=2, unique=True),
    }
    return {**found, **draw(table(**optional))}


DOCUMENT = table(
    seed=ints(0, 2**40),
    device=table(
        name=st.one_of(st.just("eth1"), WORDS),
        mtu=ints(68, 9216),
        mac=st.just("02:70:63:61:70:00"),
        address=st.lists(st.one_of(V4.map(lambda a: f"{a}/24"), V6), max_size=3, unique=True),
        vlan=st.lists(st.just({"id": 5, "address": ["10.5.0.1/24"]}), max_size=1),
    ),
    ipv4=table(forwarding=st.booleans()),
    ipvs=table(
        drop_entry=ints(0, 3),
        conntrack=ints(0, 1),
        sync_threshold=st.sampled_from(["3 50", [2, 40]]),
        conn_tab_bits=ints(8, 20),
        timeout=table(tcp=ints(1, 999), udp=ints(1, 999)).filter(bool),
        modules=st.lists(st.sampled_from(["ip_vs_ftp", "ip_vs_pe_sip"]), unique=True),
        tracking=st.booleans(),
    ),
    mark=st.lists(
        st.one_of(
            st.builds(
                lambda n, a: {"mark": n, "to": f"{a}/32", "protocol": "tcp", "ports": [80, 443]}, ints(1, 99), V4
            ),
            st.builds(lambda n, a: {"mark": n, "to": f"{a}/128", "local": True}, ints(1, 99), V6),
            st.builds(lambda n: {"mark": n}, ints(1, 99)),
        ),
        max_size=3,
    ),
    route=st.lists(
        st.sampled_from([{"to": "0.0.0.0/0", "via": "10.0.0.1"}, {"to": "::/0", "mtu": 1400}, {"to": "10.1.0.0/16"}]),
        max_size=2,
        unique_by=str,
    ),
    neighbor=st.lists(V4, max_size=2, unique=True).map(
        lambda a: [{"address": x, "mac": "02:00:00:00:00:01"} for x in a]
    ),
)


@st.composite
def setups(draw: Any) -> Setup:
    """A configuration of the kernel that loads, with events."""
    document = {"profile": "ipvs", "edition": draw(st.sampled_from(["6.1", "6.1.192"])), **draw(DOCUMENT)}
    listed = draw(st.lists(services(), max_size=3))
    found: dict[object, dict[str, Any]] = {}
    for service in listed:
        found.setdefault(service.get("fwmark") or (service["vip"], service["protocol"]), service)
    document["service"] = list(found.values())
    names: set[str] = set()
    for service in document["service"]:
        if service.get("name") in names:
            del service["name"]
        names.add(service.get("name", ""))
    text = "\n".join(f"{key} = {inline(value)}" for key, value in document.items())
    setup = load("generated", text=text)
    if not (setup.services and setup.services[0].reals):
        return setup
    name, real = setup.services[0].name, str(setup.services[0].reals[0])
    events = [
        {"at": 1, "set": f"service.{name}.real.{real}.weight=5"},
        {"at": 1.25, "set": "ipvs.drop_entry=1"},
        {"at": 3, "remove": f"service.{name}.real.{real}"},
        {"at": 4, "add": f"service.{name}.real", "value": {"address": real, "weight": 2}},
        {"at": 5, "remove": f"service.{name}"},
    ]
    chosen = [event for event in events if draw(st.booleans()) or event["at"] == 3]
    if not any(event["at"] == 4 for event in chosen):
        chosen = [event for event in chosen if event["at"] != 3]
    return load("generated", text=f"{text}\nevent = {inline(chosen)}")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(setups())
def test_import_of_an_export_is_the_same(setup: Setup) -> None:
    """Whatever loads comes back from its export as it was."""
    assert again(export(setup)) == plain(setup)


ORDINARY = """
profile = "ipvs"
edition = "6.1"
[device]
name = "eth0"
address = ["10.0.0.2/24"]
[ipvs]
drop_entry = 1
timeout = { tcp = 900 }
modules = ["ip_vs_ftp"]
[[mark]]
mark = 1
to = "10.0.0.100/32"
protocol = "tcp"
ports = [80, 443]
[[service]]
fwmark = 1
mode = "tunnel"
scheduler = "sh"
flags = ["sh-port"]
persistent = { timeout = 60, netmask = 24 }
real = [
  { address = "10.0.1.2:0", weight = 2, tunnel = { type = "gue", port = 5555, checksum = true } },
  { address = "10.0.1.3:0", mode = "nat", max_conn = 9 },
]
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.1"
"""


def test_what_the_kernels_tools_know_is_said_by_them() -> None:
    """Modules, sysctls, addresses, marks, timeouts and services; comments for whose it is, and the port's name."""
    texts = export(load(None, text=ORDINARY))
    assert texts.restore.splitlines() == [
        "-A -f 1 -s sh -p 60 -M 255.255.255.0 -b sh-port",
        "-a -f 1 -r 10.0.1.2 -i -w 2 --tun-type gue --tun-port 5555 --tun-csum",
        "-a -f 1 -r 10.0.1.3 -m -w 1 -x 9",
    ]
    assert texts.restore in texts.script
    for line in (
        "modprobe ip_vs_ftp",
        "sysctl -w net.ipv4.ip_forward=1",
        "sysctl -w net.ipv4.vs.drop_entry=1",
        "ip addr add 10.0.0.2/24 dev eth0",
        "ip route add default via 10.0.0.1 dev eth0",
        "iptables -t mangle -A PREROUTING -d 10.0.0.100/32 -p tcp -m multiport --dports 80,443 -j MARK --set-mark 1",
        "ipvsadm --set 900 0 0",
    ):
        assert line in texts.script.splitlines(), line
    said = [line for line in texts.script.splitlines() if line.startswith(f"# {DIRECTIVE}")]
    assert [line.split("=")[0].split()[-1] for line in said] == ["profile", "edition", "device.name"]


def test_the_restore_text_alone_is_a_save() -> None:
    """What ipvsadm-restore reads imports like what ipvsadm -S prints, thresholds with it."""
    texts = export(load(None, text=ORDINARY))
    setup = load("save", text=import_texts(Texts(ipvsadm_save=("save", texts.restore))).text())
    assert (setup.profile, setup.services[0].fwmark, setup.services[0].reals[1].max_conn) == ("ipvs", 1, 9)


EVENTS = """1 ipvsadm -E -t 10.0.0.1:80 -s sh -p 60 -b sh-port
2 ipvsadm -e -t 10.0.0.1:80 -r 10.0.1.2:80 -i -w 3 --tun-type gre --tun-nocsum
3 ipvsadm --set 0 9 0
4 ipvsadm -Z -t 10.0.0.1:80
5 ipvsadm -D -t 10.0.0.1:80
6 ipvsadm -A -t 10.0.0.1:80 -s rr
6 ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 1
7 ipvsadm -Z
8 sysctl -qw net.ipv4.vs.drop_packet=3
"""


def test_changes_in_the_middle_come_back() -> None:
    """What -E, -e, --set, -Z, -A and a sysctl change is an event, and the same again after an export."""
    setup_sh = "ipvsadm -A -t 10.0.0.1:80 -s rr\nipvsadm -a -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 1\n"
    found = import_texts(Texts(scripts=(("setup.sh", setup_sh),), events=("events", EVENTS)), "6.1", strict=True)
    setup = load("import", text=found.text())
    assert [event.action for event in setup.events] == [*["set"] * 7, "zero", "remove", "add", "add", "zero", "set"]
    assert again(export(setup)) == plain(setup)
