"""The kernel's ipvsadm, sysctl and modprobe become a configuration of profile ipvs: all recorded cases, and by hand."""

from pathlib import Path

import pytest

from lbreplay.config.imports import Files, Texts, import_files, import_texts
from lbreplay.config.load import load
from lbreplay.errors import ConfigError
from lbreplay.model import Persistence, Service, Setup

GOLDEN = Path(__file__).parents[1] / "golden" / "ipvs"
CASES = sorted(path.parent for path in GOLDEN.glob("*/setup.sh"))
SAVE = """-A -t 10.0.0.1:80 -s wlc -p 360 -M 255.255.255.0
-a -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 1
-a -t 10.0.0.1:80 -r 10.0.1.3:80 -g -w 0
"""
LATER = """-A -f 7 -s sh -b sh-port,sh-fallback
-a -f 7 -r 10.0.1.2:0 -i -w 2 --tun-type gue --tun-port 5555 --tun-csum
"""


def saved(text: str, profile: str | None = "ipvs", edition: str | None = None, strict: bool = True) -> Setup:
    """The setup that `ipvsadm -S -n` output makes."""
    return load("import", text=import_texts(Texts(ipvsadm_save=("save", text)), edition, strict, profile).text())


def script(text: str) -> Setup:
    """The setup that shell lines make."""
    return load("import", text=import_texts(Texts(scripts=(("setup.sh", text),)), profile="ipvs", strict=True).text())


def comparable(setup: Setup) -> Setup:
    """Without what the script does not say: names, events, marks, tracking; each real server with its own mode."""

    def plain(service: Service) -> Service:
        full = 32 if service.family == 4 else 128
        mask = (
            Persistence(service.persistent.timeout, service.persistent.netmask or full) if service.persistent else None
        )
        reals = tuple(real._replace(mode=real.mode or service.mode) for real in service.reals)
        return service._replace(name="", persistent=mask, mode="", reals=reals)

    return setup._replace(
        services=tuple(map(plain, setup.services)),
        events=(),
        marks=(),
        ipvs={name: value for name, value in setup.ipvs.items() if name != "tracking"},
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recorded_cases_import_to_their_configuration(case: Path) -> None:
    """setup.sh of a recorded director says what its lb.toml says."""
    found = import_files(Files(scripts=(str(case / "setup.sh"),)), "6.1.192", strict=True)
    assert comparable(load("import", text=found.text())) == comparable(load(str(case / "lb.toml")))


def test_a_saved_table() -> None:
    """Modes stay with their real servers, persistence and its mask with the service."""
    service = saved(SAVE).services[0]
    assert (service.scheduler, service.mode) == ("wlc", "nat")
    assert service.persistent == Persistence(360, 24)
    assert [(str(real), real.mode, real.weight) for real in service.reals] == [
        ("10.0.1.2:80", None, 1),
        ("10.0.1.3:80", "dr", 0),
    ]


def test_later_features_ask_for_a_later_kernel() -> None:
    """Scheduler flags and GUE are of 6.1; without them the design documents' kernel is taken; what is asked stands."""
    setup = saved(LATER, profile=None)
    assert (setup.profile, setup.edition) == ("ipvs", "6.1")
    assert setup.services[0].flags == ("sh-port", "sh-fallback")
    assert setup.services[0].reals[0].tunnel == {"type": "gue", "port": 5555, "checksum": True}
    assert saved(SAVE).edition == "2.6"
    assert saved(SAVE, edition="6.1.192").edition == "6.1.192"


def test_a_table_that_either_may_have_saved() -> None:
    """Only -m and -g: read as DPVS's, and one line says so and how to have it otherwise."""
    found = import_texts(Texts(ipvsadm_save=("save", SAVE)))
    assert len(found.remarks) == 1 and "--profile ipvs" in found.remarks[0]
    assert not import_texts(Texts(ipvsadm_save=("save", SAVE)), profile="dpvs").remarks


def test_what_the_format_leaves_out_is_said() -> None:
    """Thresholds and timeouts are not saved."""
    found = import_texts(Texts(ipvsadm_save=("save", LATER)))
    assert any("-x, -y" in line and "--set" in line for line in found.left_out)


def test_ports_are_the_services_unless_translated() -> None:
    """-g and -i take the service's port whatever -r says; -m only where it says none; a mark none at all."""
    setup = script("""
        ipvsadm -A -t 10.0.0.1:80
        ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.2:8080
        ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.3 -m
        ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.4:8080 -m
        ipvsadm -A -f 3 -s rr
        ipvsadm -a -f 3 -r 10.0.1.2 -m
    """)
    assert [str(real) for real in setup.services[0].reals] == ["10.0.1.2:80", "10.0.1.3:80", "10.0.1.4:8080"]
    assert setup.services[0].mode == "dr"
    assert (setup.services[1].fwmark, str(setup.services[1].reals[0])) == (3, "10.0.1.2:0")


def test_as_an_older_ipvsadm_saves() -> None:
    """ipvsadm 1.26 writes pe and ops without dashes."""
    service = saved("-A -u 10.0.0.1:5060 -s rr -p 60 pe sip ops\n").services[0]
    assert (service.persistence_engine, service.one_packet, service.reals) == ("sip", True, ())


def test_switches_of_the_director() -> None:
    """--set, sysctls of IPVS, modules and the size of the table go to [ipvs], forwarding to the host's."""
    setup = script("""
        modprobe ip_vs conn_tab_bits=14
        modprobe ip_vs_ftp
        sysctl -w net.ipv4.vs.drop_entry=1 net.ipv4.vs.sync_threshold="3 50"
        sysctl -w net/ipv4/ip_forward=0
        ipvsadm --set 10 0 6
        ipvsadm -A -t 10.0.0.1:21 -s rr
    """)
    assert setup.ipvs == {
        "conn_tab_bits": 14,
        "modules": ("ip_vs_ftp",),
        "drop_entry": 1,
        "sync_threshold": "3 50",
        "timeout": {"tcp": 10, "udp": 6},
    }
    assert not setup.ipv4_forwarding


def test_events() -> None:
    """Changes in the middle: a real server of another mode comes, the service goes."""
    texts = Texts(
        ipvsadm_save=("save", SAVE),
        events=("events", "1 ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.9 -i\n2 ipvsadm -D -t 10.0.0.1:80\n"),
    )
    setup = load("import", text=import_texts(texts, profile="ipvs", strict=True).text())
    added, removed = setup.events
    assert (str(added.value), getattr(added.value, "mode", None)) == ("10.0.1.9:80", "tunnel")
    assert removed.action == "remove"


def test_sysctls_as_events() -> None:
    """A switch of the director is turned in the middle; others of the host are refused."""
    line = "5 sysctl -w net.ipv4.vs.expire_nodest_conn=1\n"
    texts = Texts(ipvsadm_save=("save", SAVE), events=("events", line))
    (turned,) = load("import", text=import_texts(texts, profile="ipvs").text()).events
    assert (turned.path, turned.value) == (("ipvs", "expire_nodest_conn"), 1)
    for refused in ("5 sysctl -w net.ipv4.ip_forward=1\n", "5 ip route add default via 10.0.0.1\n"):
        with pytest.raises(ConfigError, match=r"events:1: .*not modelled in the middle of a replay"):
            import_texts(Texts(ipvsadm_save=("save", SAVE), events=("events", refused)), profile="ipvs")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-A -t 10.0.0.1:0 -s rr", "port 0 only with -p"),
        ("-A -t 10.0.0.1:80 -o", "-o only with UDP or a firewall mark"),
        ("-A -f 0 -s rr", "1 to 4294967295 expected, got 0"),
        ("-A -t 10.0.0.1:80 -u 10.0.0.1:80", "one service expected, got 2"),
        ("-A -t 10.0.0.1:80 -j enable", "unknown option -j"),
        ("--set 1 2", "three numbers of seconds expected"),
    ],
)
def test_what_the_kernels_ipvsadm_refuses(line: str, told: str) -> None:
    """A warning that names the line, refused when strict."""
    with pytest.raises(ConfigError, match=told):
        saved(line + "\n")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("-m -g", "one way of forwarding"),
        ("-i --tun-type vxlan", "ipip, gre or gue"),
        ("-i --tun-type gue", "1 to 65535"),
        ("-w 70000", "0 to 65535 expected, got 70000"),
    ],
)
def test_real_servers_it_refuses(options: str, told: str) -> None:
    """The same of real servers."""
    with pytest.raises(ConfigError, match=told):
        saved(f"{SAVE}-a -t 10.0.0.1:80 -r 10.0.1.4 {options}\n")


def test_editions_and_files_of_the_other_balancer() -> None:
    """An edition says whose balancer it is; a dpvs.conf is never the kernel's."""
    with pytest.raises(ConfigError, match=r'edition of profile "ipvs" expected, got 1\.8'):
        saved(SAVE, edition="1.8")
    with pytest.raises(ConfigError, match=r'dpvs\.conf: profile "dpvs" expected'):
        import_texts(Texts(dpvs_conf=("dpvs.conf", "")), profile="ipvs")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ip link set", "a device expected"),
        ("ip link set eth0 mtu x", "68 to 9216 expected, got x"),
        ("ip route add default via 10.0.0.1 mtu lock", "0 to 65535 expected, got lock"),
        ("ip neigh replace 10.0.0.1 lladdr 1 dev eth0", "ip neigh replace 10.0.0.1"),
    ],
)
def test_what_ip_refuses(line: str, told: str) -> None:
    """A warning that says what would be right."""
    with pytest.raises(ConfigError, match=told):
        script(f"{line}\nipvsadm -A -t 10.0.0.1:80\n")


def test_the_directors_port() -> None:
    """`ip` speaks like dpip; what of it changes nothing here is left out."""
    setup = script("""
        ip link set dev eth0 address 02:00:00:00:00:09 mtu 1400 up
        ip addr add 10.0.0.1/24 dev eth0
        ip route add 10.1.0.0/16 via 10.0.0.254 dev eth0 mtu 1000
        ip neigh replace 10.0.0.254 lladdr 02:00:00:00:00:fe dev eth0 nud permanent
        ipvsadm -A -t 10.0.0.100:80
    """)
    assert (setup.device.mtu, setup.device.mac) == (1400, bytes.fromhex("020000000009"))
    assert [str(network) for network in setup.device.address] == ["10.0.0.1/24"]
    assert [(str(route.to), route.mtu) for route in setup.routes] == [("10.1.0.0/16", 1000)]
    assert [neighbor.mac[-1] for neighbor in setup.neighbors] == [0xFE]
