"""virtual_server blocks become services, with keepalived's defaults, and what it only warns of loses none."""

import pytest

from lbreplay.config.found import Found
from lbreplay.config.imports import Texts, import_texts
from lbreplay.config.ipvsadm import Services
from lbreplay.config.keepalived.servers import endpoint, lines, read, spread
from lbreplay.config.keepalived.text import Block
from lbreplay.config.kernel import KernelServices
from lbreplay.config.load import load
from lbreplay.errors import ConfigError

CONF = """
! a comment
global_defs { router_id "x y" }
local_address_group laddr_g1 {
    192.168.0.200-202 dpdk0
    192.168.0.210 dpdk0
}
deny_address_group bad { 172.16.0.1 }
virtual_server_group vips {
    10.0.0.100 80
    10.0.0.101 80   # second
}
virtual_server group vips {
    delay_loop 3
    lb_algo wrr
    lb_kind FNAT
    protocol TCP
    syn_proxy
    expire_quiescent_conn
    persistence_timeout 60
    persistence_granularity 255.255.255.0
    laddr_group_name laddr_g1
    daddr_group_name bad
    real_server 192.168.0.2 8080 {
        weight 5
        uthreshold 100
        TCP_CHECK {
            connect_timeout 3
        }
    }
    real_server 192.168.0.3 8080 {
        weight 1
    }
}
virtual_server 2001:db8::1 53 {
    lvs_sched mh
    lvs_method NAT
    protocol UDP
    ops
    mh-port
    real_server fd00::2 53 { weight 1 }
}
"""


def made(text: str, profile: str = "dpvs") -> Found:
    """What is read from *text*."""
    services = (KernelServices if profile == "ipvs" else Services)(Found())
    read("keepalived.conf", text, services)
    services.finish()
    return services.found


def server(inside: str = "", head: str = "10.0.0.1 80", real: str = "10.0.1.1 8080 {\n}") -> str:
    """One virtual server with its lines, and one real server."""
    return f"virtual_server {head} {{\nprotocol TCP\n{inside}\nreal_server {real}\n}}\n"


def test_virtual_servers() -> None:
    """Groups of addresses, schedulers, methods, lists and thresholds; both families."""
    setup = load(None, text=made(CONF).text())
    assert [service.name for service in setup.services] == [
        "tcp 10.0.0.100:80",
        "tcp 10.0.0.101:80",
        "udp [2001:db8::1]:53",
    ]
    web, _, dns = setup.services
    assert (web.mode, web.scheduler, web.synproxy, web.expire_quiescent) == ("fnat", "wrr", True, True)
    assert [address[-1] for address in web.laddr] == [200, 201, 202, 210]
    assert web.persistent is not None and web.persistent.netmask == 24
    assert web.blacklist.addresses == {bytes([172, 16, 0, 1])}
    assert [(str(real), real.weight, real.max_conn) for real in web.reals] == [
        ("192.168.0.2:8080", 5, 100),
        ("192.168.0.3:8080", 1, 0),
    ]
    assert (dns.mode, dns.scheduler, dns.one_packet, dns.mh_port) == ("nat", "mh", True, True)


def test_what_is_not_modelled_is_listed_once() -> None:
    """Checks and global blocks are named with their first line, however many members a group has."""
    left = made(CONF).left_out
    assert "keepalived.conf:3: global_defs" in left
    assert [line.partition(": ")[2] for line in left if "delay_loop" in line] == ["delay_loop 3"]
    assert [line.partition(": ")[2] for line in left if "TCP_CHECK" in line] == ["TCP_CHECK"]


def test_snat_match() -> None:
    """A virtual server by match."""
    text = "virtual_server match SNAT1 {\n lb_kind SNAT\n protocol UDP\n src-range 10.0.0.1-10.0.0.9\n oif dpdk0\n"
    found = made(text + " real_server 1.1.1.1 0 {\n weight 4\n }\n}\n")
    assert found.document["service"][0]["match"] == "proto=udp,src-range=10.0.0.1-10.0.0.9,oif=dpdk0"
    assert found.document["service"][0]["mode"] == "snat"


DEFAULTS = [  # lines of the virtual server, key of the service, value, what is said
    ("", "mode", "nat", ""),
    ("lb_kind DR", "mode", "dr", ""),
    ("lvs_method TUN", "mode", "tunnel", ""),
    ("lb_kind nat", "mode", "nat", ""),
    ("lb_kind BRIDGE", "mode", "nat", "lb_kind BRIDGE: NAT, DR, TUN expected; keepalived takes NAT"),
    ("", "scheduler", "wlc", ""),
    ("lb_algo sh", "scheduler", "sh", ""),
    (
        "lvs_sched best",
        "scheduler",
        "wlc",
        "lvs_sched best: rr, wrr, lc, wlc, sed, nq, sh, dh, lblc, lblcr, fo, ovf, mh",
    ),
    ("persistence_timeout", "persistent", {"timeout": 360}, ""),
    ("persistence_timeout 50", "persistent", {"timeout": 50}, ""),
    ("persistence_timeout no", "persistent", None, "persistence_timeout no: 1 to 4294967295 expected"),
    ("persistence_granularity 255.255.255.0", "persistent", {"timeout": 360, "netmask": 24}, ""),
    (
        "persistence_timeout 5\npersistence_granularity x",
        "persistent",
        {"timeout": 5},
        "persistence_granularity x: a net",
    ),
    ("ops", "one_packet", None, "ops: one packet scheduling is for UDP; keepalived leaves it out"),
    ("persistence_engine sip", "persistence_engine", None, "persistence_engine sip: a persistence engine is for UDP"),
    ("protocol UDP\nops", "one_packet", True, ""),
    ("protocol UDP\npersistence_timeout\npersistence_engine sip", "persistence_engine", "sip", ""),
    ("protocol SCTP", "protocol", "sctp", ""),
    ("protocol IPX", "protocol", "udp", "protocol IPX: TCP, UDP, SCTP, ICMP, ICMPV6 expected; keepalived takes UDP"),
    ("mh-port\nmh-fallback", "flags", ["mh-port", "mh-fallback"], ""),
]


@pytest.mark.parametrize("inside, key, value, said", DEFAULTS)
def test_defaults_of_the_kernels_keepalived(inside: str, key: str, value: object, said: str) -> None:
    """What is not said, or said wrong, is what keepalived takes; the service is there, and what is wrong is named."""
    found = made(server(inside), "ipvs")
    assert found.document["service"][0].get(key) == value
    assert found.document["service"][0]["real"][0]["address"] == (
        "10.0.1.1:80" if "DR" in inside or "TUN" in inside else "10.0.1.1:8080"
    )
    assert [warning for warning in found.warnings if said in warning] == found.warnings
    assert bool(found.warnings) == bool(said)


def test_no_protocol_is_udp() -> None:
    """The kernel's 0 means UDP, and keepalived says so."""
    found = made("virtual_server 10.0.0.1 53 {\n real_server 10.0.1.1 53 {\n }\n}\n", "ipvs")
    assert found.document["service"][0]["protocol"] == "udp"
    assert found.warnings == ["keepalived.conf:1: virtual_server 10.0.0.1 53: no protocol, which is UDP to keepalived"]


def test_no_port() -> None:
    """It is 0, which needs persistence: keepalived gives it, and a real server has the port of the service."""
    found = made(server(head="10.0.0.1", real="10.0.1.1 {\n}"), "ipvs")
    (service,) = found.document["service"]
    assert (service["vip"], service["persistent"], service["real"][0]["address"]) == (
        "10.0.0.1:0",
        {"timeout": 360},
        "10.0.1.1:0",
    )
    assert found.warnings == [
        "keepalived.conf:1: virtual_server 10.0.0.1: port 0 only with persistence; keepalived takes 360 seconds of it"
    ]
    assert made(server(real="10.0.1.1 {\n}"), "ipvs").document["service"][0]["real"][0]["address"] == "10.0.1.1:80"


@pytest.mark.parametrize(
    "inside, own, weight, warnings",
    [
        ("", "", 1, 0),
        ("weight 7", "", 7, 0),
        ("weight 7", "weight 3", 3, 0),
        ("weight 7", "weight 0", 0, 0),
        ("", "weight 70000", 1, 1),
        ("weight 7", "weight -1", 7, 1),
    ],
)
def test_weight(inside: str, own: str, weight: int, warnings: int) -> None:
    """A real server's own, the virtual server's for all, or 1; a wrong one counts as not said."""
    found = made(server(inside, real=f"10.0.1.1 80 {{\n{own}\n}}"))
    assert found.document["service"][0]["real"][0]["weight"] == weight
    assert len(found.warnings) == warnings


@pytest.mark.parametrize(
    "text, addresses",
    [
        ("10.0.0.3", ["10.0.0.3"]),
        ("10.0.0.3-5", ["10.0.0.3", "10.0.0.4", "10.0.0.5"]),
        ("10.0.0.255-10.0.1.1", ["10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        ("10.0.0.8/30", ["10.0.0.8", "10.0.0.9", "10.0.0.10", "10.0.0.11"]),
        ("2001:db8::9-b", ["2001:db8::9", "2001:db8::a", "2001:db8::b"]),
        ("no-address", ["no-address"]),
    ],
)
def test_ranges(text: str, addresses: list[str]) -> None:
    """All three forms of the manual, both families."""
    assert spread(text, Block([text], "k:1")) == addresses


@pytest.mark.parametrize("text", ["10.0.0.9-3", "10.0.0.0/8"])
def test_ranges_without_sense(text: str) -> None:
    """Backwards, or too wide: refused with the line."""
    with pytest.raises(ConfigError, match=r"k:1: .*: a range of 1 to 16384 addresses expected"):
        spread(text, Block([text, "80"], "k:1"))


def test_a_group_of_everything() -> None:
    """Addresses, ranges, no ports and marks: each a service, with the same real servers."""
    group = "virtual_server_group G {\n10.0.0.1 80\n10.0.0.3-4 81\n10.0.0.9\nfwmark 7\nfwmark 8 inet6\n}\n"
    found = made(group + server("persistence_timeout 9\nquorum 2", head="group G"), "ipvs")
    services = found.document["service"]
    assert [service.get("vip", service.get("fwmark")) for service in services] == [
        "10.0.0.1:80", "10.0.0.3:81", "10.0.0.4:81", "10.0.0.9:0", 7, 8,
    ]  # fmt: skip
    assert all(len(service["real"]) == 1 for service in services)
    assert found.left_out == ["keepalived.conf:11: quorum 2"] and not found.warnings


def test_wrong_addresses_are_named_by_their_line() -> None:
    """Not by a command that nobody wrote; the rest of the file is read."""
    text = server(head="${VIP} 80") + server(real="10.0.1 80 {\n}") + server(head="10.0.0.2 80")
    found = made(text)
    assert found.warnings[0].startswith(
        "keepalived.conf:1: virtual_server ${VIP} 80: ADDRESS:PORT expected, got ${VIP}"
    )
    assert found.warnings[1].startswith("keepalived.conf:10: real_server 10.0.1 80: ADDRESS:PORT expected")
    assert not any("ipvsadm" in warning for warning in found.warnings)
    assert [service["vip"] for service in found.document["service"]] == ["10.0.0.2:80"]


def test_the_same_virtual_server_twice() -> None:
    """The second is refused with its line, and its real servers do not join the first's."""
    found = made(server() + server(real="10.0.1.2 80 {\n}"))
    assert [real["address"] for real in found.document["service"][0]["real"]] == ["10.0.1.1:8080"]
    assert found.warnings == ["keepalived.conf:7: virtual_server 10.0.0.1 80: the service exists"]


def test_what_dpvs_adds() -> None:
    """The words of its releases, for its services alone."""
    inside = (
        "lb_kind FNAT\nlb_algo conhash\nestablish_timeout 60\nsyn_proxy\nlimit_proportion 40\nmh-port\nhash_target sip"
    )
    lists = "laddr_group_name L\ndaddr_group_name D\nwaddr_group_name W\n"
    groups = (
        "local_address_group L { 10.0.2.1 dpdk0 }\ndeny_address_group D { 10.0.9.1-2 }\nallow_address_group W { }\n"
    )
    (service,) = made(groups + server(f"{inside}\n{lists}")).document["service"]
    assert service["mode"] == "fnat" and service["laddr"] == ["10.0.2.1"]
    assert service["blacklist"] == ["10.0.9.1", "10.0.9.2"] and "whitelist" not in service
    assert (service["conn_timeout"], service["synproxy"], service["limit_proportion"], service["mh_port"]) == (
        60, True, 40, True,
    )  # fmt: skip


def test_timeouts_of_the_kernel() -> None:
    """lvs_timeouts sets what ipvsadm --set sets; one that is not said is left as it is."""
    found = made("global_defs {\n lvs_timeouts tcp 90 udp 30\n}\n" + server(), "ipvs")
    assert found.document["ipvs"]["timeout"] == {"tcp": 90, "udp": 30} and not found.left_out


def test_lines() -> None:
    """Everything flattened, for who asks whose balancer it is."""
    assert list(lines("k", "a {\n b { c 1 }\n}\nd\n")) == [("k:1", "a"), ("k:2", "b"), ("k:2", "c 1"), ("k:4", "d")]


@pytest.mark.parametrize("text", ["", "global_defs {\n}\n", "! nothing\n"])
def test_a_file_of_something_else(text: str) -> None:
    """One without virtual servers says so."""
    with pytest.raises(ConfigError, match="virtual_server blocks expected"):
        made(text)


def test_a_file_that_only_includes() -> None:
    """What it includes is not there: that is the reason."""
    with pytest.raises(
        ConfigError, match=r"k: virtual_server blocks expected: .*include conf\.d/\*\.conf: no such file"
    ):
        read("k", "include conf.d/*.conf\n", Services(Found()))


def test_a_missing_group_is_a_warning() -> None:
    """A name that no group has."""
    found = made("virtual_server 1.1.1.1 80 {\n laddr_group_name no\n real_server 2.2.2.2 80 { weight 1 }\n}\n")
    assert any("no local_address_group no" in warning for warning in found.warnings)
    assert made(server(head="group none") + server()).warnings == [
        "keepalived.conf:1: virtual_server group none: no virtual_server_group none"
    ]
    assert endpoint("::1", "80") == "[::1]:80"


KERNEL = """
virtual_server_group marks { fwmark 9 }
virtual_server group marks {
    lvs_sched sh
    lvs_method DR
    sh-port
    sh-fallback
    laddr_group_name none
    real_server 10.0.1.2 80 { lvs_method TUN type gre csum }
}
virtual_server fwmark 3 {
    lb_algo rr
    lb_kind NAT
    ops
    persistence_timeout 60
    persistence_engine sip
    real_server 10.0.1.2 5060 { weight 2 }
}
"""


def test_the_kernels_keepalived() -> None:
    """Marks, scheduler flags, the persistence engine and methods of real servers; groups of DPVS are left out."""
    found = import_texts(Texts(keepalived=("keepalived.conf", KERNEL)), profile="ipvs")
    marked, sip = load("import", text=found.text()).services
    assert (marked.fwmark, marked.mode, marked.flags) == (9, "tunnel", ("sh-port", "sh-fallback"))
    assert marked.reals[0].tunnel == {"type": "gre", "checksum": True}
    assert (sip.fwmark, sip.mode, sip.persistence_engine, sip.one_packet) == (3, "nat", "sip", True)
    assert found.left_out == ["keepalived.conf:8: laddr_group_name none"]
