"""Export and import are inverse: what was tried in simulation can be put on a machine, and taken back."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbreplay.config.export import DIRECTIVE, Export, export
from lbreplay.config.found import inline
from lbreplay.config.imports import Texts, import_texts
from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.model import Setup

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(GOLDEN.glob("dpvs*/*/lb.toml"))


def again(texts: Export) -> Setup:
    """The configuration that an export imports to."""
    events = ("events.txt", texts.events) if texts.events else None
    found = import_texts(Texts(("dpvs.conf", texts.dpvs_conf), (("setup.sh", texts.script),), events=events))
    return plain(load("again", text=found.text()))


def plain(setup: Setup) -> Setup:
    """Without the spelling of events."""
    return setup._replace(drafted=False, events=tuple(event._replace(text="") for event in setup.events))


@pytest.mark.parametrize("path", CASES[::5], ids=lambda path: f"{path.parent.parent.name}/{path.parent.name}")
def test_recorded_cases_come_back(path: Path) -> None:
    """The configuration of a case survives export and import."""
    setup = load(str(path))
    assert again(export(setup)) == plain(setup)


def ints(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


V4 = st.builds(lambda a, b: f"10.{a}.{b}.7", ints(0, 255), ints(0, 255))
V6 = st.builds(lambda a: f"fd00::{a:x}", ints(1, 0xFFFF))
FOR_GOOD = {"down_retry": 2, "up_confirm": 0, "inhibit_min": 0, "inhibit_max": 0}
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(str.strip)


@st.composite
def services(draw: Any, edition: str) -> dict[str, Any]:
    """A service of full NAT, NAT, direct routing or a tunnel."""
    six = draw(st.booleans())
    address = V6 if six else V4
    mode = draw(st.sampled_from(["fnat", "nat", "dr", "tunnel"]))
    port, protocol = draw(ints(1, 65535)), draw(st.sampled_from(["tcp", "udp", "sctp"]))

    def endpoint(host: str, number: int) -> str:
        return f"[{host}]:{number}" if six else f"{host}:{number}"

    reals = draw(st.lists(address, min_size=1, max_size=4, unique=True))
    service = {
        "vip": endpoint(draw(address), port),
        "protocol": protocol,
        "mode": mode,
        "scheduler": draw(st.sampled_from(["rr", "wrr", "wlc", "conhash", "mh", "fo"])),
        "real": [
            {
                "address": endpoint(host, port if mode in ("dr", "tunnel") else draw(ints(1, 65535))),
                "weight": draw(ints(0, 65535)),
                "max_conn": draw(ints(0, 9)),
                "min_conn": draw(ints(0, 9)),
            }
            for host in reals
        ],
        "blacklist": sorted(draw(st.sets(address, max_size=2))),
        "whitelist": draw(st.lists(st.just("fd00::/16" if six else "10.0.0.0/9"), max_size=1)),
    }
    optional = {
        "name": WORDS,
        "mh_port": st.booleans(),
        "mh_fallback": st.booleans(),
        "conn_timeout": ints(0, 100),
        "synproxy": st.just(protocol == "tcp"),
        "one_packet": st.just(protocol == "udp"),
        "expire_quiescent": st.booleans(),
        "limit_proportion": ints(0, 100),
        "quic": st.booleans(),
        "proxy_protocol": st.sampled_from(["off", "v1", "v2-insecure"]),
        "hash_target": st.sampled_from(["source", "quic"]),
        "dest_check": st.one_of(st.booleans(), st.just({"down_retry": 4, "inhibit_max": 99}), st.just(FOR_GOOD)),
        "persistent": st.builds(lambda t, n: {"timeout": t, "netmask": n}, ints(1, 999), ints(0, 128 if six else 32)),
    }
    for key in draw(st.sets(st.sampled_from(sorted(optional)), max_size=4)):
        service[key] = draw(optional[key])
    if mode == "fnat" or draw(st.booleans()):
        service["laddr"] = draw(st.lists(address, min_size=1, max_size=3, unique=True))
    return service


@st.composite
def workers(draw: Any) -> int | list[dict[str, Any]]:
    """A number, or cpus with queues from 0 without a gap."""
    if draw(st.booleans()):
        return draw(ints(1, 16))
    cpus = draw(st.lists(ints(0, 60), min_size=1, max_size=6, unique=True))
    queues = iter(range(16))
    found = [{"cpu_id": cpu, "queues": [next(queues) for _ in range(draw(ints(1, 2)))]} for cpu in cpus]
    if len(found) > 1 and draw(st.booleans()):
        found[-1]["kind"] = "kni"
    if draw(st.booleans()):
        found[0]["isolated"] = [draw(ints(1, 63))]
    return found


def table(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the keys."""
    return st.fixed_dictionaries({}, optional=keys)


SYNPROXY = table(
    mss=ints(0, 65535),
    sack=st.booleans(),
    wscale=ints(0, 14),
    close_client_window=st.booleans(),
    conn_reuse=st.lists(st.sampled_from(["close", "time_wait", "fin_wait"]), unique=True),
)
DOCUMENT = table(
    seed=ints(0, 2**40),
    workers=workers(),
    device=table(
        name=st.one_of(st.just("dpdk1"), WORDS),
        driver=st.sampled_from(["ixgbe", "mlx5", "ideal"]),
        rss=st.sampled_from(["all", "off", "tcp", "ip|udp", "ip|tcp|udp|sctp"]),
        rss_key=st.sampled_from(["default", "symmetric"]),
        reta=st.just([0]),
        mtu=ints(68, 9216),
        mac=st.just("02:70:63:61:70:00"),
        address=st.lists(st.one_of(V4.map(lambda a: f"{a}/24"), V6), max_size=3, unique=True),
        sapool_address=st.lists(V4, max_size=2, unique=True),
        slaves=ints(0, 3),
        forward2kni=st.booleans(),
        vlan=st.lists(st.just({"id": 5, "address": ["10.5.0.1/24"], "mac": "02:00:00:00:00:05"}), max_size=1),
    ),
    flow_director=table(enabled=st.booleans(), dst_port_mask=ints(0, 15), strategy=st.sampled_from(["laddr", "off"])),
    sa_pool=table(hash_size=ints(1, 128), high=ints(2000, 65535)),
    conn=table(pool_size=ints(1, 2**22), redirect=st.booleans(), fast_xmit=st.booleans(), timer_jitter=st.booleans()),
    tcp=table(toa=st.booleans(), timeout=table(established=ints(1, 999)), synproxy=SYNPROXY),
    udp=table(uoa_max_trail=ints(0, 9), timeout=table(oneway=ints(1, 999), last=ints(1, 9))),
    sctp=table(timeout=table(established=ints(1, 999))),
    ipv6=table(forwarding=st.booleans()),
    behaviour=table(toa_in_syn=st.booleans(), start=st.sampled_from(["spread", "head"])),
    route=st.lists(
        st.sampled_from([{"to": "0.0.0.0/0", "via": "10.0.0.1"}, {"to": "::/0", "mtu": 1400}, {"to": "10.1.0.0/0"}]),
        max_size=2,
        unique_by=str,
    ),
    neighbor=st.lists(V4, max_size=2, unique=True).map(
        lambda a: [{"address": x, "mac": "02:00:00:00:00:01"} for x in a]
    ),
)


@st.composite
def setups(draw: Any) -> Setup:
    """A configuration that loads, with events."""
    edition = draw(st.sampled_from(["1.10", "1.8"]))
    document = {"edition": edition, **draw(DOCUMENT)}
    document["service"] = draw(st.lists(services(edition), max_size=3, unique_by=lambda s: (s["vip"], s["protocol"])))
    names = set()
    for n, service in enumerate(document["service"]):
        if service.get("name", n) in names:
            del service["name"]
        names.add(service.get("name", n))
    text = "\n".join(f"{key} = {inline(value)}" for key, value in document.items())
    setup = load("generated", text=text)
    if not setup.services:
        return setup
    name, real = setup.services[0].name, str(setup.services[0].reals[0])
    events = [
        {"at": 1, "set": f"service.{name}.real.{real}.weight=5"},
        {"at": 1.25, "set": f"service.{name}.real.{real}.max_conn=5"},
        {"at": 2, "set": f"service.{name}.blacklist=[]"},
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


def test_what_dpvs_knows_needs_no_comment() -> None:
    """An ordinary configuration is said by dpvs.conf and the script alone."""
    setup = load(
        None,
        text="""
workers = 4
[[service]]
vip = "10.0.0.100:80"
laddr = ["192.168.0.200"]
blacklist = ["1.1.1.1", "2.0.0.0/8"]
persistent = { timeout = 60 }
mh_port = true
real = [{ address = "192.168.0.2:80", weight = 5, max_conn = 3 }]
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.1"
[[event]]
at = 0.5
set = "service.tcp 10.0.0.100:80.blacklist=['1.1.1.1', '3.3.3.3', '2.0.0.0/8']"
""",
    )
    texts = export(setup)
    assert DIRECTIVE not in texts.script
    assert texts.events == "0.5 ipvsadm -U -t 10.0.0.100:80 -k 3.3.3.3\n"
    assert "ipvsadm -a -t 10.0.0.100:80 -r 192.168.0.2:80 -b -w 5 -x 3\n" in texts.script
    assert "dpip route add default via 10.0.0.1 dev dpdk0\n" in texts.script


@pytest.mark.parametrize(
    "text, message",
    [
        ("workers = 17", "workers: queues from 0 without a gap, at most 16, expected by DPVS, got 0, 1"),
        ("workers = [{ cpu_id = 1, queues = [1] }]", "expected by DPVS, got 1"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """What no DPVS could be given is refused."""
    with pytest.raises(ConfigError) as refused:
        export(load(None, text=text))
    assert message in str(refused.value)


PORTS = """
workers = [{ cpu_id = 1, queues = { dpdk2 = [0], bond0 = [0, 1] } }, { cpu_id = 2, queues = { dpdk2 = [1] } }]
[[device]]
name = "dpdk2"
driver = "mlx5"
mac = "02:00:00:00:00:02"
address = ["10.0.0.1/24", "10.0.0.100/32"]
vlan = [{ id = 7, address = ["10.7.0.1/24"] }]
sapool_address = ["10.0.0.77"]
[[device]]
name = "dpdk0"
rss = "ip"
[[device]]
name = "dpdk1"
[[device]]
name = "bond0"
slaves = ["dpdk0", "dpdk1"]
primary = "dpdk1"
mode = 4
hash = "layer3+4"
address = ["192.168.100.10/24"]
[[service]]
vip = "10.0.0.100:80"
laddr = ["192.168.100.200@bond0", "10.7.0.200@dpdk2.7"]
real = [{ address = "192.168.100.2:80" }]
[[route]]
to = "10.8.0.0/16"
device = "dpdk2.7"
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
device = "dpdk2"
[[neighbor]]
address = "192.168.100.2"
mac = "02:00:00:00:00:99"
device = "bond0"
[[event]]
at = 1
set = "service.tcp 10.0.0.100:80.laddr=['192.168.100.200@bond0']"
"""


def test_ports_and_bonds_come_back() -> None:
    """Devices, slaves, VLANs, queues, and what is on which: the import of the export is the same setup."""
    setup = load("lb.toml", text=PORTS)
    made = export(setup)
    texts = Texts(("dpvs.conf", made.dpvs_conf), (("setup.sh", made.script),), events=("events.txt", made.events))
    found = import_texts(texts)
    again = load("again", text=found.text())
    plain = [s._replace(events=tuple(e._replace(text="") for e in s.events)) for s in (setup, again)]
    assert plain[0] == plain[1] and not found.left_out and not found.warnings
    assert "-F bond0" in made.script and "-F dpdk2.7" in made.script and "mode 4" in made.dpvs_conf
