"""keepalived.conf with DPVS's additions becomes services."""

import pytest

from lbreplay.config.found import Found
from lbreplay.config.imports import Texts, import_texts
from lbreplay.config.ipvsadm import Services
from lbreplay.config.keepalived import endpoint, parse, read
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
    blklst_addr_group_name bad
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


def made(text: str) -> Found:
    """What is read from *text*."""
    services = Services(Found())
    read("keepalived.conf", text, services)
    services.finish()
    return services.found


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


def test_what_is_not_modelled_is_listed() -> None:
    """Checks and global blocks are named with their lines."""
    left = made(CONF).left_out
    assert "keepalived.conf:3: global_defs" in left
    assert any(line.endswith(": TCP_CHECK") for line in left) and any(line.endswith(": delay_loop 3") for line in left)


def test_snat_match() -> None:
    """A virtual server by match."""
    text = "virtual_server match SNAT1 {\n lb_kind SNAT\n protocol UDP\n src-range 10.0.0.1-10.0.0.9\n oif dpdk0\n"
    found = made(text + " real_server 1.1.1.1 0 {\n weight 4\n }\n}\n")
    assert found.document["service"][0]["match"] == "proto=udp,src-range=10.0.0.1-10.0.0.9,oif=dpdk0"
    assert found.document["service"][0]["mode"] == "snat"


@pytest.mark.parametrize(
    "text, message",
    [
        ("virtual_server 1.1.1.1 80 {\n", "keepalived.conf:1: block virtual_server 1.1.1.1 80 is not closed"),
        ("virtual_server 1.1.1.1 80 {\n}\n  }\n", "keepalived.conf:3: column 3: a brace closes nothing"),
        ("global_defs {\n}\n", "virtual_server blocks expected"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """Braces that do not fit, and files that are something else."""
    with pytest.raises(ConfigError) as refused:
        made(text)
    assert message in str(refused.value)


def test_a_missing_group_is_a_warning() -> None:
    """A name that no group has."""
    found = made("virtual_server 1.1.1.1 80 {\n laddr_group_name no\n real_server 2.2.2.2 80 { weight 1 }\n}\n")
    assert any("no local_address_group no" in warning for warning in found.warnings)


def test_braces_may_stand_anywhere() -> None:
    """On the keyword's line, on the next, or all on one."""
    assert parse("k", "a b {\n c\n}")[0].inside[0].words == ["c"]
    assert parse("k", "a b\n{\n c\n}")[0].inside[0].words == ["c"]
    assert parse("k", 'a b { c "d e" }')[0].inside[0].words == ["c", "d e"]
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
